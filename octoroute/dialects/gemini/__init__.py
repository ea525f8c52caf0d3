"""Google's Gemini as an endpoint."""
