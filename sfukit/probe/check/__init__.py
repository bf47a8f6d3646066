"""Reachability of an SFU from this host: the failing step, its cause and its fix."""
