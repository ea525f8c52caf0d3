"""What kind of task a prompt is."""
