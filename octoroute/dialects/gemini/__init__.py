"""Google's Gemini, for endpoints only."""
