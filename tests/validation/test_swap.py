import json

import numpy as np
import pandas as pd
import pytest
from helpers import trained_beside, voiced

from thesis_lib.audio.files import write_audio
from thesis_lib.audio.loudness import CEILING, loudness
from thesis_lib.corpus.manifest import Manifest
from thesis_lib.embeddings.encoders import emotion_encoder
from thesis_lib.embeddings.encoders.tiny import TinyTestEncoder
from thesis_lib.runs.folder import RunError
from thesis_lib.runs.prepare import prepared
from thesis_lib.validation import metrics, swap
from thesis_lib.validation.metrics import PROSODY
from thesis_lib.validation.swap import (
    SpeakerScorer,
    SwapSpeaker,
    style_summary,
    style_swap,
    summarise_swaps,
    swap_test,
)
from thesis_lib.vocoder.synthesis import Vocoder
from thesis_lib.vocoder.voice import Voice


class PitchEncoder:
    """Two-dimensional: the angle is the pitch. Its cosines can be worked out by hand."""

    name, revision, dim, sample_rate = "pitch", "1", 2, 16_000

    def encode(self, wav):
        peak = np.abs(np.fft.rfft(wav * np.hanning(len(wav)))).argmax() * self.sample_rate / len(wav)
        angle = np.pi * (peak - 100) / 400
        return np.array([np.cos(angle), np.sin(angle)], np.float32)


def tone(f0):
    return (0.3 * np.sin(2 * np.pi * f0 * np.arange(22_050) / 22_050)).astype(np.float32)


def speaker(name, f0, kind="seen"):
    return SwapSpeaker(name, kind, f"{name}-1", tone(f0), Voice(), [tone(f0 + 1), tone(f0 - 1)])


def test_an_encoder_by_hand():
    """At 100, 200 and 300 Hz the angles are 0, 45 and 90 degrees."""
    speakers = [speaker("a", 100), speaker("b", 200), speaker("c", 300)]
    encoder = SpeakerScorer(PitchEncoder(), speakers, 22_050)
    assert encoder.ceiling == pytest.approx(1, abs=1e-3)
    assert encoder.floor == pytest.approx((2 * 2 * np.cos(np.pi / 4) + 2 * 0) / 6, abs=0.01)
    score = encoder.score(tone(200), target=speakers[2], content=speakers[0])
    assert score["to_target"] == pytest.approx(score["to_content"], abs=0.02)
    assert encoder.score(tone(290), speakers[2], speakers[0])["to_target"] > 0.99


def test_trials_visit_every_pair_once_with_unseen_content_of_another_voice():
    speakers = [speaker(f"s{i}", 100, "seen") for i in range(4)] + [speaker(f"u{i}", 100, "unseen") for i in range(3)]
    trials = list(swap.trials(speakers, 100))
    pairs = [(c.name, t.name) for c, t, _ in trials]
    assert len(pairs) == len(set(pairs)) == 3 * 4 + 3 * 2
    assert all(c.kind == "unseen" and c.name != t.name for c, t, _ in trials)
    few = list(swap.trials(speakers, 4))
    assert [n for *_, n in few] == [0, 1, 2, 3] * 2
    for kind, names in (("seen", {f"s{i}" for i in range(4)}), ("unseen", {f"u{i}" for i in range(3)})):
        assert {t.name for _, t, _ in few if t.kind == kind} == names, "no voice twice before all had their turn"


def test_summary_by_hand():
    about = {"test_set": "m", "task": "conversion", "stage": "after", "target": "seen", "encoder": "j"}
    about |= {"target_speaker": "s", "content": "c"}
    rows = [(0.5, 0.2), (0.3, 0.4), (0.7, 0.1), (0.5, 0.3)]
    table = pd.DataFrame([about | {"to_target": a, "to_content": b, "floor": 0.1, "ceiling": 0.9} for a, b in rows])
    summary = summarise_swaps(table, 0, resamples=100).set_index("statistic")
    assert summary.value["target_preference"] == 0.75
    assert summary.value["to_target"] == 0.5
    assert summary.value["normalised_similarity"] == pytest.approx(0.5)
    assert (summary.n == 4).all()


def test_intervals_draw_voices_and_not_trials():
    """One voice of two is always followed: of another voice that says nothing, however many the trials."""
    about = {"test_set": "m", "task": "conversion", "stage": "after", "target": "seen", "encoder": "j"}
    about["content"] = "c"
    cosines = {"to_content": 0.4, "floor": 0.1, "ceiling": 0.9}
    rows = [about | cosines | {"target_speaker": n, "to_target": v} for n, v in (("a", 0.5), ("b", 0.3))] * 50
    target_preference = (
        summarise_swaps(pd.DataFrame(rows), 0, resamples=100).set_index("statistic").loc["target_preference"]
    )
    found = target_preference[["value", "low", "high", "n"]].tolist()
    assert found == pytest.approx([0.5, 0, 1, 100], abs=0.01)


def test_a_target_that_every_trial_prefers_has_an_interval_below_one():
    """86 of 86 trials of eight voices and eleven contents."""
    about = {"test_set": "m", "task": "conversion", "stage": "after", "target": "seen", "encoder": "j"}
    cosines = {"to_content": 0.2, "floor": 0.1, "ceiling": 0.9, "to_target": 0.5}
    rows = [about | cosines | {"target_speaker": f"t{i % 8}", "content": f"c{i % 11}"} for i in range(86)]
    summary = summarise_swaps(pd.DataFrame(rows), 0, resamples=100).set_index("statistic")
    preference = summary.loc["target_preference"]
    assert preference.value == preference.high == 1
    assert 0.9 < preference.low < 0.96


def test_intervals_draw_contents_as_well_as_voices():
    """The content decides everything: of two contents that says little, however many the voices."""
    about = {"test_set": "m", "task": "conversion", "stage": "after", "target": "seen", "encoder": "j"}
    cosines = {"to_content": 0.4, "floor": 0.1, "ceiling": 0.9}
    rows = [
        about | cosines | {"target_speaker": str(voice), "content": content, "to_target": cosine}
        for voice in range(30)
        for content, cosine in (("c", 0.5), ("d", 0.3))
    ]
    summary = summarise_swaps(pd.DataFrame(rows), 0, resamples=100).set_index("statistic")
    # The percentiles are 0.3 and 0.5; t(1) / z sqrt(2) = 9.168 for the two contents.
    assert summary.loc["to_target", ["low", "high"]].tolist() == pytest.approx([0.4 - 0.9168, 0.4 + 0.9168], abs=1e-3)


def test_the_whole_test_on_a_tiny_run(tiny_run, tmp_path):
    run = trained_beside(tiny_run, tmp_path / "run", swap__trials=4)
    table = swap_test(run)
    assert set(table.encoder) == {"tiny-test-encoder"}
    stages = {(r.task, r.stage) for r in table.itertuples()}
    assert stages == {
        ("resynthesis", "before training"),
        ("resynthesis", "after training"),
        ("conversion", "before training"),
        ("conversion", "after training"),
        ("conversion", "after training, pitch kept"),
        ("conversion", "after training, guidance 2"),
    }
    assert table[["to_target", "to_content"]].abs().le(1.0001).all(axis=None)
    assert len(run.load_table("swap_summary")) == 4 * table.groupby(["task", "stage", "target", "encoder"]).ngroups
    for row in table[table.trial < swap.SAMPLES].itertuples():
        paths = swap.sample_paths(run, row.test_set, row.task, row.stage, row.target, row.trial)
        assert all(path.exists() for path in paths.values())
    assert swap_test(run).equals(run.load_table("swap")), "a finished test is not done again"
    assert revisions_of(run, "swap") == {"tiny-test-encoder": TinyTestEncoder.revision}


def revisions_of(run, table: str) -> dict[str, str]:
    """The encoders that a table's provenance names, with their revisions."""
    return json.loads((run.path / "tables" / f"{table}.provenance.json").read_text())["weights"]


def test_human_recordings_are_halved(tiny_run, tmp_path):
    for name, f0 in (("a", 110.0), ("b", 180.0)):
        write_audio(tmp_path / f"{name}.flac", voiced(4.0, 16_000, f0=f0), 16_000)
    found = swap.human_speakers(tmp_path, tiny_run.config)
    assert [s.name for s in found] == ["a", "b"]
    assert len(found[0].references[0]) == 2 * 22_050
    assert np.exp(found[1].voice.log_f0_median) == pytest.approx(180, rel=0.03)


@pytest.mark.parametrize(("make", "says"), [(False, "no folder"), (True, "holds 0 recordings")])
def test_a_wrong_folder_of_human_recordings_is_named(tiny_run, tmp_path, make, says):
    folder = tmp_path / "voices"
    if make:
        folder.mkdir()
    with pytest.raises(RunError, match=says):
        swap.human_speakers(folder, tiny_run.config)


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


def test_an_output_is_as_loud_as_its_content_and_within_full_scale():
    class Loud:
        sample_rate = 22_050

        def render(self, content, voice, guidance):
            return 20 * content

    content = voiced(2.0)
    found = swap.SwapSystem("conversion", "loud", Loud()).render(content, Voice())
    assert np.abs(found).max() <= CEILING
    assert loudness(found, 22_050) == pytest.approx(loudness(content, 22_050), abs=0.5)
