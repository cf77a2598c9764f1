"""Description of each column of the validation: label with unit, which direction is better, how it is measured."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

from thesis_lib.validation.metrics import PROSODY, signature


@dataclass(frozen=True)
class Column:
    """One metric as tables and figures show it."""

    label: str  # with its unit
    better: str  # "higher", "lower" or "" where neither applies
    settings: str  # the footnote: code, version, parameters


def _package(name: str) -> str:
    return f"{name} {version(name)}"


# Metrics of two aligned signals; the recording has none, as it would be compared with itself.
ALIGNED = ("mel_l1", "stft", "mcd", "mcd_dtw", "pesq", "stoi", "voicing_f1", "f0_cents", "periodicity")
WORDS = ("wer", "cer", "bleu", "chrf")

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
        "V/UV F1", "higher", f"{_package('swift-f0')}, 55–600 Hz, a frame each 256 samples, voiced from confidence 0.5"
    ),
    "f0_cents": lambda: Column("F0 RMSE (cents)", "lower", "the same tracker, frames voiced in both"),
    "periodicity": lambda: Column("periodicity RMSE", "lower", "of the same tracker's confidence"),
    "dnsmos_ovrl": lambda: Column(
        "DNSMOS P.835 overall", "higher", f"{_package('speechmos')}, windows of 9.01 s each second, not personalised"
    ),
    "dnsmos_p808": lambda: Column("DNSMOS P.808", "higher", "the same windows, model v8"),
    "plcmos": lambda: Column("PLCMOS", "higher", f"{_package('speechmos')}, v2, 15 simulated raters from seed 0"),
    "nisqa": lambda: Column(
        "NISQA-TTS", "higher", "its published weights (CC BY-NC-SA 4.0, not for commercial use), mel to 8 kHz"
    ),
    "wer": lambda: Column("WER (%)", "lower", f"{_recogniser()}; {_package('jiwer')}, all errors over all words"),
    "cer": lambda: Column("CER (%)", "lower", f"{_recogniser()}; {_package('jiwer')}, spaces count"),
    "bleu": lambda: Column("ASR-BLEU", "higher", f"{_recogniser()}; sacrebleu {signature('BLEU')}"),
    "chrf": lambda: Column("ASR-chrF", "higher", f"{_recogniser()}; sacrebleu {signature('CHRF')}"),
    "style_auc": lambda: Column(
        "style AUC", "higher", "whitened cosine of the output to other speakers' Spanish: same style above another one"
    ),
    "style": lambda: Column("whitened cosine to the Spanish source", "higher", "Ledoit–Wolf, of the training split"),
}


def _recogniser() -> str:
    normal = "lower case, numbers in words, no punctuation, on both sides"
    return f"Whisper tiny.en through {_package('faster-whisper')}, beam 5; {normal}"


def encoder_of(metric: str) -> str:
    """The encoder's column that a summary's metric rests on; the metric itself where it rests on none."""
    for prefix in ("normalised_", "percentile_", "eer_"):
        metric = metric.removeprefix(prefix)
    return metric.removesuffix("_auc")


@cache
def describe(name: str) -> Column:
    """The description of a summary's metric; encoders' columns are named after their encoder."""
    if name in _FIXED:
        return _FIXED[name]()
    if name.startswith("follows_"):
        what = PROSODY[name.removeprefix("follows_")]
        return Column(f"source–output correlation of {what}", "higher", "Spearman's, over utterances")
    if name.startswith("normalised_"):
        return Column("normalised similarity (%)", "higher", "0: other speakers, 100: same speaker, between languages")
    if name.startswith("percentile_"):
        return Column(
            "percentile among one speaker's own", "higher", "of the cosines between a speaker's two languages"
        )
    if name.startswith("eer_"):
        return Column("EER of “is this the source?” (%)", "lower", "against the other speakers' Spanish")
    return Column("cosine to the Spanish source", "higher", "of the encoder's vectors at 16 kHz")
