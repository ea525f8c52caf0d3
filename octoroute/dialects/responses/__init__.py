"""OpenAI Responses, for clients only, without stored responses."""
