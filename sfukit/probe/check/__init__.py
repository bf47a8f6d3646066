"""Can I reach this SFU from here, and if not: which step fails, why, and what to do."""
