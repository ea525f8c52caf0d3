"""The traffic log: every request with its answer as a line of JSON, in files that rotate. Off unless it is configured."""
