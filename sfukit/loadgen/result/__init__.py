"""The structures of the report of a load test."""
