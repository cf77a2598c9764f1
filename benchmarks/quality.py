"""Quality of a vocoder on human speech that it was not trained on; shared by several benchmarks.

Needs a folder of human recordings: THESIS_HUMAN names it, and ``human_speakers`` says what is the content, the
condition and the reference of a speaker's voice. No transcript has the words of half a recording. So each of two
recognisers is compared with what the other one recognises in the recording, and the recording has a word error rate
too, to compare with. The recognisers are Whisper tiny.en and base; the encoder of tiny.en makes the content and takes
part in the training.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.human import compared_speakers, human_folder
from benchmarks.json_rows import interval_columns
from benchmarks.together import complete_rows
from thesis_lib.config import Config
from thesis_lib.corpus.split import spread
from thesis_lib.pretrained.whisper import Whisper
from thesis_lib.validation import Results, Scorer, System, TestSet, evaluate, metrics
from thesis_lib.validation.evaluation import Columns
from thesis_lib.validation.metrics.intervals import ErrorRate
from thesis_lib.validation.scoring import Scorers, score
from thesis_lib.validation.speaker_test import unused_speakers
from thesis_lib.validation.swap import (
    SpeakerScorer,
    SwapSpeaker,
    SwapSystem,
    Trial,
    human_speakers,
    trial_system,
    trials,
)
from thesis_lib.validation.systems import GROUND_TRUTH

ALIGNED = ("mel_l1", "mcd", "pesq")  # need the recording as a reference
PREDICTED = ("dnsmos",)
ENCODERS = ("speaker", "evaluation")
RECOGNISERS = {"wer": "whisper-tiny.en", "wer, base": "whisper-base"}
RESAMPLES = 1000
ROUNDS = 2  # of swaps: in each, every speaker is the target once
MAX_SPEAKERS, QUICK_SPEAKERS = 48, 4  # of a choice between systems; of a quick test
MIN_SECONDS = 3.0  # of half a recording
CONVERSION = ("target_speaker", "content")  # the columns that identify a conversion; its intervals are over both
MAX_REPEATED_TOKENS = 4  # on unclear speech Whisper base repeats itself without end otherwise
Summary = tuple[list[Columns], list[Columns]]  # a row each system and score, and what could not be measured


class HumanTest:
    """Human speakers, the systems' test set, and the models that score."""

    def __init__(self, emotion: str, quick: bool = False, for_choice: bool = False) -> None:
        """``for_choice``: the speakers are for a choice; other tests leave out those that a choice used.

        ``used``: names of tested speakers that such a choice may have used. Without ``for_choice`` there are some only
        where the folder has no others.
        """
        folder = human_folder()
        self.rounds = 1 if quick else ROUNDS
        config = Config.from_profile("demo").override({"encoders.emotion": emotion, "validation.metrics": ENCODERS})
        everybody = human_speakers(folder, config, count=None)
        speakers, compared = report_speakers(everybody, for_choice, QUICK_SPEAKERS if quick else len(everybody))
        least = MIN_SECONDS * config.audio.sample_rate
        self.speakers = [s for s in speakers if min(len(s.content), len(s.references[0])) >= least]
        self.short = [s.name for s in speakers if s not in self.speakers]
        self.used = [s.name for s in self.speakers if s.name in compared]
        self.models = Scorers.load(config)
        self.scorers = [
            SpeakerScorer(e, self.speakers, config.audio.sample_rate) for e in self.models.encoders.values()
        ]
        self._recordings = {s.name: self.models.record(s.content) for s in self.speakers}
        self._recognisers = {
            name: Whisper(weights, no_repeat=MAX_REPEATED_TOKENS) for name, weights in RECOGNISERS.items()
        }
        self._texts = {name: self._recognised(recording) for name, recording in self._recordings.items()}
        self._own = {s.name: self._errors(self._texts[s.name], s) for s in self.speakers}

    def _recognised(self, recording: metrics.Recording) -> dict[str, str]:
        """The text of each recogniser, by the name of its word error rate."""
        return {
            name: whisper(recording.wideband, metrics.WIDEBAND, language="en").text
            for name, whisper in self._recognisers.items()
        }

    def _errors(self, recognised: dict[str, str], speaker: SwapSpeaker) -> dict[str, tuple[int, int]]:
        """Errors and words of each recogniser, against the other one's text of the recording."""
        texts = self._texts[speaker.name]
        others = dict(zip(texts, reversed(texts.values()), strict=True))
        return {name: metrics.word_errors(text, others[name], "en") for name, text in recognised.items()}

    def resynthesis(self, renders: Mapping[str, Callable[[SwapSpeaker], np.ndarray]]) -> Summary:
        """Score the outputs of systems for each speaker's own content and voice; intervals over speakers."""
        systems = [System(name, render, about={"system": name}) for name, render in renders.items()]
        scorers = [
            Scorer(self._copied, takes=lambda system: system.name != GROUND_TRUTH),
            Scorer(self._recorded, takes=lambda system: system.name == GROUND_TRUTH),
        ]
        found = evaluate(TestSet(self.speakers, lambda speaker: {"speaker": speaker.name}), systems, scorers)
        return summarise_systems(found, ("speaker",))

    def _recorded(self, speaker: SwapSpeaker, wav: np.ndarray, chosen: Sequence[str] = PREDICTED) -> Columns:
        """The columns of the ``chosen`` metrics, and the word errors of each recogniser."""
        output, found = self.models.record(wav), Columns()
        for metric in chosen:
            found |= score(metric, output, self._recordings[speaker.name])
        return found | self._errors(self._recognised(output), speaker)

    def _copied(self, speaker: SwapSpeaker, wav: np.ndarray) -> Columns:
        """``_recorded`` with the metrics that compare with the recording, and the errors above the recording's own."""
        found = self._recorded(speaker, wav, (*ALIGNED, *PREDICTED))
        for rate, (own, words) in self._own[speaker.name].items():
            found[f"{rate}, above the recording's"] = (found[rate][0] - own, words)
        return found

    def conversion(self, systems: Sequence[SwapSystem]) -> Results:
        """Score other speakers' content in every voice, by every encoder; ``CONVERSION`` identifies an item."""
        swaps = list(trials(self.speakers, self.rounds * len(self.speakers)))
        return self._scored(systems, swaps, self._converted)

    def quality(self, systems: Sequence[SwapSystem], swaps: Sequence[Trial]) -> Results:
        """Score predicted opinion and word errors of some swaps; ``CONVERSION`` identifies an item."""
        return self._scored(systems, swaps, self._quality)

    def _scored(
        self, systems: Sequence[SwapSystem], swaps: Sequence[Trial], score_one: Callable[[Trial, np.ndarray], Columns]
    ) -> Results:
        test_set = TestSet(swaps, lambda t: dict(zip(CONVERSION, (t.target.name, t.content.name), strict=True)))
        named = [replace(trial_system(system), about={"system": system.stage}) for system in systems]
        return evaluate(test_set, named, [Scorer(score_one)])

    def _converted(self, trial: Trial, wav: np.ndarray) -> Columns:
        """Similarities by every encoder, predicted opinion, and word errors of one swap."""
        row = Columns()
        for scorer in self.scorers:
            found, name = scorer.score(wav, trial.target, trial.content), scorer.encoder.name
            row[f"target preference, {name}"] = found["to_target"] > found["to_content"]
            scale = found["floor"], found["ceiling"]
            row[f"normalised similarity, {name}"] = metrics.normalised_similarity(found["to_target"], *scale)
        return row | self._quality(trial, wav)

    def _quality(self, trial: Trial, wav: np.ndarray) -> Columns:
        """Predicted opinion and word errors of one swap."""
        output = self.models.record(wav)
        errors = self._errors(self._recognised(output), trial.content)
        return Columns(dnsmos_ovrl=metrics.dnsmos(output)["dnsmos_ovrl"]) | errors


def report_speakers(
    speakers: Sequence[SwapSpeaker], for_choice: bool, count: int
) -> tuple[list[SwapSpeaker], frozenset[str]]:
    """The speakers of a test, at most ``count``; and the names of those that a choice may have used.

    A choice takes ``MAX_SPEAKERS`` of the folder, a report those that ``compared_speakers`` does not list: after a
    choice on another folder than that of the saved results, add its speakers to the list.
    """
    compared = compared_speakers()
    of_a_choice = [speakers[i] for i in spread(len(speakers), MAX_SPEAKERS)]
    chosen = of_a_choice if for_choice else unused_speakers(speakers, compared)
    return [chosen[i] for i in spread(len(chosen), count)], compared


def summarise_systems(results: Results, groups: Sequence[str]) -> Summary:
    """One row for each system and score: its mean, share, or error rate of its (errors, words), with a 95 % interval.

    The columns ``groups`` identify an item, and the intervals are over them. An item that could not be measured with
    one system is in no row.
    """
    kept, rows = complete_rows(results, groups), []
    for system in dict.fromkeys(row["system"] for row in kept):
        own = [row for row in kept if row["system"] == system]
        sides = [np.array([row[side] for row in own]) for side in groups]
        for metric in (column for column in own[0] if column not in ("system", *groups)):
            values = np.array([row[metric] for row in own])
            numbers = values.astype(float)
            statistic: metrics.Statistic = metrics.mean_of(numbers) if numbers.ndim == 1 else error_rate(numbers)
            if values.dtype == bool:
                statistic = metrics.Share(values)
            found = interval_columns(len(own), statistic, RESAMPLES, sides)
            rows.append({"system": system, "metric": metric, **found, "n": len(own)})
    return rows, results.missing


def differences_of_systems(
    rows: Sequence[Columns], groups: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> list[Columns]:
    """A row for each of the ``pairs`` and each score of both: the first system minus the second, with its interval.

    The difference is of means, shares or error rates, on the items that both systems have rows of. The columns
    ``groups`` identify an item, and the intervals are over them. A pair with a system without rows has none.
    """
    by_system: dict[str, dict[tuple, Columns]] = {}
    for row in rows:
        by_system.setdefault(row["system"], {})[tuple(row[side] for side in groups)] = row
    found = []
    for name, against in pairs:
        own, base = (by_system.get(system, {}) for system in (name, against))
        both = [item for item in own if item in base]
        sides = [np.array([item[i] for item in both]) for i in range(len(groups))]
        compared = [x[item] for x in (own, base) for item in both]
        shared = [column for column in (compared[0] if both else ()) if all(column in row for row in compared)]
        for metric in (column for column in shared if column not in ("system", *groups)):
            values, others = (np.array([x[item][metric] for item in both]) for x in (own, base))
            interval = interval_columns(len(both), _difference(values, others), RESAMPLES, sides, "difference")
            found.append({"system": name, "against": against, "metric": metric, **interval, "n": len(both)})
    return found


def _difference(own: np.ndarray, base: np.ndarray) -> metrics.Statistic:
    """The statistic of (n,) values, or of (n, 2) errors and words, minus that of the reference's."""
    if own.dtype == bool:
        return metrics.ShareDifference(own, base)
    first, second = (metrics.mean_of(x) if x.ndim == 1 else error_rate(x) for x in (own, base))
    return lambda chosen: first(chosen) - second(chosen)


def error_rate(numbers: np.ndarray) -> metrics.Statistic:
    """(n, 2) of errors and words -> errors of all words, not a mean of rates; below 0 only where errors are."""

    def rate(chosen: np.ndarray) -> float:
        errors, words = numbers[chosen].sum(0)
        return float(errors / words)

    return ErrorRate(rate, scale=1) if (numbers[:, 0] >= 0).all() else rate


def overview(rows: Iterable[dict]) -> dict[str, dict[str, float | None]]:
    """system -> metric -> rounded value, None where there is none."""
    found: dict[str, dict[str, float | None]] = defaultdict(dict)
    for row in rows:
        found[row["system"]][row["metric"]] = None if row["value"] is None else round(row["value"], 3)
    return dict(found)
