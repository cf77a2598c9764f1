"""The scorers of a validation: one a metric, over features of a recording that are computed once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from thesis_lib import pretrained
from thesis_lib.config import AudioConfig, Config, ConfigError
from thesis_lib.config.registries import ENCODERS, METRICS
from thesis_lib.corpus.manifest import NOT_TRANSCRIBED
from thesis_lib.embeddings.encoders import (
    Encoder,
    embed,
    emotion_encoder,
    evaluation_encoders,
    speaker_encoder,
)
from thesis_lib.pretrained.whisper import Whisper
from thesis_lib.utils.registry import RegistryError
from thesis_lib.utils.threads import available_cores
from thesis_lib.validation import metrics
from thesis_lib.validation.columns import ALIGNED, PREDICTED
from thesis_lib.validation.evaluation import UNMEASURABLE, Columns, Scorer, System
from thesis_lib.validation.measurements import SOURCE
from thesis_lib.validation.metrics import Recording
from thesis_lib.validation.metrics.nisqa import WEIGHT as NISQA
from thesis_lib.validation.systems import GROUND_TRUTH, ValidationItem

ValidationScorer = Scorer[ValidationItem, Recording]


def _of_output(predict: Callable[[Recording], Columns]) -> Callable[[Recording, Recording], Columns]:
    """A metric of the output alone, as the registry has metrics."""
    return lambda output, reference: predict(output)


for _name, _metric in {
    "mel_l1": metrics.mel_l1,
    "stft": metrics.multi_resolution_stft,
    "mcd": metrics.mcd,
    "mcd_dtw": metrics.mcd_dtw,
    "pesq": metrics.pesq,
    "stoi": metrics.stoi,
    "pitch": metrics.pitch_errors,
    "dnsmos": _of_output(metrics.dnsmos),
    "plcmos": _of_output(metrics.plcmos),
    "nisqa": _of_output(metrics.nisqa),
}.items():
    METRICS.register(_name)(_metric)


def score(metric: str, output: Recording, reference: Recording) -> Columns:
    """The columns of a registered metric. Raises one of UNMEASURABLE with the reason why there are none.

    RegistryError for a metric from outside with another column than its own: no summary would have that one.
    """
    found = METRICS[metric](output, reference)
    columns = found if isinstance(found, dict) else {metric: found}
    if metric in METRICS.added() and set(columns) != {metric}:
        raise RegistryError(
            f"metric {metric!r} returned the columns {', '.join(map(str, columns))}: return one number, and register a "
            "metric for each number"
        )
    return columns


def require_metric(setting: str, metric: str, scorers: "Scorers") -> None:
    """ConfigError where a hypothesis of ``setting`` names no metric that systems are compared in."""
    known = [*ALIGNED, *PREDICTED, "speaker", "style", *ENCODERS, *scorers.encoders]
    if metric not in known:
        raise ConfigError(f"{setting}: no metric named {metric!r}; known: {', '.join(dict.fromkeys(known))}")


@dataclass(frozen=True)
class Scorers:
    """The scorers of the chosen metrics, and the models that they need, loaded once."""

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
            Whisper("whisper-tiny.en", threads=1, workers=available_cores()) if "asr" in wanted else None,
            encoders,
            emotion_encoder(config.encoders) if "style" in wanted else None,
            absent,
        )

    @cached_property
    def revisions(self) -> dict[str, str]:
        """Model -> revision, for a table's provenance."""
        every: list[Encoder | Whisper] = [*self.columns.values(), *([self.whisper] if self.whisper else [])]
        return {model.name: model.revision for model in every}

    @property
    def columns(self) -> dict[str, Encoder]:
        """Column of embeddings -> its encoder, of the speaker or the style."""
        return self.encoders | ({"style": self.style} if self.style else {})

    def record(self, wav: np.ndarray) -> Recording:
        """(N,) at the project's rate."""
        return Recording(wav, self.audio.sample_rate, self.audio)

    def vectors(self, recording: Recording) -> dict[str, np.ndarray]:
        """Encoder's column -> embedding of a recording. MetricError with the reasons where one is missing."""
        found, reasons = {}, []
        for column, encoder in self.columns.items():
            try:
                found[column] = embed(encoder, recording.wideband, metrics.WIDEBAND)
            except UNMEASURABLE as error:
                reasons.append(f"{column}: {error}")
        if reasons:
            raise metrics.MetricError("; ".join(reasons))
        return found

    @cached_property
    def every(self) -> list[ValidationScorer]:
        """One scorer a metric and encoder; first, one without columns, so that every output has a row."""
        found = [Scorer(lambda item, output: {}), *(_by_encoder(*entry) for entry in self.columns.items())]
        if "prosody" in self.chosen:
            found += [_by_prosody("source", lambda system: system.name == SOURCE)]
            found += [_by_prosody("output", lambda system: system.name != SOURCE)]
        registered = [name for name in self.chosen if name in METRICS]
        found += [_by_metric(name, _has_words) for name in registered if not METRICS.details(name)["reference"]]
        if whisper := self.whisper:
            found.append(_by_words(whisper))
        found += [_by_metric(name, _is_compared) for name in registered if METRICS.details(name)["reference"]]
        return found


def _has_words(system: System) -> bool:
    return system.has_words


def _is_compared(system: System) -> bool:
    """Whether an output is compared with the recording, which is not compared with itself."""
    return system.has_words and system.name != GROUND_TRUTH


def _by_metric(name: str, takes: Callable[[System], bool]) -> ValidationScorer:
    return Scorer(lambda item, output: score(name, output, item.reference), {"metric": name}, takes)


def _by_encoder(column: str, encoder: Encoder) -> ValidationScorer:
    """A scorer with one column, the output's embedding."""
    return Scorer(lambda item, output: {column: embed(encoder, output.wideband, metrics.WIDEBAND)}, {"metric": column})


def _by_words(whisper: Whisper) -> ValidationScorer:
    return Scorer(
        lambda item, output: words(whisper, output, item.utterance.target_text), {"metric": "asr"}, _has_words
    )


def _by_prosody(who: str, takes: Callable[[System], bool]) -> ValidationScorer:
    """A scorer of the prosody, in columns WHO_NAME."""

    def prosody(item: ValidationItem, output: Recording) -> Columns:
        return {f"{who}_{name}": value for name, value in metrics.prosody(output).items()}

    return Scorer(prosody, {"metric": "prosody"}, takes)


def words(whisper: Whisper, output: Recording, text: str) -> Columns:
    """The recognised text, and its errors against the target text. MetricError where the corpus has no transcript."""
    if text == NOT_TRANSCRIBED:
        raise metrics.MetricError("the corpus has no transcript of the recording")
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
