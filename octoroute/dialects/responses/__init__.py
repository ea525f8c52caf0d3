"""OpenAI Responses, for clients only."""
