"""Detection of the watermark after common changes, false alarms, and the effect on quality (THESIS_HUMAN).

Human recordings get the watermark and are then changed (compressed, made faster, ...). The same changes are made to the
unmarked recordings, where each detection is a false alarm. Recordings are also joined to long ones, of which a third
or nothing is marked. The thresholds and the speeds of the search were chosen on human recordings for training, which
the folder of THESIS_HUMAN must not contain.
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

JOINED = 12  # recordings of one long one

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
        "joined": joined(wavs, marked),
        "PESQ-wb to the unmarked": {"median": float(np.median(pesq)), "low": min(pesq), "high": max(pesq)},
        "DNSMOS, marked - unmarked": dict(zip(("mean", "low", "high"), difference, strict=True)),
        "signal to mark, dB": float(np.median([_ratio(a, b) for a, b in zip(wavs, marked, strict=True)])),
    }


def _row(name: str, change: Alteration, marked: list[np.ndarray], unmarked: list[np.ndarray]) -> dict:
    """Shares that count as marked with their 95 % intervals, and the range of the probabilities."""
    row: dict = {"after": name}
    for side, wavs in (("marked", marked), ("unmarked", unmarked)):
        found = [detect_watermark(*change(wav)) for wav in wavs]
        share, low, high = metrics.share_interval(np.array([x.is_marked for x in found]))
        row |= {f"seen in {side}": share, f"{side}, low": low, f"{side}, high": high}
        probabilities = [x.probability for x in found]
        row |= {f"{side}, lowest": min(probabilities), f"{side}, highest": max(probabilities)}
    return row


def joined(wavs: list[np.ndarray], marked: list[np.ndarray]) -> dict:
    """Shares of long recordings detected: each of ``JOINED`` recordings, of which the middle third or none is marked.

    ``seconds`` are those of the shortest long recording. Recordings that fill no long one are left out.
    """
    third, found, seconds = JOINED // 3, [], []
    for first in range(0, len(wavs) - JOINED + 1, JOINED):
        chosen = slice(first, first + JOINED)
        plain, middle = wavs[chosen], marked[chosen][third:-third]
        parts = plain[:third] + middle + plain[-third:]
        found.append([detect_watermark(np.concatenate(x), RATE).is_marked for x in (parts, plain)])
        seconds.append(sum(map(len, plain)) / RATE)
    if not found:
        return {"recordings": 0}
    shares = [metrics.share_interval(np.array(side)) for side in np.array(found).T]
    names = ("a third marked", "unmarked")
    intervals = {n: dict(zip(("share", "low", "high"), x, strict=True)) for n, x in zip(names, shares, strict=True)}
    return {"recordings": len(found), "seconds": min(seconds), **intervals}


def _ratio(wav: np.ndarray, marked: np.ndarray) -> float:
    return 10 * np.log10(np.square(wav).sum() / np.square(wav - marked).sum())
