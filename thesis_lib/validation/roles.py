"""Roles of pretrained networks in a vocoder, and the metrics that are circular because of them.

A system that is trained with a network, or uses its output, gets good scores from that network
(arXiv:2506.20190). The roles follow from the recipe and from the recipes of its warm start and its teacher, and of
theirs in turn. A network that is a part of an encoder has the encoder's roles, and the encoder has those of its parts.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from thesis_lib.config import TASKS, Config, ConfigError, Recipe, Task
from thesis_lib.config.registries import ENCODERS, LOSSES
from thesis_lib.training import COLD
from thesis_lib.utils.errors import ThesisError
from thesis_lib.validation.columns import WORDS, encoder_of
from thesis_lib.validation.metrics import MetricError
from thesis_lib.vocoder.description import VocoderDescription
from thesis_lib.vocoder.synthesis import RELEASED, UNIVERSAL, Vocoder

EVALUATION = "evaluation"  # no role in the vocoder
CONDITIONS, TRAINS, CONTENT, SELECTS = "conditions", "trains", "gives content to", "selects for"
UNKNOWN = "may have trained"  # a warm start came from a recipe that is not known here
ORDER = (CONDITIONS, CONTENT, TRAINS, SELECTS, UNKNOWN)

RECOGNISER = "whisper-tiny.en"  # content features, content loss, speaking rate, and the recogniser of the word metrics
PITCH_TRACKER = "swift-f0"  # the pitch of the content and of the condition, and the confidence of "periodicity"
PITCH_METRICS = ("periodicity",)
SPEAKER_LOSS, EMOTION_LOSS = "ecapa", "emotion2vec"  # the encoders that have a gradient


class CircularScoring(ThesisError):
    """A number measured by a network that has a role in the vocoder; it cannot be a main result."""


@dataclass(frozen=True)
class Ancestor:
    """A vocoder of a lineage: its configuration and task, and the encoders of its condition."""

    config: Config | None  # None: not known
    task: Task
    encoders: tuple[str, ...]

    @property
    def recipe(self) -> Recipe | None:
        """How it was trained; None where that is not known."""
        return self.config.recipe(self.task) if self.config else None


@dataclass(frozen=True)
class Roles:
    """Network -> its roles in some vocoders; ``unknown`` where a recipe of the lineage is not known."""

    networks: dict[str, frozenset[str]]
    unknown: bool = False

    @classmethod
    def of(cls, config: Config, vocoders: dict[Task, Vocoder]) -> "Roles":
        """The roles of every network in the vocoders of a run."""
        found = cls({})
        for task, vocoder in vocoders.items():
            found |= cls.along(lineage(config, task, vocoder.description))
        return found

    @classmethod
    def along(cls, ancestors: Iterable[Ancestor]) -> "Roles":
        """The roles of every network in some vocoders."""
        found: dict[str, set[str]] = {}
        unknown = False
        for ancestor in ancestors:
            unknown |= ancestor.recipe is None
            for network, role in _roles_in(ancestor):
                found.setdefault(network, set()).add(role)
        return cls({name: frozenset(roles) for name, roles in found.items()}, unknown)

    def of_network(self, name: str) -> str:
        """The roles of one network, in words; EVALUATION where it has none."""
        known = [self.networks[part] for part in (name, *_contained(name)) if part in self.networks]
        roles = {role for part in known for role in part}
        if not known and self.unknown:
            roles = {UNKNOWN}
        return " and ".join(role for role in ORDER if role in roles) or EVALUATION

    def of_metric(self, metric: str, encoders: dict[str, str], recogniser: str = RECOGNISER) -> str:
        """The roles of the network that measures a metric; "" where none does that could have one.

        ``encoders``: column -> encoder's name, ``recogniser``: the one that the word metrics rest on.
        """
        column = encoder_of(metric)
        if column in encoders:
            return self.of_network(encoders[column])
        if column in WORDS:
            return self.of_network(recogniser)
        return self.of_network(PITCH_TRACKER) if column in PITCH_METRICS else ""

    def of_encoders(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table with the column ``role`` beside ``encoder``."""
        return table.assign(role=[self.of_network(encoder) for encoder in table.encoder])

    def __or__(self, other: "Roles") -> "Roles":
        names = [*self.networks, *other.networks]
        none: frozenset[str] = frozenset()
        merged = {name: self.networks.get(name, none) | other.networks.get(name, none) for name in names}
        return Roles(merged, self.unknown or other.unknown)


def lineage(config: Config, task: Task, vocoder: VocoderDescription) -> Iterator[Ancestor]:
    """A run's vocoder, then its warm starts and teachers, and theirs, until an untrained or a published one."""
    yield from _descended(Ancestor(config, task, _encoders(vocoder)))


def named_lineage(source: str, vocoder: VocoderDescription) -> Iterator[Ancestor]:
    """The lineage (``lineage``) of a vocoder that is given by its name or folder."""
    found = _ancestor(source)
    yield from _descended(Ancestor(found.config, found.task, _encoders(vocoder)))


def _descended(first: Ancestor) -> Iterator[Ancestor]:
    yield first
    seen: set[str] = set()
    left = _sources(first.recipe) if first.recipe else []
    while left:
        source = left.pop()
        if source in seen:
            continue
        seen.add(source)
        ancestor = _ancestor(source)
        yield ancestor
        if ancestor.recipe:
            left += _sources(ancestor.recipe)


def _sources(recipe: Recipe) -> list[str]:
    """The vocoders that a recipe starts from; the published one was trained on no network with a metric."""
    named = (recipe.training.warm_start, recipe.training.teacher)
    return [name for name in named if name and name not in (COLD, UNIVERSAL)]


def _ancestor(source: str) -> Ancestor:
    """What is known of a vocoder by its name or folder."""
    folder = RELEASED.get(source, Path(source))
    described = folder / "config.json"
    meta = json.loads(described.read_text()) if described.exists() else {}
    task: Task = meta.get("task", "conversion")
    if source in RELEASED:
        return Ancestor(Config.from_json((folder / "run.json").read_text()), task, _stored_encoders(meta))
    home = folder.parent.parent / "config.json"  # RUN/TASK/vocoder
    config = None
    if folder.parent.name in TASKS and home.exists():
        try:
            config = Config.from_json(home.read_text())
        except ConfigError:
            config = None
    return Ancestor(config, task, _stored_encoders(meta))


def _encoders(vocoder: VocoderDescription) -> tuple[str, ...]:
    """Names of the condition's encoders, without their revisions."""
    return vocoder.speaker_encoder.name, vocoder.emotion_encoder.name


def _stored_encoders(meta: dict) -> tuple[str, ...]:
    """The same of a config.json, which may be missing, or of a generator that is not loaded here."""
    return tuple(meta[kind].split()[0] for kind in ("speaker_encoder", "emotion_encoder") if meta.get(kind))


def _contained(encoder: str) -> tuple[str, ...]:
    """The networks that an encoder contains, as it is registered; none for a network that is no encoder."""
    return tuple(ENCODERS.details(encoder).get("contains", ())) if encoder in ENCODERS else ()


def _roles_in(ancestor: Ancestor) -> Iterator[tuple[str, str]]:
    """(network, role) in one vocoder of a lineage, for the networks within an encoder too."""
    for name, role in _own_roles_in(ancestor):
        yield name, role
        yield from ((part, role) for part in _contained(name))


def _own_roles_in(ancestor: Ancestor) -> Iterator[tuple[str, str]]:
    for name in ancestor.encoders:
        yield name, CONDITIONS
    recipe = ancestor.recipe
    if recipe is None:
        return
    if recipe.content.kind != "mel":
        yield PITCH_TRACKER, CONTENT
    if recipe.content.kind == "phonetic":
        yield RECOGNISER, CONTENT
    losses = recipe.losses
    if losses.content:
        yield RECOGNISER, TRAINS
    speaker, emotion = [*ancestor.encoders, "", ""][:2]
    if losses.speaker or losses.sampled_speaker:
        yield from ((name, TRAINS) for name in {SPEAKER_LOSS, speaker} - {""})
    if losses.emotion or losses.sampled_emotion:
        yield from ((name, TRAINS) for name in {EMOTION_LOSS, emotion} - {""})
    outside = [name for name, weight in (losses.model_extra or {}).items() if weight]
    yield from ((network, TRAINS) for name in outside for network in LOSSES.details(name)["contains"])


def is_circular(role: object) -> bool:
    """Whether the network that measured a number has a role in the vocoder; an empty cell of a file reads as NaN."""
    return isinstance(role, str) and role not in ("", EVALUATION)


def circular(summary: pd.DataFrame) -> set[str]:
    """The metrics that a network with a role in a vocoder measured; tables mark them with a dagger."""
    return {row.metric for row in summary.itertuples() if is_circular(row.role)} if "role" in summary else set()


def headline(summary: pd.DataFrame, system: str, metric: str) -> pd.Series:
    """The row of a summary for one system and metric, to be cited as a main result.

    Raises CircularScoring where the network that measures the metric has a role in the vocoder, MetricError where the
    metric was not measured.
    """
    rows = summary[(summary.system == system) & (summary.metric == metric)]
    if rows.empty:
        raise MetricError(f"{metric} of {system} was not measured")
    row = rows.iloc[0]
    if is_circular(row.role):
        raise CircularScoring(
            f"{metric} is measured by a network that {row.role} the vocoder and cannot be a headline: "
            "use a metric by an evaluation encoder or another recogniser"
        )
    return row
