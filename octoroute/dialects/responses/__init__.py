"""OpenAI Responses, stateless: clients speak it to us, no endpoint is asked in it."""
