"""One attempt at one endpoint: send a request, wait for the first event, read the response."""
