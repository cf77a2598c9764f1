"""The speaker test: planted voices with known answers, the trivial systems, and a tiny run."""

import json

import numpy as np
import pandas as pd
import pytest
from helpers import TINY, spoken, trained_beside, voiced
from planted_voices import AUDIO, COUNT, RATE, PlantedEncoder, enrolled, tone, trials_of
from typer.testing import CliRunner

from thesis_lib import cli
from thesis_lib.audio.pitch import track
from thesis_lib.audio.world import _scaled, shifted
from thesis_lib.config import Config
from thesis_lib.embeddings.encoders import embed
from thesis_lib.embeddings.encoders.tiny import TinyTestEncoder
from thesis_lib.runs.folder import RunError
from thesis_lib.validation import speaker_test as speaker_test_package
from thesis_lib.validation.evaluation import System, groups_of
from thesis_lib.validation.metrics import MetricError, acceptance_threshold, share_interval
from thesis_lib.validation.speaker_test import (
    ALL_PAIRS,
    NATURAL,
    PITCH_MATCHED,
    TRIVIAL,
    SexScorer,
    SpeakerTrials,
    about_trials,
    by_pairs,
    enrol,
    gains,
    impostor_levels,
    measure_degraded,
    measure_speakers,
    speaker_test,
    speaker_test_systems,
    summarise_degraded,
    summarise_speakers,
    systems,
)
from thesis_lib.validation.speaker_test.trials import bundled_contents, sex_of
from thesis_lib.validation.speaker_test.world import envelope_ratio, towards
from thesis_lib.validation.swap import SpeakerScorer, SwapSpeaker, Trial, summarise_swaps
from thesis_lib.vocoder.voice import Voice


@pytest.fixture(scope="module")
def planted() -> SpeakerTrials:
    return trials_of()


@pytest.fixture(scope="module")
def scorer() -> SexScorer:
    return enrolled()


def values(table, system, statistic, scorers=None):
    levels = impostor_levels(scorers or [enrolled()])
    summary = summarise_speakers(table, levels, 20, 0)
    return summary[(summary.system == system) & (summary.pairs == ALL_PAIRS)].set_index("statistic").loc[statistic]


@pytest.fixture(scope="module")
def measured(planted, scorer):
    """A perfect system, one that returns the content, and one that renders the voices in turn."""
    turns = iter(range(10**6))
    found = [
        System("perfect", lambda trial: trial.target.references[0], about={"system": "perfect"}),
        System("content", lambda trial: trial.content.content, about={"system": "content"}),
        System("random", lambda trial: tone(next(turns) % COUNT), about={"system": "random"}),
    ]
    return measure_speakers(planted, found, [scorer]).table


@pytest.mark.parametrize("share", [0.01, 0.05, 0.29])
def test_a_threshold_accepts_its_share_of_impostors(share):
    impostors = np.random.default_rng(0).normal(size=1000)
    assert np.mean(impostors >= acceptance_threshold(impostors, share)) == share


def test_a_threshold_needs_enough_impostors():
    assert acceptance_threshold(np.arange(20.0), 0.05) == 19
    with pytest.raises(MetricError, match="19 impostors are too few"):
        acceptance_threshold(np.arange(19.0), 0.05)


def test_a_perfect_system_reaches_every_end(measured):
    for statistic in ("identified", "accepted_1", "accepted_5", "target_preference"):
        found = values(measured, "perfect", statistic)
        assert found.value == found.high == 1
        assert found.low < 1
    assert values(measured, "perfect", "normalised_similarity").value > 0.99


def test_a_system_that_returns_the_content_scores_zero_and_is_accepted_as_impostors_are(measured, scorer):
    """Its outputs are the natural impostors themselves: 380 pairs, 19 and 3 of them accepted."""
    assert len(scorer.impostors) == COUNT * (COUNT - 1)
    assert values(measured, "content", "normalised_similarity").value == pytest.approx(0, abs=1e-6)
    assert values(measured, "content", "accepted_5").value == 0.05
    assert values(measured, "content", "accepted_1").value == 3 / 380
    for statistic in ("identified", "target_preference"):
        assert values(measured, "content", statistic).value == 0


def test_a_system_that_renders_any_voice_is_at_chance(measured):
    found = values(measured, "random", "identified")
    assert found.chance == 1 / COUNT
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(1 / COUNT, abs=0.03)
    assert values(measured, "random", "target_preference").chance == 0.5


def test_identification_is_among_the_content_voices_too(planted):
    """The output is nearest to a content voice that is no natural speaker: enrolled, it is the one identified."""
    other = SwapSpeaker("tts", "content", "tts", tone(COUNT), Voice(), [tone(COUNT, 2)])
    target = planted.speakers[0]
    with_it = SpeakerScorer(PlantedEncoder(), planted.speakers, RATE, [other])
    assert with_it.floor == SpeakerScorer(PlantedEncoder(), planted.speakers, RATE).floor
    found = with_it.score(tone(COUNT), target, other)
    assert (found["identified"], found["voices"], found["impostor_pairs"]) == (0, COUNT + 1, 380)


def test_few_speakers_give_no_threshold_and_the_reason(planted):
    few = SpeakerTrials("few", planted.speakers[:3], [], planted.trials[:2], AUDIO)
    found = System("perfect", lambda trial: trial.target.references[0], about={"system": "perfect"})
    scorers = enrol(few, [PlantedEncoder()])
    table = measure_speakers(few, [found], scorers).table
    row = values(table, "perfect", "accepted_5", scorers)
    assert np.isnan(row.value)
    assert row.n == 2, "as of the other statistics: tables have one line for both"
    assert row.reason == "6 impostor pairs give no threshold for a share of 0.05 of them"


def test_a_swap_table_of_an_earlier_version_is_still_summarised():
    about = {"test_set": "m", "task": "conversion", "stage": "after", "target": "seen", "encoder": "j"}
    cosines = {"to_target": 0.5, "to_content": 0.2, "floor": 0.1, "ceiling": 0.9}
    rows = [about | cosines | {"target_speaker": n, "content": n} for n in "ab"]
    found = set(summarise_swaps(pd.DataFrame(rows), 0, resamples=20).statistic)
    assert found == {"target_preference", "to_target", "to_content", "normalised_similarity"}


def test_pairs_are_grouped_by_pitch_and_sex():
    table = pd.DataFrame(
        {
            "row": range(5),
            "semitones": [0.5, -1.0, 1.2, np.nan, -12.0],
            "content_sex": ["f", "f", "m", "", "f"],
            "target_sex": ["f", "m", "m", "f", "m"],
        }
    )
    rows = {name: part.row.tolist() for name, part in by_pairs(table).groupby("pairs")}
    assert rows == {
        ALL_PAIRS: [0, 1, 2, 3, 4],
        PITCH_MATCHED: [0, 1],
        "all to female": [0, 3],
        "all to male": [1, 2, 4],
        "female to female": [0],
        "female to male": [1, 4],
        "male to male": [2],
    }


def test_the_pairs_of_a_target_sex_are_pooled_over_contents():
    """Nine targets; a share is above chance over all six contents, but not over the three of either sex alone."""
    trials = pd.MultiIndex.from_product(
        [range(9), list("fm"), range(3)], names=["target_speaker", "content_sex", "number"]
    )
    trials = trials.to_frame(index=False).assign(semitones=5.0, target_sex="f")
    trials["content"] = trials.content_sex + trials.number.astype(str)
    trials["hit"] = (trials.target_speaker + trials.number) % 3 == 0
    low = {
        name: share_interval(part.hit.to_numpy(), groups_of(part, ("target_speaker", "content")))[1]
        for name, part in by_pairs(trials).groupby("pairs")
    }
    chance = 0.1
    assert max(low["female to female"], low["male to female"]) < chance < low["all to female"]
    assert "all to male" not in low


def test_a_sex_that_is_not_recorded_is_estimated():
    def speaker(sex=""):
        return SwapSpeaker("s", "human", "s", tone(0), Voice(), [], sex=sex)

    assert [sex_of(speaker(), f0) for f0 in (np.log(110.0), np.log(220.0), None)] == ["m", "f", ""]
    assert sex_of(speaker("m"), np.log(220.0)) == "m"


def test_the_gain_is_over_the_best_trivial_system_and_paired(measured):
    table = gains(measured, "perfect", 50, 0, trivial=("content", "random", "absent"))
    found = table[table.pairs == ALL_PAIRS].set_index("statistic")
    assert set(found["best trivial"]) == {"random"}, "it renders the target now and then, the content never is"
    share = measured[measured.system == "random"].identified.mean()
    assert found.value["identified"] == pytest.approx(1 - share)
    assert found.low["normalised_similarity"] > 0.5


def gain_table(first: np.ndarray, second: np.ndarray) -> pd.DataFrame:
    """Normalised similarities (T, C) of the systems "a" and "b", for T targets crossed with C contents."""
    rows = [
        {"system": name, "target_speaker": f"t{i}", "content": f"c{j}", "to_target": values[i, j]}
        for name, values in (("a", first), ("b", second))
        for i, j in np.ndindex(values.shape)
    ]
    about = {"encoder": "e", "floor": 0.0, "ceiling": 1.0, "semitones": 9.0, "content_sex": "", "target_sex": ""}
    table = pd.DataFrame(rows).assign(**about)
    return table.assign(**dict.fromkeys(("identified", "accepted_1", "accepted_5"), table.to_target.round()))


def similarity_gain(table, **options):
    found = gains(table, "a", 200, 0, **options)
    return found[(found.pairs == ALL_PAIRS) & (found.statistic == "normalised_similarity")].iloc[0]


def test_a_gain_is_of_pairs():
    """Two systems vary much together, and their difference is 0.1 everywhere: unpaired, the interval would be wide."""
    common = np.random.default_rng(0).normal(size=(12, 4))
    found = similarity_gain(gain_table(common + 0.1, common), trivial=("b",))
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))


def test_incomplete_pairs_are_dropped_before_the_best_trivial_system_is_chosen():
    """ "b" has its best values where "c" was not measured; on the pairs of all systems "c" is better."""
    zeros = np.zeros((4, 4))
    table = gain_table(zeros + 0.9, np.where(np.arange(4) < 2, 1.0, 0.2) + zeros)
    third = table[table.system == "b"].assign(system="c", to_target=0.4)
    both = pd.concat([table, third[~third.content.isin(["c0", "c1"])]])
    found = similarity_gain(both, trivial=("b", "c"))
    assert (found["best trivial"], found.n) == ("c", 8)
    assert found.value == pytest.approx(0.5)


def test_equal_trivial_systems_are_both_named():
    table = gain_table(np.full((3, 3), 0.9), np.full((3, 3), 0.2))
    both = pd.concat([table, table[table.system == "b"].assign(system="c")])
    assert similarity_gain(both, trivial=("b", "c"))["best trivial"] == "b = c"


def test_a_gain_of_all_pairs_has_an_interval_below_one(measured):
    """The bootstrap of differences that are all one has no width."""
    row = gains(measured, "perfect", 50, 0, trivial=("content",)).set_index(["pairs", "statistic"])
    found = row.loc[(ALL_PAIRS, "identified")]
    assert found.value == found.high == 1
    assert 0.5 < found.low < 1


def test_without_a_trivial_system_the_gain_is_not_measured(measured):
    found = gains(measured, "perfect", 20, 0, trivial=("absent",))
    assert found.value.isna().all()
    assert found.reason.str.contains("not measured for perfect and a trivial system").all()


@pytest.mark.parametrize("ratio", [0.6, 0.8, 1.25, 1.7])
def test_world_moves_the_median_f0(ratio):
    wav = spoken(0, RATE, "en")
    found = shifted(wav, RATE, ratio, envelope_ratio(ratio))
    before, after = (track(x, AUDIO).log_f0_median for x in (wav, found))
    assert len(found) == len(wav)
    assert np.exp(after - before) == pytest.approx(ratio, rel=0.04)


@pytest.mark.parametrize("ratio", [0.8, 1.25])
def test_world_moves_the_formants_of_a_recording(ratio):
    """At the same F0: the smoothed spectra match where one of them is read at frequencies times the ratio."""
    wav = voiced(2.0, RATE)
    before, after = (np.log(np.abs(np.fft.rfft(x)) + 1e-3) for x in (shifted(wav, RATE, 1.0, r) for r in (1.0, ratio)))
    smooth = np.ones(600) / 600
    before, after = (np.convolve(x, smooth, "same")[600 : len(x) // 2] for x in (before, after))
    places = np.arange(len(after)) + 600
    moved = np.interp(places / ratio, places, before)
    inside = (places / ratio > places[0]) & (places / ratio < places[-1])
    assert np.corrcoef(after[inside], moved[inside])[0, 1] > 0.97
    assert np.abs(after - moved)[inside].mean() < 0.5 * np.abs(after - before)[inside].mean()


def test_world_moves_towards_a_median():
    wav, target = spoken(0, RATE, "en"), np.log(150.0)
    found = towards(wav, RATE, track(wav, AUDIO).log_f0_median, target)
    assert track(found, AUDIO).log_f0_median == pytest.approx(target, abs=0.04)


def test_world_moves_a_formant():
    bins = np.arange(513)
    envelope = np.exp(-(((bins - 100) / 8) ** 2))[None]
    for ratio in (0.8, 1.2):
        assert _scaled(envelope, ratio)[0].argmax() == pytest.approx(100 * ratio, abs=1)
    assert np.array_equal(_scaled(envelope, 1.0), envelope)


def test_world_without_a_positive_ratio_says_so():
    with pytest.raises(ValueError, match="positive"):
        shifted(voiced(), RATE, 0.0, 1.0)


class EchoVocoder:
    """Returns the content, and keeps the voices that it was given."""

    sample_rate, audio = RATE, AUDIO

    def __init__(self):
        self.voices = []

    def render(self, wav, voice, guidance=1.0):
        self.voices.append(voice)
        return wav


def test_the_trivial_systems_do_what_they_say():
    encoder, vocoder = TinyTestEncoder(), EchoVocoder()
    every = {s.name: s for s in speaker_test_systems("ours", vocoder, encoder)}
    assert list(every) == ["ours", *TRIVIAL]
    bank = systems.BundledVoices(encoder, RATE)
    name = list(bank.ids)[7]
    target_voice = Voice(embed(encoder, bank.recording(name, 0), RATE), np.zeros(88), np.log(190.0))
    content = SwapSpeaker("c", "content", "c", spoken(0, RATE, "en"), Voice(), [])
    target = SwapSpeaker("t", "human", "t", spoken(6, RATE, "en"), target_voice, [])
    trial = Trial(content, target, 0)
    assert np.array_equal(every[systems.UNCHANGED].render(trial), content.content)
    every[systems.MEAN_SPEAKER].render(trial)
    (given,) = vocoder.voices
    assert given.speaker is None
    assert given.emotion is None
    assert given.log_f0_median == np.log(190.0)
    moved = every[systems.WORLD].render(trial)
    assert track(moved, AUDIO).log_f0_median == pytest.approx(np.log(190.0), abs=0.04)
    assert bank.nearest(target_voice.speaker) == name
    assert np.array_equal(every[systems.NEAREST].render(trial), bank.recording(name, 0))


def test_contents_are_of_both_sexes_in_turn_and_of_the_test_split():
    """Kokoro's names say the sex of a voice in their second letter."""
    found = bundled_contents(Config.from_profile("smoke"))
    assert len(found) >= 6
    assert [speaker.name[1] for speaker in found[:6]] == [speaker.sex for speaker in found[:6]] == ["f", "m"] * 3
    assert all(len(speaker.references) == 3 for speaker in found)
    assert not {speaker.name for speaker in found} & set(systems.BundledVoices(TinyTestEncoder(), RATE).ids)


def test_what_a_degradation_takes_is_measured_on_the_same_outputs(planted, scorer):
    few = SpeakerTrials("planted", planted.speakers, [], planted.trials[::5], AUDIO)
    perfect = System("perfect", lambda trial: trial.target.references[0], about={"system": "perfect"})
    table = measure_degraded(few, [perfect], [scorer]).table
    assert table[table.system == NATURAL].groupby(["encoder", "degradation"]).target_speaker.nunique().eq(COUNT).all()
    found = summarise_degraded(table, 50, 0).query("system == 'perfect'").set_index("degradation")
    assert list(found.index) == ["white noise, 20 dB", "MP3, 64 kbit/s", "low-pass, 4 kHz"]
    assert (found.n == len(few.trials)).all()
    assert found.before.to_numpy() == pytest.approx(1, abs=0.05)
    assert (found.before - found.after).to_numpy() == pytest.approx(found.lost.to_numpy())
    assert found.lost["low-pass, 4 kHz"] == pytest.approx(0, abs=0.02), "a tone below 1 kHz passes"
    assert found.remains.to_numpy() == pytest.approx(1, abs=0.05)


def test_the_whole_test_on_a_tiny_run(tiny_run, tmp_path):
    run = trained_beside(tiny_run, tmp_path / "run", swap__trials=4)
    table = speaker_test(run)
    assert set(table.system) == {NATURAL, "conversion", *TRIVIAL}
    assert set(table.encoder) == {"tiny-test-encoder"}
    summary = run.load_table("speakers_summary")
    assert set(summary.role) == {"conditions"}
    assert summary[summary.statistic != "to_content"].chance.notna().all()
    assert set(run.load_table("speakers_chance").encoder) == {"tiny-test-encoder"}
    assert (run.load_table("speakers_gains").system == "conversion").all()
    about = run.load_json("speakers_about")
    assert about["enrolment"] == "other recordings"
    assert about["targets that a choice between systems may have used"] == 0
    assert about["impostor pairs"] == about["speakers"] * (about["speakers"] - 1)
    assert about["enrolled voices"] == about["speakers"], "the contents' voices are among them"
    assert speaker_test(run).equals(run.load_table("speakers")), "a finished test is not done again"


def test_what_a_table_states_of_its_trials(planted, scorer):
    found = about_trials(planted, [scorer])
    assert (found["speakers"], found["targets"], found["contents"], found["impostor pairs"]) == (20, 20, 20, 380)
    assert found["target names"] == sorted({trial.target.name for trial in planted.trials})
    assert "165 Hz" in found["sexes"]


def test_the_command_prints_why_there_is_no_speaker_test_or_the_test(tiny_run, tmp_path, monkeypatch):
    run = trained_beside(tiny_run, tmp_path / "run", swap__trials=4)
    settings = ["--profile", "smoke", *(f"--set={key}={json.dumps(value)}" for key, value in TINY.items())]
    command = ["validate", "--run-dir", str(run.path), *settings, "--set=swap.trials=4"]

    def refuse(run, progress):
        raise RunError("two test speakers are needed")

    with monkeypatch.context() as patched:
        patched.setattr(speaker_test_package, "speaker_test", refuse)
        done = CliRunner().invoke(cli.app, command)
    assert done.exit_code == 0, done.output
    assert "speaker test: not measured: two test speakers are needed" in done.output
    done = CliRunner().invoke(cli.app, command)
    assert done.exit_code == 0, done.output
    assert "enrolment: other recordings" in done.output
    assert "best trivial system" in done.output
