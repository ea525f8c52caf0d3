"""Two vendors of another package: one streams newline-delimited JSON, the other wants a signature on each request."""

from .provider import NdjsonProvider, SigningProvider

__all__ = ["NdjsonProvider", "SigningProvider"]
