"""Infers the task of a request: code, writing, analysis, and so on. Pure."""
