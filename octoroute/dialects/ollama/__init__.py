"""Ollama's API, for clients only."""
