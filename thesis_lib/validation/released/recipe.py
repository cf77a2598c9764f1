"""The grid of ``thesis ablate --profile released``: variants of the released recipe, and its corpora.

The full recipe trains on the profile's own corpus (synthetic speech) and the human corpora of ``ablation.human``
together; "synthetic speech only" and "human speech only" leave out one kind.
"""

import json
import shlex
from pathlib import Path
from typing import Any

from thesis_lib.config import Config, ConfigError, GeneratorConfig, MemberConfig
from thesis_lib.corpus.readers import READERS
from thesis_lib.runs.folder import RunError
from thesis_lib.training.released import SCRIPT
from thesis_lib.validation.cells import at_budget

FULL = "full recipe"
EMOTION_CONDITION = "whisper-emotion as condition"
EMOTION = "with emotion loss"
PLANNED = ("with speaker loss", EMOTION, "with temporal loss")  # losses of the first plan
# Variant -> the variant that it is compared with; every other one with the full recipe. eGeMAPS has no gradient, so
# that the emotion loss needs another emotion encoder: it is compared with that encoder without the loss.
CONTROLS = {EMOTION: EMOTION_CONDITION}
SYNTHETIC = "synthetic"  # label of the profile's own corpus
WIDTH_OF_HALF = 0.65  # of the channels: half the parameters (0.52 of the released generator's)
# Seconds of a recording: human corpora have shorter and longer ones than the pairs of a profile.
MIN_SECONDS, MAX_SECONDS = 1.0, 30.0
SUBSETS = {"librispeech": ("train-clean-100", "dev-clean")}  # for training and validation, and the test speakers


def variants_of(base: Config) -> dict[str, dict[str, Any]]:
    """Row of the table -> the settings that differ from ``base``, which ``with_human_speech`` gave."""
    own = [member for member in base.corpus.members if member.title == SYNTHETIC]
    human = [member for member in base.corpus.members if member.title != SYNTHETIC]
    whisper = {"encoders.emotion": "whisper-emotion"}
    table: dict[str, dict[str, Any]] = {
        FULL: {},
        "without speaker sampling": {"conversion.losses.sampled_speaker": 0.0},
        "without content loss": {"conversion.losses.content": 0.0},
        "without adversarial losses": {
            "conversion.losses.adversarial": 0.0,
            "conversion.losses.feature_matching": 0.0,
        },
        "with speaker loss": {"conversion.losses.speaker": 5.0},
        "with temporal loss": {"conversion.losses.temporal": 1.0},
        EMOTION_CONDITION: whisper,
        EMOTION: whisper | {"conversion.losses.emotion": 5.0},
        "MSE for cosine": {"conversion.losses.embedding_distance": "mse"},
        "half the size": {"conversion.generator.channels": _half(base.conversion.generator)},
    }
    if human:
        table |= {
            "synthetic speech only": {"corpus.members": _dumped(own)},
            "human speech only": {"corpus.members": _dumped(human)},
        }
    return table


def _half(generator: GeneratorConfig) -> int:
    """The channels of a generator with half the parameters, a multiple of eight."""
    return max(8, 8 * round(WIDTH_OF_HALF * generator.model_dump()["channels"] / 8))


def _dumped(members: list[MemberConfig]) -> tuple[dict[str, Any], ...]:
    return tuple(member.model_dump() for member in members)


def with_human_speech(config: Config) -> Config:
    """The recipe at the ablation's budget, on the profile's own corpus and the human corpora together.

    Raises ConfigError where the profile's corpus is a combined one already, and RunError, with the command that makes
    or fetches it, where a corpus is missing.
    """
    corpus, settings = config.corpus, config.ablation
    if corpus.name == "combined":
        raise ConfigError("ablation.grid=released combines the corpora itself: name the human ones in ablation.human")
    of_member = {name: getattr(corpus, name) for name in ("name", "root", "utterances", "speed")}
    own = MemberConfig(**of_member, label=SYNTHETIC)
    _require_corpora(own, settings.human)
    members = _dumped([own, *settings.human])
    together = {"name": "combined", "root": None, "utterances": None, "speed": 1.0, "members": members}
    limits = {"min_duration": min(MIN_SECONDS, corpus.min_duration), "max_duration": MAX_SECONDS}
    if corpus.limit is None and not any(member.utterances for member in (own, *settings.human)):
        limits["limit"] = settings.human_limit
    return at_budget(config.override({f"corpus.{key}": value for key, value in (together | limits).items()}))


def _require_corpora(own: MemberConfig, human: tuple[MemberConfig, ...]) -> None:
    if own.name == "cvss-t" and not (own.root and Path(own.root).is_dir()):
        root = Path(own.root or "build/wide/release")
        raise RunError(
            f"the synthetic corpus is missing at {root}: `python {SCRIPT} --out {root.parent}` makes "
            "it in some three hours on two cores, or set corpus.root"
        )
    for member in human:
        if member.name not in READERS:
            known = ", ".join(name for name in READERS)
            raise ConfigError(f"ablation.human: {member.name!r} is no corpus of one language; known: {known}")
        if not (member.root and Path(member.root).is_dir()):
            raise RunError(_missing(member))


def _missing(member: MemberConfig) -> str:
    """The line for a human corpus that is not there: how to fetch it, or to name another."""
    root = member.root or f"corpora/{member.name}"
    others = json.dumps([{"name": "speakers", "root": "FOLDER"}])
    named = f"name recordings of your own by --set {shlex.quote(f'ablation.human={others}')}"
    if member.name == "speakers":
        return f"the human corpus {member.title} is missing at {root}: {named}"
    subsets = " ".join(f"--subset {name}" for name in SUBSETS.get(member.name, ()))
    command = " ".join(filter(None, ["thesis download", member.name, subsets, "--to", shlex.quote(str(root))]))
    return f"the human corpus {member.title} is missing at {root}: `{command}` fetches it, or {named}"
