"""The background that `--background keep` keeps: words left in it, its level, and the watermark of the mixture.

Bundled Spanish voices, each with a pause before and after it, over three kinds of sounds at several signal-to-noise
ratios. The words are those of the source that Whisper base recognises. The level is that of the background during the
speech, relative to the sound alone. The English of the same sentences is mixed with the background as `thesis clone`
mixes it; the watermark is added to the English before, or to the mixture. The pause before the speech is so long that
the English lies in two windows of the mixture.

Intervals resample voices. Not measured: other speakers in the background, rooms, real recordings.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
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
from thesis_lib.reporting import bar
from thesis_lib.validation import Scorer, System, TestSet, evaluate
from thesis_lib.validation.evaluation import Columns
from thesis_lib.validation.metrics.words import normalise_text

OPTIONS = {"recordings": Option(12, 2, "bundled Spanish voices")}
RATE = 16_000  # Hz
PAUSES_SECONDS = (7.0, 3.0)  # before and after the speech
SNRS = (20, 10, 0)  # dB
CHORDS_HZ = ((262, 330, 392), (294, 370, 440), (220, 277, 330))


@dataclass(frozen=True)
class MixedRecording:
    """A Spanish sentence over a sound, (N,) float32, with a pause before and after the speech."""

    name: str
    voice: str
    text: str
    sound: str
    snr: float  # dB
    mixed: np.ndarray
    alone: np.ndarray  # the sound
    speech: slice  # the samples between the pauses


def run(quick: bool, recordings: int) -> dict:
    """One row for each kind of sound and signal-to-noise ratio."""
    table = mini.table(CorpusConfig(name="mini"))
    table = table[table.split == "test"]
    chosen = table.iloc[spread(len(table), recordings)]
    cases = [(sound, snr) for sound in SOUNDS for snr in (SNRS[1:2] if quick else SNRS)]
    items = [
        mixed_recording(row, sound, snr, number)
        for sound, snr in cases
        for number, row in enumerate(chosen.itertuples())
    ]
    test_set = TestSet(items, lambda item: {"sound": item.sound, "snr": item.snr, "recording": item.name}, "sounds")
    kept: System[MixedRecording, np.ndarray] = System("background", kept_background)
    scorer: Scorer[MixedRecording, np.ndarray] = Scorer(partial(scores, Whisper(no_repeat=4)))
    results = evaluate(test_set, [kept], [scorer], bar)
    by_case = [[row for row in results.rows if (row["sound"], row["snr"]) == case] for case in cases]
    rows = [_summary(*case, own) for case, own in zip(cases, by_case, strict=True) if own]
    voices = int(chosen.voice.nunique())
    about = {"recordings": len(chosen), "voices": voices, "seconds of pause": PAUSES_SECONDS}
    return about | {"rows": rows, "not measured": results.missing}


def mixed_recording(row, sound: str, snr: float, seed: int) -> MixedRecording:
    """A row of the bundled corpus over a sound."""
    spanish = _read(row.id, "es")
    pauses = [np.zeros(round(seconds * RATE), np.float32) for seconds in PAUSES_SECONDS]
    speech = np.concatenate([pauses[0], spanish, pauses[1]])
    alone = SOUNDS[sound](len(speech), seed)
    alone *= np.sqrt(np.square(spanish).mean() / np.square(alone).mean()) * 10 ** (-snr / 20)
    during = slice(len(pauses[0]), len(pauses[0]) + len(spanish))
    mixed = (speech + alone).astype(np.float32)
    return MixedRecording(row.id, row.voice, row.es, sound, snr, mixed, alone, during)


def kept_background(item: MixedRecording) -> np.ndarray:
    """(N,) what `--background keep` keeps of the mixture."""
    return np.concatenate(list(without_speech(lambda: [item.mixed], RATE, speech_spans([item.mixed], RATE))))


def scores(recogniser: Whisper, item: MixedRecording, kept: np.ndarray) -> Columns:
    """Words found before and after, the level during the speech in dB, the watermark before and after the mixing."""
    level = np.square(kept[item.speech]).mean() / np.square(item.alone[item.speech]).mean()
    marked = [
        detect_watermark(wav, RATE).is_marked for wav in mixtures(_read(item.name, "en"), item.mixed, item.speech.start)
    ]
    return {
        "voice": item.voice,
        "before": words_found(recogniser, item.mixed, item.text),
        "after": words_found(recogniser, kept, item.text),
        "level": 10 * np.log10(level),
        "marked": marked,
    }


def _summary(sound: str, snr: float, rows: Sequence[Columns]) -> Columns:
    voices = np.array([row["voice"] for row in rows])
    before, after, levels = ([row[name] for row in rows] for name in ("before", "after", "level"))
    return {
        "sound": sound,
        "snr": snr,
        "words": sum(map(len, before)),
        "words found before": share_of(before, voices),
        "words found in the background": share_of(after, voices),
        "level during speech, dB": {"median": float(np.median(levels)), "low": min(levels), "high": max(levels)},
        "marked before the background": share_of([row["marked"][:1] for row in rows], voices),
        "marked after it": share_of([row["marked"][1:] for row in rows], voices),
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
