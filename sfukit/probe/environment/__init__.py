"""The network environment of this host, read before anything is sent."""
