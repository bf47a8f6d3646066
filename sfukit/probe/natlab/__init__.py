"""NAT kinds built and set against each other."""
