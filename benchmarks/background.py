"""The background that `--background keep` keeps: words left in it, its level, and the watermark of the mixture.

Bundled Spanish voices, each with a pause before and after it, over three kinds of sounds at several signal-to-noise
ratios. The words are those of the source that Whisper base recognises. The level is that of the background during the
speech, relative to the sound alone. The English of the same sentences is mixed with the background as `thesis clone`
mixes it; the watermark is added to the English before, or to the mixture. The pause before the speech is so long that
the English lies in two windows of the mixture.

Intervals resample voices. Not measured: other speakers in the background, rooms, real recordings.
"""

import tempfile
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.json_rows import share_columns
from benchmarks.options import Option
from thesis_lib.audio.background import speech_spans, without_speech
from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.cloning.mixing import BackgroundMix
from thesis_lib.cloning.watermark import add_watermark, detect_watermark
from thesis_lib.config import CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.corpus.split import spread
from thesis_lib.pretrained.whisper import Whisper
from thesis_lib.validation.metrics.words import normalise_text

OPTIONS = {"recordings": Option(12, 2, "bundled Spanish voices")}
RATE = 16_000  # Hz
PAUSES_SECONDS = (7.0, 3.0)  # before and after the speech
SNRS = (20, 10, 0)  # dB
CHORDS_HZ = ((262, 330, 392), (294, 370, 440), (220, 277, 330))


def run(quick: bool, recordings: int) -> dict:
    """One row a kind of sound and signal-to-noise ratio."""
    rows = mini.table(CorpusConfig(name="mini"))
    rows = rows[rows.split == "test"]
    chosen, recogniser = rows.iloc[spread(len(rows), recordings)], Whisper(no_repeat=4)
    cases = [(name, snr) for name in SOUNDS for snr in (SNRS[1:2] if quick else SNRS)]
    found = [_row(name, snr, chosen, recogniser) for name, snr in tqdm(cases, "sounds")]
    voices = int(chosen.voice.nunique())
    return {"recordings": len(chosen), "voices": voices, "seconds of pause": PAUSES_SECONDS, "rows": found}


def _row(name: str, snr: float, chosen, recogniser: Whisper) -> dict:
    before, after, levels, marks = [], [], [], []
    for number, row in enumerate(chosen.itertuples()):
        spanish, english = (_read(row.id, side) for side in ("es", "en"))
        pauses = [np.zeros(round(seconds * RATE), np.float32) for seconds in PAUSES_SECONDS]
        speech = np.concatenate([pauses[0], spanish, pauses[1]])
        sound = SOUNDS[name](len(speech), number)
        sound *= np.sqrt(np.square(spanish).mean() / np.square(sound).mean()) * 10 ** (-snr / 20)
        mixed = (speech + sound).astype(np.float32)
        kept = np.concatenate(list(without_speech(lambda wav=mixed: [wav], RATE, speech_spans([mixed], RATE))))
        during = slice(len(pauses[0]), len(pauses[0]) + len(spanish))
        before.append(words_found(recogniser, mixed, row.es))
        after.append(words_found(recogniser, kept, row.es))
        levels.append(10 * np.log10(np.square(kept[during]).mean() / np.square(sound[during]).mean()))
        marks.append([detect_watermark(wav, RATE).is_marked for wav in mixtures(english, mixed, len(pauses[0]))])
    voices = chosen.voice.to_numpy()
    return {
        "sound": name,
        "snr": snr,
        "words": sum(map(len, before)),
        "words found before": share_of(before, voices),
        "words found in the background": share_of(after, voices),
        "level during speech, dB": {"median": float(np.median(levels)), "low": min(levels), "high": max(levels)},
        "marked before the background": share_of([x[:1] for x in marks], voices),
        "marked after it": share_of([x[1:] for x in marks], voices),
    }


def share_of(successes: list[list[bool]], voices: np.ndarray) -> dict[str, float]:
    """The share of all successes, those of each recording in a list, and its 95 % interval over voices."""
    groups = np.repeat(voices, [len(own) for own in successes])
    return share_columns(np.concatenate(successes).astype(bool), groups)


def words_found(recogniser: Whisper, wav: np.ndarray, text: str) -> list[bool]:
    """Whether each different word of the text is recognised in (N,)."""
    recognised = recogniser(wav, RATE, language="es").text
    wanted, found = (set(normalise_text(said, "es").split()) for said in (text, recognised))
    return [word in found for word in sorted(wanted)]


def mixtures(english: np.ndarray, source: np.ndarray, start: int) -> list[np.ndarray]:
    """English (N,) from sample ``start`` on with the background of the source: watermarked before it, and after it."""
    made, peak = [], max(1.0, float(np.abs(source).max()))  # a file is clipped at full scale
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "source.flac"
        write_audio(path, source / peak, RATE)
        for mark in (False, True):
            written: list[np.ndarray] = []
            mix = BackgroundMix(path, RATE, written.append, mark, tqdm.write)
            mix.write(np.zeros(start, np.float32))
            mix.write((english if mark else add_watermark(english, RATE)) / peak)
            mix.finish()
            made.append(np.concatenate(written)[start : start + len(english)])
    return made


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
