"""Reading and writing requests: what all dialects share. Pure."""
