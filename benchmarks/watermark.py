"""Detection rate of the watermark after common changes, its effect on quality, and false alarms (THESIS_HUMAN).

Human recordings of a folder, marked and then changed (compressed, made faster, ...); the same unmarked. The threshold
and the speeds of the search were chosen by this command on other recordings than those of the saved result: one of
twelve LibriSpeech speakers of the training recordings.
"""

import numpy as np
from tqdm import tqdm

from benchmarks.alterations import RATE, Alteration, alterations
from benchmarks.human import human_recordings
from benchmarks.options import Option
from thesis_lib.audio.files import read_audio
from thesis_lib.cloning.watermark import MIN_MARK_PROBABILITY, add_watermark, detect_watermark
from thesis_lib.corpus.split import spread
from thesis_lib.validation import metrics

OPTIONS = {"recordings": Option(50, 3, "human recordings, spread over the folder")}


def run(quick: bool, recordings: int) -> dict:
    """Shares of marked and unmarked recordings detected as marked, after each change; quality with the mark."""
    paths = [path for own in human_recordings().values() for path in own]
    paths = [paths[i] for i in spread(len(paths), recordings)]
    wavs = [read_audio(path, RATE)[0] for path in paths]
    marked = [add_watermark(wav, RATE) for wav in wavs]
    rows = [_row(name, change, marked, wavs) for name, change in tqdm(alterations().items(), "alterations")]
    pairs = [[metrics.Recording(x, RATE) for x in pair] for pair in zip(marked, wavs, strict=True)]
    pesq = [metrics.pesq(a, b) for a, b in pairs]
    opinions = np.array([[metrics.dnsmos(x)["dnsmos_ovrl"] for x in pair] for pair in pairs])
    difference = metrics.bootstrap(len(pairs), lambda i: float((opinions[i, 0] - opinions[i, 1]).mean()), 1000, 0)
    return {
        "recordings": len(wavs),
        "threshold": MIN_MARK_PROBABILITY,
        "rows": rows,
        "PESQ-wb to the unmarked": {"median": float(np.median(pesq)), "low": min(pesq), "high": max(pesq)},
        "DNSMOS, marked - unmarked": dict(zip(("mean", "low", "high"), difference, strict=True)),
        "signal to mark, dB": float(np.median([_ratio(a, b) for a, b in zip(wavs, marked, strict=True)])),
    }


def _row(name: str, change: Alteration, marked: list[np.ndarray], unmarked: list[np.ndarray]) -> dict:
    """Shares that count as marked with their 95 % intervals, and the range of the probabilities."""
    row: dict = {"after": name}
    for side, wavs in (("marked", marked), ("unmarked", unmarked)):
        found = np.array([detect_watermark(*change(wav)).probability for wav in wavs])
        share, low, high = metrics.share_interval(found >= MIN_MARK_PROBABILITY)
        row |= {f"seen in {side}": share, f"{side}, low": low, f"{side}, high": high}
        row |= {f"{side}, lowest": float(found.min()), f"{side}, highest": float(found.max())}
    return row


def _ratio(wav: np.ndarray, marked: np.ndarray) -> float:
    return 10 * np.log10(np.square(wav).sum() / np.square(wav - marked).sum())
