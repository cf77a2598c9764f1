"""Which settings may change when a run goes on: those that change no result, and more steps of training."""

from typing import TYPE_CHECKING, Any

from thesis_lib.config.recipes import TrainingConfig
from thesis_lib.config.renamed import current_value
from thesis_lib.config.sections import TASKS, EncoderConfig

if TYPE_CHECKING:
    from thesis_lib.config import Config

OPERATIONAL = {f"{task}.training.{name}" for task in TASKS for name in TrainingConfig.OPERATIONAL} | {
    f"encoders.{name}" for name in EncoderConfig.OPERATIONAL
}


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{dotted key: value} of a configuration's tree, with the keys of ``--set``."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        key = f"{prefix}.{name}" if prefix else name
        found |= flat(value, key) if isinstance(value, dict) else {key: value}
    return found


def prolongs(key: str, before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether a setting of two flat trees differs only by more steps, or by the earlier name of its value.

    More steps prolong a training where its schedule does not depend on their number.
    """
    if current_value(key, before[key]) == now[key]:
        return True
    task, _, name = key.partition(".training.")
    schedule = f"{task}.training.schedule"
    return name == "steps" and now[key] >= before[key] and "cosine" not in (before.get(schedule), now.get(schedule))


def conflicts(stored: "Config", given: "Config") -> list[str]:
    """The settings, as "key was x, is y", with which a run of the first configuration cannot go on under the second."""
    before, now = (flat(config.model_dump(mode="json")) for config in (stored, given))
    return [
        f"{key} was {before.get(key)}, is {now.get(key)}"
        for key in before | now
        if before.get(key) != now.get(key)
        and key not in OPERATIONAL
        and not (key in before and key in now and prolongs(key, before, now))
    ]
