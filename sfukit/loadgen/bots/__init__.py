"""Participants of the swarm: their media, connections and sessions."""
