"""Figures have units, and show what is not measured."""

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import voiced

from thesis_lib import reporting
from thesis_lib.audio.mel import LogMel
from thesis_lib.config import AudioConfig, ContentConfig
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.prepare import prepared
from thesis_lib.training import train
from thesis_lib.vocoder.generators import build_generator

SHOWN = ["AUC", "triplet accuracy"]


def labels(figure) -> list[str]:
    return [axis.get_xlabel() for axis in figure.axes] + [axis.get_ylabel() for axis in figure.axes]


def test_figures_have_units(tiny_run):
    manifest, log = prepared(tiny_run), pd.read_json(tiny_run.path / "resynthesis" / "metrics.jsonl", lines=True)
    assert "duration (s)" in labels(reporting.durations(manifest.table()))
    assert any("cosine" in t for t in labels(reporting.similarities(np.ones(3), np.zeros(4), "ecapa", 0.25)))
    figure = reporting.training_curves(log, 2)
    assert "mel loss (nepers)" in labels(figure)
    assert len(figure.axes) == 2
    spectral = log.drop(columns=["discriminator", "adversarial", "feature_matching"])
    assert len(reporting.training_curves(spectral, 9).axes) == 1, "no empty panel"
    assert {"learning rate", "gradient norm", "conditioning sensitivity (nepers)"} <= set(
        labels(reporting.optimisation_curves(log))
    )
    assert "time (s)" in labels(reporting.spectrograms({"a": voiced(), "b": voiced()}, LogMel(AudioConfig())))
    table = pd.DataFrame({"style": ["a", "b"], "x": [1.0, 2.0]})
    assert "x (Hz)" in labels(reporting.by_style(table, {"x": "x (Hz)"}))


def test_contours_lie_on_one_another_from_the_first_voiced_frame_to_the_last():
    wav = np.concatenate([np.zeros(4000, np.float32), voiced(1.0, f0=140), np.zeros(9000, np.float32)])
    (axis,) = reporting.f0_contours({"a": wav, "silent": np.zeros(22_050, np.float32)}, AudioConfig()).axes
    (line,) = axis.lines
    shown = np.isfinite(line.get_ydata())
    assert line.get_xdata()[shown][[0, -1]] == pytest.approx([0, 1])
    assert line.get_ydata()[shown] == pytest.approx(140, rel=0.05)
    assert "F0 (Hz)" in axis.get_ylabel()


def test_sampled_speakers_are_shown_from_where_they_begin():
    log = pd.DataFrame({"step": [1, 2, 3], "sampled_speaker": [np.nan, 0.9, 0.7], "content": [np.nan, 0.2, 0.1]})
    for axis, rise in zip(reporting.speaker_sampling_figure(log).axes, ([0.1, 0.3], [0.8, 0.9]), strict=True):
        assert "cosine" in axis.get_ylabel()
        assert axis.lines[0].get_xdata().tolist() == [2, 3]
        assert axis.lines[0].get_ydata() == pytest.approx(rise)
    off, on = (
        reporting.speaker_sampling_figure(log.assign(sampled_emotion=x)).axes for x in (np.nan, [np.nan, 1, 0.6])
    )
    assert [len(off), len(on)] == [2, 3]
    assert on[2].lines[0].get_ydata() == pytest.approx([0, 0.4])


def test_a_separation_is_shown_with_its_interval_or_its_reason():
    row = {"measure": "AUC", "value": 0.75, "low": 0.5, "high": 0.875, "reason": ""}
    assert reporting.with_interval(row) == "0.75 [0.50, 0.88]"
    none = row | {"value": np.nan, "low": np.nan, "high": np.nan, "reason": "no such pairs"}
    assert reporting.with_interval(none) == "not measured: no such pairs"
    rows = [{"vectors": way, **x, "measure": m} for way, x in (("raw", row), ("white", none)) for m in SHOWN]
    table = reporting.separation_table(pd.DataFrame(rows), ["vectors"], {"AUC": "area"})
    assert table.to_dict("records") == [
        {"vectors": "raw", "area": "0.75 [0.50, 0.88]"},
        {"vectors": "white", "area": "not measured: no such pairs"},
    ]
    figure = reporting.separation_figure(pd.DataFrame(rows), "vectors")
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["raw", "white"]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == SHOWN


def test_speaker_identification_from_content_has_intervals_and_chance():
    rows = [{"content": "mel", "speaker identified": {"value": 0.5, "low": 0.4, "high": 0.7}}]
    (axis,) = reporting.leak_figure({"contents": rows, "chance": 0.25}).axes
    (bar,) = axis.patches
    assert bar.get_width() == 50
    (interval,) = axis.collections
    assert interval.get_segments()[0][:, 0].tolist() == pytest.approx([40, 70])
    assert 25 in axis.lines[-1].get_xdata()


def test_training_budgets_have_their_systems_in_words():
    metrics, found = {"mel_l1": "mel L1 (nepers)", "pesq": "PESQ"}, {"value": 0.3, "low": 0.2, "high": 0.4}
    systems = [{"system": "istft, random start", "minutes": 1.0}, {"system": "published weights", "minutes": 0.0}]
    rows = [about | found | {"metric": metric} for about in systems for metric in metrics]
    figure = reporting.budget_figure({"rows": rows, "minutes of one core": [1]}, metrics)
    (legend,) = figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {"published weights", "inverse STFT, random start"}
    assert {*metrics.values(), "minutes"} == set(labels(figure))


def test_modulation_is_zero_before_training_and_seen_after(tiny_run):
    embeddings = embedded(tiny_run)
    given = [torch.from_numpy(x["source"]) for x in (embeddings.speaker, embeddings.emotion)]
    fresh = build_generator(AudioConfig(), ContentConfig(), tiny_run.config.resynthesis.generator, 192, 88)
    assert reporting.modulation_table(fresh, *given)[["gamma", "beta"]].eq(0).all(axis=None)
    trained = reporting.modulation_table(train(tiny_run, "resynthesis").generator, *given)
    assert trained.gamma.gt(0).all()
    assert len(reporting.modulation(trained).axes) == 1
