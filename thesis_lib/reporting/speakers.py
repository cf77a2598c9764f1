"""Tables and figures of the speaker test, each with its chance levels; a dagger marks an encoder with a role."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from thesis_lib.reporting.look import SIZE
from thesis_lib.reporting.tables import with_interval
from thesis_lib.validation.roles import is_circular
from thesis_lib.validation.speaker_test import ALL_PAIRS

STATISTICS = {
    "normalised_similarity": "normalised similarity",
    "identified": "identified, rank 1",
    "accepted_1": "accepted at 1 %",
    "accepted_5": "accepted at 5 %",
    "target_preference": "target-preference rate",
}
SHOWN = ("normalised_similarity", "identified", "accepted_5")  # panels of the figure


def speakers_table(
    summary: pd.DataFrame, pairs: str = ALL_PAIRS, statistics: tuple[str, ...] = tuple(STATISTICS)
) -> pd.DataFrame:
    """A line an encoder and system, for one kind of pairs: each statistic with its interval; chance in the headings.

    Encoders without a role in the vocoder come first.
    """
    part = _numbers(summary[(summary.pairs == pairs) & summary.statistic.isin(statistics)])
    lines = []
    for (encoder, system), rows in part.groupby(["encoder", "system"], sort=False):
        cells = {row["statistic"]: with_interval(row) for row in rows.to_dict("records")}
        line = {"encoder": encoder, "system": system, "n": int(rows.n.max())}
        lines.append(line | {_heading(part, name): cells[name] for name in statistics if name in cells})
    return pd.DataFrame(lines)


def pairs_table(summary: pd.DataFrame, system: str) -> pd.DataFrame:
    """A line an encoder and kind of pairs of one system: each statistic of ``SHOWN``; chance in the headings."""
    part = _numbers(summary[(summary.system == system) & summary.statistic.isin(SHOWN)])
    lines = []
    for (encoder, pairs), rows in part.groupby(["encoder", "pairs"], sort=False):
        cells = {_heading(part, row["statistic"]): with_interval(row) for row in rows.to_dict("records")}
        lines.append({"encoder": encoder, "content to target": pairs, "n": int(rows.n.max())} | cells)
    return pd.DataFrame(lines)


def gains_table(gains: pd.DataFrame, pairs: str = ALL_PAIRS) -> pd.DataFrame:
    """A line an encoder and statistic: the gain over the best trivial system with its interval; 0 is no gain."""
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


def degraded_table(rows: pd.DataFrame) -> pd.DataFrame:
    """A line an encoder and system: normalised similarity (chance 0) before, and what each degradation takes."""
    lines = []
    for (encoder, system), part in _numbers(rows).groupby(["encoder", "system"], sort=False):
        line = {"encoder": encoder, "system": system, "undegraded (chance 0)": f"{part.before.iloc[0]:.3f}"}
        for row in part.rename(columns={"lost": "value"}).to_dict("records"):
            line[f"lost by {row['degradation']}"] = with_interval(row)
        lines.append(line | {"n": int(part.n.max())})
    return pd.DataFrame(lines)


def speakers_figure(summary: pd.DataFrame, pairs: str = ALL_PAIRS) -> Figure:
    """Normalised similarity, identification and acceptance of each system; a colour an encoder, dotted is chance."""
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
            axis.errorbar(line.value, places, xerr=errors, fmt="o", capsize=2, markersize=4, label=encoder)
        chance = float(own.chance.mean())
        axis.axvline(chance, color="black", linestyle=":", linewidth=1)
        text = f"chance {chance:.2g}"
        axis.annotate(text, (chance, 1), xycoords=("data", "axes fraction"), fontsize=8, ha="center", va="bottom")
        axis.set_xlabel(STATISTICS[statistic])
    axes[0].set_yticks(range(len(systems)), systems)
    axes[0].invert_yaxis()
    axes[-1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The table with floats, also where JSON had no number, daggers, and evaluation encoders first."""
    names = [name for name in ("value", "low", "high", "chance", "before", "lost") if name in table]
    marked = table.role.map(is_circular) if "role" in table else pd.Series(False, index=table.index)
    encoder = table.encoder.where(~marked, table.encoder + " †")
    table = table.assign(encoder=encoder, marked=marked, **{name: table[name].astype(float) for name in names})
    return table.sort_values("marked", kind="stable").drop(columns="marked")


def _heading(part: pd.DataFrame, statistic: str) -> str:
    chance = part[part.statistic == statistic].chance.mean()
    return f"{STATISTICS[statistic]} (chance {chance:.2g})"
