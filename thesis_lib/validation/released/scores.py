"""The test of the released recipe's ablation: human target speakers crossed with bundled sentences, and the scorers.

Speaker scores are those of the speaker test; words are recognised by Whisper base, which has no role in the vocoder.
"""

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np

from thesis_lib.config import Config, CorpusConfig, digest
from thesis_lib.corpus import mini
from thesis_lib.corpus.split import spread
from thesis_lib.embeddings.encoders import evaluation_encoders, revisions, speaker_encoder
from thesis_lib.pretrained.whisper import Whisper
from thesis_lib.runs.folder import Run, RunError, corpus_files
from thesis_lib.utils.files import fingerprint, write_text
from thesis_lib.utils.progress import Progress
from thesis_lib.utils.threads import available_cores
from thesis_lib.validation import metrics
from thesis_lib.validation.evaluation import Columns, Results, Scorer, System, evaluate
from thesis_lib.validation.released.recipe import SYNTHETIC
from thesis_lib.validation.speaker_test import SexScorer, SpeakerTrials, enrol, human_trials
from thesis_lib.validation.speaker_test.trials import bundled_contents, with_sex
from thesis_lib.validation.swap import (
    SwapSystem,
    Trial,
    human_fingerprints,
    recordings_by_speaker,
    speakers_of_split,
)
from thesis_lib.vocoder.content import PHONETIC_VERSION

RECOGNISER = "whisper-base"  # whisper-tiny.en gives content to the vocoder and trains it
WORD_ERRORS, OPINION = f"wer, {RECOGNISER}", "dnsmos_ovrl"
SPEAKER_SCORES = ("normalised_similarity", "identified", "accepted_5")  # each by every encoder
SCORED = ("speaker", "evaluation", "asr", "dnsmos")  # of ``ablation.metrics``
CONTENT_SECONDS = 30.0  # whole sentences, so that all of their words can be recognised
MAX_REPEATED_TOKENS = 4  # on unclear speech Whisper base repeats itself without end otherwise
MAX_ENROLLED = 100  # speakers


class SpeechTest:
    """The trials that every cell is scored on, and the scorers."""

    def __init__(self, data: Run, progress: Progress, outside: dict[str, str] | None) -> None:
        self.data, self.chosen = data, data.config.ablation.metrics
        self._by_encoders: dict[str, SpeakerTrials] = {}
        self.trials = self.trials_of(data)
        self.outside = outside  # of ``outside_of``
        config = data.config.encoders
        self.encoders = [speaker_encoder(config)] if "speaker" in self.chosen else []
        self.encoders += evaluation_encoders(config) if "evaluation" in self.chosen else []
        self._enrolled = enrol(self.trials, self.encoders, progress)
        self._whisper = (
            Whisper(RECOGNISER, threads=1, no_repeat=MAX_REPEATED_TOKENS, workers=available_cores())
            if "asr" in self.chosen
            else None
        )
        self.revisions = revisions(self.encoders)
        if self._whisper:
            self.revisions[RECOGNISER] = self._whisper.revision
        self.speakers = np.array([trial.target.name for trial in self.trials.trials])
        self.contents = np.array([trial.content.name for trial in self.trials.trials])
        self.names = [f"{score}, {encoder.name}" for encoder in self.encoders for score in SPEAKER_SCORES]
        self.names += [WORD_ERRORS] if self._whisper else []
        self.names += [OPINION] if "dnsmos" in self.chosen else []

    def trials_of(self, run: Run) -> SpeakerTrials:
        """The trials with conditions by the encoders of a run; contents and targets are the same for all."""
        key = digest(run.config.encoders)
        if key not in self._by_encoders:
            self._by_encoders[key] = trials_of(run)
        return self._by_encoders[key]

    def results(self, cell: Run, system: SwapSystem, weights: str) -> Results:
        """The scores of a cell's outputs: stored ones of the same weights, corpus and scorers, or measured now."""
        # A cell with other encoders has the whole corpus; one with another corpus has the encoders of all.
        other = cell.config.encoders != self.data.config.encoders
        source = cell if other else self.data
        trials, corpus = self.trials_of(source), [fingerprint(path) for path in corpus_files(source.path)]
        about = [[trial.target.name, trial.target.content_id, trial.content.content_id] for trial in trials.trials]
        outside = [self.outside] if self.outside else []
        key = digest([PHONETIC_VERSION, weights, corpus, about, self.revisions, self.names, *outside])
        path = cell.path / "validation" / f"{key}.json"
        if path.exists():
            stored = json.loads(path.read_text())
            return Results(stored["rows"], stored["missing"])
        rendered: System[Trial, np.ndarray] = System(
            system.stage, lambda trial: system.render(trial.content.content, trial.target.voice)
        )
        results = evaluate(trials.test_set, [rendered], list(self._scorers()), parallel=True)
        write_text(path, json.dumps({"rows": results.rows, "missing": results.missing}, default=float) + "\n")
        return results

    def _scorers(self) -> Iterable[Scorer[Trial, np.ndarray]]:
        for scorer in self._enrolled:
            yield Scorer(partial(_speaker_scores, scorer))
        if whisper := self._whisper:
            texts = mini.table(CorpusConfig(name="mini")).set_index("id").en
            yield Scorer(lambda trial, wav: self._word_errors(whisper, wav, texts[trial.content.content_id]))
        if "dnsmos" in self.chosen:
            yield Scorer(lambda trial, wav: {OPINION: metrics.dnsmos(self._recording(wav))[OPINION]})

    def _recording(self, wav: np.ndarray) -> metrics.Recording:
        audio = self.data.config.audio
        return metrics.Recording(wav, audio.sample_rate, audio)

    def _word_errors(self, whisper: Whisper, wav: np.ndarray, text: str) -> Columns:
        recognised = whisper(self._recording(wav).wideband, metrics.WIDEBAND, language="en").text
        errors, words = metrics.word_errors(recognised, text, "en")
        return {WORD_ERRORS: errors / words}


def _speaker_scores(scorer: SexScorer, trial: Trial, wav: np.ndarray) -> Columns:
    found = scorer.score(wav, trial.target, trial.content)
    found["normalised_similarity"] = metrics.normalised_similarity(found["to_target"], scorer.floor, scorer.ceiling)
    return {f"{score}, {scorer.encoder.name}": float(found[score]) for score in SPEAKER_SCORES}


def outside_of(config: Config) -> dict[str, str] | None:
    """Fingerprints of the human recordings that the test reads from a folder outside the run; None without one.

    With that of ``ablation.compared``, where it is given.
    """
    found, compared = human_fingerprints(config.swap.human, np.iinfo(np.int64).max), config.ablation.compared
    if found is None or not compared or not Path(compared).is_file():
        return found
    return found | {compared: fingerprint(Path(compared))}


def speakers_of_choice(config: Config) -> frozenset[str]:
    """The names in ``ablation.compared``, separated by white space; none without it.

    RunError for a file that is not there, for a name that ``swap.human`` does not have, and where no speaker is left.
    """
    compared, human = config.ablation.compared, config.swap.human
    if not compared:
        return frozenset()
    if not human:
        raise RunError("ablation.compared names speakers of the folder swap.human: set both, or neither")
    if not Path(compared).is_file():
        raise RunError(f"ablation.compared: {compared} is no file: name a text file of speakers, or leave it out")
    names = frozenset(Path(compared).read_text(encoding="utf-8").split())
    known = frozenset(recordings_by_speaker(Path(human)))
    if unknown := sorted(names - known):
        raise RunError(
            f"ablation.compared: {human} has no speaker named {', '.join(unknown)}: correct the names in {compared}"
        )
    if names == known:
        raise RunError(f"ablation.compared: {compared} names every speaker of {human}: no target is left")
    return names


def trials_of(run: Run) -> SpeakerTrials:
    """Human target speakers crossed with bundled sentences.

    RunError for fewer than two targets, and as ``speakers_of_choice``.
    """
    config, settings = run.config.override({"swap.seconds": CONTENT_SECONDS}), run.config.ablation
    compared = speakers_of_choice(config)
    if config.swap.human:
        return human_trials(Path(config.swap.human), config, settings.targets, settings.contents, compared)
    speakers = [
        with_sex(speaker) for speaker in speakers_of_split(run, "unseen", "test", MAX_ENROLLED, but=f"{SYNTHETIC}-")
    ]
    if len(speakers) < 2:
        raise RunError(
            "the ablation needs two speakers of the human corpora's test split with three recordings each: add a "
            "corpus to ablation.human, or name a folder of human recordings by swap.human"
        )
    contents = bundled_contents(config)[: settings.contents]
    targets = [speakers[i] for i in spread(len(speakers), settings.targets)]
    trials = [Trial(content, target, number) for target in targets for number, content in enumerate(contents)]
    return SpeakerTrials("ablation", speakers, contents, trials, config.audio)
