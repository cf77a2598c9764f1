"""How exactly a recording's speaking rate is measured: by the transcript's letters, and by the phonetic change.

The letters of the read text a second of speech are the exact rate. In the bundled Spanish all recordings are compared;
on acted speech those of one actor and one text, so that the rates differ as the durations do. These recordings serve
choices: the values are no evidence for other speakers. The last rows are of Kokoro's voices: how far their rates are
apart at one speed, and at the speed from the table of their rates, in texts that are not those of the table.

Shapes: N samples, R recordings, V voices, S texts.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.acted import TABLE, acted_folder, acted_table
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
from thesis_lib.vocoder.content import phonetic_states

LETTERS, CHANGE = "letters of the transcript", "phonetic change"
ACTED, BUNDLED, VOICES = "acted speech for choices", "bundled Spanish", "Kokoro's voices"
ONE_LETTER = "a"  # in the place of a text that is not known, where only recordings of the same text are compared
END_SECONDS, MAX_END_LEVEL = 0.1, 0.02  # of a recording that is not cut: its end is this much quieter than its peak
SHORT_TEXTS = (  # none is in the table of the voices' rates
    "I have lost my keys again.",
    "He never wanted to come here.",
    "She bought a new pair of shoes.",
    "The soup is too hot for me.",
)
LONG_TEXTS = 4  # of the bundled corpus
RESAMPLES = 2000
QUICK = 12  # recordings of a set, and voices


def run(quick: bool) -> dict:
    """A row for each set and way: the correlation of the logarithms of the measured and the exact rate.

    "differences" are paired: the correlation by the phonetic change minus that by the letters.
    """
    recogniser = Whisper(**WHISPER_OPTIONS)
    rows, differences, missing = [], [], []
    for name, table in ((BUNDLED, bundled_recordings()), (ACTED, uncut_recordings())):
        found = []
        chosen = table[:QUICK] if quick else table
        for row in bar(list(chosen.itertuples()), len(chosen), name):
            wav = row.read()
            rates = rates_of(wav, row.text, recogniser(wav, RATE, beams=1).text, phonetic_states(wav, RATE))
            if rates is None:
                missing.append({"set": name, "recording": row.recording, "reason": "too little speech or no words"})
            else:
                found.append({"set": name, "speaker": row.speaker, "group": row.group} | rates)
        rates = pd.DataFrame(found)
        rows += [*(correlation_row(rates, way) for way in (LETTERS, CHANGE)), exponent_row(rates)]
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
    """The correlation within groups (R rows in all) by a way, with an interval over speakers."""
    logs = _within_groups(table, way)
    found = interval_columns(len(logs), _correlation(logs), RESAMPLES, [table.speaker.to_numpy()])
    return {"set": table.set.iloc[0], "way": way} | _counts(table) | found


def exponent_row(table: pd.DataFrame) -> dict:
    """The least-squares slope of the exact rate on the phonetic change, on logarithms, within groups."""
    exact, own = _within_groups(table, CHANGE).T

    def slope(rows: np.ndarray) -> float:
        return float(exact[rows] @ own[rows] / (own[rows] @ own[rows]))

    found = interval_columns(len(own), slope, RESAMPLES, [table.speaker.to_numpy()])
    return {"set": table.set.iloc[0], "way": f"exponent of the {CHANGE}"} | _counts(table) | found


def difference_row(table: pd.DataFrame) -> dict:
    """The correlation by the phonetic change minus that by the letters, on the same recordings."""
    letters, change = (_correlation(_within_groups(table, way)) for way in (LETTERS, CHANGE))
    difference = Bounded(lambda rows: change(rows) - letters(rows), -2.0, 2.0)
    found = interval_columns(len(table), difference, RESAMPLES, [table.speaker.to_numpy()])
    return {"set": table.set.iloc[0], "way": CHANGE, "against": LETTERS} | _counts(table) | found


def _within_groups(table: pd.DataFrame, way: str) -> np.ndarray:
    """Logarithms of the exact rate and of that by a way, minus their means in each group: (R, 2)."""
    logs = np.log(table[["exact", way]])
    return (logs - logs.groupby(table.group).transform("mean")).to_numpy()


def _counts(table: pd.DataFrame) -> dict[str, int]:
    return {"n": len(table), "speakers": table.speaker.nunique()}


def voices_rows(quick: bool) -> list[dict]:
    """How far Kokoro's voices are apart in rate, in short and in long texts: at one speed, and at that of the table."""
    synthesizer, names = KokoroSynthesizer(), english_voices()[: QUICK if quick else None]
    texts = list(dict.fromkeys(mini.table(CorpusConfig(name="mini")).en))
    texts = [*SHORT_TEXTS, *texts[:: len(texts) // LONG_TEXTS][:LONG_TEXTS]]
    rate, rows = synthesizer.sample_rate, []
    for name in bar(names, len(names), VOICES):
        speeds = [(1.0, 1 / voice_rate(name, text)) for text in texts]
        spoken = [[synthesizer(text, name, speed=x) for x in own] for text, own in zip(texts, speeds, strict=True)]
        rows.append([[letters_of(wav, rate, text) for wav in own] for text, own in zip(texts, spoken, strict=True)])
    logs = np.log(rows)  # (V, S, 2)
    kinds = {"short texts": logs[:, : len(SHORT_TEXTS)], "long texts": logs[:, len(SHORT_TEXTS) :]}
    return [
        spread_row(part[..., number], f"{kind}, {speed}")
        for kind, part in kinds.items()
        for number, speed in enumerate(("one speed", "speed of the table"))
    ]


def letters_of(wav: np.ndarray, sample_rate: int, text: str) -> float:
    """``letter_rate`` of synthesised speech (N,). SystemExit names a text that is too short for a rate."""
    rate = letter_rate(wav, sample_rate, text)
    if rate is None:
        raise SystemExit(f"too little speech for a speaking rate: {text!r}")
    return rate


def spread_row(logs: np.ndarray, way: str) -> dict:
    """The standard deviation over voices of log rates (V, S), with its interval over voices."""

    def spread(rows: np.ndarray) -> float:
        return float(np.sqrt(logs[rows].var(0).mean()))

    found = interval_columns(len(logs), Bounded(spread, 0.0, np.inf), RESAMPLES)
    return {"set": VOICES, "way": way, "n": logs.size, "speakers": len(logs)} | found


def _correlation(pairs: np.ndarray) -> Bounded:
    """The correlation of the two columns of (R, 2)."""
    return Bounded(correlation_of_rows(*pairs.T), -1.0, 1.0)
