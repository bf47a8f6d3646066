"""A host and a port, as users give them."""

from typing import NamedTuple


class Endpoint(NamedTuple):
    """A host, by name or address, and a port, as given by the user."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
