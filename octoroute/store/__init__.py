"""What outlives a request, and with a database the process: the history of requests, and the responses that clients store."""
