"""Compare what is injected into a network with what ``sfukit latency`` and aiortc report."""
