"""The table of figures: every number that the project promises, measured on this machine."""
