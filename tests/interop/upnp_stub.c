/* A stub of libgupnp-igd, by which libnice maps ports on a router (UPnP IGD).
 *
 * Debian 12's whip-client links libsoup 2, libgupnp-igd links libsoup 3, and libsoup 3 aborts a
 * process with both. The tests need no port mapping.
 */

unsigned long gupnp_simple_igd_get_type(void) { return 0; }
void *gupnp_simple_igd_thread_new(void) { return 0; }
void gupnp_simple_igd_add_port(void) {}
void gupnp_simple_igd_remove_port_local(void) {}
