"""The trials of the speaker test: target speakers crossed with contents, and all enrolled speakers."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from types import MappingProxyType

import numpy as np

from thesis_lib.audio.files import read_audio
from thesis_lib.audio.pitch import track
from thesis_lib.config import AudioConfig, Config, CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.corpus.split import spread
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.validation.evaluation import Columns, TestSet
from thesis_lib.validation.speaker_test.same_sex import FEMALE, MALE
from thesis_lib.validation.swap import SwapSpeaker, Trial, corpus_speakers, human_speakers
from thesis_lib.validation.swap import trials as swap_trials
from thesis_lib.validation.swap.voices import CENTROID_RECORDINGS, opening
from thesis_lib.vocoder.voice import Voice

OWN_RECORDING = "own recording"  # the content of a natural recording
SEMITONES = 12 / math.log(2)  # in a natural logarithm of F0
# Boundary of the estimated sexes, for recordings without a label. It lies between the mean F0 of men and of women, 132
# and 223 Hz (Peterson & Barney 1952, doi:10.1121/1.1906875, table II). `python -m benchmarks speakers` says how often
# the estimate is wrong.
MAX_MALE_F0_HZ = 165.0


@dataclass(frozen=True)
class SpeakerTrials:
    """Trials, natural speakers (floor, thresholds, enrolment), and the content voices that are enrolled beside them."""

    name: str
    speakers: list[SwapSpeaker]
    contents: list[SwapSpeaker]
    trials: list[Trial]
    audio: AudioConfig
    compared: frozenset[str] = frozenset()  # names of speakers that a choice between systems may have used
    recorded: frozenset[str] = frozenset()  # names of the speakers with a recorded sex, not an estimated one

    @property
    def test_set(self) -> TestSet[Trial]:
        """The trials, with the columns that identify one, and its groups: sexes, and target F0 above the content's."""
        return TestSet(self.trials, self._about, f"speaker test, {self.name}")

    @property
    def targets(self) -> list[SwapSpeaker]:
        """The target speakers, each once."""
        return list({trial.target.name: trial.target for trial in self.trials}.values())

    @property
    def enrolment(self) -> str:
        """The enrolment of all speakers. RunError where it is not of one kind: their scores cannot be compared."""
        kinds = {speaker.enrolment: speaker.name for speaker in self.speakers}
        if len(kinds) > 1:
            named = ", ".join(f"{name}: {kind}" for kind, name in kinds.items())
            raise RunError(f"the speakers' enrolments differ ({named}): give each of them one recording, or several")
        return next(iter(kinds))

    @cached_property
    def _content_f0(self) -> dict[str, float | None]:
        """Content -> its log-F0 median; None where it is not voiced."""
        contents = {trial.content.name: trial.content.content for trial in self.trials}
        return {name: track(wav, self.audio).log_f0_median for name, wav in contents.items()}

    def _about(self, trial: Trial) -> Columns:
        target, content = trial.target.voice.log_f0_median, self._content_f0[trial.content.name]
        semitones = np.nan if target is None or content is None else SEMITONES * (target - content)
        return {
            "target_speaker": trial.target.name,
            "content": trial.content.name,
            "target_sex": trial.target.sex,
            "content_sex": trial.content.sex,
            "semitones": semitones,
        }


def sex_of(speaker: SwapSpeaker, log_f0_median: float | None) -> str:
    """``FEMALE`` or ``MALE``: as recorded, else estimated from the log-F0 median; "" for one that is not voiced."""
    return speaker.sex or estimated_sex(log_f0_median)


def estimated_sex(log_f0_median: float | None) -> str:
    """``FEMALE`` or ``MALE`` by ``MAX_MALE_F0_HZ``; "" for a speaker that is not voiced."""
    if log_f0_median is None:
        return ""
    return MALE if math.exp(log_f0_median) < MAX_MALE_F0_HZ else FEMALE


def with_sex(speaker: SwapSpeaker) -> SwapSpeaker:
    """The speaker with its recorded sex, or else the one that the F0 of its condition suggests (``sex_of``)."""
    return replace(speaker, sex=sex_of(speaker, speaker.voice.log_f0_median))


def human_trials(
    folder: Path,
    config: Config,
    targets: int,
    contents: int,
    compared: frozenset[str] = frozenset(),
    sexes: Mapping[str, str] = MappingProxyType({}),
) -> SpeakerTrials:
    """``targets`` human speakers of a folder crossed with ``contents`` bundled English sentences by the TTS.

    All speakers of the folder are enrolled. ``compared`` are names of speakers that a choice between systems may have
    used: no target is among them, unless the folder has no others. ``sexes``: speaker -> recorded sex; for other
    speakers the sex is estimated from F0.

    Raises RunError and AudioError as ``human_speakers``.
    """
    found = human_speakers(folder, config, count=None)
    speakers = [with_sex(replace(speaker, sex=sexes.get(speaker.name, speaker.sex))) for speaker in found]
    left = unused_speakers(speakers, compared)
    spoken = bundled_contents(config)[:contents]
    chosen = [left[i] for i in spread(len(left), targets)]
    trials = [Trial(content, target, number) for target in chosen for number, content in enumerate(spoken)]
    recorded = frozenset(sexes) & {speaker.name for speaker in speakers}
    return SpeakerTrials("human", speakers, spoken, trials, config.audio, compared, recorded)


def unused_speakers(speakers: Sequence[SwapSpeaker], compared: frozenset[str]) -> list[SwapSpeaker]:
    """The speakers that are not among ``compared``, names of speakers that a choice used; all where there are none."""
    return [speaker for speaker in speakers if speaker.name not in compared] or list(speakers)


def bundled_contents(config: Config) -> list[SwapSpeaker]:
    """The bundled voices of the test split, of both sexes in turn.

    The first English sentence of a voice is the content, the next ``CENTROID_RECORDINGS`` enrol the voice. Its name has
    its sex as the second letter.
    """
    rows = mini.table(CorpusConfig(name="mini"))
    by_sex: dict[str, list[SwapSpeaker]] = {FEMALE: [], MALE: []}
    for voice, part in rows[rows.split == "test"].groupby("voice", sort=False):
        paths = [mini.bundle() / "audio" / f"{id}.en.opus" for id in part.id]
        first, *others = (read_audio(path, config.audio.sample_rate)[0] for path in paths[: 1 + CENTROID_RECORDINGS])
        name, sex = str(voice), str(voice)[1]
        content = opening(first, config)
        by_sex[sex].append(SwapSpeaker(name, "content", part.id.iloc[0], content, Voice(), others, sex=sex))
    return [speaker for pair in zip_longest(*by_sex.values()) for speaker in pair if speaker]


def corpus_trials(run: Run) -> SpeakerTrials:
    """The speaker swap's trials of a run's corpus to speakers of the test split; RunError as ``corpus_speakers``."""
    speakers = [with_sex(speaker) for speaker in corpus_speakers(run)]
    pairs = swap_trials(speakers, run.config.swap.trials)
    unseen = _numbered(trial for trial in pairs if trial.target.kind == "unseen")
    return SpeakerTrials(run.config.corpus.name, speakers, [], unseen, run.config.audio)


def _numbered(trials: Iterable[Trial]) -> list[Trial]:
    """The trials, each numbered among those of its target."""
    count: Counter[str] = Counter()
    found = []
    for trial in trials:
        found.append(Trial(trial.content, trial.target, count[trial.target.name]))
        count[trial.target.name] += 1
    return found
