"""Reading and writing responses and errors: what all dialects share. Pure."""
