"""``sfukit latency``: one publisher and one subscriber through an SFU, measured every second."""
