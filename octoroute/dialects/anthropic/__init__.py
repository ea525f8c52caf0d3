"""Anthropic Messages, both ways."""
