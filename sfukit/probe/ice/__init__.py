"""Why ICE chose this pair, or none: from what a user has in hand."""
