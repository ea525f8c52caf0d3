"""HTTP/1.1 on the client's side: one connection, and the exchanges on it."""
