"""The HTTP server: bytes become requests, answers become bytes, errors speak the caller's dialect."""
