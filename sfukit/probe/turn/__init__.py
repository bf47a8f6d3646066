"""Does this TURN server relay, by which transports, how well; and if not, where and why."""
