"""The machine of a run: cores, processes, the private server."""
