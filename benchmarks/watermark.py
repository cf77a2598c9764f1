"""Detection of the watermark after common changes and in long recordings, false alarms, and quality (THESIS_HUMAN).

Human recordings get the watermark and are then changed (compressed, made faster, ...). The same changes are made to the
unmarked recordings, where each detection is a false alarm. Recordings are also joined to long files, of which a stretch
is marked, from several times on, or nothing; the stretch plays as fast as the rest, or slower or faster. The lengths
of the files are no multiples of the windows' 15 s. The thresholds and the speeds of the search were chosen on human
recordings for training, which the folder of THESIS_HUMAN must not contain.
"""

from collections.abc import Iterable, Sequence
from itertools import repeat

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks.alterations import RATE, alterations
from benchmarks.human import human_recordings
from benchmarks.json_rows import interval_columns, share_columns
from benchmarks.options import Option
from benchmarks.together import complete_rows
from thesis_lib.audio.files import read_audio, resample
from thesis_lib.cloning.watermark import MIN_MARK_PROBABILITY, MIN_WINDOW_PROBABILITY, add_watermark, detect_watermark
from thesis_lib.corpus.split import spread
from thesis_lib.utils.progress import bar
from thesis_lib.validation import Scorer, System, TestSet, evaluate, metrics
from thesis_lib.validation.evaluation import Columns

FILE_SECONDS = (74, 89, 104)  # of the joined files with a marked stretch
STRETCH_SECONDS = (20, 30)
LONG_SECONDS = (151, 199)  # of those in which it plays at another speed than the rest
STRETCH_SPEEDS = (0.95, 1.05)
OFFSETS = (0, 10, 20, 40, 60)  # s, where the stretch begins, if it ends in the file
UNMARKED_SECONDS = 90  # of the joined files without one
SPEEDS = (0.9, 1.0, 1.1)  # at which unmarked speech is played

OPTIONS = {
    "recordings": Option(50, 3, "human recordings for quality and false alarms, spread over the folder"),
    "altered": Option(10, 2, "recordings among them that are changed"),
    "files": Option(3, 1, "joined files of each length with a marked stretch"),
}


def run(quick: bool, recordings: int, altered: int, files: int) -> dict:
    """Shares detected after each change and of stretches in long files, false alarms, and quality with the mark."""
    paths = [path for own in human_recordings().values() for path in own]
    every = [read_audio(path, RATE)[0] for path in paths]
    wavs = [every[i] for i in spread(len(every), recordings)]
    marked = [add_watermark(wav, RATE) for wav in wavs]
    some = spread(len(wavs), altered)
    pairs = [[metrics.Recording(x, RATE) for x in pair] for pair in zip(marked, wavs, strict=True)]
    pesq = [metrics.pesq(a, b) for a, b in pairs]
    opinions = np.array([[metrics.dnsmos(x)["dnsmos_ovrl"] for x in pair] for pair in pairs])
    difference = metrics.mean_of(opinions[:, 0] - opinions[:, 1])
    unmarked = joined_files(every[:24] if quick else every, repeat(UNMARKED_SECONDS))
    rows, missing = altered_rows(*([side[i] for i in some] for side in (marked, wavs)))
    return {
        "recordings": len(wavs),
        "altered": len(some),
        "thresholds": {"mean": MIN_MARK_PROBABILITY, "of one window": MIN_WINDOW_PROBABILITY},
        "rows": rows,
        "stretches": [stretches(every, FILE_SECONDS * files, seconds) for seconds in STRETCH_SECONDS],
        "stretches at another speed": [
            stretches(every, LONG_SECONDS * files, seconds, speed)
            for seconds in STRETCH_SECONDS
            for speed in STRETCH_SPEEDS
        ],
        "false alarms": {
            "recordings": [false_alarms(wavs, speed) for speed in SPEEDS],
            "joined": [false_alarms(unmarked, speed) for speed in SPEEDS],
        },
        "PESQ-wb to the unmarked": {"median": float(np.median(pesq)), "low": min(pesq), "high": max(pesq)},
        "DNSMOS, marked - unmarked": interval_columns(len(pairs), difference, 1000, name="mean"),
        "signal to mark, dB": float(np.median([_ratio(a, b) for a, b in zip(wavs, marked, strict=True)])),
        "not measured": missing,
    }


def altered_rows(marked: list[np.ndarray], unmarked: list[np.ndarray]) -> tuple[list[dict], list[dict]]:
    """A row each alteration, and what could not be measured.

    A row has the shares that count as marked, with 95 % intervals, and the range of the probabilities. A recording with
    an alteration that could not be measured is in no row.
    """
    sides = {"marked": marked, "unmarked": unmarked}

    def detected(place: int, output: tuple[np.ndarray, int]) -> Columns:
        found = detect_watermark(*output)
        return {"seen": found.is_marked, "probability": found.probability}

    systems = [
        System(name, lambda place, change=change, wavs=wavs: change(wavs[place]), about={"after": name, "side": side})
        for name, change in alterations().items()
        for side, wavs in sides.items()
    ]
    test_set = TestSet(range(len(marked)), lambda place: {"recording": place}, "alterations")
    results = evaluate(test_set, systems, [Scorer(detected)], bar, by_system=True)
    kept = complete_rows(results, ["recording"])
    rows = []
    for name, part in pd.DataFrame(kept).groupby("after", sort=False) if kept else ():
        row: dict = {"after": name, "recordings": part.recording.nunique()}
        for side, own in part.groupby("side", sort=False):
            share, low, high = metrics.share_interval(own.seen.to_numpy())
            row |= {f"seen in {side}": share, f"{side}, low": low, f"{side}, high": high}
            row |= {f"{side}, lowest": own.probability.min(), f"{side}, highest": own.probability.max()}
        rows.append(row)
    return rows, results.missing


def joined_files(wavs: list[np.ndarray], lengths: Iterable[float]) -> list[np.ndarray]:
    """The recordings one after the other, cut into files of ``lengths`` in s, as long as there are samples."""
    whole, files = np.concatenate(wavs), []
    for seconds in lengths:
        size = round(seconds * RATE)
        if size > len(whole):
            break
        files.append(whole[:size])
        whole = whole[size:]
    return files


def stretches(wavs: list[np.ndarray], lengths: Sequence[int], seconds: float, speed: float = 1.0) -> dict:
    """Share of marked stretches of ``seconds`` found in joined files of ``lengths`` in s, at each offset.

    A stretch plays ``speed`` times as fast as when it was marked, and the rest of its file as it was. It is found where
    a marked span overlaps it. Speech is in one file only, and the files are the groups of the interval.
    """
    cases = []
    files = joined_files(wavs, lengths)
    for number, (length, wav) in enumerate(tqdm(list(zip(lengths, files, strict=False)), f"stretches of {seconds} s")):
        for offset in (x for x in OFFSETS if x + seconds <= length):
            x = detect_watermark(_spliced(wav, offset, seconds, speed), RATE)
            found = any(start < offset + seconds and end > offset for start, end in x.spans)
            cases.append({"number": number, "file": length, "from": offset, "found": found, "lowest": x.probability})
    table = pd.DataFrame(cases)
    share = share_columns(table.found.to_numpy(), table.number.to_numpy())
    rows = table.groupby(["file", "from"]).agg(of=("found", "size"), found=("found", "sum"), lowest=("lowest", "min"))
    counts = {"seconds": seconds, "speed": speed, "files": len(files), "stretches": len(table)}
    return counts | share | {"rows": rows.reset_index().to_dict("records")}


def _spliced(wav: np.ndarray, offset: float, seconds: float, speed: float) -> np.ndarray:
    """(N,) with the watermark from ``offset`` on, in at most ``seconds`` that play ``speed`` times as fast."""
    part = slice(round(offset * RATE), round((offset + seconds * min(1, speed)) * RATE))
    played = resample(add_watermark(wav[part], RATE), RATE * speed, RATE)
    return np.concatenate([wav[: part.start], played, wav[part.stop :]])


def false_alarms(wavs: list[np.ndarray], speed: float) -> dict:
    """Unmarked recordings that count as marked when played ``speed`` times as fast, per hour of what is played.

    The interval is that of the share of the recordings.
    """
    played = [resample(wav, RATE * speed, RATE) for wav in wavs]
    found = [detect_watermark(wav, RATE) for wav in tqdm(played, f"unmarked, speed {speed}")]
    hours = sum(map(len, played)) / RATE / 3600
    share = metrics.share_interval(np.array([x.is_marked for x in found]))
    rates = dict(zip(("per hour", "low", "high"), (len(found) / hours * x for x in share), strict=True))
    counts = {"speed": speed, "recordings": len(found), "hours": hours, "alarms": sum(x.is_marked for x in found)}
    return counts | rates | {"highest": max(x.probability for x in found)}


def _ratio(wav: np.ndarray, marked: np.ndarray) -> float:
    return 10 * np.log10(np.square(wav).sum() / np.square(wav - marked).sum())
