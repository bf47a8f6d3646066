"""The reports of shards in one."""
