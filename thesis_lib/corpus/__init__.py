"""Corpora: readers of pairs, of corpora of one language and of the user's own recordings; conversion to one format.

``CORPORA`` has them by ``corpus.name``.
"""

from thesis_lib.config.registries import CORPORA

__all__ = ["CORPORA"]
