"""Port-mapping protocols of home routers: the router's own external address."""
