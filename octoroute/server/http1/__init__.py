"""HTTP/1.1 on the client's side: a connection, its parser and flow control, and the exchanges on it."""
