"""What can be loaded: recognised by asking, one module per protocol."""
