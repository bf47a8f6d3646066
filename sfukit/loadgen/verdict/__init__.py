"""The verdict: gates, saturation, exit code."""
