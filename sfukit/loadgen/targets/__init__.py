"""Targets of a load test, one module per signaling protocol."""
