"""What the kept background holds of the speech and of the sounds behind it, and whether the watermark survives it.

Bundled Spanish voices, each with a pause before and after it, over three kinds of sounds at several signal-to-noise
ratios. Words are those of the source that Whisper base finds; the level is that of the background during speech,
relative to the sound alone. The English of the same sentences gets the background, and the watermark before or after.
"""

import numpy as np
from tqdm import tqdm

from benchmarks.options import Option
from thesis_lib.audio.background import speech_spans, without_speech
from thesis_lib.audio.files import read_audio
from thesis_lib.cloning.watermark import add_watermark, detect_watermark
from thesis_lib.config import CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.corpus.split import spread
from thesis_lib.pretrained.whisper import Whisper
from thesis_lib.validation import metrics
from thesis_lib.validation.metrics.words import normalise_text

OPTIONS = {"recordings": Option(12, 2, "bundled Spanish voices")}
RATE = 16_000  # Hz
PAUSE_SECONDS = 2.0  # before and after the speech
SNRS = (20, 10, 0)  # dB
CHORDS_HZ = ((262, 330, 392), (294, 370, 440), (220, 277, 330))


def run(quick: bool, recordings: int) -> dict:
    """One row a kind of sound and signal-to-noise ratio."""
    rows = mini.table(CorpusConfig(name="mini"))
    rows = rows[rows.split == "test"]
    chosen, recogniser = rows.iloc[spread(len(rows), recordings)], Whisper(no_repeat=4)
    cases = [(name, snr) for name in SOUNDS for snr in (SNRS[1:2] if quick else SNRS)]
    found = [_row(name, snr, chosen, recogniser) for name, snr in tqdm(cases, "sounds")]
    return {"recordings": len(chosen), "seconds of pause": PAUSE_SECONDS, "rows": found}


def _row(name: str, snr: float, chosen, recogniser: Whisper) -> dict:
    before, after, levels, marks = [], [], [], []
    for number, row in enumerate(chosen.itertuples()):
        spanish, english = (_read(row.id, side) for side in ("es", "en"))
        pause = np.zeros(round(PAUSE_SECONDS * RATE), np.float32)
        speech = np.concatenate([pause, spanish, pause])
        sound = SOUNDS[name](len(speech), number)
        sound *= np.sqrt(np.square(spanish).mean() / np.square(sound).mean()) * 10 ** (-snr / 20)
        mixed = (speech + sound).astype(np.float32)
        kept = np.concatenate(list(without_speech(lambda wav=mixed: [wav], RATE, speech_spans([mixed], RATE))))
        during = slice(len(pause), len(pause) + len(spanish))
        before.append(_words_found(recogniser, mixed, row.es))
        after.append(_words_found(recogniser, kept, row.es))
        levels.append(10 * np.log10(np.square(kept[during]).mean() / np.square(sound[during]).mean()))
        marks.append([_is_marked(*pair) for pair in _marked(english, kept)])
    shares = [metrics.share_interval(np.array(side)) for side in np.array(marks).T]
    names = ("marked before the background", "marked after it")
    return {
        "sound": name,
        "snr": snr,
        "words found before": float(np.mean(before)),
        "words found in the background": float(np.mean(after)),
        "level during speech, dB": {"median": float(np.median(levels)), "low": min(levels), "high": max(levels)},
        **{
            key: dict(zip(("share", "low", "high"), share, strict=True))
            for key, share in zip(names, shares, strict=True)
        },
    }


def _words_found(recogniser: Whisper, wav: np.ndarray, text: str) -> float:
    """The share of the text's words that are recognised in (N,)."""
    recognised = recogniser(wav, RATE, language="es").text
    wanted, found = (set(normalise_text(said, "es").split()) for said in (text, recognised))
    return len(wanted & found) / len(wanted)


def _marked(english: np.ndarray, background: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """The English with the background, watermarked before it is added and after."""
    count = min(len(english), len(background))
    english, background = english[:count], background[:count]
    return [(add_watermark(english, RATE) + background, RATE), (add_watermark(english + background, RATE), RATE)]


def _is_marked(wav: np.ndarray, rate: int) -> bool:
    return detect_watermark(wav, rate).is_marked


def _read(name: str, side: str) -> np.ndarray:
    return read_audio(mini.bundle() / "audio" / f"{name}.{side}.opus", RATE)[0]


def rain(count: int, seed: int) -> np.ndarray:
    """(N,) low-passed noise."""
    return np.convolve(np.random.default_rng(seed).normal(size=count), np.ones(4) / 4, "same")


def hum(count: int, seed: int) -> np.ndarray:
    """(N,) mains hum of 50 Hz with its harmonics, over faint noise."""
    t = np.arange(count) / RATE
    tones = sum(np.sin(2 * np.pi * 50 * k * t) / k for k in range(1, 20))
    return tones + 0.05 * np.random.default_rng(seed).normal(size=count)


def music(count: int, seed: int) -> np.ndarray:
    """(N,) plucked chords, two a second."""
    t, wav = np.arange(count) / RATE, np.zeros(count)
    for number in range(int(2 * count / RATE)):
        since = np.maximum(t - number / 2, 0)
        for f0 in CHORDS_HZ[(number + seed) % len(CHORDS_HZ)]:
            wav += np.sin(2 * np.pi * f0 * since) * np.exp(-3 * since)
    return wav


SOUNDS = {"rain": rain, "hum": hum, "music": music}
