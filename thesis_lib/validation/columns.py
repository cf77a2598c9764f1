"""The columns of the validation: unit, whether higher is better, and how each is measured.

``METRICS`` has the metrics of two recordings by their name in ``validation.metrics``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

from thesis_lib.config.registries import METRICS
from thesis_lib.validation.metrics import PROSODY, signature
from thesis_lib.validation.metrics.recording import SEMITONE_RESOLUTION, THRESHOLDS

__all__ = ["ALIGNED", "METRICS", "PREDICTED", "WORDS", "Column", "ColumnNames", "describe", "encoder_of"]


@dataclass(frozen=True)
class Column:
    """One metric as tables and figures show it."""

    label: str  # with its unit
    better: str  # "higher", "lower" or "" where neither is
    settings: str  # for the footnote: code, version, parameters


def _package(name: str) -> str:
    return f"{name} {version(name)}"


class ColumnNames(Sequence[str]):
    """Names of columns: the built-in ones, then those of metrics from outside that have been registered so far.

    With ``reference``, of metrics that compare an output with the recording; otherwise of those that need no reference.
    """

    def __init__(self, builtin: tuple[str, ...], reference: bool) -> None:
        self._builtin, self._reference = builtin, reference

    def _names(self) -> tuple[str, ...]:
        added = (name for name in METRICS.added() if METRICS.details(name)["reference"] == self._reference)
        return (*self._builtin, *added)

    def __len__(self) -> int:
        return len(self._names())

    def __getitem__(self, place):  # type: ignore[no-untyped-def]  # as a tuple's, for a number or a slice
        return self._names()[place]


# Sample by sample against the recording: the recording itself has no value.
ALIGNED = ColumnNames(
    ("mel_l1", "stft", "mcd", "mcd_dtw", "pesq", "stoi", "voicing_f1", "f0_cents", "periodicity"), reference=True
)
PREDICTED = ColumnNames(("dnsmos_ovrl", "dnsmos_p808", "plcmos", "nisqa"), reference=False)
WORDS = ("wer", "cer", "bleu", "chrf", "ter")

_FIXED: dict[str, Callable[[], Column]] = {
    "mel_l1": lambda: Column("mel L1 (nepers)", "lower", "the project's log-mel, 80 bands to 8 kHz, natural log"),
    "stft": lambda: Column(
        "multi-resolution STFT", "lower", "spectral convergence + log magnitude, FFT 512, 1024, 2048, hop a quarter"
    ),
    "mcd": lambda: Column(
        "MCD, plain (dB)", "lower", f"{_package('pymcd')}: WORLD envelope every 5 ms, order 13 with c0, no time warping"
    ),
    "mcd_dtw": lambda: Column("MCD, DTW (dB)", "lower", f"{_package('pymcd')}, the same cepstra along fastdtw's path"),
    "pesq": lambda: Column("PESQ-wb (MOS-LQO)", "higher", f"{_package('pesq')}, P.862.2 wideband at 16 kHz"),
    "stoi": lambda: Column("STOI", "higher", f"{_package('pystoi')}, classical, from 16 kHz"),
    "voicing_f1": lambda: Column(
        "V/UV F1", "higher", f"pYIN by {_package('librosa')}, 55–600 Hz, a frame each 10 ms at 16 kHz, {_grid()}"
    ),
    "f0_cents": lambda: Column(
        "F0 RMSE (cents)",
        "lower",
        f"the same tracker, frames voiced in both; smaller errors than {_step()} are rounding",
    ),
    "periodicity": lambda: Column(
        "periodicity RMSE", "lower", f"of the confidence of {_package('swift-f0')}, a frame each 256 samples"
    ),
    "dnsmos_ovrl": lambda: Column(
        "DNSMOS P.835 overall", "higher", f"{_package('speechmos')}, windows of 9.01 s each second, not personalised"
    ),
    "dnsmos_p808": lambda: Column("DNSMOS P.808", "higher", "the same windows, model v8"),
    "plcmos": lambda: Column("PLCMOS", "higher", f"{_package('speechmos')}, v2, 15 simulated raters from seed 0"),
    "nisqa": lambda: Column(
        "NISQA-TTS", "higher", "its published weights (CC BY-NC-SA 4.0, not for commercial use), mel to 8 kHz"
    ),
    "wer": lambda: Column("WER (%)", "lower", f"{_recognised()}; {_package('jiwer')}, all errors over all words"),
    "cer": lambda: Column("CER (%)", "lower", f"{_recognised()}; {_package('jiwer')}, spaces count"),
    "bleu": lambda: Column("ASR-BLEU", "higher", f"{_recognised()}; sacrebleu {signature('BLEU')}"),
    "chrf": lambda: Column("ASR-chrF", "higher", f"{_recognised()}; sacrebleu {signature('CHRF')}"),
    "ter": lambda: Column("ASR-TER (%)", "lower", f"{_recognised()}; sacrebleu {signature('TER')}"),
    "style_auc": lambda: Column(
        "style AUC",
        "higher",
        "whitened cosine of the output to other speakers' Spanish: same style against another one",
    ),
    "style": lambda: Column("whitened cosine to the Spanish source", "higher", "Ledoit–Wolf, of the training split"),
}


def _step() -> str:
    return f"{100 * SEMITONE_RESOLUTION:g} cents"


def _grid() -> str:
    return f"F0 in steps of {_step()}, {THRESHOLDS} thresholds"


def _recognised() -> str:
    normal = "lower case, numbers in words, no punctuation, on both sides"
    return f"Whisper tiny.en through {_package('faster-whisper')}, beam 5; {normal}"


def encoder_of(metric: str) -> str:
    """The encoder's column that a summary's metric is computed from; the metric itself where it needs no encoder."""
    for prefix in ("normalised_", "percentile_", "eer_"):
        metric = metric.removeprefix(prefix)
    return metric.removesuffix("_auc")


def describe(name: str) -> Column:
    """The description of a summary's metric: as it was registered, or as the package has it."""
    if name in METRICS.added():
        details = METRICS.details(name)
        return Column(details["label"], details["better"], details["settings"])
    return _describe_builtin(name)


@cache
def _describe_builtin(name: str) -> Column:
    """The description of a built-in column; one that is not fixed has an encoder's name, with or without a prefix."""
    if name in _FIXED:
        return _FIXED[name]()
    if name.startswith("follows_"):
        what = PROSODY[name.removeprefix("follows_")]
        return Column(f"source–output correlation of {what}", "higher", "Spearman's, over utterances")
    if name.startswith("normalised_"):
        return Column("normalised similarity (%)", "higher", "0: two speakers, 100: one speaker, between languages")
    if name.startswith("percentile_"):
        return Column(
            "percentile among same-speaker cosines", "higher", "of the cosines between a speaker's two languages"
        )
    if name.startswith("eer_"):
        return Column("EER of “is this the source?” (%)", "lower", "against the other speakers' Spanish")
    return Column("cosine to the Spanish source", "higher", "of the encoder's vectors at 16 kHz")
