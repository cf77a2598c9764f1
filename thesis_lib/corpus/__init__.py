"""Corpora: readers of CVSS-T, of the bundled pairs and of the user's own ones, and their conversion to one format.

``CORPORA`` has them by ``corpus.name``.
"""

from thesis_lib.config.registries import CORPORA

__all__ = ["CORPORA"]
