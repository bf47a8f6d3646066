"""Targets: detection of the server, credentials, permission to load."""
