"""Figures that compare systems: from tables with values and intervals."""

import textwrap
from typing import cast

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from thesis_lib.reporting.headings import heading, metric_heading
from thesis_lib.reporting.look import COLOURS, SIZE
from thesis_lib.validation import circular, describe

MAX_TITLE_CHARS = 40  # of a line above a panel


def intervals(summary: pd.DataFrame, metrics: list[str]) -> Figure:
    """One panel a metric: value and 95 % interval of every system that has it; a dagger marks a circular metric."""
    names = [name for name in dict.fromkeys(summary.metric) if name in metrics]
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(SIZE[0] * 1.35, 1.9 * rows), squeeze=False)
    order, marked = list(dict.fromkeys(summary.system)), circular(summary)
    for axis, name in zip(axes.flat, names, strict=False):
        part = summary[summary.metric == name].set_index("system").reindex(order)
        places = np.arange(len(order))
        errors = np.maximum([part.value - part.low, part.high - part.value], 0)
        axis.errorbar(part.value, places, xerr=errors, fmt="o", capsize=3)
        axis.set_yticks(places, order)
        axis.set_ylim(len(order) - 0.5, -0.5)
        title = _title(f"{name} †" if name in marked else name)
        axis.set_title(f"{title}\n{describe(name).better} is better, n = {int(part.n.max())}", fontsize=8)
    for axis in axes.flat[len(names) :]:
        axis.remove()
    return figure


def _title(metric: str) -> str:
    """A metric's name in lines that fit above a panel."""
    return textwrap.fill(metric_heading(metric), MAX_TITLE_CHARS)


def forest(rows: pd.DataFrame) -> Figure:
    """Ablation: the difference of each variant from the full recipe in each metric, with 95 % intervals."""
    rows = rows[rows.difference != 0]
    names, variants = list(dict.fromkeys(rows.metric)), list(dict.fromkeys(rows.variant))
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    size = (SIZE[0] * 1.35, (0.26 * len(variants) + 0.8) * lines)
    figure, axes = plt.subplots(lines, columns, figsize=size, squeeze=False, sharey=True)
    for axis, name in zip(axes.flat, names, strict=False):
        part = rows[rows.metric == name].set_index("variant").reindex(variants)
        errors = np.maximum([part.difference - part.low, part.high - part.difference], 0)
        axis.errorbar(part.difference, range(len(variants)), xerr=errors, fmt="o", capsize=3, markersize=4)
        axis.axvline(0, color="black", linestyle=":", linewidth=1)
        axis.set_yticks(range(len(variants)), variants, fontsize=8)
        axis.set_ylim(len(variants) - 0.5, -0.5)
        axis.tick_params(axis="x", labelsize=7)
        count = f"n = {int(part.n.max())}, {int(part.seeds.max())} seeds"
        axis.set_title(f"{_title(name)}\n{describe(name).better} is better, {count}", fontsize=8)
    for axis in axes.flat[len(names) :]:
        axis.remove()
    figure.supxlabel("difference from the full recipe", fontsize=9)
    return figure


def style_figure(summary: pd.DataFrame) -> Figure:
    """Style swap: the slope of each statistic; 0 keeps the content's style, 1 takes the other recording's."""
    figure, axis = plt.subplots()
    names = list(dict.fromkeys(summary.statistic))
    for number, (condition, part) in enumerate(summary.groupby("condition", sort=False)):
        part = part.set_index("statistic").reindex(names)
        errors = np.maximum([part.slope - part.low, part.high - part.slope], 0)
        axis.errorbar(part.slope, np.arange(len(names)) + 0.2 * number - 0.1, xerr=errors, fmt="o", label=condition)
    axis.axvline(0, color="black", linestyle=":", linewidth=1)
    axis.axvline(1, color="black", linestyle=":", linewidth=1)
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set_xlabel("slope of output on style (0: content's, 1: style's)")
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def pareto(table: pd.DataFrame) -> Figure:
    """Speed against quality of every variant, with the quality's 95 % interval; the marker's size is the file's."""
    figure, axis = plt.subplots()
    for number, row in enumerate(table.itertuples()):
        quality = {"value": row.mel_l1, "low": row.mel_l1_low, "high": row.mel_l1_high}
        _variant(axis, number, row.variant, row.times_real_time, quality, row.megabytes)
    axis.set(xlabel="times real time, one thread", ylabel="mel L1 to the recording (nepers)")
    _legend_of_markers(axis)
    return figure


def _variant(axis: Axes, number: int, name: str, speed: float, quality: dict[str, float], megabytes: float) -> None:
    """A marker with its interval; ``number`` gives its colour and shape."""
    round_, place = divmod(number, len(COLOURS))
    value, colour = quality["value"], COLOURS[place]
    error = np.maximum([[value - quality["low"]], [quality["high"] - value]], 0)
    axis.errorbar(speed, value, yerr=error, fmt="none", capsize=2, ecolor=colour)
    axis.scatter(
        speed, value, s=_marker(megabytes), alpha=0.75, color=colour, marker="os^D"[round_], label=heading(name)
    )


def _marker(megabytes: float) -> float:
    """Area of a marker, which grows with the file's size."""
    return 12 * megabytes**0.8 + 15


def _legend_of_markers(axis: Axes) -> None:
    """Beside the figure, all of one size."""
    for handle in axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5)).legend_handles:
        cast(PathCollection, handle).set_sizes([40])


def variants_figure(variants: list[dict], metric: str, label: str) -> Figure:
    """Speed against quality with its 95 % interval; the marker's size is the file's."""
    figure, axis = plt.subplots()
    measured = [variant for variant in variants if not isinstance(variant["quality"], str)]
    for number, found in enumerate(measured):
        speed, quality = found["x real time, 1 thread"], found["quality"][metric]
        _variant(axis, number, found["variant"], speed, quality, found["megabytes"])
    axis.set(xscale="log", yscale="log", xlabel="times real time, one thread", ylabel=label)
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_locator(NullLocator())
    axis.margins(0.08, 0.12)  # a large marker must not be cut
    _legend_of_markers(axis)
    return figure


def clone_figure(summary: pd.DataFrame, test_set: str, encoders: list[str]) -> Figure:
    """Normalised similarity to the Spanish speaker of each system, by each encoder, with 95 % intervals."""
    part = summary[summary.test_set == test_set]
    systems = list(dict.fromkeys(part.system))
    figure, axis = plt.subplots(figsize=(SIZE[0], 0.45 * len(systems) + 1.4))
    for number, encoder in enumerate(encoders):
        own = part[part.metric == f"{encoder}_normalised"].set_index("system").reindex(systems)
        places = np.arange(len(systems)) + (number - (len(encoders) - 1) / 2) * 0.2
        errors = np.maximum([own.value - own.low, own.high - own.value], 0)
        axis.errorbar(own.value, places, xerr=errors, fmt="o", capsize=2, markersize=4, label=heading(encoder))
    for value, meaning in ((0, "other\nspeakers"), (1, "the recording's\nhalves")):
        axis.axvline(value, color="black", linestyle=":", linewidth=1)
        axis.annotate(meaning, (value, 1), xycoords=("data", "axes fraction"), fontsize=8, ha="center", va="bottom")
    axis.set_yticks(range(len(systems)), [str(heading(system)) for system in systems])
    axis.invert_yaxis()
    axis.set_xlabel("normalised similarity to the Spanish speaker")
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def stage_figure(seconds: dict[str, float], audio: float) -> Figure:
    """Seconds of each stage for a second of Spanish."""
    figure, axis = plt.subplots(figsize=(SIZE[0], 1.6))
    left = 0.0
    for (stage, spent), colour in zip(seconds.items(), COLOURS, strict=False):
        axis.barh(0, spent / audio, left=left, color=colour, label=f"{stage} {spent / audio:.2f}")
        left += spent / audio
    axis.axvline(1, color="black", linestyle=":", linewidth=1)
    axis.set(yticks=[], xlabel="seconds of computation for a second of Spanish", xlim=(0, max(1.05, left * 1.05)))
    axis.legend(frameon=False, fontsize=8, ncols=len(seconds), loc="lower center", bbox_to_anchor=(0.5, 1))
    return figure
