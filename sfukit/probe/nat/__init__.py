"""NAT and firewall behaviour by RFC 5780, RFC 4787 names: one test a file, then the verdict."""
