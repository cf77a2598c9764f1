"""Tables and figures of the speaker test, each with its chance levels; a dagger marks an encoder with a role."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from thesis_lib.reporting.headings import STATISTICS, heading
from thesis_lib.reporting.look import SIZE
from thesis_lib.reporting.tables import with_interval
from thesis_lib.validation.roles import is_circular
from thesis_lib.validation.speaker_test import ALL_PAIRS, NATURAL
from thesis_lib.validation.speaker_test.summary import TIE_SEPARATOR
from thesis_lib.validation.swap import ACCEPTED

SHOWN = ("normalised_similarity", "identified", "accepted_5")  # panels of the figure
# Statistic -> chance level by natural impostors, of those that do not depend on the number of enrolled voices.
FIXED_CHANCE = {"normalised_similarity": 0.0, **ACCEPTED, "target_preference": 0.5}
CHANCE = {"chance": "chance: natural impostors", "chance_same_sex": "chance: natural impostors of the target's sex"}
NUMBERS = (
    "value",
    "low",
    "high",
    "chance",
    "chance_same_sex",
    "before",
    "remains",
    "remains_low",
    "remains_high",
    "difference",
)
OF_PAIRS = (*SHOWN, "accepted_5_same_sex")
# The two tables of the speaker test: four columns with intervals are read without scrolling.
MAIN_STATISTICS = (*SHOWN, "target_preference")
STRICT_STATISTICS = tuple(name for name in STATISTICS if name not in MAIN_STATISTICS)
NO_SHARE = "not given"  # of a normalised similarity near 0
NOISES = {  # of ``benchmarks artefacts``
    "white noise": "white noise",
    "plain loss": "along the gradient of ECAPA's loss",
    "augmented loss": "along the gradient of ECAPA's loss with augmented input",
}


def speakers_table(
    summary: pd.DataFrame, pairs: str = ALL_PAIRS, statistics: tuple[str, ...] = tuple(STATISTICS)
) -> pd.DataFrame:
    """A line for each encoder and system, for one kind of pairs: statistics with intervals; headings give chance.

    One more line for each encoder has the chance level of impostors of the target's sex, where sexes are known.
    Encoders without a role in the vocoder come first.
    """
    part = _numbers(summary[(summary.pairs == pairs) & summary.statistic.isin(statistics)])
    lines = []
    for (encoder, system), rows in part.groupby(["encoder", "system"], sort=False):
        cells = {row["statistic"]: with_interval(row) for row in rows.to_dict("records")}
        line = {"encoder": encoder, "system": system, "n": int(rows.n.max())}
        lines.append(line | {_heading(part, name): cells[name] for name in statistics if name in cells})
    for encoder, rows in part.groupby("encoder", sort=False):
        levels = {_heading(part, name): level for name, level in _levels(rows, "chance_same_sex").items()}
        if levels:
            lines.append({"encoder": encoder, "system": CHANCE["chance_same_sex"], "n": ""} | levels)
    return pd.DataFrame(lines).fillna("").sort_values("encoder", key=_in_order, kind="stable", ignore_index=True)


def measures_table(summary: pd.DataFrame, system: str, encoder: str) -> pd.DataFrame:
    """A line for each statistic by one encoder: a system, natural recordings, and both chance levels."""
    part = _numbers(summary[(summary.pairs == ALL_PAIRS) & (summary.encoder == encoder)])
    lines = []
    for statistic in (name for name in STATISTICS if name in set(part.statistic)):
        rows = part[part.statistic == statistic].set_index("system")
        line: dict[str, object] = {"measure": STATISTICS[statistic]}
        for name in (system, NATURAL):
            count = part[part.system == name].n.max()
            line[f"{name} (n = {count})"] = with_interval(rows.loc[name].to_dict()) if name in rows.index else "–"
        own = rows.loc[system]
        lines.append(
            line | {said: "–" if np.isnan(own[column]) else f"{own[column]:.2g}" for column, said in CHANCE.items()}
        )
    return pd.DataFrame(lines)


def swap_rows(summary: pd.DataFrame, voices: int) -> pd.DataFrame:
    """The summary of a speaker swap in the shape of the speaker test's, for its table and figure.

    A system is a task, a stage and a kind of target. Chance is that of natural impostors among ``voices`` enrolled
    ones.
    """
    shares = FIXED_CHANCE | {"identified": 1 / voices}
    part = summary[summary.statistic.isin(shares)]
    system = part.task + ", " + part.stage + ", to " + part.target + " voices"
    return part.assign(system=system, pairs=ALL_PAIRS, chance=part.statistic.map(shares))


def with_chance(key: str, voices: int | None = None) -> str:
    """The heading of a key, in which each statistic of the speaker test is followed by its chance level.

    ``voices``: the number of enrolled ones, on which the chance of identification depends; None where it is not known.
    """
    said = {STATISTICS[name]: f"chance {level:.2g}" for name, level in FIXED_CHANCE.items()}
    identified = f"chance {1 / voices:.2g}" if voices else "chance: one in the enrolled voices"
    said[STATISTICS["identified"]] = identified
    return ", ".join(f"{part} ({said[part]})" if part in said else part for part in str(heading(key)).split(", "))


def by_encoder(part: pd.DataFrame) -> str:
    """The values of one statistic by each encoder, for a sentence; shares in per cent."""
    said = []
    for row in part.to_dict("records"):
        number = f"{row['value']:.2f}" if row["statistic"] == "normalised_similarity" else f"{100 * row['value']:.0f} %"
        said.append(f"{'not measured' if np.isnan(row['value']) else number} ({heading(row['encoder'])})")
    return ", ".join(said)


def pairs_table(summary: pd.DataFrame, gains: pd.DataFrame, system: str) -> pd.DataFrame:
    """Lines an encoder and kind of pairs: natural recordings, a system, the best trivial one, the gain over it, chance.

    Of each statistic of ``OF_PAIRS``, with intervals. ``gains_table`` names the best trivial systems.
    """
    part, gained = (_numbers(rows[rows.statistic.isin(OF_PAIRS)]) for rows in (summary, gains))
    lines = []
    for (encoder, pairs), rows in part.groupby(["encoder", "pairs"], sort=False):
        about = {"encoder": encoder, "content to target": pairs}
        for name in (NATURAL, system):
            own = rows[rows.system == name]
            if len(own):
                cells = {STATISTICS[row["statistic"]]: with_interval(row) for row in own.to_dict("records")}
                lines.append(about | {"system": name, "n": int(own.n.max())} | cells)
        over = gained[(gained.encoder == encoder) & (gained.pairs == pairs) & gained.value.notna()]
        if len(over):
            best = over.set_index("statistic")["best trivial"]
            count = int(over.n.max())
            lines.append(about | {"system": "best trivial system", "n": count} | _best(rows, best))
            cells = {STATISTICS[row["statistic"]]: with_interval(row) for row in over.to_dict("records")}
            lines.append(about | {"system": "gain over it", "n": count} | cells)
        for column, said in CHANCE.items():
            levels = {STATISTICS[name]: level for name, level in _levels(rows, column).items()}
            lines.append(about | {"system": said, "n": ""} | levels)
    return pd.DataFrame(lines).fillna("")


def _best(rows: pd.DataFrame, best: pd.Series) -> dict[str, str]:
    """Statistic's heading -> value of its best trivial system; of the first, where several are equal."""
    found = {}
    for statistic, names in best.items():
        own = rows[(rows.statistic == statistic) & (rows.system == names.split(TIE_SEPARATOR)[0])]
        found[STATISTICS[statistic]] = with_interval(own.iloc[0].to_dict())
    return found


def _levels(rows: pd.DataFrame, column: str) -> dict[str, str]:
    """Statistic -> its chance level in a column of the rows; none where there is no such column."""
    if column not in rows:
        return {}
    levels = rows.groupby("statistic", sort=False)[column].first().dropna()
    return {name: f"{value:.2g}" for name, value in levels.items()}


def _heading(part: pd.DataFrame, statistic: str) -> str:
    chance = part[part.statistic == statistic].chance.mean()
    return f"{STATISTICS[statistic]} (chance {chance:.2g})"


def gains_table(gains: pd.DataFrame, pairs: str = ALL_PAIRS) -> pd.DataFrame:
    """A line for each encoder and statistic: the gain over the best trivial system with its interval; 0 is no gain."""
    part = _numbers(gains[gains.pairs == pairs]).fillna({"best trivial": ""})  # an empty cell of a file reads as NaN
    return pd.DataFrame(
        {
            "encoder": row["encoder"],
            "statistic": STATISTICS[row["statistic"]],
            "best trivial system": row["best trivial"],
            "gain (no gain: 0)": with_interval(row),
            "n": row["n"],
        }
        for row in part.to_dict("records")
    )


def degraded_table(rows: pd.DataFrame, beside_natural: bool = False) -> pd.DataFrame:
    """A line for each encoder and system: the share of its normalised similarity that remains after each degradation.

    ``beside_natural``: the share minus that of natural recordings, of the systems that have one.
    """
    names = ("difference", "low", "high") if beside_natural else ("remains", "remains_low", "remains_high")
    lines = []
    for (encoder, system), part in _numbers(rows).groupby(["encoder", "system"], sort=False):
        line = {"encoder": encoder, "system": system, "n": int(part.n.max())}
        if not beside_natural:
            line["undegraded (chance 0)"] = f"{part.before.iloc[0]:.2f}"
        elif part.difference.isna().all():
            continue
        for row in part.to_dict("records"):
            share = dict(zip(("value", "low", "high"), (row[name] for name in names), strict=True))
            line[f"after {row['degradation']}"] = NO_SHARE if np.isnan(share["value"]) else with_interval(share)
        lines.append(line)
    return pd.DataFrame(lines)


def lost_cosine_table(rows: pd.DataFrame, systems: Sequence[str]) -> pd.DataFrame:
    """A line for each encoder and some systems: the cosine to the target, and what each degradation takes from it."""
    lines = []
    for (encoder, system), part in _numbers(rows[rows.system.isin(systems)]).groupby(["encoder", "system"], sort=False):
        line = {"encoder": encoder, "system": system, "n": int(part.n.max())}
        line["cosine, undegraded"] = f"{part.cosine_before.iloc[0]:.2f}"
        for row in part.to_dict("records"):
            lost = {"value": row["cosine_lost"], "low": row["cosine_lost_low"], "high": row["cosine_lost_high"]}
            line[f"lost by {row['degradation']}"] = with_interval(lost)
        lines.append(line)
    return pd.DataFrame(lines)


def noise_table(rows: list[dict]) -> pd.DataFrame:
    """Of ``benchmarks artefacts`` a line for each encoder: the mean movement by each noise, with its interval."""
    cells = pd.DataFrame(
        {
            "encoder": row["encoder"],
            "noise": NOISES[row["noise"]],
            "moved": with_interval(row | {"value": row["moved"]}),
        }
        for row in rows
    )
    return cells.pivot(index="encoder", columns="noise", values="moved")[list(NOISES.values())].reset_index()


def speakers_figure(summary: pd.DataFrame, pairs: str = ALL_PAIRS) -> Figure:
    """Normalised similarity, identification and acceptance of each system; a colour an encoder.

    Dotted is chance by all natural impostors, dashed by those of the target's sex (the mean of the encoders).
    """
    part = _numbers(summary[(summary.pairs == pairs) & summary.statistic.isin(SHOWN)])
    systems, encoders = (list(dict.fromkeys(part[name])) for name in ("system", "encoder"))
    size = (SIZE[0] * 1.35, 0.45 * len(systems) + 1.4)
    figure, axes = plt.subplots(1, len(SHOWN), figsize=size, sharey=True)
    for axis, statistic in zip(axes, SHOWN, strict=True):
        own = part[part.statistic == statistic]
        for number, encoder in enumerate(encoders):
            line = own[own.encoder == encoder].set_index("system").reindex(systems)
            places = np.arange(len(systems)) + (number - (len(encoders) - 1) / 2) * 0.2
            errors = np.maximum([line.value - line.low, line.high - line.value], 0)
            axis.errorbar(line.value, places, xerr=errors, fmt="o", capsize=2, markersize=4, label=heading(encoder))
        chance = float(own.chance.mean())
        axis.axvline(chance, color="black", linestyle=":", linewidth=1)
        text = f"chance {chance:.2g}"
        axis.annotate(text, (chance, 1), xycoords=("data", "axes fraction"), fontsize=8, ha="center", va="bottom")
        if "chance_same_sex" in own and own.chance_same_sex.notna().any():
            axis.axvline(float(own.chance_same_sex.mean()), color="grey", linestyle="--", linewidth=1)
        axis.set_xlabel(STATISTICS[statistic])
    axes[0].set_yticks(range(len(systems)), systems)
    axes[0].invert_yaxis()
    axes[-1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The table with floats, also where JSON had no number, daggers, and evaluation encoders first."""
    return with_daggers(table.assign(**{name: table[name].astype(float) for name in NUMBERS if name in table}))


def with_daggers(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with a dagger at every encoder that has a role in the vocoder; evaluation encoders come first."""
    marked = table.role.map(is_circular) if "role" in table else pd.Series(False, index=table.index)
    table = table.assign(encoder=table.encoder.where(~marked, table.encoder + " †"), marked=marked)
    return table.sort_values("marked", kind="stable").drop(columns="marked")


def _in_order(encoders: pd.Series) -> pd.Series:
    """Their places in the order of first appearance."""
    return pd.Series(pd.factorize(encoders)[0], encoders.index)
