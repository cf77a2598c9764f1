"""Quality of a vocoder on human speech that it was not trained on; shared by several benchmarks.

Needs a folder of human recordings: THESIS_HUMAN names it, and ``human_speakers`` says what is the content, the
condition and the reference of a speaker's voice. There are no transcripts. So each of two recognisers is compared with
what the other one recognises in the recording, and the recording has a word error rate too, to compare with. The
recognisers are Whisper tiny.en and base; the encoder of tiny.en makes the content and takes part in the training.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np

from benchmarks.human import human_folder
from thesis_lib.config import Config
from thesis_lib.pretrained.whisper import Whisper
from thesis_lib.validation import Results, Scorer, System, TestSet, evaluate, metrics
from thesis_lib.validation.evaluation import interval
from thesis_lib.validation.scoring import Scorers, score
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
MAX_SPEAKERS, QUICK_SPEAKERS = 48, 4
MIN_SECONDS = 3.0  # of half a recording
MAX_REPEATED_TOKENS = 4  # on unclear speech Whisper base repeats itself without end otherwise


class HumanTest:
    """Human speakers, the systems' test set, and the models that score."""

    def __init__(self, emotion: str, quick: bool = False) -> None:
        folder = human_folder()
        self.rounds = 1 if quick else ROUNDS
        config = Config.from_profile("demo").override({"encoders.emotion": emotion, "validation.metrics": ENCODERS})
        speakers = human_speakers(folder, config, QUICK_SPEAKERS if quick else MAX_SPEAKERS)
        least = MIN_SECONDS * config.audio.sample_rate
        self.speakers = [s for s in speakers if min(len(s.content), len(s.references[0])) >= least]
        self.short = [s.name for s in speakers if s not in self.speakers]
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

    def resynthesis(self, name: str, render: Callable[[SwapSpeaker], np.ndarray]) -> list[dict]:
        """One row a metric: the speakers' own content in their own voices, with 95 % intervals over speakers."""
        system = System(name, render)
        shown = PREDICTED if name == GROUND_TRUTH else (*ALIGNED, *PREDICTED)

        def measure(speaker: SwapSpeaker, wav: np.ndarray) -> dict[str, object]:
            output, found = self.models.record(wav), {}
            for metric in shown:
                found |= score(metric, output, self._recordings[speaker.name])
            for rate, (errors, count) in self._errors(self._recognised(output), speaker).items():
                found[rate] = (errors, count)
                if name != GROUND_TRUTH:
                    found[f"{rate}, above the recording's"] = (errors - self._own[speaker.name][rate][0], count)
            return found

        return _rows({"system": name}, evaluate(TestSet(self.speakers), [system], [Scorer(measure)]))

    def conversion(self, system: SwapSystem) -> list[dict]:
        """One row a metric and encoder: other speakers' content in every voice; intervals over targets and contents."""
        swaps = list(trials(self.speakers, self.rounds * len(self.speakers)))
        test_set = TestSet(swaps, lambda trial: {"target_speaker": trial.target.name, "content": trial.content.name})
        found = evaluate(test_set, [trial_system(system)], [Scorer(self._converted)])
        groups = [np.array([row.pop(side) for row in found.rows]) for side in ("target_speaker", "content")]
        for row in found.rows:
            del row["task"], row["stage"]
        return _rows({"system": system.stage}, found, groups)

    def _converted(self, trial: Trial, wav: np.ndarray) -> dict[str, object]:
        """Similarities by every encoder, predicted opinion, and word errors of one swap."""
        row: dict[str, object] = {}
        for scorer in self.scorers:
            found, name = scorer.score(wav, trial.target, trial.content), scorer.encoder.name
            row[f"target preference, {name}"] = found["to_target"] > found["to_content"]
            scale = found["floor"], found["ceiling"]
            row[f"normalised similarity, {name}"] = metrics.normalised_similarity(found["to_target"], *scale)
        output = self.models.record(wav)
        row["dnsmos_ovrl"] = metrics.dnsmos(output)["dnsmos_ovrl"]
        return row | self._errors(self._recognised(output), trial.content)


def _rows(about: dict, results: Results, groups: metrics.Groups = None) -> list[dict]:
    """One row a column of the results, with its mean, or the error rate of its (errors, words)."""
    if results.missing:
        raise SystemExit(f"{len(results.missing)} outputs could not be measured: {results.missing[0]['reason']}")
    rows = []
    for metric in results.rows[0]:
        values = np.array([row[metric] for row in results.rows])
        numbers = values.astype(float)
        statistic: metrics.Statistic = metrics.mean_of(numbers) if numbers.ndim == 1 else _rate(numbers)
        if values.dtype == bool:
            statistic = metrics.Share(values)
        found = interval(len(numbers), statistic, RESAMPLES, 0, groups)
        del found["reason"]
        rows.append(about | {"metric": metric} | found)
    return rows


def _rate(numbers: np.ndarray) -> metrics.Statistic:
    """(n, 2) of errors and words -> errors of all words, not a mean of rates."""

    def rate(chosen: np.ndarray) -> float:
        errors, words = numbers[chosen].sum(0)
        return float(errors / words)

    return rate


def table(rows: Iterable[dict]) -> dict[str, dict[str, float]]:
    """system -> metric -> value, as an overview."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        found[row["system"]][row["metric"]] = round(row["value"], 3)
    return dict(found)
