"""What people look at: progress bars, figures, tables and audio players.

Figures take data and return a matplotlib figure; nothing here computes a result.
"""

import base64
import html
import json
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas.io.formats.style import Styler
from torch import Tensor

from thesis_lib.audio import read_audio, write_audio
from thesis_lib.conditioning import FiLM
from thesis_lib.generators import Generator
from thesis_lib.mel import LogMel
from thesis_lib.metrics import Leak
from thesis_lib.runs import Run, RunError, project_root
from thesis_lib.runs import bar as bar  # notebooks have it beside their figures
from thesis_lib.validation import ALIGNED, GROUND_TRUTH, JUDGE, describe, leaders

# Okabe & Ito's palette: told apart by colour-blind readers too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SIZE = (7.0, 3.2)  # inches


def style() -> None:
    """One look for every figure."""
    plt.rcParams.update(
        {
            "axes.prop_cycle": plt.cycler(color=COLOURS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.3,
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "figure.figsize": SIZE,
            "font.size": 10,
        }
    )


def stamp_table(run: Run, **more: object) -> pd.DataFrame:
    """What made this page, as a table of two columns."""
    return pd.DataFrame((run.stamp() | more).items(), columns=["what", "value"])


def benchmark(name: str) -> dict:
    """A committed result of ``python -m benchmarks NAME --save``. RunError when it has never been saved."""
    path = project_root() / "benchmarks" / "results" / f"{name}.json"
    if not path.exists():
        raise RunError(f"{path} is missing: run `python -m benchmarks {name} --save`")
    return json.loads(path.read_text())


def show(table: pd.DataFrame, missing: str = "not measured") -> Styler:
    """A table as the pages show it: no index, three decimals, and a word where a number is missing."""
    return table.style.hide(axis="index").format(precision=3, na_rep=missing)


def player(wav: np.ndarray | Path, sample_rate: int | None = None) -> str:
    """An HTML audio element with a short MP3 inside; the book moves it to a file beside the page."""
    if isinstance(wav, Path):
        wav, sample_rate = read_audio(wav)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.mp3"
        write_audio(path, wav, sample_rate, bitrate_mode="VARIABLE", compression_level=0.6)
        data = base64.b64encode(path.read_bytes()).decode()
    return f'<audio controls preload="none" style="width: 11rem" src="data:audio/mpeg;base64,{data}"></audio>'


def players(rows: list[dict[str, object]]) -> str:
    """An HTML table: strings are escaped, and a Path or (samples, rate) becomes a player."""

    def cell(value: object) -> str:
        if isinstance(value, Path):
            return player(value)
        if isinstance(value, tuple):
            return player(*value)
        return html.escape(str(value))

    head = "".join(f"<th>{html.escape(name)}</th>" for name in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{cell(v)}</td>" for v in row.values()) + "</tr>" for row in rows)
    return f'<table class="players"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def corpus_parts(table: pd.DataFrame) -> pd.DataFrame:
    """Pairs, speakers, texts and hours of each part of a manifest's table."""
    parts = table.assign(hours=(table.source_duration + table.target_duration) / 3600).groupby("split", sort=False)
    return parts.agg(
        pairs=("id", "size"), speakers=("speaker", "nunique"), texts=("target_text", "nunique"), hours=("hours", "sum")
    ).reset_index()


def parameter_table(generator: Generator) -> pd.DataFrame:
    """Parameters and float32 megabytes of the generator's parts, weight norm folded or not."""
    film = {id(p) for m in generator.modules() if isinstance(m, FiLM) for p in m.parameters()}
    fusion = {id(p) for p in generator.condition.parameters()}
    counts = {"generator": 0, "condition fusion": 0, "FiLM layers": 0}
    for parameter in generator.parameters():
        owner = id(parameter)
        counts["FiLM layers" if owner in film else "condition fusion" if owner in fusion else "generator"] += (
            parameter.numel()
        )
    counts["all"] = sum(counts.values())
    return pd.DataFrame([{"part": part, "parameters": n, "float32 MB": 4 * n / 1e6} for part, n in counts.items()])


def modulation_table(generator: Generator, speaker: Tensor, emotion: Tensor) -> pd.DataFrame:
    """Mean |gamma| and |beta| of each FiLM layer over some conditions (B, S), (B, E)."""
    condition = generator.condition(speaker, emotion)
    rows = []
    for number, layer in enumerate(m for m in generator.modules() if isinstance(m, FiLM)):
        gamma, beta = layer.affine(condition).detach().abs().chunk(2, dim=1)
        rows.append({"layer": number, "gamma": float(gamma.mean()), "beta": float(beta.mean())})
    return pd.DataFrame(rows)


def durations(table: pd.DataFrame) -> Figure:
    """Histograms of Spanish and English durations, by part of the corpus."""
    figure, axes = plt.subplots(1, 2, sharey=True, figsize=SIZE)
    for axis, side, title in zip(axes, ("source_duration", "target_duration"), ("Spanish", "English"), strict=True):
        parts = [part[side] for _, part in table.groupby("split")]
        axis.hist(parts, bins=np.arange(3, 10.5, 0.5), stacked=True, label=[n for n, _ in table.groupby("split")])
        axis.set(title=title, xlabel="duration (s)")
    axes[0].set_ylabel("utterances")
    axes[1].legend(frameon=False)
    return figure


def flow(rejects: dict[str, int], kept: int) -> Figure:
    """From the rows of a release to the pairs of the manifest: what each reason took away, on a logarithmic axis."""
    counts = {"rows of the release": kept + sum(rejects.values())}
    counts |= {reason: rejects[reason] for reason in sorted(rejects, key=rejects.get, reverse=True)}
    counts["pairs"] = kept
    colours = [COLOURS[0], *[COLOURS[1]] * len(rejects), COLOURS[2]]
    figure, axis = plt.subplots(figsize=(SIZE[0], 1.2 + 0.26 * len(counts)))
    bars = axis.barh(list(counts), list(counts.values()), color=colours)
    axis.bar_label(bars, [f"{count:,}" for count in counts.values()], padding=3, fontsize=8)
    axis.invert_yaxis()
    axis.set(xlabel="rows", xscale="log", xlim=(0.8, 4 * max(counts.values())))
    return figure


def speaker_leak(leaks: dict[str, Leak]) -> Figure:
    """Cosines of one speaker's two halves, of two training speakers, and of each held-out one with the nearest."""
    figure, axis = plt.subplots()
    first = next(iter(leaks.values()))
    groups = {"two halves of one speaker": first.same, "two training speakers": first.different}
    groups |= {f"{part}: nearest of training": leak.cosines for part, leak in leaks.items()}
    for number, values in enumerate(groups.values()):
        spread = np.linspace(-0.3, 0.3, len(values)) if len(values) > 1 else np.zeros(1)
        axis.plot(np.sort(values), number + spread, ".", markersize=3, color=COLOURS[number])
    axis.axvline(first.threshold, color="black", linestyle="--", linewidth=1)
    axis.set_yticks(range(len(groups)), [f"{name} (n = {len(values)})" for name, values in groups.items()])
    axis.invert_yaxis()
    axis.set_xlabel("cosine of mean speaker embeddings")
    return figure


def leak_table(leaks: dict[str, Leak]) -> pd.DataFrame:
    """A row a part: held-out speakers, how many may be one of training's, and how many would be by chance."""
    return pd.DataFrame(
        {
            "part": part,
            "speakers": len(leak.speakers),
            "as like one of training as oneself": int(leak.suspects.sum()),
            "threshold": leak.threshold,
            "two different speakers are that like (%)": 100 * leak.false_alarms,
            "highest cosine": leak.cosines.max(),
        }
        for part, leak in leaks.items()
    )


def data_speed(result: dict) -> pd.DataFrame:
    """Pairs a second of ``benchmarks data``, a row a way, with how many times as long it takes as ours."""
    thread = result["one thread"]
    return pd.DataFrame(
        {
            "way": name,
            "pairs a second": "{median:.0f} ({low:.0f}–{high:.0f})".format(**spread),
            "takes, in ours": "1"
            if name == "ours"
            else "{median:.2f} ({low:.2f}–{high:.2f})".format(**thread["times"][name]),
        }
        for name, spread in thread["pairs a second"].items()
    )


def similarities(same: np.ndarray, different: np.ndarray, encoder: str, threshold: float | None = None) -> Figure:
    """Cosine between languages: the same voice against different voices."""
    figure, axis = plt.subplots()
    bins = np.linspace(-0.3, 1, 53)
    for values, label in ((same, "same voice"), (different, "different voices")):
        axis.hist(values, bins=bins, density=True, alpha=0.7, label=f"{label} (n = {len(values)})")
    if threshold is not None:
        axis.axvline(threshold, color="black", linestyle="--", linewidth=1, label=f"published threshold {threshold}")
    axis.set(xlabel=f"cosine between Spanish and English, {encoder}", ylabel="density")
    axis.legend(frameon=False)
    return figure


def with_interval(row: dict) -> str:
    """A value and its 95 % interval, or that there is none."""
    if np.isnan(row["value"]):
        return "not measured: " + row["reason"]
    return f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def separation_table(rows: pd.DataFrame, by: list[str], measures: dict[str, str]) -> pd.DataFrame:
    """Rows of ``metrics.separations``, a line for each of the columns ``by``; ``measures`` is measure -> heading."""
    lines = []
    for key, part in rows.groupby(by, sort=False):
        found = {row["measure"]: with_interval(row) for row in part.to_dict("records")}
        lines.append(dict(zip(by, key, strict=True)) | {heading: found[m] for m, heading in measures.items()})
    return pd.DataFrame(lines)


def separation_figure(rows: pd.DataFrame, by: str) -> Figure:
    """AUC and triplet accuracy with 95 % intervals for each value of the column ``by``; 0.5 is chance."""
    names = list(dict.fromkeys(rows[by]))
    figure, axis = plt.subplots(figsize=(SIZE[0], 0.5 * len(names) + 1.2))
    for number, measure in enumerate(("AUC", "triplet accuracy")):
        part = rows[rows.measure == measure].set_index(by).reindex(names)
        errors = np.maximum([part.value - part.low, part.high - part.value], 0)
        places = np.arange(len(names)) + (number - 0.5) * 0.2
        axis.errorbar(part.value, places, xerr=errors, fmt="o", capsize=3, label=measure)
    axis.axvline(0.5, color="black", linestyle=":", linewidth=1)
    axis.annotate("chance", (0.5, 1), xycoords=("data", "axes fraction"), fontsize=8, ha="center", va="bottom")
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xlabel("how often pairs of one style rank above pairs of two")
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def by_style(table: pd.DataFrame, columns: dict[str, str]) -> Figure:
    """Box plots of some columns for each style; ``columns`` is column -> axis label."""
    figure, axes = plt.subplots(1, len(columns), figsize=SIZE)
    styles = sorted(table["style"].unique())
    for axis, (column, label) in zip(np.atleast_1d(axes), columns.items(), strict=True):
        axis.boxplot([table.loc[table["style"] == s, column] for s in styles], tick_labels=styles)
        axis.set_ylabel(label)
        axis.tick_params(axis="x", rotation=30)
    return figure


def spectrograms(wavs: dict[str, np.ndarray], log_mel: LogMel) -> Figure:
    """Log-mels one below the other, on one scale."""
    mels = {name: log_mel(torch.from_numpy(np.ascontiguousarray(w))[None])[0].numpy() for name, w in wavs.items()}
    low, high = (f(m.min() if f is min else m.max() for m in mels.values()) for f in (min, max))
    figure, axes = plt.subplots(len(mels), 1, figsize=(SIZE[0], 1.7 * len(mels)), sharex=True, squeeze=False)
    hop = log_mel.config.hop_length / log_mel.config.sample_rate
    for axis, (name, mel) in zip(axes[:, 0], mels.items(), strict=True):
        extent = (0, mel.shape[1] * hop, 0, mel.shape[0])
        image = axis.imshow(mel, origin="lower", aspect="auto", vmin=low, vmax=high, extent=extent, cmap="magma")
        axis.set(ylabel="mel band", title=name)
        axis.grid(False)
    axes[-1, 0].set_xlabel("time (s)")
    figure.colorbar(image, ax=axes[:, 0], label="log magnitude (nepers)")
    return figure


def modulation(norms: pd.DataFrame) -> Figure:
    """Size of each FiLM layer's modulation; zero before training."""
    figure, axis = plt.subplots()
    norms.plot.bar(x="layer", ax=axis, rot=0)
    axis.set(xlabel="FiLM layer", ylabel="mean |gamma|, |beta|")
    axis.legend(frameon=False)
    return figure


def training_curves(log: pd.DataFrame, adversarial_from: int) -> Figure:
    """Mel loss of training steps and of unseen speakers, and, where there were any, the adversarial losses."""
    columns = [column for column in ("discriminator", "adversarial", "feature_matching") if column in log]
    figure, axes = plt.subplots(1, 2 if columns else 1, figsize=SIZE, squeeze=False)
    steps = log.dropna(subset=["mel"])
    held_out = log.dropna(subset=["validation_mel"])
    axes[0, 0].plot(steps.step, steps.mel, alpha=0.4, label="training batch")
    axes[0, 0].plot(held_out.step, held_out.validation_mel, "o-", label="unseen speakers")
    axes[0, 0].set(xlabel="step", ylabel="mel loss (nepers)")
    axes[0, 0].legend(frameon=False)
    for column in columns:
        part = log.dropna(subset=[column])
        axes[0, 1].plot(part.step, part[column], label=column.replace("_", " "))
    if columns:
        axes[0, 1].axvline(adversarial_from, color="black", linestyle=":", linewidth=1)
        axes[0, 1].set(xlabel="step", ylabel="loss")
        axes[0, 1].legend(frameon=False)
    return figure


def optimisation_curves(log: pd.DataFrame) -> Figure:
    """Learning rate, gradient norm before and after clipping, and how far the output follows the condition."""
    figure, axes = plt.subplots(1, 3, figsize=(SIZE[0] * 1.3, SIZE[1]))
    axes[0].plot(log.step, log.generator_rate)
    axes[0].set(xlabel="step", ylabel="learning rate", ylim=(0, None))
    axes[1].plot(log.step, log.generator_norm, alpha=0.6, label="before clipping")
    axes[1].plot(log.step, log.generator_norm_clipped, "--", label="after")
    axes[1].set(xlabel="step", ylabel="gradient norm", yscale="log")
    axes[1].legend(frameon=False)
    held_out = log.dropna(subset=["listening"])
    axes[2].plot(held_out.step, held_out.listening, "o-")
    axes[2].set(xlabel="step", ylabel="listening (nepers)", ylim=(0, None))
    return figure


def intervals(summary: pd.DataFrame, metrics: list[str]) -> Figure:
    """Each of some metrics in its own panel: value and 95 % interval of every system that has it."""
    names = [name for name in dict.fromkeys(summary.metric) if name in metrics]
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(SIZE[0] * 1.35, 1.9 * rows), squeeze=False)
    order = list(dict.fromkeys(summary.system))
    for axis, name in zip(axes.flat, names, strict=False):
        part = summary[summary.metric == name].set_index("system").reindex(order)
        places = np.arange(len(order))
        errors = np.maximum([part.value - part.low, part.high - part.value], 0)
        axis.errorbar(part.value, places, xerr=errors, fmt="o", capsize=3)
        axis.set_yticks(places, order)
        axis.set_ylim(len(order) - 0.5, -0.5)
        about = describe(name)
        axis.set_title(f"{name}: {about.label}\n{about.better} is better, n = {int(part.n.max())}", fontsize=8)
    for axis in axes.flat[len(names) :]:
        axis.remove()
    return figure


def forest(rows: pd.DataFrame) -> Figure:
    """The ablation: what each variant changes of each metric, with 95 % intervals; left of 0 is less."""
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
        about, count = describe(name), f"n = {int(part.n.max())}, {int(part.seeds.max())} seeds"
        axis.set_title(f"{name}: {about.label}\n{about.better} is better, {count}", fontsize=8)
    for axis in axes.flat[len(names) :]:
        axis.remove()
    figure.supxlabel("difference from everything", fontsize=9)
    return figure


def swap_figure(summary: pd.DataFrame, statistic: str, label: str, marks: dict[float, str]) -> Figure:
    """One statistic of the swap test: a row a system and kind of target, a colour a judge, with 95 % intervals.

    ``marks`` are vertical lines, value -> what it means.
    """
    part = summary[summary.statistic == statistic]
    rows = list(dict.fromkeys(zip(part.task, part.stage, part.target, strict=True)))
    judges = list(dict.fromkeys(part.judge))
    figure, axis = plt.subplots(figsize=(SIZE[0], 0.42 * len(rows) + 1.2))
    for number, judge in enumerate(judges):
        own = part[part.judge == judge].set_index(["task", "stage", "target"]).reindex(rows)
        places = np.arange(len(rows)) + (number - (len(judges) - 1) / 2) * 0.2
        errors = np.maximum([own.value - own.low, own.high - own.value], 0)
        axis.errorbar(own.value, places, xerr=errors, fmt="o", capsize=2, markersize=4, label=judge)
    for value, meaning in marks.items():
        axis.axvline(value, color="black", linestyle=":", linewidth=1)
        axis.annotate(meaning, (value, 1), xycoords=("data", "axes fraction"), fontsize=8, ha="center", va="bottom")
    axis.set_yticks(
        range(len(rows)), [f"{task}, {stage}\nto {target} voices" for task, stage, target in rows], fontsize=8
    )
    axis.invert_yaxis()
    axis.set_xlabel(label)
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def manner_figure(summary: pd.DataFrame) -> Figure:
    """How much of each statistic's wished change the output makes; 0 stays with the content, 1 follows the manner."""
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
    axis.set_xlabel("share of the wished change (slope)")
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def leak_figure(leak: dict) -> Figure:
    """Accuracy of speaker identification from each kind of content."""
    figure, axis = plt.subplots()
    axis.barh([row["content"] for row in leak["contents"]], [100 * row["accuracy"] for row in leak["contents"]])
    axis.axvline(100 * leak["chance"], color="black", linestyle=":", linewidth=1)
    axis.invert_yaxis()
    axis.set_xlabel("speaker named rightly (%)")
    return figure


def gradients_figure(norms: pd.DataFrame) -> Figure:
    """Norm of each loss's gradient at the generator, unweighted."""
    figure, axis = plt.subplots()
    axis.barh(norms.loss, norms.gradient)
    axis.set(xscale="log", xlabel="norm of the gradient at the generator's weights")
    axis.invert_yaxis()
    return figure


def summary_table(summary: pd.DataFrame, comparisons: pd.DataFrame) -> pd.DataFrame:
    """metric x system, each cell "value [low, high]"; what is missing says so.

    An asterisk: better than every other vocoder of its row, significantly. A dagger: by an encoder that the vocoder
    was trained on or is given, which never stands alone.
    """
    best = leaders(comparisons)
    cells = summary.assign(
        cell=[
            f"{r.value:.3g} [{r.low:.3g}, {r.high:.3g}]" + " *" * ((r.system, r.metric) in best)
            for r in summary.itertuples()
        ]
    )
    wide = cells.pivot(index="metric", columns="system", values="cell")
    wide = wide.reindex(index=list(dict.fromkeys(summary.metric)), columns=list(dict.fromkeys(summary.system)))
    wide.insert(0, "unit", [describe(name).label for name in wide.index])
    if GROUND_TRUTH in wide:
        wide.loc[wide.index.isin(ALIGNED), GROUND_TRUTH] = "the reference"
    partial = {r.metric for r in summary.itertuples() if isinstance(r.role, str) and r.role not in ("", JUDGE)}
    wide.index = [f"{name} †" if name in partial else name for name in wide.index]
    return wide.fillna("not measured").rename_axis("metric").reset_index().rename_axis(columns=None)


def settings_table(summary: pd.DataFrame) -> pd.DataFrame:
    """How each metric of a summary is measured, to the version: the table's footnotes."""
    names = list(dict.fromkeys(summary.metric))
    rows = [(name, describe(name).better, describe(name).settings) for name in names]
    return pd.DataFrame(rows, columns=["metric", "better", "measured by"])


def pareto(table: pd.DataFrame) -> Figure:
    """Speed against quality of every form; the marker's size is the file's."""
    figure, axis = plt.subplots()
    for row in table.itertuples():
        axis.scatter(row.times_real_time, row.mel_l1, s=_marker(row.megabytes), alpha=0.75, label=row.form)
    axis.set(xlabel="times real time, one thread", ylabel="mel L1 to the recording (nepers)")
    _legend_of_markers(axis)
    return figure


def _marker(megabytes: float) -> float:
    """Its size, which grows with the file's."""
    return 12 * megabytes**0.8 + 15


def _legend_of_markers(axis: Axes) -> None:
    """Beside the figure, all of one size."""
    for handle in axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5)).legend_handles:
        handle.set_sizes([40])


def forms_table(forms: list[dict]) -> pd.DataFrame:
    """A row a form of `python -m benchmarks compress`: what it weighs, how fast it is, what it takes."""
    return pd.DataFrame(
        {
            "form": form["form"],
            "million parameters": form["parameters"] / 1e6,
            "MB": form["megabytes"],
            "× real time, 1 thread": form["x real time, 1 thread"],
            "2 threads": form["x real time, 2 threads"],
            "peak MB": form["peak MB"],
        }
        for form in forms
    )


def forms_quality(forms: list[dict], metrics: dict[str, str]) -> pd.DataFrame:
    """A row a form whose sound is its own; ``metrics`` is metric -> heading, each cell with its interval."""
    rows = []
    for form in forms:
        if not isinstance(form["quality"], str):
            cells = {heading: with_interval(form["quality"][metric]) for metric, heading in metrics.items()}
            rows.append({"form": form["form"]} | cells)
    return pd.DataFrame(rows)


def forms_figure(forms: list[dict], metric: str, label: str) -> Figure:
    """Speed against quality with its 95 % interval; the marker's size is the file's."""
    figure, axis = plt.subplots()
    for number, form in enumerate(form for form in forms if not isinstance(form["quality"], str)):
        round_, place = divmod(number, len(COLOURS))
        colour, marker = COLOURS[place], "os^D"[round_]
        speed, found = form["x real time, 1 thread"], form["quality"][metric]
        error = [[max(0, found["value"] - found["low"])], [max(0, found["high"] - found["value"])]]
        axis.errorbar(speed, found["value"], yerr=error, fmt="none", capsize=2, ecolor=colour)
        size = _marker(form["megabytes"])
        axis.scatter(speed, found["value"], s=size, alpha=0.75, color=colour, marker=marker, label=form["form"])
    axis.set(xscale="log", yscale="log", xlabel="times real time, one thread", ylabel=label)
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter("{x:g}")
    _legend_of_markers(axis)
    return figure


def streams_table(streams: list[dict]) -> pd.DataFrame:
    """A row a form: how far it looks ahead, and what a piece of a tenth of a second costs on one thread."""
    return pd.DataFrame(
        {
            "form": stream["form"],
            "frames behind": stream["reach before"],
            "look-ahead, ms": stream["look-ahead ms"],
            "work for a second, s": stream["work for a second"],
            "work for a piece, ms": stream["ms of work for a piece"]["median"],
            "highest": stream["ms of work for a piece"]["highest"],
        }
        for stream in streams
    )


def clone_table(summary: pd.DataFrame, material: str, metrics: dict[str, str]) -> pd.DataFrame:
    """A row a system of one material; ``metrics`` is metric -> heading, each cell with its interval."""
    part = summary[(summary.material == material) & summary.metric.isin(metrics)]
    part = part.assign(cell=[with_interval(row) for row in part.to_dict("records")])
    wide = part.pivot_table(index=["system", "n"], columns="metric", values="cell", aggfunc="first", sort=False)
    wide = wide.reindex(columns=[name for name in metrics if name in wide]).rename(columns=metrics)
    return wide.reset_index().rename_axis(columns=None)


def clone_figure(summary: pd.DataFrame, material: str, encoders: list[str]) -> Figure:
    """How far each system is on the way from other speakers to the speaker, by each encoder, with 95 % intervals."""
    part = summary[summary.material == material]
    systems = list(dict.fromkeys(part.system))
    figure, axis = plt.subplots(figsize=(SIZE[0], 0.45 * len(systems) + 1.4))
    for number, encoder in enumerate(encoders):
        own = part[part.metric == f"{encoder}_way"].set_index("system").reindex(systems)
        places = np.arange(len(systems)) + (number - (len(encoders) - 1) / 2) * 0.2
        errors = np.maximum([own.value - own.low, own.high - own.value], 0)
        axis.errorbar(own.value, places, xerr=errors, fmt="o", capsize=2, markersize=4, label=encoder)
    for value, meaning in ((0, "other speakers"), (1, "the same recording's halves")):
        axis.axvline(value, color="black", linestyle=":", linewidth=1)
        axis.annotate(meaning, (value, 1), xycoords=("data", "axes fraction"), fontsize=8, ha="center", va="bottom")
    axis.set_yticks(range(len(systems)), systems)
    axis.invert_yaxis()
    axis.set_xlabel("similarity to the Spanish speaker (share of the way)")
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def stage_figure(seconds: dict[str, float], audio: float) -> Figure:
    """Where the time goes: seconds of each stage for a second of Spanish."""
    figure, axis = plt.subplots(figsize=(SIZE[0], 1.6))
    left = 0.0
    for (stage, spent), colour in zip(seconds.items(), COLOURS, strict=False):
        axis.barh(0, spent / audio, left=left, color=colour, label=f"{stage} {spent / audio:.2f}")
        left += spent / audio
    axis.axvline(1, color="black", linestyle=":", linewidth=1)
    axis.set(yticks=[], xlabel="seconds of work for a second of Spanish", xlim=(0, max(1.05, left * 1.05)))
    axis.legend(frameon=False, fontsize=8, ncols=len(seconds), loc="lower center", bbox_to_anchor=(0.5, 1))
    return figure


def matrix_players(table: pd.DataFrame, run: Run) -> str:
    """A matrix to listen to: a row a content and manner, a column a voice."""
    rows, names = [], {voice: f"voice {number}" for number, voice in enumerate(dict.fromkeys(table.voice), 1)}
    for (content, manner), part in table.groupby(["content", "manner"], sort=False):
        voices = {names[row.voice]: run.path / row.sample for row in part.itertuples()}
        said_already = any(row["content"] == content for row in rows)
        rows.append({"content": "" if said_already else content, "manner": manner} | voices)
    return players(rows)
