"""Diagnosis: each package answers one question about a network or a server."""
