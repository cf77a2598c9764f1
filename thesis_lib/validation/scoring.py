"""Score one utterance of one system by every metric, over features that are computed once."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from thesis_lib import pretrained
from thesis_lib.config import AudioConfig, Config
from thesis_lib.config.registries import METRICS
from thesis_lib.embeddings.encoders import (
    Encoder,
    embed,
    emotion_encoder,
    evaluation_encoders,
    speaker_encoder,
)
from thesis_lib.pretrained.whisper import Whisper
from thesis_lib.utils.parallel import a_core_each
from thesis_lib.validation import metrics
from thesis_lib.validation.evaluation import UNMEASURABLE, System
from thesis_lib.validation.measurements import SOURCE
from thesis_lib.validation.metrics import Recording
from thesis_lib.validation.metrics.nisqa import WEIGHT as NISQA
from thesis_lib.validation.systems import GROUND_TRUTH

SCALARS = {
    "mel_l1": metrics.mel_l1,
    "stft": metrics.multi_resolution_stft,
    "mcd": metrics.mcd,
    "mcd_dtw": metrics.mcd_dtw,
    "pesq": metrics.pesq,
    "stoi": metrics.stoi,
}
PREDICTORS = {"dnsmos": metrics.dnsmos, "plcmos": metrics.plcmos, "nisqa": metrics.nisqa}


def _by_comparison(name: str) -> Callable[[Recording, Recording], float]:
    """The metric of ``SCALARS`` with that name, as the registry has metrics."""

    def measure(output: Recording, reference: Recording) -> float:
        return SCALARS[name](output, reference)

    return measure


def _by_prediction(name: str) -> Callable[[Recording, Recording], dict]:
    """The metric of ``PREDICTORS`` with that name, which needs no reference, as the registry has metrics."""

    def measure(output: Recording, reference: Recording) -> dict:
        return PREDICTORS[name](output)

    return measure


for _name in SCALARS:
    METRICS.register(_name)(_by_comparison(_name))
for _name in PREDICTORS:
    METRICS.register(_name)(_by_prediction(_name))
METRICS.register("pitch")(metrics.pitch_errors)


@dataclass(frozen=True)
class Scorers:
    """The models that the chosen metrics need, loaded once."""

    audio: AudioConfig
    chosen: tuple[str, ...]
    whisper: Whisper | None
    encoders: dict[str, Encoder]  # column -> encoder of the speaker
    style: Encoder | None
    absent: dict[str, str]  # metric -> why it is not available

    @classmethod
    def load(cls, config: Config) -> "Scorers":
        """Load the models. Raises ModelError or EncoderError where weights are not available."""
        wanted, absent = config.validation.metrics, {}
        if "nisqa" in wanted and not pretrained.is_cached(NISQA):
            # Never fetched automatically: the user has to accept its licence.
            weight = pretrained.get(NISQA)
            absent["nisqa"] = f"its weights ({weight.licence}) are not cached: run `thesis models fetch {NISQA}`"
            wanted = tuple(metric for metric in wanted if metric != "nisqa")
        encoders = {"speaker": speaker_encoder(config.encoders)} if "speaker" in wanted else {}
        if "evaluation" in wanted:
            encoders |= {encoder.name: encoder for encoder in evaluation_encoders(config.encoders)}
        return cls(
            config.audio,
            wanted,
            # One thread a call: two take half as much processor time again, for hardly less time.
            Whisper("whisper-tiny.en", threads=1, workers=os.cpu_count() or 1) if "asr" in wanted else None,
            encoders,
            emotion_encoder(config.encoders) if "style" in wanted else None,
            absent,
        )

    @cached_property
    def revisions(self) -> dict[str, str]:
        """Model -> revision, for a table's provenance."""
        every: list[Encoder | Whisper] = [*self.encoders.values()]
        every += [model for model in (self.style, self.whisper) if model]
        return {model.name: model.revision for model in every}

    def record(self, wav: np.ndarray) -> Recording:
        """(N,) at the project's rate."""
        return Recording(wav, self.audio.sample_rate, self.audio)

    def vectors(self, recording: Recording) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Embeddings of a recording by column, and the reason for each missing one."""
        found, reasons = {}, {}
        for name, encoder in (self.encoders | ({"style": self.style} if self.style else {})).items():
            try:
                found[name] = embed(encoder, recording.wideband, metrics.WIDEBAND)
            except UNMEASURABLE as error:
                reasons[name] = str(error)
        return found, reasons


def all_vectors(recording: Recording, scorers: Scorers) -> dict[str, np.ndarray]:
    """Encoder's column -> embedding of a recording. MetricError with the reasons where one is missing."""
    found, reasons = scorers.vectors(recording)
    if reasons:
        raise metrics.MetricError("; ".join(f"{name}: {why}" for name, why in reasons.items()))
    return found


@dataclass(frozen=True)
class Scores:
    """Numbers and embeddings of one output, and the reason for each missing one."""

    row: dict[str, object]
    vectors: dict[str, np.ndarray]
    reasons: dict[str, str]


def score_all(
    systems: dict[str, System],
    outputs: dict[str, Recording],
    reference: Recording,
    source: Recording,
    text: str,
    scorers: Scorers,
) -> dict[str, Scores]:
    """Score the source and all outputs of one utterance, a core each; shared features are computed once."""

    def one(name: str) -> Scores:
        if name == SOURCE:
            return score_source(source, scorers)
        return score(systems[name], outputs[name], reference, text, scorers)

    names = [SOURCE, *outputs]
    return dict(zip(names, a_core_each(one, names), strict=True))


def score_source(source: Recording, scorers: Scorers) -> Scores:
    """Embeddings and prosody of the source, which outputs are compared with."""
    vectors, reasons = scorers.vectors(source)
    row, unmeasured = prosody(source, scorers, "source")
    return Scores(row, vectors, reasons | unmeasured)


def score(system: System, output: Recording, reference: Recording, text: str, scorers: Scorers) -> Scores:
    """Score one output. The recording is not compared with itself, nor words with another text."""
    vectors, reasons = scorers.vectors(output)
    row, unmeasured = prosody(output, scorers, "output")
    reasons.update(unmeasured)

    def measure(names: Iterable[str], compute: Callable[[str], dict]) -> None:
        for name in names:
            if name not in scorers.chosen:
                continue
            try:
                row.update(compute(name))
            except UNMEASURABLE as error:  # a silent output, for one
                reasons[name] = str(error)

    def of_recordings(name: str) -> dict:
        found = METRICS[name](output, reference)
        return found if isinstance(found, dict) else {name: found}

    registered = [name for name in scorers.chosen if name in METRICS]
    if system.has_words:
        measure([name for name in registered if not METRICS.details(name)["reference"]], of_recordings)
        if whisper := scorers.whisper:
            measure(["asr"], lambda name: words(whisper, output, text))
    if system.has_words and system.name != GROUND_TRUTH:
        measure([name for name in registered if METRICS.details(name)["reference"]], of_recordings)
    return Scores(row, vectors, reasons)


def prosody(recording: Recording, scorers: Scorers, who: str) -> tuple[dict[str, object], dict[str, str]]:
    """Its prosody as ``WHO_NAME`` where that metric was chosen; or the reason why there is none."""
    if "prosody" not in scorers.chosen:
        return {}, {}
    try:
        return {f"{who}_{name}": value for name, value in metrics.prosody(recording).items()}, {}
    except UNMEASURABLE as error:
        return {}, {"prosody": str(error)}


def words(whisper: Whisper, output: Recording, text: str) -> dict[str, object]:
    """The recognised text, and its errors against the target text."""
    recognised = whisper(output.wideband, metrics.WIDEBAND, language="en").text
    errors, count = metrics.word_errors(recognised, text)
    wrong, characters = metrics.character_errors(recognised, text)
    return {
        "recognised": recognised,
        "word_errors": errors,
        "words": count,
        "character_errors": wrong,
        "characters": characters,
    }
