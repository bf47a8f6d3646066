"""Both ends by aiortc: another WebRTC implementation, which encodes and decodes."""
