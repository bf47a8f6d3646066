"""STUN over UDP and TCP: messages, transactions, sockets (RFC 8489, RFC 5780)."""
