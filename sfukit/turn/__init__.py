"""TURN servers as users name them: URIs and credentials."""
