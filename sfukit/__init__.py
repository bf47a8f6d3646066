"""A toolkit for people who run, evaluate and debug WebRTC SFUs."""

__version__ = "0.1.0"
