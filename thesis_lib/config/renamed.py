"""Earlier names of settings and values, so that old run folders, commands and files keep working.

Keys are dotted; a section's name stands for all keys below it.
"""

from typing import Any

SECTIONS = {"cascade": "cloning"}
KEYS = {
    "encoders.judges": "encoders.evaluation",
    "resynthesis.losses.swap": "resynthesis.losses.sampled_speaker",
    "conversion.losses.swap": "conversion.losses.sampled_speaker",
}
PITCH = {"level": "target_median"}
VALUES = {  # key -> old value -> new value
    "content.pitch": PITCH,
    "resynthesis.content.pitch": PITCH,
    "conversion.content.pitch": PITCH,
    "resynthesis.training.best_by": {"listening": "conditioning_sensitivity"},
    "conversion.training.best_by": {"listening": "conditioning_sensitivity"},
    "validation.metrics": {"judges": "evaluation"},
    "ablation.metrics": {"judges": "evaluation"},
}
# Section and key -> present value -> the one in a digest, so that what was made before still has its digest.
DIGESTED = {("content", "pitch"): {new: old for old, new in PITCH.items()}}
ABLATION_LOSSES = {"swap": "sampled_speaker"}
# Sizes of the generator of the weights that are named "small" today and were named "default" at first.
SMALL_GENERATOR = {"kind": "istft", "channels": 256, "blocks": 6}
WARM_STARTS = ("conversion.training.warm_start", "ablation.warm_start")
STATISTICS = {"f0_level": "f0_median", "f0_spread": "f0_std", "energy_spread": "energy_std"}  # in names of columns
LOG = {"listening": "conditioning_sensitivity", "swap": "sampled_speaker"}  # columns of a training's metrics.jsonl


def current_key(key: str) -> str:
    """Return the present name of a dotted key."""
    section, dot, rest = key.partition(".")
    return KEYS.get(key, SECTIONS.get(section, section) + dot + rest)


def current_value(key: str, value: Any) -> Any:
    """Return a setting's value under its present name."""
    names = VALUES.get(key, {})
    if isinstance(value, list | tuple):
        return type(value)(names.get(item, item) if isinstance(item, str) else item for item in value)
    if key == "ablation.losses" and isinstance(value, dict):
        return {ABLATION_LOSSES.get(name, name): weight for name, weight in value.items()}
    return names.get(value, value) if isinstance(value, str) else value


def current_tree(tree: Any, prefix: str = "") -> Any:
    """Return a configuration's tree, or a section's, under the present names."""
    if not isinstance(tree, dict) or prefix == "ablation.losses.":
        return tree
    found = {}
    for name, node in tree.items():
        key = current_key(prefix + name)
        found[key.removeprefix(prefix)] = current_tree(current_value(key, node), f"{key}.")
    return found


def digested(tree: Any, section: str = "") -> Any:
    """Return a tree with the values that a digest is computed of; a list is searched for trees, not for further lists.

    ``section`` is the name of the tree within a larger one.
    """
    if isinstance(tree, list):
        return [digested(node) if isinstance(node, dict) else node for node in tree]
    if not isinstance(tree, dict):
        return tree
    found = {name: digested(node, name) for name, node in tree.items()}
    for (owner, name), values in DIGESTED.items():
        if owner == section and name in found:
            found[name] = values.get(found[name], found[name])
    return found


def current_log(row: dict[str, Any]) -> dict[str, Any]:
    """A line of a training's log under the names of today."""
    return {LOG.get(name, name): value for name, value in row.items()}


def current_column(name: str) -> str:
    """Return the present name of a column, or of a metric in one, of a result table."""
    for earlier, present in STATISTICS.items():
        name = name.replace(earlier, present)
    return name
