"""The SFU's control plane: rooms, HTTP, WebSocket, access, metrics. Media is the engine's."""
