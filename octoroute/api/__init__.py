"""The edge: ASGI in, the gateway behind it, and every error in the caller's dialect."""
