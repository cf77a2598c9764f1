"""How exactly a recording's speaking rate is measured: by the transcript's letters, and by the phonetic change.

The letters of the read text a second of speech are the exact rate. In the bundled Spanish all recordings are compared;
on acted speech those of one actor and one text, so that the rates differ as the durations do. These recordings serve
choices: the values are no evidence for other speakers. The last rows are of Kokoro's voices at one speed: whether the
table of their rates holds in other texts, and how much of a text's letter rate is the voice's.

Shapes: N samples, R recordings, V voices, S texts.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.acted import TABLE, acted_folder, acted_table
from benchmarks.emotion import TEXTS
from benchmarks.emotion_statistics import correlation_of_rows
from benchmarks.json_rows import interval_columns
from thesis_lib.audio.files import read_audio
from thesis_lib.audio.prosody import letter_rate, phonetic_change
from thesis_lib.audio.voice_activity import RATE
from thesis_lib.cloning.translation import WHISPER_OPTIONS
from thesis_lib.cloning.tts import KokoroSynthesizer
from thesis_lib.cloning.voices import english_voices, voice_rate
from thesis_lib.config import CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.pretrained.whisper import Whisper
from thesis_lib.utils.progress import bar
from thesis_lib.validation.metrics import Bounded
from thesis_lib.vocoder.content import phonetic_encoder

LETTERS, CHANGE = "letters of the transcript", "phonetic change"
ACTED, BUNDLED, VOICES = "acted speech for choices", "bundled Spanish", "Kokoro's voices"
ONE_LETTER = "a"  # in the place of a text that is not known, where only recordings of the same text are compared
END_SECONDS, MAX_END_LEVEL = 0.1, 0.02  # of a recording that is not cut: its end is this much quieter than its peak
SENTENCES = 8  # by each of Kokoro's voices, beside the short texts of `python -m benchmarks emotion`
RESAMPLES = 2000
QUICK = 12  # recordings of a set, and voices


def run(quick: bool) -> dict:
    """A row for each set and way: the correlation of the logarithms of the measured and the exact rate.

    "differences" are paired: the correlation by the phonetic change minus that by the letters.
    """
    recogniser, encoder = Whisper(**WHISPER_OPTIONS), phonetic_encoder()
    rows, differences, missing = [], [], []
    for name, table in ((BUNDLED, bundled_recordings()), (ACTED, uncut_recordings())):
        found = []
        chosen = table[:QUICK] if quick else table
        for row in bar(list(chosen.itertuples()), len(chosen), name):
            wav = row.read()
            rates = rates_of(wav, row.text, recogniser(wav, RATE, beams=1).text, encoder.encode(wav, RATE))
            if rates is None:
                missing.append({"set": name, "recording": row.recording, "reason": "too little speech or no words"})
            else:
                found.append({"set": name, "speaker": row.speaker, "group": row.group} | rates)
        rates = pd.DataFrame(found)
        rows += [correlation_row(rates, way) for way in (LETTERS, CHANGE)]
        differences.append(difference_row(rates))
    rows += voices_rows(quick)
    return {"rows": rows, "differences": differences, "not measured": missing}


def bundled_recordings() -> pd.DataFrame:
    """recording, speaker, text, group and read of the bundled Spanish: one group."""
    table, folder = mini.table(CorpusConfig(name="mini")), mini.bundle() / "audio"
    paths = [folder / f"{id}.es.opus" for id in table.id]
    return pd.DataFrame(
        {"recording": table.id, "speaker": table.voice, "text": table.es, "group": 0, "read": [*map(reader, paths)]}
    )


def uncut_recordings() -> pd.DataFrame:
    """The same of the recordings marked "train" that are not cut and not the only ones of their actor and text."""
    folder = acted_folder(f"{TABLE}, with the columns speaker, sentence and use")
    table = acted_table(folder, train=True)
    table = table.assign(recording=table.path, text=ONE_LETTER, group=table.speaker + " " + table.sentence)
    table["read"] = [reader(folder / path) for path in table.path]
    table = table[[not is_cut(read()) for read in table["read"]]]
    return table[table.groupby("group").group.transform("size") > 1]


def reader(path: Path) -> Callable[[], np.ndarray]:
    """A function that reads (N,) at RATE."""
    return lambda: read_audio(path, RATE)[0]


def is_cut(wav: np.ndarray) -> bool:
    """Whether the speech of (N,) at RATE goes on to the end, as where a recording is cut to a length."""
    end = wav[-round(END_SECONDS * RATE) :]
    return bool(np.abs(end).max() > MAX_END_LEVEL * np.abs(wav).max())


def rates_of(wav: np.ndarray, text: str, transcript: str, states: np.ndarray) -> dict[str, float] | None:
    """The exact rate and those of the ways for (N,) at RATE; None where one of them cannot be measured.

    ``text`` is what is read, or ``ONE_LETTER``; ``transcript`` and ``states`` are what the recognisers give.
    """
    found = {
        "exact": letter_rate(wav, RATE, text),
        LETTERS: letter_rate(wav, RATE, transcript),
        CHANGE: phonetic_change(states, wav),
    }
    rates = {name: rate for name, rate in found.items() if rate is not None}
    return rates if len(rates) == len(found) else None


def correlation_row(table: pd.DataFrame, way: str) -> dict:
    """The correlation within groups (R rows in all) by a way, with an interval over speakers, and the slope.

    The slope is that of the exact rate on the measured one, by least squares on the logarithms.
    """
    logs = _within_groups(table, way)
    found = interval_columns(len(logs), _correlation(logs), RESAMPLES, [table.speaker.to_numpy()])
    exact, own = logs.T
    return {"set": table.set.iloc[0], "way": way} | _counts(table) | found | {"slope": float(exact @ own / (own @ own))}


def difference_row(table: pd.DataFrame) -> dict:
    """The correlation by the phonetic change minus that by the letters, on the same recordings."""
    letters, change = (_correlation(_within_groups(table, way)) for way in (LETTERS, CHANGE))
    found = interval_columns(
        len(table), lambda rows: change(rows) - letters(rows), RESAMPLES, [table.speaker.to_numpy()]
    )
    return {"set": table.set.iloc[0], "way": CHANGE, "against": LETTERS} | _counts(table) | found


def _within_groups(table: pd.DataFrame, way: str) -> np.ndarray:
    """Logarithms of the exact rate and of that by a way, minus their means in each group: (R, 2)."""
    logs = np.log(table[["exact", way]])
    return (logs - logs.groupby(table.group).transform("mean")).to_numpy()


def _counts(table: pd.DataFrame) -> dict[str, int]:
    return {"n": len(table), "speakers": table.speaker.nunique()}


def voices_rows(quick: bool) -> list[dict]:
    """How the rates of Kokoro's voices differ at one speed: whether the table holds, and what share to correct."""
    synthesizer, names = KokoroSynthesizer(), english_voices()[: QUICK if quick else None]
    texts = list(dict.fromkeys(mini.table(CorpusConfig(name="mini")).en))
    texts = [*TEXTS, *texts[:: len(texts) // SENTENCES][:SENTENCES]]
    rate = synthesizer.sample_rate
    logs = np.log(
        [
            [letter_rate(synthesizer(text, name), rate, text) for text in texts]
            for name in bar(names, len(names), VOICES)
        ]
    )
    short, long = logs[:, : len(TEXTS)], logs[:, len(TEXTS) :]
    return [
        table_row(long, names),
        spread_row(short, "short texts"),
        spread_row(long, "long texts"),
        correction_row(logs),
    ]


def table_row(logs: np.ndarray, names: Sequence[str]) -> dict:
    """The correlation of the rates in ``voices`` with those of the bundled texts, log rates (V, S), over voices."""
    own = (logs - np.median(logs, axis=0)).mean(1)
    pairs = np.stack([own, np.log([voice_rate(name) for name in names])], 1)
    found = interval_columns(len(names), _correlation(pairs), RESAMPLES)
    return {"set": VOICES, "way": "table", "n": len(names), "speakers": len(names)} | found


def spread_row(logs: np.ndarray, kind: str) -> dict:
    """How far the voices are apart: the standard deviation over voices of log rates (V, S) of a kind of texts."""

    def spread(rows: np.ndarray) -> float:
        return float(np.sqrt(logs[rows].var(0).mean()))

    found = interval_columns(len(logs), Bounded(spread, 0.0, np.inf), RESAMPLES)
    return {"set": VOICES, "way": f"spread, {kind}", "n": logs.size, "speakers": len(logs)} | found


def correction_row(logs: np.ndarray) -> dict:
    """The share of a letter rate's distance from the mean that is the voice's, not the text's: log rates (V, S).

    It is the slope, by least squares, of the distance from the text's mean on that from the mean of all.
    """
    voices, texts = logs.shape
    own, every = ((logs - mean).ravel() for mean in (logs.mean(0), logs.mean()))
    groups = [np.repeat(np.arange(voices), texts), np.tile(np.arange(texts), voices)]

    def slope(rows: np.ndarray) -> float:
        return float(own[rows] @ every[rows] / (every[rows] @ every[rows]))

    found = interval_columns(logs.size, slope, RESAMPLES, groups)
    return {"set": VOICES, "way": "correction", "n": logs.size, "speakers": voices} | found


def _correlation(pairs: np.ndarray) -> Bounded:
    """The correlation of the two columns of (R, 2)."""
    return Bounded(correlation_of_rows(*pairs.T), -1.0, 1.0)
