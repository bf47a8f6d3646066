"""Where this machine stands, before anything is sent: everything else depends on it."""
