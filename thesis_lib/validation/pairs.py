"""Published pairs: human Spanish recordings, and English recordings of the same utterances by published systems.

A folder holds GROUP_es_src/NAME and, for each published system, GROUP_en_SYSTEM/NAME of the same utterance. Where
there is an English recording in a canonical voice (SYSTEM is ``ref``), our conversion renders it in the Spanish
speaker's voice.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd

from thesis_lib.audio.files import read_audio
from thesis_lib.config import ValidationConfig
from thesis_lib.embeddings.encoders import Encoder, emotion_encoder, speaker_encoder
from thesis_lib.runs.embed import recorded_voice
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.vocoders import load_trained_vocoder
from thesis_lib.utils.files import fingerprint
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation import metrics
from thesis_lib.validation.evaluation import (
    OfRows,
    Scorer,
    System,
    TestSet,
    evaluate,
    mean_of_present,
    save_results,
    summarise_groups,
)
from thesis_lib.validation.metrics import Recording
from thesis_lib.validation.roles import Roles
from thesis_lib.validation.scoring import Scorers, score
from thesis_lib.validation.systems import OURS
from thesis_lib.vocoder.synthesis import Vocoder
from thesis_lib.vocoder.voice import Voice

CANONICAL = "ref"
OTHER_VOICE = "another Spanish speaker"
GUIDANCE = (1.0, 2.0)  # as in training, and as in the speaker swap's stronger system
OUR_SYSTEMS = tuple(f"{OURS['conversion']}, guidance {guidance:g}" for guidance in GUIDANCE)
ABOUT = ("group", "id", "system")
OPINIONS = ("dnsmos", "plcmos", "nisqa")  # metrics

Files = dict[str, Path]  # name of the utterance -> file


def pair_recordings(folder: Path) -> dict[str, dict[str, Files]]:
    """group -> system -> name -> file; the Spanish side is the system "source". RunError where it has none."""
    found: dict[str, dict[str, Files]] = {}
    for source in sorted(Path(folder).glob("*_es_src")):
        group = source.name.removesuffix("_es_src")
        prefix = f"{group}_en_"
        found[group] = {"source": _files(source)}
        found[group] |= {p.name.removeprefix(prefix): _files(p) for p in sorted(Path(folder).glob(f"{prefix}*"))}
    if not any(found[group]["source"] for group in found):
        raise RunError(f"{folder} holds no recordings in folders named GROUP_es_src: name the folder above them")
    return found


def _files(folder: Path) -> Files:
    return {path.stem: path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")}


@dataclass
class PublishedPair:
    """A Spanish recording, the English ones of the same utterance, and what is computed of it once."""

    group: str
    name: str
    files: dict[str, Path]  # system -> English recording; OTHER_VOICE -> another speaker's Spanish
    source: Path
    scorers: Scorers
    encoders: tuple[Encoder, Encoder] = field(repr=False)  # of the condition: speaker, emotion

    @property
    def rate(self) -> int:
        """Sample rate, in Hz."""
        return self.scorers.audio.sample_rate

    def english(self, system: str) -> np.ndarray:
        """(N,) the recording of a system. AudioError where it cannot be used."""
        return read_audio(self.files[system], self.rate)[0]

    @cached_property
    def recording(self) -> Recording:
        """The Spanish recording."""
        return self.scorers.record(read_audio(self.source, self.rate)[0])

    @cached_property
    def vectors(self) -> dict[str, np.ndarray]:
        """Encoder's column -> embedding of the Spanish recording. MetricError where one is missing."""
        return self.scorers.vectors(self.recording)

    @cached_property
    def voice(self) -> Voice:
        """The condition of our conversion, from the Spanish recording."""
        return recorded_voice(self.recording.wav, self.scorers.audio, self.encoders)


def validate_pairs(run: Run, folder: Path, progress: Progress = silent) -> pd.DataFrame:
    """Measure the similarity to the Spanish speaker and the predicted opinion of every English recording.

    One row for each recording: group, id, system, one column for each encoder, dnsmos_ovrl, dnsmos_p808, plcmos. The
    floor is another Spanish speaker of the same group. The summary and what was not measured are tables of their own.
    Raises RunError for a folder with another layout, or without a trained conversion vocoder, and EncoderMismatchError
    where the run's encoders are not those that it was trained with.
    """
    groups, scorers = pair_recordings(folder), Scorers.load(run.config)
    files = {path for systems in groups.values() for own in systems.values() for path in own.values()}
    outside = {str(path): fingerprint(path) for path in sorted(files)}
    vocoder = load_trained_vocoder(run, "conversion")
    pairs = _pairs(run, groups, scorers, vocoder)
    names = dict.fromkeys(name for pair in pairs for name in pair.files)
    systems = [_system(name, name, partial(PublishedPair.english, system=name)) for name in names]
    for name, guidance in zip(OUR_SYSTEMS, GUIDANCE, strict=True):
        systems.append(_system(name, CANONICAL, partial(_converted, vocoder, guidance)))
    test_set = TestSet(pairs, lambda pair: {"group": pair.group, "id": pair.name}, "validate, human pairs")
    results = evaluate(test_set, systems, [Scorer(_score)], progress)
    summary = summarise_pairs(results.table, run.config.validation)
    roles = Roles.of(run.config, {"conversion": vocoder})
    encoders = {column: encoder.name for column, encoder in scorers.encoders.items()}
    summary["role"] = [roles.of_metric(metric, encoders) for metric in summary.metric]
    provenance = run.provenance_of("conversion", weights=scorers.revisions, outside=outside)
    return save_results(run, "pairs", results, ABOUT, summary, provenance)


def _system(name: str, needed: str, render: Callable[[PublishedPair], np.ndarray]) -> System[PublishedPair, np.ndarray]:
    """A system that takes the pairs with English of the system ``needed``."""
    return System(name, render, about={"system": name}, takes=lambda pair: needed in pair.files)


def _converted(vocoder: Vocoder, guidance: float, pair: PublishedPair) -> np.ndarray:
    return vocoder.render(pair.english(CANONICAL), pair.voice, guidance)


def _pairs(run: Run, groups: dict[str, dict[str, Files]], scorers: Scorers, vocoder: Vocoder) -> list[PublishedPair]:
    encoders = speaker_encoder(run.config.encoders), emotion_encoder(run.config.encoders)
    vocoder.description.check_encoders(*encoders)
    found = []
    for group, systems in groups.items():
        names = list(systems["source"])
        for number, name in enumerate(names):
            other = names[(number + 1) % len(names)]
            files = {OTHER_VOICE: systems["source"][other]} if other != name else {}
            files |= {system: own[name] for system, own in systems.items() if system != "source" and name in own}
            found.append(PublishedPair(group, name, files, systems["source"][name], scorers, encoders))
    return found


def _score(pair: PublishedPair, wav: np.ndarray) -> dict[str, float]:
    """Cosines to the Spanish recording, and predicted opinions."""
    scorers, output = pair.scorers, pair.scorers.record(wav)
    given = scorers.vectors(output)
    cosines = {column: metrics.cosine(given[column], pair.vectors[column]) for column in scorers.encoders}
    opinions = [score(name, output, output) for name in OPINIONS if name in scorers.chosen]
    return cosines | {key: value for one in opinions for key, value in one.items()}


def summarise_pairs(table: pd.DataFrame, config: ValidationConfig) -> pd.DataFrame:
    """Summarise each group, system and metric: value, 95 % interval, n, reason.

    Each utterance is of another speaker, and the interval is over utterances.
    A metric is averaged over the utterances that have it; where it has no interval, ``reason`` says why.
    """

    def means(part: pd.DataFrame) -> dict[str, OfRows]:
        return {name: mean_of_present(part[name].to_numpy(float)) for name in part.columns.drop([*ABOUT])}

    return summarise_groups(table, ["group", "system"], means, ["id"], config.resamples, config.seed)
