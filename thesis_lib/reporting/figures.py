"""Figures of the corpus, the model and its training: data in, a matplotlib figure out."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from thesis_lib.audio.mel import LogMel
from thesis_lib.audio.pitch import track
from thesis_lib.config import AudioConfig
from thesis_lib.reporting.headings import heading
from thesis_lib.reporting.look import COLOURS, SIZE
from thesis_lib.validation.metrics import Leak


def durations(table: pd.DataFrame) -> Figure:
    """Histograms of Spanish and English durations, by split of the corpus."""
    figure, axes = plt.subplots(1, 2, sharey=True, figsize=SIZE)
    for axis, side, title in zip(axes, ("source_duration", "target_duration"), ("Spanish", "English"), strict=True):
        parts = [part[side] for _, part in table.groupby("split")]
        axis.hist(parts, bins=np.arange(3, 10.5, 0.5), stacked=True, label=[n for n, _ in table.groupby("split")])
        axis.set(title=title, xlabel="duration (s)")
    axes[0].set_ylabel("utterances")
    axes[1].legend(frameon=False)
    return figure


def flow(rejects: dict[str, int], kept: int) -> Figure:
    """Rows of a release, rows rejected for each reason, and pairs of the manifest; logarithmic axis."""
    counts = {"rows of the release": kept + sum(rejects.values())}
    counts |= {reason: rejects[reason] for reason in sorted(rejects, key=lambda r: -rejects[r])}
    counts["pairs"] = kept
    colours = [COLOURS[0], *[COLOURS[1]] * len(rejects), COLOURS[2]]
    figure, axis = plt.subplots(figsize=(SIZE[0], 1.2 + 0.26 * len(counts)))
    bars = axis.barh(list(counts), list(counts.values()), color=colours)
    axis.bar_label(bars, [f"{count:,}" for count in counts.values()], padding=3, fontsize=8)
    axis.invert_yaxis()
    axis.set(xlabel="rows", xscale="log", xlim=(0.8, 4 * max(counts.values())))
    return figure


def speaker_leak_figure(leaks: dict[tuple[str, str], Leak]) -> Figure:
    """Cosines of one speaker's two halves, of two training speakers, and of each with the nearest of another split."""
    figure, axis = plt.subplots()
    first = next(iter(leaks.values()))
    groups = {"two halves of one speaker": first.same, "two training speakers": first.different}
    groups |= {f"{split}: nearest of {other}": leak.cosines for (split, other), leak in leaks.items()}
    for number, values in enumerate(groups.values()):
        spread = np.linspace(-0.3, 0.3, len(values)) if len(values) > 1 else np.zeros(1)
        axis.plot(np.sort(values), number + spread, ".", markersize=3, color=COLOURS[number])
    axis.axvline(first.threshold, color="black", linestyle="--", linewidth=1)
    axis.set_yticks(range(len(groups)), [f"{name} (n = {len(values)})" for name, values in groups.items()])
    axis.invert_yaxis()
    axis.set_xlabel("cosine of mean speaker embeddings")
    return figure


def budget_figure(study: dict, metrics: dict[str, str]) -> Figure:
    """Metrics over minutes of training, a line for each system with its intervals; a dotted line is the start."""
    rows = pd.DataFrame(study["rows"])
    figure, axes = plt.subplots(1, len(metrics), figsize=(SIZE[0] * 1.25, SIZE[1]))
    for axis, (metric, label) in zip(axes, metrics.items(), strict=True):
        part = rows[rows.metric == metric]
        trained = part[part.minutes > 0].groupby("system", sort=False)
        for colour, (system, line) in zip(COLOURS, trained, strict=False):
            error = [line.value - line.low, line.high - line.value]
            axis.errorbar(line.minutes, line.value, error, label=heading(system), color=colour, marker="o", capsize=2)
        for row in part[part.minutes == 0].itertuples():
            axis.axhline(row.value, color="black", linestyle=":", linewidth=1, label=heading(row.system))
        axis.set(xlabel="minutes", ylabel=label, xscale="log")
        axis.set_xticks(study["minutes of one core"], [f"{m:g}" for m in study["minutes of one core"]])
        axis.minorticks_off()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


def similarities(same: np.ndarray, different: np.ndarray, encoder: str, threshold: float | None = None) -> Figure:
    """Cosine between languages: the same voice against different voices."""
    figure, axis = plt.subplots()
    bins = np.linspace(-0.3, 1, 53)
    for values, label in ((same, "same voice"), (different, "different voices")):
        axis.hist(values, bins=list(bins), density=True, alpha=0.7, label=f"{label} (n = {len(values)})")
    if threshold is not None:
        axis.axvline(threshold, color="black", linestyle="--", linewidth=1, label=f"published threshold {threshold}")
    axis.set(xlabel=f"cosine between Spanish and English, {encoder}", ylabel="density")
    axis.legend(frameon=False)
    return figure


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


def f0_contours(wavs: dict[str, np.ndarray], audio: AudioConfig) -> Figure:
    """F0 of the voiced frames of recordings (N,) at the rate of ``audio``, from the first voiced frame to the last.

    A recording with too few voiced frames has no line.
    """
    figure, axis = plt.subplots()
    for name, wav in wavs.items():
        pitch = track(wav, audio)
        if pitch.is_voiced:
            first, last = np.flatnonzero(pitch.voiced)[[0, -1]]
            places = (np.arange(len(pitch.log_f0)) - first) / (last - first)
            axis.plot(places, np.where(pitch.voiced, np.exp(pitch.log_f0), np.nan), label=name)
    axis.set(xlabel="time, from the first voiced frame (0) to the last (1)", ylabel="F0 (Hz)", yscale="log")
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter("{x:g}")
    axis.legend(frameon=False)
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
    held_out = log.dropna(subset=["conditioning_sensitivity"])
    axes[2].plot(held_out.step, held_out.conditioning_sensitivity, "o-")
    axes[2].set(xlabel="step", ylabel="conditioning sensitivity (nepers)", ylim=(0, None))
    return figure


def speaker_sampling_figure(log: pd.DataFrame) -> Figure:
    """Cosine to the sampled target speakers, and of all outputs to the words of their source, over training.

    A third panel has the cosine to the given emotion embedding, where ``losses.sampled_emotion`` was on.
    """
    panels = {
        "sampled_speaker": "cosine to the sampled speaker (ECAPA)",
        "content": "cosine to the words (Whisper)",
        "sampled_emotion": "cosine to the given emotion",
    }
    if "sampled_emotion" not in log or log["sampled_emotion"].isna().all():
        del panels["sampled_emotion"]
    figure, axes = plt.subplots(1, len(panels), figsize=SIZE)
    for axis, (loss, label) in zip(axes, panels.items(), strict=True):
        part = log.dropna(subset=[loss])
        axis.plot(part.step, 1 - part[loss], ".", alpha=0.3)
        axis.plot(part.step, 1 - part[loss].rolling(15, center=True, min_periods=1).mean())
        axis.set(xlabel="step", ylabel=label)
    return figure


def leak_figure(leak: dict) -> Figure:
    """Share of pieces from which the speaker is identified, for each kind of content, with 95 % intervals."""
    figure, axis = plt.subplots()
    shares = [row["speaker identified"] for row in leak["contents"]]
    value, low, high = (100 * np.array([share[name] for share in shares]) for name in ("value", "low", "high"))
    axis.barh([row["content"] for row in leak["contents"]], value, xerr=[value - low, high - value], capsize=2)
    axis.axvline(100 * leak["chance"], color="black", linestyle=":", linewidth=1)
    axis.invert_yaxis()
    axis.set_xlabel("speaker identified (% of the pieces)")
    return figure


def gradients_figure(norms: pd.DataFrame) -> Figure:
    """Norm of each loss's gradient at the generator, unweighted."""
    figure, axis = plt.subplots()
    axis.barh(norms.loss, norms.gradient)
    axis.set(xscale="log", xlabel="norm of the gradient at the generator's weights")
    axis.invert_yaxis()
    return figure
