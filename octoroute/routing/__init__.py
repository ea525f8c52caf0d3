"""Which tier answers: rules, strategies, and the difficulty score."""
