"""Hole punching between kinds of NAT, simulated or in network namespaces."""
