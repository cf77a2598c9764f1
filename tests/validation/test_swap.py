import re

import numpy as np
import pandas as pd
import pytest
from helpers import rename_encoder, revisions_of, trained_beside, voiced

from thesis_lib.audio.files import write_audio
from thesis_lib.audio.loudness import MAX_PEAK, loudness
from thesis_lib.audio.pitch import track
from thesis_lib.embeddings.encoders.tiny import TinyTestEncoder
from thesis_lib.runs.folder import RunError
from thesis_lib.validation import swap
from thesis_lib.validation.swap import (
    SpeakerScorer,
    SwapSpeaker,
    summarise_swaps,
    swap_test,
)
from thesis_lib.vocoder.description import EncoderMismatchError
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
    pairs = [(t.content.name, t.target.name) for t in trials]
    assert len(pairs) == len(set(pairs)) == 3 * 4 + 3 * 2
    assert all(t.content.kind == "unseen" and t.content.name != t.target.name for t in trials)
    few = list(swap.trials(speakers, 4))
    assert [trial.number for trial in few] == [0, 1, 2, 3] * 2
    for kind, names in (("seen", {f"s{i}" for i in range(4)}), ("unseen", {f"u{i}" for i in range(3)})):
        found = {trial.target.name for trial in few if trial.target.kind == kind}
        assert found == names, "no voice twice before all had their turn"


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
    assert len(run.load_table("swap_summary")) == 7 * table.groupby(["task", "stage", "target", "encoder"]).ngroups
    for row in table[table.trial < swap.SAVED_TRIALS].itertuples():
        paths = swap.sample_paths(run, row.test_set, row.task, row.stage, row.target, row.trial)
        assert all(path.exists() for path in paths.values())
    assert swap_test(run).equals(run.load_table("swap")), "a finished test is not done again"
    assert revisions_of(run, "swap") == {"tiny-test-encoder": TinyTestEncoder.revision}


def test_human_recordings_are_halved(tiny_run, tmp_path):
    for name, f0 in (("a", 110.0), ("b", 180.0)):
        write_audio(tmp_path / f"{name}.flac", voiced(4.0, 16_000, f0=f0), 16_000)
    found = swap.human_speakers(tmp_path, tiny_run.config)
    assert [s.name for s in found] == ["a", "b"]
    assert len(found[0].references[0]) == 2 * 22_050
    assert np.exp(found[1].voice.log_f0_median) == pytest.approx(180, rel=0.03)


@pytest.mark.parametrize("title", ["another-encoder (1)", "tiny-test-encoder (2)"])
def test_human_speakers_need_the_encoders_of_the_vocoder(tiny_run, tmp_path, title, monkeypatch):
    """The run's embeddings and vocoders are by an encoder that is not the one that is loaded today."""
    run = trained_beside(tiny_run, tmp_path / "run", swap__trials=2, swap__human=str(tmp_path / "human"))
    for name in "ab":
        write_audio(tmp_path / "human" / f"{name}.flac", voiced(4.0, 16_000), 16_000)
    rename_encoder(run, "conversion", title)
    if title == "tiny-test-encoder (2)":
        with pytest.raises(RunError, match=rf"{re.escape(title)}, this version has tiny-test-encoder \(1\)"):
            swap_test(run, tasks=("conversion",))
        monkeypatch.setattr("thesis_lib.runs.embed.changed_revision", lambda *given: None)
    with pytest.raises(EncoderMismatchError, match=rf"{re.escape(title)}, this one is tiny-test-encoder \(1\)"):
        swap_test(run, tasks=("conversion",))


def test_a_replaced_human_recording_makes_the_swap_stale(tiny_run, tmp_path):
    folder, settings = tmp_path / "human", {"swap__trials": 2, "swap__human": str(tmp_path / "human")}
    run = trained_beside(tiny_run, tmp_path / "run", **settings)
    for name, f0 in (("a", 110.0), ("b", 180.0)):
        write_audio(folder / f"{name}.flac", voiced(4.0, 16_000, f0=f0), 16_000)
    before = swap_test(run, tasks=("conversion",))
    assert run.stale() == {}
    assert swap_test(run, tasks=("conversion",)).equals(run.load_table("swap"))
    write_audio(folder / "b.flac", voiced(4.0, 16_000, f0=220.0), 16_000)
    assert run.stale()["swap"] == [f"{folder / 'b.flac'} has changed since"]
    assert not swap_test(run, tasks=("conversion",)).equals(before)
    write_audio(folder / "c.flac", voiced(4.0, 16_000, f0=140.0), 16_000)
    table = swap_test(run, tasks=("conversion",))
    assert "c" in set(table.target_speaker)
    folder.rename(tmp_path / "elsewhere")
    assert len(swap_test(run, tasks=("conversion",))) == len(table), "the finished table is read without the folder"


def test_condition_and_enrolment_are_disjoint(tiny_run, tmp_path):
    """One recording of 110 then 180 Hz; and two recordings of a speaker, of 110 and of 180 Hz."""
    low, high = voiced(3.0, 16_000, f0=110.0), voiced(3.0, 16_000, f0=180.0)
    write_audio(tmp_path / "a.flac", np.concatenate([low, high]), 16_000)
    for name, wav in (("1", low), ("2", high)):
        (tmp_path / "b").mkdir(exist_ok=True)
        write_audio(tmp_path / "b" / f"{name}.flac", wav, 16_000)
    one, several = swap.human_speakers(tmp_path, tiny_run.config)
    assert (one.name, one.enrolment) == ("a", "other half of one recording")
    assert (several.name, several.enrolment) == ("b", "other recordings")
    for speaker in (one, several):
        assert np.exp(speaker.voice.log_f0_median) == pytest.approx(110, rel=0.03)
        for wavs, f0 in (([speaker.content], 110), (speaker.references, 180)):
            (median,) = (track(wav, tiny_run.config.audio).log_f0_median for wav in wavs)
            assert np.exp(median) == pytest.approx(f0, rel=0.03)


@pytest.mark.parametrize(("make", "says"), [(False, "no folder"), (True, "holds 0 recordings")])
def test_a_wrong_folder_of_human_recordings_is_named(tiny_run, tmp_path, make, says):
    folder = tmp_path / "voices"
    if make:
        folder.mkdir()
    with pytest.raises(RunError, match=says):
        swap.human_speakers(folder, tiny_run.config)


def test_an_output_is_as_loud_as_its_content_and_within_full_scale():
    class Loud:
        sample_rate = 22_050

        def render(self, content, voice, guidance):
            return 20 * content

    content = voiced(2.0)
    found = swap.SwapSystem("conversion", "loud", Loud()).render(content, Voice())
    assert np.abs(found).max() <= MAX_PEAK
    assert loudness(found, 22_050) == pytest.approx(loudness(content, 22_050), abs=0.5)
