"""One plan in several processes: its fingerprint, its start, its parts merged."""
