"""Shared halves of reading and writing requests in any wire format. Pure."""
