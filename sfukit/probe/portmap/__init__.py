"""Port-mapping protocols of home routers: what the router says its own outer address is."""
