"""The load generator: plans bots, lets them join an SFU, measures, and judges both sides."""
