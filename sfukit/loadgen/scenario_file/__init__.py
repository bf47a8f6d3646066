"""Scenarios in TOML files (``--scenario FILE.toml``)."""
