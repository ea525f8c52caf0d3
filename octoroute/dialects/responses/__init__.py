"""OpenAI Responses, for clients and endpoints."""
