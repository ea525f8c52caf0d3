"""Decision records: what a decision depended on, small enough to be kept for every request, and enough to make it again."""
