"""The running instance: built from a configuration, reloaded, and stopped as a whole."""
