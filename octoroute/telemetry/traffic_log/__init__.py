"""The traffic log: each request with its answer as a line of JSON, in files that rotate. Off by default."""
