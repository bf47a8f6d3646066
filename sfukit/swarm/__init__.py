"""The native swarm as Python sees it, for whoever needs bots."""
