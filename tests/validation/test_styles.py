"""The style swap: trials, their reasons, and the slope of the output on the style."""

import numpy as np
import pandas as pd
import pytest
from helpers import revisions_of, trained_beside

from thesis_lib.corpus.manifest import Manifest
from thesis_lib.embeddings.encoders import emotion_encoder
from thesis_lib.runs.prepare import prepared
from thesis_lib.validation import metrics
from thesis_lib.validation.metrics import PROSODY
from thesis_lib.validation.swap import style_summary, style_swap
from thesis_lib.vocoder.synthesis import Vocoder


def pairs_of_styles(manifest) -> list[tuple[str, str]]:
    """The ids of all (content, style) of the test split."""
    tests = manifest.split("test")
    return [(a.id, b.id) for a in tests for b in tests if a.style != b.style and a.speaker != b.speaker]


def style_pairs(run) -> int:
    """How many (content, style) pairs the test split has; the tiny corpus has few enough to take them all."""
    return len(pairs_of_styles(prepared(run)))


def test_every_pair_of_styles_has_a_row_or_a_reason(tiny_run, tmp_path):
    run = trained_beside(tiny_run, tmp_path / "run", swap__trials=400)
    table, missing = style_swap(run), run.load_table("style_swap_not_measured")
    assert style_pairs(run) > 0
    assert len(table) + len(missing) == 2 * style_pairs(run)
    assert missing.reason.notna().all()


def test_the_style_swap_compares_content_style_and_output(tiny_run, tmp_path, monkeypatch):
    """An output that is the content keeps its style; one that is the style's recording takes it."""
    run = trained_beside(tiny_run, tmp_path / "run", swap__trials=400)
    monkeypatch.setattr(Vocoder, "render", lambda self, wav, voice, guidance=1.0: wav)
    table = style_swap(run)
    assert table.condition.value_counts().to_dict() == dict.fromkeys(
        ("embedding", "embedding and pitch range"), style_pairs(run)
    )
    assert not len(run.load_table("style_swap_not_measured"))
    assert (table.content_style != table.style_style).all()
    assert table.to_content.to_numpy() == pytest.approx(1)
    assert (table.to_style < 0.999).all()
    assert np.allclose(table.f0_std_output, table.f0_std_content)
    every = np.arange(len(part := table[table.condition == "embedding"]))
    for name in PROSODY:
        style, output = part[f"{name}_style"].to_numpy(), part[f"{name}_output"].to_numpy()
        assert metrics.slope_within(style, output, part.content.to_numpy())(every) == pytest.approx(0, abs=1e-9)
    assert style_summary(table, 0, resamples=50).slope.isna().all(), "too few recordings for an interval"
    encoder = emotion_encoder(run.config.encoders)
    assert revisions_of(run, "style_swap") == {encoder.name: encoder.revision}


def test_a_corpus_without_styles_is_not_measured_and_says_why(tiny_run, tmp_path):
    """CVSS-T names no styles: the table is empty, its summary has the reason, and both can be read again."""
    run = trained_beside(tiny_run, tmp_path / "run", swap__trials=4)
    manifest = prepared(run)
    plain = [u.model_copy(update={"style": ""}) for u in manifest]
    Manifest(run.path / "corpus", plain, manifest.rejects).save()
    for _ in range(2):  # the second time from its file
        table = style_swap(run)
        assert len(table) == 0
        summary = style_summary(table, 0)
        assert len(summary) == 2 * len(PROSODY)
        assert summary.slope.isna().all()
        assert (summary.n == 0).all()
        assert set(summary.reason) == set(run.load_table("style_swap_not_measured").reason)
        assert "different styles" in summary.reason[0]


def style_trials(output, contents: int = 12, styles: int = 6) -> pd.DataFrame:
    """Trials that cross contents with styles; ``output`` takes (content, style) statistics and gives the output's."""
    rng = np.random.default_rng(0)
    content, style = (x.ravel() for x in np.indices((contents, styles)))
    columns: dict[str, np.ndarray] = {"content": content, "style": style}
    for name in PROSODY:
        own, other = rng.normal(size=contents)[content], rng.normal(size=styles)[style]
        columns |= {f"{name}_content": own, f"{name}_style": other, f"{name}_output": output(own, other)}
    return pd.DataFrame(columns).assign(condition="embedding")


@pytest.mark.parametrize(
    ("output", "slope"),
    [
        (lambda content, style: 0.5 * content + 0.5 * style, 0.5),
        (lambda content, style: style, 1.0),
        (lambda content, style: content, 0.0),
        # One sound for every style. Its difference from the content follows the style's difference by half.
        (lambda content, style: np.zeros_like(content), 0.0),
    ],
)
def test_the_slope_of_an_output_that_follows_the_style_wholly_by_half_or_not(output, slope):
    summary = style_summary(style_trials(output), 0, resamples=100)
    for column in ("slope", "low", "high"):
        assert summary[column].to_numpy() == pytest.approx(slope, abs=1e-9)


def test_the_slope_of_an_output_that_ignores_the_style_has_an_interval_that_holds_zero():
    noise = np.random.default_rng(1)
    trials = style_trials(lambda content, style: content + noise.normal(size=len(content)), styles=12)
    summary = style_summary(trials, 0, 300)
    assert ((summary.low < 0) & (summary.high > 0)).all()
    assert (summary.high - summary.low).median() < 1.5


def test_contents_that_have_one_style_each_give_no_slope():
    table = style_trials(lambda content, style: style)
    summary = style_summary(table[table["style"] == table.content % 6], 0, resamples=100)
    assert summary.slope.isna().all()
    assert set(summary.reason) == {"no two values of x differ within a level of the factor"}


def test_the_interval_of_the_slope_draws_speakers_and_not_recordings():
    """Every speaker of a content has four recordings; copies of one speaker narrow no interval."""
    noise = np.random.default_rng(1)
    table = style_trials(lambda content, style: content + noise.normal(size=len(content)))
    alone = style_summary(table.assign(content_speaker=table.content, style_speaker=table["style"]), 0, 300)
    assert alone.equals(style_summary(table, 0, 300)), "a table of earlier versions has the recordings for speakers"
    copies = pd.concat([table.assign(content=table.content + 100 * i, content_speaker=table.content) for i in range(4)])
    grouped = style_summary(copies.assign(style_speaker=copies["style"]), 0, 300)
    for column in ("slope", "low", "high"):
        assert grouped[column].to_numpy() == pytest.approx(alone[column].to_numpy())


def test_a_swap_with_trials_that_all_fail_gives_their_reason(tiny_run, tmp_path, monkeypatch):
    def fails(self, wav, voice, guidance=1.0):
        raise metrics.MetricError("no sound came out")

    run = trained_beside(tiny_run, tmp_path / "run", swap__trials=400)
    monkeypatch.setattr(Vocoder, "render", fails)
    table, missing = style_swap(run), run.load_table("style_swap_not_measured")
    assert len(table) == 0
    assert len(missing) == 2 * style_pairs(run)
    assert missing.content_speaker.notna().all()
    summary = style_summary(table, 0, missing=missing)
    assert set(summary.reason) == {"no sound came out"}
    assert set(summary.condition) == {"embedding", "embedding and pitch range"}


def test_a_recording_that_cannot_be_read_is_one_missing_row_and_stops_no_other_trial(tiny_run, tmp_path):
    run = trained_beside(tiny_run, tmp_path / "run", swap__trials=400)
    manifest = prepared(run)
    broken = manifest.split("test")[0]
    every = style_pairs(run)
    manifest.source(broken).write_bytes(b"no audio")
    table, missing = style_swap(run), run.load_table("style_swap_not_measured")
    (row,) = missing[missing.condition == "all"].to_dict("records")
    assert row["content"] == broken.id
    lost = sum(broken.id in pair for pair in pairs_of_styles(manifest))
    assert len(table) + len(missing) - 1 == 2 * (every - lost) > 0
