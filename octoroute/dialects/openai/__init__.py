"""OpenAI Chat Completions, for clients and endpoints; also Completions and Embeddings."""
