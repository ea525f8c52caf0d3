"""Shared halves of reading and writing answers and errors in any wire format. Pure."""
