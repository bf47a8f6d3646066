"""A target as it is typed: what it is, how to get in, whether it may be loaded."""
