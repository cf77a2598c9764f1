import base64
import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from helpers import voiced

from thesis_lib import reporting
from thesis_lib.audio.files import write_audio
from thesis_lib.audio.mel import LogMel
from thesis_lib.config import AudioConfig, ContentConfig, HifiganConfig
from thesis_lib.corpus.card import splits_table
from thesis_lib.reporting.headings import HEADINGS
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.prepare import prepared
from thesis_lib.training import train
from thesis_lib.vocoder.generators import build_generator

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _close():
    plt.switch_backend("agg")
    yield
    plt.close("all")


def labels(figure) -> list[str]:
    return [axis.get_xlabel() for axis in figure.axes] + [axis.get_ylabel() for axis in figure.axes]


SHOWN = ["AUC", "triplet accuracy"]


def test_players_escape_text_and_embed_short_mp3(tmp_path):
    write_audio(tmp_path / "a.wav", voiced(2.0), 22_050)
    page = reporting.players([{"text": "<b>", "file": tmp_path / "a.wav", "samples": (voiced(1.0), 22_050)}])
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    data = re.findall(r'preload="none"[^>]* src="data:audio/mpeg;base64,([^"]+)"', page)
    assert len(data) == 2
    assert len(base64.b64decode(data[0])) < 30_000


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


def test_sampled_speakers_are_shown_from_where_they_begin():
    log = pd.DataFrame({"step": [1, 2, 3], "sampled_speaker": [np.nan, 0.9, 0.7], "content": [np.nan, 0.2, 0.1]})
    for axis, rise in zip(reporting.speaker_sampling_figure(log).axes, ([0.1, 0.3], [0.8, 0.9]), strict=True):
        assert "cosine" in axis.get_ylabel()
        assert axis.lines[0].get_xdata().tolist() == [2, 3]
        assert axis.lines[0].get_ydata() == pytest.approx(rise)


def test_a_separation_is_shown_with_its_interval_or_its_reason():
    row = {"measure": "AUC", "value": 0.75, "low": 0.5, "high": 0.875, "reason": ""}
    assert reporting.with_interval(row) == "0.750 [0.500, 0.875]"
    none = row | {"value": np.nan, "low": np.nan, "high": np.nan, "reason": "no such pairs"}
    assert reporting.with_interval(none) == "not measured: no such pairs"
    rows = [{"vectors": way, **x, "measure": m} for way, x in (("raw", row), ("white", none)) for m in SHOWN]
    table = reporting.separation_table(pd.DataFrame(rows), ["vectors"], {"AUC": "area"})
    assert table.to_dict("records") == [
        {"vectors": "raw", "area": "0.750 [0.500, 0.875]"},
        {"vectors": "white", "area": "not measured: no such pairs"},
    ]
    figure = reporting.separation_figure(pd.DataFrame(rows), "vectors")
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["raw", "white"]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == SHOWN


def test_parameters_add_up():
    generator = build_generator(AudioConfig(), ContentConfig(), HifiganConfig(), 192, 768)
    table = reporting.parameter_table(generator).set_index("part").parameters
    assert table["all"] == sum(p.numel() for p in generator.parameters())
    assert table["all"] == table.drop("all").sum()


def test_modulation_is_zero_before_training_and_seen_after(tiny_run):
    embeddings = embedded(tiny_run)
    given = [torch.from_numpy(x["source"]) for x in (embeddings.speaker, embeddings.emotion)]
    fresh = build_generator(AudioConfig(), ContentConfig(), tiny_run.config.resynthesis.generator, 192, 88)
    assert reporting.modulation_table(fresh, *given)[["gamma", "beta"]].eq(0).all(axis=None)
    trained = reporting.modulation_table(train(tiny_run, "resynthesis").generator, *given)
    assert trained.gamma.gt(0).all()
    assert len(reporting.modulation(trained).axes) == 1


def a_summary(*cells) -> pd.DataFrame:
    """Rows of (system, metric, value, role)."""
    about = {"n": 3, "speakers": 3}
    return pd.DataFrame(
        [
            {"system": s, "metric": m, "value": v, "low": v - 0.5, "high": v + 0.5, "role": r} | about
            for s, m, v, r in cells
        ]
    )


NO_COMPARISONS = pd.DataFrame(columns=["metric", "first", "second", "difference", "significant"])


def test_summary_table_says_not_measured():
    summary = a_summary(("a", "pesq", 2.0, ""), ("b", "mel_l1", 0.75, ""))
    table = reporting.summary_table(summary, NO_COMPARISONS).set_index("metric")
    assert table.loc["pesq", "a"] == "2 [1.5, 2.5]"
    assert table.loc["pesq", "b"] == "not measured"
    assert len(reporting.intervals(summary, ["pesq"]).axes) == 1
    settings = reporting.settings_table(summary).set_index("metric")
    assert "P.862.2" in settings.loc["pesq", "measured by"]


def test_a_word_score_that_an_earlier_summary_lacks_is_not_measured():
    earlier = a_summary(*(("a", m, 2.0, "") for m in ("pesq", "wer", "cer", "bleu", "chrf", "speaker")))
    table = reporting.summary_table(earlier, NO_COMPARISONS).set_index("metric")
    assert list(table.index) == ["pesq", "wer", "cer", "bleu", "chrf", "ter", "speaker"]
    assert table.loc["ter", "a"] == "not measured"
    assert "ter" not in reporting.summary_table(a_summary(("a", "pesq", 2.0, "")), NO_COMPARISONS).metric.tolist()


def test_the_ground_truth_is_the_reference_of_signal_metrics_alone():
    cells = ("ours", "pesq"), ("ours", "dnsmos_ovrl"), ("ground truth", "speaker")
    summary = a_summary(*((s, m, 1.0, "") for s, m in cells))
    column = reporting.summary_table(summary, NO_COMPARISONS).set_index("metric")["ground truth"]
    assert column["pesq"] == "the reference"
    assert column["dnsmos_ovrl"] == "not measured"


def test_nothing_is_starred_without_significance_nor_headlined_by_its_own_encoder():
    ours, other = "ours, conversion", "Griffin-Lim"
    summary = a_summary((ours, "pesq", 3.0, ""), (other, "pesq", 2.0, ""), (ours, "speaker", 0.5, "conditions"))
    row = {"metric": "pesq", "first": ours, "second": other, "difference": 1.0, "effect": 1.0}
    for significant, cell in ((True, "3 [2.5, 3.5] *"), (False, "3 [2.5, 3.5]")):
        table = reporting.summary_table(summary, pd.DataFrame([row | {"significant": significant}]))
        assert table.set_index("metric").loc["pesq", ours] == cell
    assert "speaker †" in set(table.metric)


def test_the_forest_has_a_panel_a_metric_and_a_row_a_variant():
    rows = pd.DataFrame(
        [
            {"variant": v, "metric": m, "difference": d, "low": d - 1, "high": d + 1, "n": 12, "seeds": 3}
            for m in ("mel_l1", "eres2net")
            for v, d in (("full recipe", 0.0), ("no mel loss", 2.0), ("no adversarial loss", -1.0))
        ]
    )
    figure = reporting.forest(rows)
    assert [axis.get_title().split(":")[0] for axis in figure.axes] == ["mel_l1", "eres2net"]
    assert "n = 12, 3 seeds" in figure.axes[0].get_title()
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == ["no mel loss", "no adversarial loss"], "everything is the zero line"


def test_a_shown_table_says_what_is_missing():
    page = reporting.show(pd.DataFrame({"a": [1.23456, np.nan]})).to_html()
    assert "1.235" in page
    assert "not measured" in page


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("mel_l1", "mel L1 (nepers)"),
        ("conversion, normalised similarity, eres2net", "conversion, normalised similarity, ERes2Net"),
        ("ecapa †", "ECAPA †"),
        ("wer, base", "WER (share), base"),
        ("Spanish, h", "Spanish, h"),
        ("a_key", "a key"),
        (3, 3),
    ],
)
def test_a_heading_is_in_words(key, says):
    assert reporting.heading(key) == says
    assert list(reporting.show(pd.DataFrame({key: [1]})).columns) == [says]


def test_a_heading_in_words_stays_as_it_is():
    for words in {reporting.heading(key) for key in HEADINGS}:
        assert reporting.heading(words) == words


def test_no_table_of_a_committed_notebook_has_a_key_for_a_heading():
    found = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        for output in [output for cell in cells for output in cell.get("outputs", [])]:
            page = "".join(output.get("data", {}).get("text/html", ""))
            found += [(path.name, name) for name in re.findall(r"<th [^>]*col_heading[^>]*>(.*?)<", page)]
    assert len(found) > 100
    assert [place for place in found if "_" in place[1]] == []


def test_a_notice_names_the_profile_of_the_results():
    assert "Smoke results: no measure of quality" in reporting.notice("smoke")
    assert reporting.notice("demo").startswith("> Results of the profile `demo`")


def test_splits_count_pairs_speakers_and_hours():
    table = pd.DataFrame(
        {
            "split": ["train", "train", "test"],
            "speaker": ["a", "a", "b"],
            "source_duration": [1800.0, 0.0, 3600.0],
            "target_duration": [3600.0, 3600.0, 0.0],
            "source_kind": "translation",
        }
    )
    found = splits_table(table).set_index("split")
    assert found.loc["train"].to_list() == [2, 1, 0.5, 2.0]
    assert found.loc["validation", "pairs"] == 0
    assert found.loc["all"].to_list() == [3, 2, 1.5, 2.0]


def test_the_bar_passes_everything_through(capsys):
    assert list(reporting.bar(iter("abc"), 3, "x")) == ["a", "b", "c"]
    assert "x" in capsys.readouterr().err
