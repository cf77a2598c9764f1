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
VALUES = {  # key -> old value -> new value
    "resynthesis.training.best_by": {"listening": "conditioning_sensitivity"},
    "conversion.training.best_by": {"listening": "conditioning_sensitivity"},
    "validation.metrics": {"judges": "evaluation"},
    "ablation.metrics": {"judges": "evaluation"},
}
ABLATION_LOSSES = {"swap": "sampled_speaker"}
SMALL_GENERATOR = {"kind": "istft", "channels": 256, "blocks": 6}  # of the weights that were named "default" first
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


def with_small(tree: dict[str, Any]) -> dict[str, Any]:
    """Read "default" as "small" where a configuration's conversion generator has the sizes of the small weights.

    The small weights were named "default" at first. Those that have this name today are larger: they cannot start such
    a generator, so nothing else can be meant. A teacher may have any size and stays.
    """
    recipe = tree.get("conversion")
    if not isinstance(recipe, dict) or not isinstance(training := recipe.get("training"), dict):
        return tree
    generator = recipe.get("generator")
    if not isinstance(generator, dict) or not SMALL_GENERATOR.items() <= generator.items():
        return tree
    found = tree | {"conversion": recipe | {"training": _small_for_default(training)}}
    if isinstance(ablation := tree.get("ablation"), dict):
        found["ablation"] = _small_for_default(ablation)
    return found


def _small_for_default(section: dict[str, Any]) -> dict[str, Any]:
    return section | {"warm_start": "small"} if section.get("warm_start") == "default" else section


def current_log(row: dict[str, Any]) -> dict[str, Any]:
    """A line of a training's log under the names of today."""
    return {LOG.get(name, name): value for name, value in row.items()}


def current_column(name: str) -> str:
    """Return the present name of a column, or of a metric in one, of a result table."""
    for earlier, present in STATISTICS.items():
        name = name.replace(earlier, present)
    return name
