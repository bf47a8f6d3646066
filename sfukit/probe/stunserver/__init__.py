"""A STUN server with NAT behaviour discovery on two addresses (RFC 8489, RFC 5780)."""
