"""Anthropic Messages, for clients and endpoints."""
