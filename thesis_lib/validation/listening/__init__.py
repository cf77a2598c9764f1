"""Listening tests: build a folder that runs in any browser, and analyse the answers that it saves."""

from thesis_lib.validation.listening.analyse import ListeningError, analyse_answers
from thesis_lib.validation.listening.build import ANCHOR, build_listening_test

__all__ = ["ANCHOR", "ListeningError", "analyse_answers", "build_listening_test"]
