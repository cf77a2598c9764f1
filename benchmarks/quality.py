"""How good a vocoder is on human speech that nobody trained on: what several benchmarks share.

Needs a folder of human recordings, one speaker a file: THESIS_HUMAN names it. The first half of a recording speaks
and lends its voice, the second says what that voice is like. What was said nobody has written down. So each of two
recognisers is held to what the other one hears in the recording, and the recording has a word error rate too, to
compare with: Whisper tiny.en, whose encoder makes the content and trains, and base, which does neither.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np

from thesis_lib.config import Config
from thesis_lib.pretrained.whisper import Whisper
from thesis_lib.validation import metrics
from thesis_lib.validation.scoring import Scorers, score
from thesis_lib.validation.swap import Speaker, SpeakerScorer, System, human_speakers, trials
from thesis_lib.validation.systems import GROUND_TRUTH
from thesis_lib.validation.systems import System as Renderer

METRICS = ("mel_l1", "mcd", "pesq", "dnsmos", "speaker", "evaluation")
RECOGNISERS = {"wer": "whisper-tiny.en", "wer, base": "whisper-base"}
RESAMPLES = 1000
ROUNDS = 2  # of swaps: in each, every voice is lent once
SPEAKERS, SHORTEST = 48, 3.0  # how many, and seconds of a half below which a recording is passed over
COPIES = ("mel_l1", "mcd", "pesq", "dnsmos_ovrl", "dnsmos_p808")


class Material:
    """Human speakers, and the models that scorer."""

    def __init__(self, emotion: str, quick: bool = False) -> None:
        folder = os.environ.get("THESIS_HUMAN")
        if not folder:
            raise SystemExit("THESIS_HUMAN must name a folder of human recordings, one speaker a file")
        self.rounds = 1 if quick else ROUNDS
        config = Config.from_profile("demo").override({"encoders.emotion": emotion, "validation.metrics": METRICS})
        speakers = human_speakers(Path(folder), config, 4 if quick else SPEAKERS)
        least = SHORTEST * config.audio.sample_rate
        self.speakers = [s for s in speakers if min(len(s.content), len(s.references[0])) >= least]
        self.short = [s.name for s in speakers if s not in self.speakers]
        self.scorers = Scorers.load(config)
        self.scorers = [
            SpeakerScorer(e, self.speakers, config.audio.sample_rate) for e in self.scorers.encoders.values()
        ]
        self._recordings = {s.name: self.scorers.record(s.content) for s in self.speakers}
        # Going round in circles once, base says more words than all speakers together.
        self._recognisers = {name: Whisper(weights, no_repeat=4) for name, weights in RECOGNISERS.items()}
        self._texts = {name: self._heard(recording) for name, recording in self._recordings.items()}
        self._own = {s.name: self._errors(self._texts[s.name], s) for s in self.speakers}

    def _heard(self, recording: metrics.Recording) -> dict[str, str]:
        """What each recogniser hears, by the name of its word error rate."""
        return {
            name: whisper(recording.wideband, metrics.WIDEBAND, language="en").text
            for name, whisper in self._recognisers.items()
        }

    def _errors(self, heard: dict[str, str], speaker: Speaker) -> dict[str, tuple[int, int]]:
        """Errors and words, of each recogniser against what the other heard in the recording."""
        texts = self._texts[speaker.name]
        others = dict(zip(texts, reversed(texts.values()), strict=True))
        return {name: metrics.word_errors(text, others[name], "en") for name, text in heard.items()}

    def resynthesis(self, name: str, render: Callable[[Speaker], np.ndarray]) -> list[dict]:
        """One row a metric: the speakers' own words in their own voices, with 95 % intervals over speakers."""
        values = defaultdict(list)
        for speaker in self.speakers:
            system = Renderer(name, lambda item: item)  # a name is all that the scoring asks of it
            output = self.scorers.record(render(speaker))
            row = score(system, output, self._recordings[speaker.name], "", self.scorers).row
            for metric in COPIES if name != GROUND_TRUTH else COPIES[3:]:
                values[metric].append(row[metric])
            for words, (errors, count) in self._errors(self._heard(output), speaker).items():
                values[words].append((errors, count))
                if name != GROUND_TRUTH:
                    values[f"{words}, above the recording's"].append(
                        (errors - self._own[speaker.name][words][0], count)
                    )
        return _rows({"system": name}, values)

    def conversion(self, system: System) -> list[dict]:
        """One row a metric and scorer: other speakers' words in every voice, with 95 % intervals over the voices."""
        values = defaultdict(list)
        swaps = list(trials(self.speakers, self.rounds * len(self.speakers)))
        for content, target, _ in swaps:
            wav = system.render(content.content, target.voice)
            for scorer in self.scorers:
                found = scorer.score(wav, target, content)
                way = (found["to_target"] - found["floor"]) / (found["ceiling"] - found["floor"])
                values[f"target preference, {scorer.encoder.name}"].append(found["to_target"] > found["to_content"])
                values[f"normalised similarity, {scorer.encoder.name}"].append(way)
            output = self.scorers.record(wav)
            values["dnsmos_ovrl"].append(metrics.dnsmos(output)["dnsmos_ovrl"])
            for words, errors in self._errors(self._heard(output), content).items():
                values[words].append(errors)
        return _rows({"system": system.stage}, values, np.array([target.name for _, target, _ in swaps]))


def _rows(about: dict, values: dict[str, list], groups: np.ndarray | None = None) -> list[dict]:
    rows = []
    for metric, found in values.items():
        numbers = np.array(found, float)
        statistic = partial(_rate if metric.startswith("wer") else _mean, numbers)
        value, low, high = metrics.bootstrap(len(numbers), statistic, RESAMPLES, 0, groups)
        rows.append(about | {"metric": metric, "value": value, "low": low, "high": high, "n": len(numbers)})
    return rows


def _mean(numbers: np.ndarray, chosen: np.ndarray) -> float:
    return float(numbers[chosen].mean())


def _rate(numbers: np.ndarray, chosen: np.ndarray) -> float:
    """Errors of all words, not a mean of rates."""
    errors, words = numbers[chosen].sum(0)
    return float(errors / words)


def table(rows: Iterable[dict]) -> dict[str, dict[str, float]]:
    """system -> metric -> value, to be read at a glance."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        found[row["system"]][row["metric"]] = round(row["value"], 3)
    return dict(found)
