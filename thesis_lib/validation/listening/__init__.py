"""A listening test that people can run: a folder to open in a browser, and the analysis of what it saves."""

from thesis_lib.validation.listening.analyse import ListeningError, analyse
from thesis_lib.validation.listening.build import ANCHOR, build

__all__ = ["ANCHOR", "ListeningError", "analyse", "build"]
