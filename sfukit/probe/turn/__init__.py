"""Test of a TURN server: whether it relays, over which transports, how well, or why not."""
