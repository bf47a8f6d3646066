"""The native swarm as Python sees it: the bots of ``loadtest`` and ``check``."""
