"""Both ends of a measurement by aiortc: another WebRTC implementation, which encodes and decodes."""
