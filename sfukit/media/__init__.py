"""Generated test video and audio: what is drawn, how it is encoded, and the clips that ship.

`catalog` and `ivf` need nothing but Python. `draw`, `barcode`, `sound`, `encode` and `decode` need
numpy and PyAV, the extra `media`.
"""
