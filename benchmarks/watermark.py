"""Detection rate of the watermark after common changes, its effect on quality, and false alarms (THESIS_HUMAN).

Human recordings of a folder, marked and then changed (compressed, resampled, ...); the same unmarked.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.human import human_recordings
from thesis_lib.audio.files import read_audio, resample, write_audio
from thesis_lib.cloning.watermark import MIN_MARK_PROBABILITY, add_watermark, watermark
from thesis_lib.validation import metrics

RATE = 22_050
FILES = 50


def run(quick: bool) -> dict:
    """Shares of marked and unmarked recordings detected as marked, after each change; quality with the mark."""
    paths = [path for own in human_recordings().values() for path in own]
    paths = paths[:: max(1, len(paths) // FILES)][: 3 if quick else FILES]
    wavs = [read_audio(path, RATE)[0] for path in paths]
    marked = [add_watermark(wav, RATE) for wav in wavs]
    rows = []
    for name, change in CHANGES.items():
        found = [[watermark(*change(wav)) for wav in side] for side in (marked, wavs)]
        seen = [float(np.mean(np.array(side) >= MIN_MARK_PROBABILITY)) for side in found]
        rows.append({"after": name, "seen in marked": seen[0], "seen in unmarked": seen[1]})
    twice = [watermark(*CHANGES["MP3, 32 kbit/s"](wav)) for wav in marked]
    pairs = [[metrics.Recording(x, RATE) for x in pair] for pair in zip(marked, wavs, strict=True)]
    pesq = [metrics.pesq(a, b) for a, b in pairs]
    opinions = np.array([[metrics.dnsmos(x)["dnsmos_ovrl"] for x in pair] for pair in pairs])
    difference = metrics.bootstrap(len(pairs), lambda i: float((opinions[i, 0] - opinions[i, 1]).mean()), 1000, 0)
    return {
        "recordings": len(wavs),
        "threshold": MIN_MARK_PROBABILITY,
        "rows": rows,
        "lowest certainty after MP3 of 32 kbit/s": min(twice),
        "PESQ-wb to the unmarked": {"median": float(np.median(pesq)), "low": min(pesq), "high": max(pesq)},
        "DNSMOS, marked - unmarked": dict(zip(("mean", "low", "high"), difference, strict=True)),
        "signal to mark, dB": float(np.median([_ratio(a, b) for a, b in zip(wavs, marked, strict=True)])),
    }


def _ratio(wav: np.ndarray, marked: np.ndarray) -> float:
    return 10 * np.log10(np.square(wav).sum() / np.square(wav - marked).sum())


def _through(suffix: str, **options: object) -> Callable[[np.ndarray], tuple[np.ndarray, int]]:
    def change(wav: np.ndarray) -> tuple[np.ndarray, int]:
        with tempfile.TemporaryDirectory() as work:
            path = Path(work) / f"x{suffix}"
            write_audio(path, wav, RATE, **options)
            return read_audio(path)

    return change


def _noisy(wav: np.ndarray) -> tuple[np.ndarray, int]:
    noise = np.random.default_rng(0).normal(size=len(wav)) * np.sqrt(np.mean(wav**2) / 100)
    return (wav + noise).astype(np.float32), RATE


CHANGES: dict[str, Callable[[np.ndarray], tuple[np.ndarray, int]]] = {
    "nothing": lambda wav: (wav, RATE),
    "16-bit WAV": _through(".wav"),
    "MP3, variable rate": _through(".mp3", bitrate_mode="VARIABLE", compression_level=0.6),
    "MP3, 32 kbit/s": _through(".mp3", bitrate_mode="CONSTANT", compression_level=0.85),
    "Ogg Vorbis": _through(".ogg"),
    "16 kHz": lambda wav: (resample(wav, RATE, 16_000), 16_000),
    "8 kHz": lambda wav: (resample(wav, RATE, 8_000), 8_000),
    "a quarter of the level": lambda wav: (0.25 * wav, RATE),
    "white noise, 20 dB": _noisy,
    "its middle second": lambda wav: (wav[len(wav) // 2 : len(wav) // 2 + RATE], RATE),
    "5 % faster": lambda wav: (resample(wav, 105, 100), RATE),
}
