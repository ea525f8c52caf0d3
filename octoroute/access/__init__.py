"""Access control: who sends a request, and what it may ask for. Keys, roles, tokens, restrictions, and the audit log."""
