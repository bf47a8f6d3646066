/* Stands in for libgupnp-igd, which libnice asks to open ports on a home router.
 *
 * Debian 12's whip-client links libsoup 2, the real library libsoup 3, and libsoup 3 ends a process
 * that holds both. Nothing here wants a router's ports: without the library the rest of GStreamer
 * runs as Debian ships it.
 */

unsigned long gupnp_simple_igd_get_type(void) { return 0; }
void *gupnp_simple_igd_thread_new(void) { return 0; }
void gupnp_simple_igd_add_port(void) {}
void gupnp_simple_igd_remove_port_local(void) {}
