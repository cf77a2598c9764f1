"""Speaker swap: the same content with another speaker's embedding.

A trial takes an English recording that was not used in training and renders it with the condition of another speaker's
Spanish recording. The target-preference rate is the share of trials with an output that an encoder finds nearer to
the target speaker's centroid than to the content speaker's. The centroids are of English recordings, the condition is
of a Spanish one: nothing is compared with itself.

The target-preference rate is weak evidence: chance is one half, and an output that is far from every speaker passes
where it is a little farther from the content speaker. Rank-1 identification and acceptance (``swap.scorer``) are the
strong statistics.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from thesis_lib.audio.files import write_audio
from thesis_lib.audio.loudness import as_loud_as, limited
from thesis_lib.config import TASKS, Task
from thesis_lib.embeddings.encoders import evaluation_encoders, revisions, speaker_encoder
from thesis_lib.runs.folder import Run
from thesis_lib.runs.vocoders import load_trained_vocoder
from thesis_lib.training import COLD
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation.evaluation import (
    Results,
    Scorer,
    System,
    TestSet,
    evaluate,
    save_results,
    summarise_groups,
)
from thesis_lib.validation.roles import Roles
from thesis_lib.validation.swap.scorer import SpeakerScorer, speaker_statistics
from thesis_lib.validation.swap.voices import SwapSpeaker, corpus_speakers, human_fingerprints, human_speakers
from thesis_lib.vocoder.synthesis import Vocoder
from thesis_lib.vocoder.voice import Voice

SAVED_TRIALS = 1  # of each kind: their audio is kept
GOLDEN_RATIO = (5**0.5 - 1) / 2
STRONG_GUIDANCE = 2.0  # guidance of one of the systems; training's is 1
MIN_TRIALS = 2  # of each system
REDUCED_SHARE, HALF_SHARE = 0.25, 0.5  # of the trials, for systems of less interest
COLUMNS = ("test_set", "task", "stage", "target", "trial", "content_id", "content", "target_speaker", "encoder")


@dataclass(frozen=True)
class SwapSystem:
    """A vocoder at a stage of its training, and how it is used in the swap."""

    task: str
    stage: str
    vocoder: Vocoder
    share: float = 1.0  # of the trials, 0..1
    moves_pitch: bool = True  # to the target speaker's median
    guidance: float = 1.0

    def render(self, content: np.ndarray, voice: Voice) -> np.ndarray:
        """(N,) -> (N,), normalised to the content's loudness and limited to full scale."""
        median = voice.log_f0_median if self.moves_pitch else None
        wav = self.vocoder.render(content, Voice(voice.speaker, voice.emotion, median), self.guidance)
        rate = self.vocoder.sample_rate
        return limited(as_loud_as(wav, content, rate, rate), rate)


@dataclass(frozen=True)
class Trial:
    """Content of one speaker in the voice of another."""

    content: SwapSpeaker
    target: SwapSpeaker
    number: int  # within the kind of target


def swap_test(run: Run, progress: Progress = silent, tasks: tuple[Task, ...] = TASKS) -> pd.DataFrame:
    """Evaluate the speaker swap: one row for each trial, system and encoder; the summary; what was not measured.

    Columns: test_set, task, stage, target (kind), ids, encoder, and those of ``SpeakerScorer.score``. The first
    trials' audio goes to samples/. Raises RunError without a trained vocoder of each task, and EncoderMismatchError
    where one was trained with other encoders than the run's.
    """
    human = run.config.swap.human
    outside = human_fingerprints(human)
    if run.has("swap", outside):
        return run.load_table("swap")
    vocoders = {task: load_trained_vocoder(run, task) for task in tasks}
    systems = [system for task in tasks for system in swap_systems(run, task, vocoders[task])]
    corpus = run.config.corpus.name
    speakers: dict[str, list[SwapSpeaker]] = {"bundled" if corpus == "mini" else corpus: corpus_speakers(run)}
    if human:
        speakers["human"] = human_speakers(Path(human), run.config, vocoders=vocoders.values())
    results = Results()
    for test_set, group in speakers.items():
        results += score_trials(run, test_set, group, systems, progress)
    summary = summarise_swaps(results.table, run.config.swap.seed)
    own = {task: Roles.of(run.config, {task: vocoder}) for task, vocoder in vocoders.items()}
    summary["role"] = [own[row.task].of_network(row.encoder) for row in summary.itertuples()]
    weights = revisions([speaker_encoder(run.config.encoders), *evaluation_encoders(run.config.encoders)])
    provenance = run.provenance_of(*tasks, weights=weights, outside=outside)
    return save_results(run, "swap", results, COLUMNS, summary, provenance)


def speaker_scorers(run: Run, speakers: list[SwapSpeaker]) -> list[SpeakerScorer]:
    """The condition's encoder and the evaluation encoders, each with centroids of the speakers."""
    encoders = [speaker_encoder(run.config.encoders), *evaluation_encoders(run.config.encoders)]
    return [SpeakerScorer(encoder, speakers, run.config.audio.sample_rate) for encoder in encoders]


def trial_scorer(scorer: SpeakerScorer) -> Scorer[Trial, np.ndarray]:
    """A scorer of trials by one encoder."""
    return Scorer(
        lambda trial, wav: scorer.score(wav, trial.target, trial.content), about={"encoder": scorer.encoder.name}
    )


def trial_system(system: SwapSystem, count: int | None = None) -> System[Trial, np.ndarray]:
    """A system that renders trials: its share of ``count`` of them, or every one."""
    limit = max(MIN_TRIALS, system.share * count) if count is not None else np.inf
    return System(
        system.stage,
        lambda trial: system.render(trial.content.content, trial.target.voice),
        about={"task": system.task, "stage": system.stage},
        takes=lambda trial: trial.number < limit,
    )


def trial_test_set(test_set: str, trials: Sequence[Trial], name: str) -> TestSet[Trial]:
    """Trials as a test set, with the columns that identify one."""

    def about(trial: Trial) -> dict[str, object]:
        content, target = trial.content, trial.target
        return {
            "test_set": test_set,
            "target": target.kind,
            "trial": trial.number,
            "content_id": content.content_id,
            "content": content.name,
            "target_speaker": target.name,
        }

    return TestSet(trials, about, name)


def score_trials(
    run: Run, test_set: str, speakers: list[SwapSpeaker], systems: list[SwapSystem], progress: Progress = silent
) -> Results:
    """Evaluate all trials among some speakers; rows as ``swap_test`` has them."""
    count = run.config.swap.trials
    work = trial_test_set(test_set, list(trials(speakers, count)), f"swap, {test_set}")
    scorers = [trial_scorer(scorer) for scorer in speaker_scorers(run, speakers)]

    def keep(trial: Trial, system: System, wav: np.ndarray) -> None:
        if trial.number >= SAVED_TRIALS:
            return
        paths = sample_paths(run, test_set, system.about["task"], system.name, trial.target.kind, trial.number)
        for path, sound in zip(paths.values(), (trial.content.content, trial.target.references[0], wav), strict=True):
            write_audio(path, sound, run.config.audio.sample_rate)

    tested = [trial_system(system, count) for system in systems]
    return evaluate(work, tested, scorers, progress, keep, by_system=True, parallel=True)


def sample_paths(run: Run, test_set: str, task: str, stage: str, target: str, trial: int) -> dict[str, Path]:
    """Paths of content, target speaker and output of one of the first ``SAVED_TRIALS`` trials."""
    common = f"swap_{test_set}_{target}_{trial}"
    names = {"content": "content", "target voice": "voice", "output": f"{task}_{stage}"}
    return {
        what: run.path / "samples" / f"{common}_{name.replace(' ', '-').replace(',', '')}.mp3"
        for what, name in names.items()
    }


def swap_systems(run: Run, task: Task, trained: Vocoder) -> list[SwapSystem]:
    """The task's vocoder before and after training."""
    warm = run.config.recipe(task).training.warm_start
    before = Vocoder.untrained(trained.description) if warm == COLD else Vocoder.from_torch(warm)
    before.to(run.device)
    start = [SwapSystem(task, "before training", before, REDUCED_SHARE)]
    if not trained.converts:
        return [*start, SwapSystem(task, "after training", trained, REDUCED_SHARE)]
    return [
        *start,
        SwapSystem(task, "after training", trained),
        SwapSystem(task, "after training, pitch kept", trained, HALF_SHARE, moves_pitch=False),
        SwapSystem(task, f"after training, guidance {STRONG_GUIDANCE:g}", trained, guidance=STRONG_GUIDANCE),
    ]


def trials(speakers: list[SwapSpeaker], count: int) -> Iterator[Trial]:
    """Yield up to ``count`` trials of each kind of target.

    Every content speaker is unseen and differs from the target. In rounds: each target speaker comes once, with
    another content speaker in every round, until all pairs were visited, so that the trials are spread over as many
    speakers as possible.
    """
    contents = [s for s in speakers if s.kind != "seen"]
    for kind in dict.fromkeys(s.kind for s in speakers):
        targets = [s for s in speakers if s.kind == kind]
        number = 0
        for shift, i in product(range(len(contents)), _mixed(len(targets))):
            # From half a list away: neighbours are alike (same language, same sex).
            content, target = contents[(i + shift + len(contents) // 2) % len(contents)], targets[i]
            if content.name != target.name and number < count:
                yield Trial(content, target, number)
                number += 1


def _mixed(count: int) -> list[int]:
    """All positions of a list, ordered so that the first ones are spread over it (stride by the golden ratio)."""
    stride = next(k for k in range(round(GOLDEN_RATIO * count), 2 * count) if np.gcd(k, count) == 1)
    return [i * stride % count for i in range(count)]


def summarise_swaps(table: pd.DataFrame, seed: int, resamples: int = 1000) -> pd.DataFrame:
    """Summarise each system, kind of target and encoder.

    Statistics: those of ``speaker_statistics``. Columns: the group, statistic, value, low, high (95 %, over target
    speakers and contents, which cross; of a share by ``metrics.share_interval``), n (trials), reason.
    """
    by = ("test_set", "task", "stage", "target", "encoder")
    groups = ("target_speaker", "content")
    return summarise_groups(table, by, speaker_statistics, groups, resamples, seed, label="statistic")
