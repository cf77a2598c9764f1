"""Which settings may change when a run goes on: those that change no result, and a longer training."""

from typing import TYPE_CHECKING, Any

from thesis_lib.config.recipes import TrainingConfig
from thesis_lib.config.registries import CORPORA
from thesis_lib.config.renamed import current_value
from thesis_lib.config.sections import TASKS, CorpusConfig, EncoderConfig

if TYPE_CHECKING:
    from thesis_lib.config import Config

OPERATIONAL = {
    *(f"{task}.training.{name}" for task in TASKS for name in TrainingConfig.OPERATIONAL),
    *(f"encoders.{name}" for name in EncoderConfig.OPERATIONAL),
    *(f"corpus.{name}" for name in CorpusConfig.OPERATIONAL),
}
LIMITS = ("steps", "max_minutes", "patience")  # of a training; higher ones prolong it
BY_ROOT = ("manifest", "speakers")  # corpora of the user's own recordings: another folder may hold other ones


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{dotted key: value} of a configuration's tree, with the keys of ``--set``."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        key = f"{prefix}.{name}" if prefix else name
        found |= flat(value, key) if isinstance(value, dict) else {key: value}
    return found


def is_higher(before: float | None, now: float | None) -> bool:
    """Whether a limit of ``LIMITS`` is higher than before, or None (there is none) where there was one."""
    return before is not None and (now is None or now > before)


def prolongs(key: str, before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether a setting of two flat trees differs only by a higher limit, or by the earlier name of its value.

    More steps prolong a training where its schedule does not depend on their number.
    """
    if current_value(key, before[key]) == now[key]:
        return True
    task, _, name = key.partition(".training.")
    schedule = f"{task}.training.schedule"
    is_other = name == "steps" and "cosine" in (before.get(schedule), now.get(schedule))
    return name in LIMITS and is_higher(before[key], now[key]) and not is_other


def conflicts(stored: "Config", given: "Config") -> list[str]:
    """The settings, as "key was x, is y", with which a run of the first configuration cannot go on under the second."""
    before, now = _of_results(stored), _of_results(given)
    return [
        f"{key} was {before.get(key)}, is {now.get(key)}"
        for key in before | now
        if before.get(key) != now.get(key) and not (key in before and key in now and prolongs(key, before, now))
    ]


def _has_own_recordings(corpus: str) -> bool:
    """Whether another folder of a corpus may hold other recordings; of a corpus from outside that is not known."""
    return corpus in BY_ROOT or corpus not in CORPORA.builtin


def _of_results(config: "Config") -> dict[str, Any]:
    """The settings that results depend on, {dotted key: value}."""
    tree = flat(config.model_dump(mode="json"))
    operational = OPERATIONAL - ({"corpus.root"} if _has_own_recordings(config.corpus.name) else set())
    members = [x if _has_own_recordings(x["name"]) else x | {"root": None} for x in tree["corpus.members"]]
    return {key: value for key, value in tree.items() if key not in operational} | {"corpus.members": members}
