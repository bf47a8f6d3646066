"""The test cases of RFC 8867 sections 5.1 to 5.8 for congestion control (``--rfc8867 5.1``).

A flow is what the SFU sends to one subscriber: the SFU adapts it by its selection of encodings.
"""
