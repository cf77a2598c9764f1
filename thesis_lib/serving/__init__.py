"""The dubbing page: one recording in a browser, from the file to English speech, on this machine only."""

from thesis_lib.serving.server import Limits, ServingError, serve

__all__ = ["Limits", "ServingError", "serve"]
