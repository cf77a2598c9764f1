"""The speaker swap: the same content with another speaker's embedding.

A trial takes an English recording that training never saw and renders it with the condition of another speaker's
Spanish recording. The target-preference rate is the share of trials whose output an encoder finds nearer to the
target's centroid than to the content's own. The centroids are of English recordings, the condition is not: nothing is
compared with itself.

Floor and ceiling are the scorer's own, on the same recordings untouched: the mean cosine of a recording to another
voice's centroid, and to its own voice's centroid without that recording.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from thesis_lib.audio.files import SUFFIXES, AudioError, read_audio, write_audio
from thesis_lib.audio.loudness import as_loud_as, limited
from thesis_lib.audio.pitch import track
from thesis_lib.config import TASKS, Config, Task
from thesis_lib.corpus.manifest import Split, Utterance
from thesis_lib.corpus.split import spread
from thesis_lib.embeddings.encoders import Encoder, embed, emotion_encoder, evaluation_encoders, speaker_encoder
from thesis_lib.runs.embed import embedded, voice_of
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.prepare import prepared
from thesis_lib.training import COLD, train
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation import metrics
from thesis_lib.vocoder.synthesis import Vocoder
from thesis_lib.vocoder.voice import Voice

VOICES = 8  # content voices, and targets of each kind
RECORDINGS = 3  # of a voice, for its centroid
SAMPLES = 1  # trials of each kind whose audio is kept
GOLDEN = (5**0.5 - 1) / 2
STRONGER = 2.0  # guidance of one of the systems; as trained is 1
COLUMNS = ("test_set", "task", "stage", "target", "trial", "content_id", "content", "target_speaker", "encoder")


@dataclass(frozen=True)
class Speaker:
    """One speaker of the test: something to say, a voice to lend, and recordings that say what it sounds like."""

    name: str
    kind: str  # "seen", "unseen" (by training), or "human" (unseen too)
    content_id: str
    content: np.ndarray  # (N,)
    voice: Voice
    references: list[np.ndarray]  # each (N,), not the content


@dataclass(frozen=True)
class System:
    """A vocoder at a stage of its training, and whether it is told the target's pitch."""

    task: str
    stage: str
    vocoder: Vocoder
    share: float = 1.0  # of the trials, 0..1: slow and hopeless systems take fewer
    moves_pitch: bool = True
    guidance: float = 1.0

    def render(self, content: np.ndarray, voice: Voice) -> np.ndarray:
        """(N,) -> (N,), as loud as the content: some voices come out at twice that, and past full scale."""
        level = voice.pitch_level if self.moves_pitch else None
        wav = self.vocoder.render(content, Voice(voice.speaker, voice.emotion, level), self.guidance)
        rate = self.vocoder.sample_rate
        return limited(as_loud_as(wav, content, rate, rate), rate)


class SpeakerScorer:
    """One encoder's view of the speakers: centroids of their references, its floor and its ceiling."""

    def __init__(self, encoder: Encoder, speakers: list[Speaker], rate: int) -> None:
        self.encoder, self.rate = encoder, rate
        self.centroids: dict[str, np.ndarray] = {}
        own: list[float] = []
        other: list[float] = []
        contents = {}
        for speaker in speakers:
            units = [self._unit(wav) for wav in speaker.references]
            self.centroids[speaker.name] = np.mean(units, axis=0)
            contents[speaker.name] = self._unit(speaker.content)
        for name, unit in contents.items():
            for target, centroid in self.centroids.items():
                (own if name == target else other).append(metrics.cosine(unit, centroid))
        self.floor, self.ceiling = float(np.mean(other)), float(np.mean(own))

    def _unit(self, wav: np.ndarray) -> np.ndarray:
        vector = embed(self.encoder, wav, self.rate)
        return vector / np.linalg.norm(vector)

    def score(self, wav: np.ndarray, target: Speaker, content: Speaker) -> dict[str, float]:
        """Cosines to the swapped-in voice and to the content's own."""
        unit = self._unit(wav)
        return {
            "to_target": metrics.cosine(unit, self.centroids[target.name]),
            "to_content": metrics.cosine(unit, self.centroids[content.name]),
            "floor": self.floor,
            "ceiling": self.ceiling,
        }


def swap_test(run: Run, progress: Progress = silent, tasks: tuple[Task, ...] = TASKS) -> pd.DataFrame:
    """One row a trial, system and scorer; also the summary, what could not be scored, and samples.

    Columns: test_set, task, stage, target (kind), ids, scorer, to_target, to_content, floor, ceiling.
    """
    if run.has("swap"):
        return run.load_table("swap")
    systems = [system for task in tasks for system in systems_of(run, task, progress)]
    corpus = run.config.corpus.name
    speakers: dict[str, list[Speaker]] = {"bundled" if corpus == "mini" else corpus: corpus_speakers(run)}
    if run.config.swap.human:
        speakers["human"] = human_speakers(Path(run.config.swap.human), run.config)
    rows, missing = [], []
    for test_set, group in speakers.items():
        measured, unmeasured = score(run, test_set, group, systems, progress)
        rows += measured
        missing += unmeasured
    table = pd.DataFrame(rows)
    run.save_table("swap_not_measured", pd.DataFrame(missing, columns=[*COLUMNS, "reason"]))
    provenance = run.provenance_of(*tasks)
    run.save_table("swap_summary", summarise(table, run.config.swap.seed), provenance)
    run.save_table("swap", table, provenance)
    return table


def score(
    run: Run, test_set: str, speakers: list[Speaker], systems: list[System], progress: Progress = silent
) -> tuple[list[dict], list[dict]]:
    """All trials among some speakers: rows as ``swap_test`` has them, and what could not be scored, with reasons."""
    encoders = [speaker_encoder(run.config.encoders), *evaluation_encoders(run.config.encoders)]
    scorers = [SpeakerScorer(encoder, speakers, run.config.audio.sample_rate) for encoder in encoders]
    count = run.config.swap.trials
    work = [(s, t) for s in systems for t in trials(speakers, count) if t[2] < max(2, s.share * count)]
    rows, missing = [], []
    for system, (content, target, number) in progress(work, len(work), f"swap, {test_set}"):
        wav = system.render(content.content, target.voice)
        kind = (test_set, system.task, system.stage, target.kind, number)
        names = (content.content_id, content.name, target.name)
        for scorer in scorers:
            about = dict(zip(COLUMNS, (*kind, *names, scorer.encoder.name), strict=True))
            try:
                rows.append(about | scorer.score(wav, target, content))
            except (AudioError, metrics.MetricError) as error:  # a silent output, for one
                missing.append(about | {"reason": str(error)})
        if number < SAMPLES:
            recognised = (content.content, target.references[0], wav)
            for path, sound in zip(sample_paths(run, *kind).values(), recognised, strict=True):
                if not path.exists():
                    write_audio(path, sound, run.config.audio.sample_rate)
    return rows, missing


def sample_paths(run: Run, test_set: str, task: str, stage: str, target: str, trial: int) -> dict[str, Path]:
    """Where content, swapped-in voice and output of one of the first ``SAMPLES`` trials are kept."""
    common = f"swap_{test_set}_{target}_{trial}"
    names = {"content": "content", "swapped-in voice": "voice", "output": f"{task}_{stage}"}
    return {
        what: run.path / "samples" / f"{common}_{name.replace(' ', '-').replace(',', '')}.mp3"
        for what, name in names.items()
    }


def systems_of(run: Run, task: Task, progress: Progress) -> list[System]:
    """The task's vocoder before and after training, trained if it has not been."""
    trained = train(run, task, progress)
    warm = run.config.recipe(task).training.warm_start
    before = Vocoder.untrained(trained.meta) if warm == COLD else Vocoder.from_torch(warm)
    start = [System(task, "before training", before, 0.25)]
    if not trained.converts:
        return [*start, System(task, "after training", trained, 0.25)]
    return [
        *start,
        System(task, "after training", trained),
        System(task, "after training, pitch kept", trained, 0.5, moves_pitch=False),
        System(task, f"after training, guidance {STRONGER:g}", trained, guidance=STRONGER),
    ]


def trials(speakers: list[Speaker], count: int) -> Iterator[tuple[Speaker, Speaker, int]]:
    """(content, target, number within the kind): every content voice is unseen and differs from the target.

    In rounds: each target lends its voice once, and to another content voice in every round, until all pairs were
    visited. So any count of trials is spread over as many voices as it can be.
    """
    contents = [s for s in speakers if s.kind != "seen"]
    for kind in dict.fromkeys(s.kind for s in speakers):
        targets = [s for s in speakers if s.kind == kind]
        number = 0
        for shift, i in product(range(len(contents)), _mixed(len(targets))):
            # From half a list away: neighbours are alike (one language, one sex).
            content, target = contents[(i + shift + len(contents) // 2) % len(contents)], targets[i]
            if content.name != target.name and number < count:
                yield content, target, number
                number += 1


def _mixed(count: int) -> list[int]:
    """All positions of a list, in an order whose every beginning is spread over it (a golden stride)."""
    stride = next(k for k in range(round(GOLDEN * count), 2 * count) if np.gcd(k, count) == 1)
    return [i * stride % count for i in range(count)]


def corpus_speakers(run: Run) -> list[Speaker]:
    """Some voices of the training split ("seen") and of the test split ("unseen") with two recordings or more."""
    manifest, embeddings = prepared(run), embedded(run, sides=("source",))
    found = []
    kinds: tuple[tuple[str, Split], ...] = (("unseen", "test"), ("seen", "train"))
    for kind, split in kinds:
        by_speaker: dict[str, list[Utterance]] = {}
        for utterance in manifest.split(split):
            by_speaker.setdefault(utterance.speaker, []).append(utterance)
        names = sorted(name for name, own in by_speaker.items() if len(own) >= 2)
        for name in [names[i] for i in spread(len(names), VOICES)]:
            first, *others = by_speaker[name]
            wavs = [read_audio(manifest.target(u))[0] for u in (first, *others[:RECORDINGS])]
            voice = voice_of(first, manifest, embeddings, run.config.audio)
            found.append(Speaker(name, kind, first.id, opening(wavs[0], run.config), voice, wavs[1:]))
    if len({s.name for s in found if s.kind == "unseen"}) < 2:
        raise RunError("the swap test needs two test speakers with two recordings each: take a larger corpus.limit")
    return found


def human_speakers(folder: Path, config: Config, count: int = 2 * VOICES) -> list[Speaker]:
    """Human recordings, one speaker a file: the first half speaks and lends its voice, the second half is compared.

    ``count`` of them, spread over the folder in the order of their names, or all that there are.

    Raises RunError for a folder with fewer than two recordings; AudioError names a file that cannot be used.
    """
    if not folder.is_dir():
        raise RunError(f"swap.human: {folder} is no folder")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if len(paths) < 2:
        raise RunError(f"swap.human: {folder} holds {len(paths)} recordings, the test needs two or more")
    encoders = speaker_encoder(config.encoders), emotion_encoder(config.encoders)
    found = []
    for path in [paths[i] for i in spread(len(paths), count)]:
        wav, rate = read_audio(path, config.audio.sample_rate)
        first, second = np.array_split(wav, 2)
        speaker, emotion = (embed(encoder, first, rate, path) for encoder in encoders)
        voice = Voice(speaker, emotion, track(first, config.audio).level)
        found.append(Speaker(path.stem, "human", path.stem, opening(first, config), voice, [second]))
    return found


def opening(wav: np.ndarray, config: Config) -> np.ndarray:
    """The first ``swap.seconds`` of a recording."""
    return wav[: int(config.swap.seconds * config.audio.sample_rate)]


def summarise(table: pd.DataFrame, seed: int, resamples: int = 1000) -> pd.DataFrame:
    """For each system, target and scorer: share target_preference, both cosines and the way gone from floor to ceiling.

    Columns: the group, statistic, value, low, high (95 % bootstrap over swapped-in voices), n (trials).
    """
    rows = []
    for group, part in table.groupby(["test_set", "task", "stage", "target", "encoder"], sort=False):
        # Trials with one voice are not independent. Of a single voice all that can be said is about its trials.
        voices = part.target_speaker.to_numpy() if part.target_speaker.nunique() > 1 else None
        gone = (part.to_target - part.floor) / (part.ceiling - part.floor)
        statistics = {"target_preference": part.to_target > part.to_content, "to_target": part.to_target}
        statistics |= {"to_content": part.to_content, "normalised_similarity": gone}
        for name, values in statistics.items():
            numbers = values.to_numpy(float)
            value, low, high = metrics.bootstrap(len(numbers), metrics.mean_of(numbers), resamples, seed, voices)
            about = dict(zip(("test_set", "task", "stage", "target", "encoder"), group, strict=True))
            rows.append(about | {"statistic": name, "value": value, "low": low, "high": high, "n": len(numbers)})
    return pd.DataFrame(rows)
