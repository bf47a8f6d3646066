"""Why ICE selected a candidate pair, or none, from SDP, statistics or logs of a user."""
