"""Diagnostics: what kind of network is this, what works through it, which step fails, and why."""
