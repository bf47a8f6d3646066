"""A laboratory of NATs: a seeded model, and the same kinds in network namespaces."""
