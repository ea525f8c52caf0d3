class Impossible(Exception):
    """A scenario needs what this machine does not have, or does not allow; its text says what."""
