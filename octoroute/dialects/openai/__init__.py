"""OpenAI Chat Completions, both ways."""
