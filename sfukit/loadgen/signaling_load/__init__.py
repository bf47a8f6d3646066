"""Signaling load: many WebSockets, requests at a constant rate, no media."""
