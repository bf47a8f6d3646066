"""Messages and rules of signalling, without sockets: SDP, WHIP, JSON-RPC, tokens."""
