"""Summary of the speaker test: each system by each encoder, by kinds of pairs, and the gain over trivial systems."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from thesis_lib.validation import metrics
from thesis_lib.validation.evaluation import INTERVAL, Columns, OfRows, groups_of, interval, summarise_groups
from thesis_lib.validation.speaker_test.same_sex import (
    FEMALE,
    MALE,
    SAME_SEX_COLUMNS,
    SIMILARITY,
    SUFFIX,
    strict_statistics,
)
from thesis_lib.validation.speaker_test.systems import NATURAL, TRIVIAL
from thesis_lib.validation.swap.scorer import ACCEPTED, speaker_statistics

ALL_PAIRS, PITCH_MATCHED = "all", "F0 within a semitone"
MAX_MATCHED_SEMITONES = 1.0  # between the log-F0 medians of target and content
CROSSED = ("target_speaker", "content")
GAINED = (SIMILARITY, "identified", *ACCEPTED)
OF_CONTENT = ("target_preference", "to_content")  # statistics that compare with the speaker of the content
SEX_NAMES = {FEMALE: "female", MALE: "male"}
TIE_SEPARATOR = " = "  # between the names of trivial systems with one mean
GAINS = ("encoder", "pairs", "statistic", "system", "best trivial", *INTERVAL)


def by_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with a column ``pairs``, once for each kind of pairs that they belong to.

    All; F0 medians of target and content within a semitone; for each sex of the target, "all to female" or "all to
    male"; and, from the sex of the content to that of the target, four kinds. Natural recordings have no content: they
    belong to all, and to the three kinds with the sex of their speaker as that of the target.
    """
    natural = table.system == NATURAL if "system" in table else np.zeros(len(table), bool)
    kinds = {ALL_PAIRS: np.ones(len(table), bool)}
    kinds[PITCH_MATCHED] = (table.semitones.abs() <= MAX_MATCHED_SEMITONES).to_numpy()
    kinds |= {f"{ALL_PAIRS} to {wanted}": (table.target_sex == sex).to_numpy() for sex, wanted in SEX_NAMES.items()}
    for content, said in SEX_NAMES.items():
        for target, wanted in SEX_NAMES.items():
            pair = ((table.content_sex == content) | natural) & (table.target_sex == target)
            kinds[f"{said} to {wanted}"] = pair.to_numpy()
    return pd.concat([table[mask].assign(pairs=name) for name, mask in kinds.items()], ignore_index=True)


def summarise_speakers(table: pd.DataFrame, levels: pd.DataFrame, resamples: int, seed: int) -> pd.DataFrame:
    """Summarise each system, encoder and kind of pairs.

    Columns: system, encoder, pairs, statistic (``speaker_statistics`` and ``strict_statistics``), value, low, high
    (95 %, over target speakers and contents, which cross), n, reason, and two chance levels from ``impostor_levels``.
    ``chance`` is the value of natural impostors: of all of them, or, in the kinds of pairs, of those with the sexes of
    the pairs where there are any. ``chance_same_sex`` is that of impostors of the target's sex.
    """
    rows, by = by_pairs(table), ("system", "encoder", "pairs")
    summary = summarise_groups(rows, by, _statistics, CROSSED, resamples, seed, label="statistic")
    summary = summary[~((summary.system == NATURAL) & summary.statistic.isin(OF_CONTENT))].reset_index(drop=True)
    chance = {key: _chance(part, levels, *key) for key, part in rows.groupby(["encoder", "pairs"])}
    for column in ("chance", "chance_same_sex"):
        found = [chance[row.encoder, row.pairs][column].get(row.statistic, np.nan) for row in summary.itertuples()]
        summary[column] = found
    return summary


def _statistics(part: pd.DataFrame) -> Mapping[str, metrics.Statistic | OfRows]:
    return {**speaker_statistics(part), **strict_statistics(part)}


def _chance(part: pd.DataFrame, levels: pd.DataFrame, encoder: str, pairs: str) -> dict[str, dict[str, float]]:
    """Kind of chance level -> statistic -> its mean over the trials of one encoder and kind of pairs."""
    by_sexes = levels[levels.encoder == encoder].set_index(["content_sex", "target_sex"])[["to_target", *GAINED]]
    every = pd.Series(dict(by_sexes.loc[("", "")]) | {SIMILARITY: 0.0, **ACCEPTED})
    trials = part[part.system != NATURAL] if (part.system != NATURAL).any() else part
    sexes = list(zip(trials.content_sex, trials.target_sex, strict=True))
    same = by_sexes.reindex([(target, target) for _, target in sexes if target]).mean()
    own = every
    if pairs != ALL_PAIRS:
        own = by_sexes.drop(index=("", "")).reindex(sexes).fillna(every).mean()
    strict = {SIMILARITY + SUFFIX: 0.0} | {column + SUFFIX: share for column, share in ACCEPTED.items()}
    return {"chance": dict(own) | strict | {"target_preference": 0.5}, "chance_same_sex": dict(same) | strict}


def gains(
    table: pd.DataFrame, system: str, resamples: int, seed: int, trivial: Sequence[str] = TRIVIAL
) -> pd.DataFrame:
    """The gain of a system over the best of the ``trivial`` ones, by each encoder, kind of pairs and statistic.

    Statistics: ``GAINED``, and ``SAME_SEX_COLUMNS`` where sexes are known. Only pairs that were measured for all of
    these systems count. The best is that with the highest mean on them; where several have it, all are named and the
    first is compared with. As the best is chosen on the very pairs of the comparison, the gain is rather too low than
    too high. The difference is paired by target and content, with its 95 % interval over targets and contents.
    Columns: ``GAINS``.

    References of the interval: ``metrics.intervals``.
    """
    rows = []
    normalised = metrics.normalised_similarity(table.to_target, table.floor, table.ceiling)
    for (encoder, pairs), part in by_pairs(table.assign(**{SIMILARITY: normalised})).groupby(
        ["encoder", "pairs"], sort=False
    ):
        strict = SAME_SEX_COLUMNS if (part.target_sex != "").any() else ()
        for statistic in [*GAINED, *strict]:
            about = {"encoder": encoder, "pairs": pairs, "statistic": statistic, "system": system}
            rows.append(about | _gain(part, statistic, system, trivial, resamples, seed))
    return pd.DataFrame(rows, columns=list(GAINS))


def beside_natural(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of trials; the natural recording of a target has a row for each trial of that target.

    ``gains`` can then compare a system with the natural recordings of the same targets, as its one trivial system.
    """
    trials, natural = table[table.system != NATURAL], table[table.system == NATURAL]
    pairs = trials[["encoder", *CROSSED, "content_sex", "semitones"]].drop_duplicates(["encoder", *CROSSED])
    repeated = natural.drop(columns=["content", "content_sex", "semitones"]).merge(pairs)
    return pd.concat([trials, repeated], ignore_index=True)


def _gain(
    part: pd.DataFrame, statistic: str, system: str, trivial: Sequence[str], resamples: int, seed: int
) -> Columns:
    wide = part.pivot(index=CROSSED, columns="system", values=statistic).dropna(axis="columns", how="all")
    present = [name for name in trivial if name in wide]
    complete = wide[[system, *present]].dropna() if system in wide else wide.iloc[:0]
    if not present or complete.empty:
        reason = f"{statistic} was not measured for {system} and a trivial system on the same pairs"
        return {"best trivial": "", **dict.fromkeys(("value", "low", "high"), np.nan), "n": 0, "reason": reason}
    means = complete[present].mean()
    best = [name for name in present if np.isclose(means[name], means.max(), rtol=0, atol=1e-9)]
    both = complete[[system, best[0]]]
    difference = _difference(both, not statistic.startswith(SIMILARITY))
    names = both.index.to_frame(index=False)
    found = interval(len(both), difference, resamples, seed, groups_of(names, list(names)))
    return {"best trivial": TIE_SEPARATOR.join(best)} | found


def _difference(both: pd.DataFrame, shares: bool) -> metrics.Statistic:
    """The mean of the first column minus that of the second, of rows named by target and content.

    The natural recording of a target stands at each content.
    """
    first, second = both.to_numpy(float).T
    if not shares:
        return metrics.mean_of(first - second)
    target = both.index.get_level_values("target_speaker")
    repeated = both.columns[1] == NATURAL
    return metrics.ShareDifference(first == 1, second == 1, np.flatnonzero(~target.duplicated()) if repeated else None)
