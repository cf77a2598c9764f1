"""Summary of the speaker test: each system by each encoder, by kinds of pairs, and the gain over trivial systems."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from thesis_lib.validation import metrics
from thesis_lib.validation.evaluation import INTERVAL, Columns, groups_of, interval, summarise_groups
from thesis_lib.validation.speaker_test.systems import TRIVIAL
from thesis_lib.validation.speaker_test.trials import FEMALE, MALE
from thesis_lib.validation.swap.scorer import ACCEPTED, chance, speaker_statistics

ALL_PAIRS, PITCH_MATCHED = "all", "F0 within a semitone"
MAX_MATCHED_SEMITONES = 1.0  # between the log-F0 medians of target and content
CROSSED = ("target_speaker", "content")
SHARES = ("identified", *ACCEPTED)  # statistics that are 0 or 1 in a trial
GAINED = ("normalised_similarity", *SHARES)
NAMES = {FEMALE: "female", MALE: "male"}
GAINS = ("encoder", "pairs", "statistic", "system", "best trivial", *INTERVAL)


def by_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with a column ``pairs``, once for each kind of pairs that they belong to.

    All; F0 medians of target and content within a semitone; and, from the estimated sex of the content to that of the
    target, four kinds. Natural recordings have no content, so they belong to the first kind alone.
    """
    kinds = {ALL_PAIRS: np.ones(len(table), bool)}
    kinds[PITCH_MATCHED] = (table.semitones.abs() <= MAX_MATCHED_SEMITONES).to_numpy()
    for content, said in NAMES.items():
        for target, wanted in NAMES.items():
            pair = (table.content_sex == content) & (table.target_sex == target)
            kinds[f"{said} to {wanted}"] = pair.to_numpy()
    return pd.concat([table[mask].assign(pairs=name) for name, mask in kinds.items()], ignore_index=True)


def summarise_speakers(table: pd.DataFrame, resamples: int, seed: int) -> pd.DataFrame:
    """Summarise each system, encoder and kind of pairs.

    Columns: system, encoder, pairs, statistic (``speaker_statistics``), value, low, high (95 %, over target speakers
    and contents, which cross), n, reason, chance (the value for outputs unrelated to the target).
    """
    by = ("system", "encoder", "pairs")
    rows = by_pairs(table)
    summary = summarise_groups(rows, by, speaker_statistics, CROSSED, resamples, seed, label="statistic")
    levels = {encoder: chance(part) for encoder, part in table.groupby("encoder")}
    summary["chance"] = [levels[row.encoder].get(row.statistic, np.nan) for row in summary.itertuples()]
    return summary


def gains(
    table: pd.DataFrame, system: str, resamples: int, seed: int, trivial: Sequence[str] = TRIVIAL
) -> pd.DataFrame:
    """The gain of a system over the best trivial one, by each encoder, kind of pairs and statistic of ``GAINED``.

    The best is that with the highest mean on the same pairs. The difference is paired by target and content, with its
    95 % interval over targets and contents. Columns: ``GAINS``.

    References of the interval: ``metrics.intervals``, and Newcombe 1998, Statistics in Medicine 17, 2635–2650.
    """
    rows = []
    for (encoder, pairs), part in by_pairs(table).groupby(["encoder", "pairs"], sort=False):
        part = part.assign(normalised_similarity=(part.to_target - part.floor) / (part.ceiling - part.floor))
        for statistic in GAINED:
            wide = part.pivot(index=CROSSED, columns="system", values=statistic)
            present = [name for name in trivial if name in wide and wide[name].notna().any()]
            about = {"encoder": encoder, "pairs": pairs, "statistic": statistic, "system": system}
            if system not in wide or not wide[system].notna().any() or not present:
                reason = f"{statistic} was not measured for {system} and a trivial system"
                nothing = dict.fromkeys(("value", "low", "high"), np.nan)
                rows.append(about | {"best trivial": "", **nothing, "n": 0, "reason": reason})
                continue
            best = str(wide[present].mean().idxmax())
            both = wide[[system, best]].dropna()
            found = _difference(both, statistic in SHARES, resamples, seed)
            rows.append(about | {"best trivial": best} | found)
    return pd.DataFrame(rows, columns=list(GAINS))


def _difference(both: pd.DataFrame, shares: bool, resamples: int, seed: int) -> Columns:
    """Mean and interval of the first column minus the second, of rows named by target and content.

    The bootstrap of shares with one and the same difference in all pairs has no width. Their interval is then that of
    the difference of two shares, from the interval of each (Newcombe 1998, method 10 without its correlation).
    """
    sides = groups_of(both.index.to_frame(index=False), CROSSED)
    first, second = both.to_numpy(float).T
    difference = first - second
    mean = metrics.mean_of(difference)
    if not shares:
        return interval(len(difference), mean, resamples, seed, sides)
    found = interval(len(difference), metrics.Bounded(mean, -1, 1), resamples, seed, sides)
    if np.isfinite(found["value"]) and np.ptp(difference) == 0:
        a, b = (metrics.share_interval(values == 1, sides) for values in (first, second))
        found["low"] = max(-1.0, found["value"] - float(np.hypot(a[0] - a[1], b[2] - b[0])))
        found["high"] = min(1.0, found["value"] + float(np.hypot(a[2] - a[0], b[0] - b[1])))
    return found
