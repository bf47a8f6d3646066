"""Generated test video and audio: the drawn scene, its encoding, and the packaged clips.

`catalog` and `ivf` need Python alone. `draw`, `barcode`, `audio`, `encode` and `decode` need numpy
and PyAV, the extra `media`.
"""
