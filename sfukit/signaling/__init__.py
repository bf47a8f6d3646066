"""Messages and rules of signaling, without sockets: SDP, WHIP, JSON-RPC, tokens."""
