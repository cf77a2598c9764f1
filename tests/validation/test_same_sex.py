"""Impostors of the target's sex, natural recordings, degraded scales, and the choice of targets."""

import numpy as np
import pandas as pd
import pytest
from helpers import voiced
from planted_voices import AUDIO, COUNT, PlantedEncoder, tone, trials_of

from thesis_lib.audio.files import of_length, write_audio
from thesis_lib.runs.folder import RunError
from thesis_lib.validation import metrics
from thesis_lib.validation.degradations import DEGRADATIONS
from thesis_lib.validation.evaluation import System
from thesis_lib.validation.metrics import acceptance_threshold
from thesis_lib.validation.speaker_test import (
    ALL_PAIRS,
    NATURAL,
    SpeakerTrials,
    about_trials,
    beside_natural,
    degraded,
    enrol,
    gains,
    human_trials,
    impostor_levels,
    measure_degraded,
    measure_speakers,
    summarise_degraded,
    summarise_speakers,
)
from thesis_lib.validation.swap import recordings_by_speaker


class SexedEncoder(PlantedEncoder):
    """Voices of one sex resemble each other: even numbers are female, odd ones male."""

    def encode(self, wav):
        found = super().encode(wav)
        peak = np.abs(np.fft.rfft(wav * np.hanning(len(wav)), 4 * len(wav))).argmax() * 4000 / len(wav)
        found[int(round((peak - 200) / 20)) % 2] += 4
        return found


@pytest.fixture(scope="module")
def sexed():
    trials = trials_of("fm")
    return trials, enrol(trials, [SexedEncoder()])[0]


@pytest.fixture(scope="module")
def summary(sexed):
    """Of a system that reproduces no more than the content: its outputs are the natural impostors."""
    trials, scorer = sexed
    content = System("content", lambda trial: trial.content.content, about={"system": "content"})
    table = measure_speakers(trials, [content], [scorer]).table
    return summarise_speakers(table, impostor_levels([scorer]), 20, 0).set_index(["system", "pairs", "statistic"])


def test_impostors_are_grouped_by_sex(sexed):
    _, scorer = sexed
    within, across = scorer.impostors_of("f", "f"), scorer.impostors_of("f", "m")
    assert (len(within), len(across)) == (10 * 9, 10 * 10)
    assert within.mean() > across.mean() + 0.2
    every = [scorer.impostors_of(content, target) for content in "fm" for target in "fm"]
    assert np.sort(np.concatenate(every)) == pytest.approx(np.sort(scorer.impostors))


def test_each_kind_of_pair_has_its_own_chance_level(sexed, summary):
    """A system that returns the content is at chance in every kind of pair, not only over all of them."""
    _, scorer = sexed
    for pairs in (ALL_PAIRS, "female to female", "female to male", "male to female", "male to male"):
        for statistic in ("accepted_5", "normalised_similarity", "to_target"):
            row = summary.loc["content", pairs, statistic]
            assert row.value == pytest.approx(row.chance, abs=1e-6), (pairs, statistic)
    limit = scorer.thresholds["accepted_5"]
    assert summary.chance["content", "female to male", "accepted_5"] == 0
    expected = np.mean(scorer.impostors_of("m", "m") >= limit)
    assert summary.chance["content", "male to male", "accepted_5"] == pytest.approx(expected)
    assert summary.chance["content", "male to male", "identified"] == pytest.approx(1 / 10)
    assert summary.chance["content", "female to male", "identified"] == pytest.approx(1 / COUNT)


def test_beside_all_pairs_stands_the_chance_level_of_the_targets_sex(sexed, summary):
    _, scorer = sexed
    expected = np.mean([np.mean(scorer.impostors_of(s, s) >= scorer.thresholds["accepted_5"]) for s in "fm"])
    row = summary.loc["content", ALL_PAIRS, "accepted_5"]
    assert row.chance == 0.05
    assert expected > 0.09
    assert row.chance_same_sex == pytest.approx(expected)
    assert np.isnan(summary.chance_same_sex["content", ALL_PAIRS, "target_preference"])


def test_a_threshold_from_the_targets_sex_accepts_its_share_of_those_impostors(sexed, summary):
    _, scorer = sexed
    for sex, pairs in (("f", "female to female"), ("m", "male to male")):
        impostors = scorer.impostors_of(sex, sex)
        expected = np.mean(impostors >= acceptance_threshold(impostors, 0.05))
        row = summary.loc["content", pairs, "accepted_5_same_sex"]
        assert (row.value, row.chance) == (pytest.approx(expected), 0.05)
        assert summary.value["content", pairs, "normalised_similarity_same_sex"] == pytest.approx(0, abs=1e-6)
    assert summary.reason["content", ALL_PAIRS, "accepted_1_same_sex"].startswith("90 impostor pairs give no threshold")


def test_natural_recordings_are_of_all_targets_and_by_sex(summary):
    natural = summary.loc[NATURAL]
    assert natural.n[ALL_PAIRS, "identified"] == COUNT
    assert natural.n["female to female", "identified"] == natural.n["female to male", "identified"] == COUNT // 2
    assert natural.value[ALL_PAIRS, "normalised_similarity"] == pytest.approx(1)
    assert not {"to_content", "target_preference"} & set(natural.index.get_level_values("statistic"))


def test_outputs_are_compared_with_the_natural_recordings_of_their_own_targets(sexed):
    trials, scorer = sexed
    targets = [speaker.name for speaker in trials.targets[:3]]
    few = SpeakerTrials("few", trials.speakers, [], [t for t in trials.trials if t.target.name in targets], AUDIO)
    systems = {"perfect": lambda trial: trial.target.content, "kept": lambda trial: trial.content.content}
    named = [System(name, render, about={"system": name}) for name, render in systems.items()]
    table = measure_speakers(few, named, [scorer]).table
    assert sorted(table[table.system == NATURAL].target_speaker) == sorted(targets)
    beside = beside_natural(table)
    for name, identified in (("perfect", 0), ("kept", -1)):
        found = gains(beside, name, 100, 0, trivial=(NATURAL,)).set_index(["pairs", "statistic"]).loc[ALL_PAIRS]
        assert set(found["best trivial"]) - {""} == {NATURAL}
        assert (found.value["identified"], found.n["identified"]) == (identified, len(few.trials))
    assert found.value["normalised_similarity"] < -0.5


def test_the_difference_to_natural_recordings_is_paired_by_target(sexed):
    """Natural recordings of unequal similarity: with the pairs of another target the interval would have a width."""
    trials, scorer = sexed
    perfect = System("perfect", lambda trial: trial.target.content, about={"system": "perfect"})
    table = measure_speakers(trials, [perfect], [scorer]).table
    numbers = {speaker.name: number for number, speaker in enumerate(trials.targets)}
    table["to_target"] -= 0.01 * table.target_speaker.map(numbers)
    found = gains(beside_natural(table), "perfect", 100, 0, trivial=(NATURAL,)).set_index(["pairs", "statistic"])
    similarity = found.loc[ALL_PAIRS, "normalised_similarity"]
    assert (similarity.value, similarity.low, similarity.high) == pytest.approx((0, 0, 0))
    # All are identified. The width is that of a share of the targets, not of their trials.
    _, low, high = metrics.share_interval(np.ones(len(numbers), bool))
    identified = found.loc[ALL_PAIRS, "identified"]
    assert identified.high >= high - low > 0.05


class LevelEncoder(PlantedEncoder):
    """Quiet recordings of all voices resemble each other."""

    def encode(self, wav):
        return super().encode(wav) + np.float32(0.5 / (0.1 + np.sqrt(np.mean(np.square(wav)))))


def test_the_scale_of_a_degradation_comes_from_degraded_natural_recordings(monkeypatch):
    """On the undegraded scale the quiet outputs of the perfect system would not keep their score."""
    quiet = {"quiet": lambda wav, rate: np.float32(0.1) * wav}
    monkeypatch.setattr(degraded, "DEGRADATIONS", quiet)
    trials = trials_of("fm")
    few = SpeakerTrials("planted", trials.speakers, [], trials.trials[::9], AUDIO)
    scorers = enrol(few, [LevelEncoder()])
    perfect = System("perfect", lambda trial: tone(few.speakers.index(trial.target), 1), about={"system": "perfect"})
    table = measure_degraded(few, [perfect], scorers).table
    natural = table[table.system == NATURAL].groupby("degradation").normalised_similarity.mean()
    assert natural.to_numpy() == pytest.approx(1)
    output = quiet["quiet"](perfect.render(few.trials[0]), 0)
    found = scorers[0].score(output, few.trials[0].target, few.trials[0].content)["to_target"]
    assert (found - scorers[0].floor) / (scorers[0].ceiling - scorers[0].floor) < 0.9, "the undegraded scale"
    summary = summarise_degraded(table, 50, 0).set_index("system")
    row = summary.loc["perfect"]
    assert row.remains == pytest.approx(1, abs=0.02)
    assert row.difference == pytest.approx(0, abs=0.02)
    levels = [
        scorers[0].cosines_of({s.name: change(s.content) for s in few.targets})
        for change in (lambda wav: wav, lambda wav: quiet["quiet"](wav, 0))
    ]
    before, after = (np.mean([cosines.loc[s.name, s.name] for s in few.targets]) for cosines in levels)
    lost = summary.cosine_lost[NATURAL]
    assert lost == pytest.approx(before - after, abs=1e-5)
    assert lost > 0.01, "natural recordings lose it too"
    assert summary.cosine_lost_low[NATURAL] <= lost <= summary.cosine_lost_high[NATURAL]
    assert row.cosine_before - row.cosine_after == pytest.approx(row.cosine_lost)


def test_what_remains_is_a_share_and_its_difference_is_paired_with_natural_recordings():
    """Natural recordings keep 1 on average, unequally; "a" keeps half of its score, "b" has none to keep."""
    name = next(iter(DEGRADATIONS))
    kept = np.linspace(0.8, 1.2, 6)
    rows = []
    for i, share in enumerate(kept):
        values = {NATURAL: (1.0, share), "a": (0.8, 0.4 * share), "b": (0.02, 0.01)}
        for system, (before, after) in values.items():
            about = {"system": system, "encoder": "e", "target_speaker": f"t{i}"}
            for content in ("own",) if system == NATURAL else [f"c{k}" for k in range(6)]:
                for degradation, value in ((degraded.UNDEGRADED, before), (name, after)):
                    scores = {"normalised_similarity": value, "to_target": value / 2}
                    rows.append(about | scores | {"content": content, "degradation": degradation})
    found = summarise_degraded(pd.DataFrame(rows), 300, 0).set_index("system")
    assert (found.remains["a"], found.difference["a"]) == pytest.approx((0.5, -0.5))
    assert found.n["a"] == 36
    assert found.cosine_lost["a"] == pytest.approx(0.2)
    assert found.high["a"] - found.low["a"] < 0.6 * (found.remains_high[NATURAL] - found.remains_low[NATURAL])
    assert np.isnan(found.remains["b"])
    assert "no share of it is given" in found.reason["b"]
    assert np.isnan(found.difference[NATURAL]), "it is compared with nothing"


def a_folder(root, names):
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_audio(path, voiced(1.5, 16_000, f0=110.0 + 10 * number), 16_000)
    return root


def test_targets_are_speakers_that_no_comparison_used(tiny_run, tmp_path):
    config = tiny_run.config
    folder = a_folder(tmp_path, [f"{letter}.flac" for letter in "abcdef"])
    compared = frozenset({"a", "d", "f", "of another folder"})
    found = human_trials(folder, config, 10, 1, compared)
    assert {target.name for target in found.targets} == set("abcdef") - compared
    assert len(found.speakers) == 6
    assert not {target.name for target in found.targets} & found.compared
    everyone = human_trials(folder, config, 10, 1, frozenset("abcdef"))
    assert len(everyone.targets) == 6, "the folder has no others"
    assert [speaker.sex for speaker in everyone.speakers] == ["m"] * 6
    assert everyone.recorded == frozenset()


def test_a_recorded_sex_is_kept_and_the_estimate_is_compared_with_it(tiny_run, tmp_path):
    folder = a_folder(tmp_path, ["a.flac", "b.flac", "c.flac"])
    sexes = {"a": "f", "b": "m", "of another folder": "f"}
    found = human_trials(folder, tiny_run.config, 3, 1, sexes=sexes)
    assert {speaker.name: speaker.sex for speaker in found.speakers} == {"a": "f", "b": "m", "c": "m"}
    about = about_trials(found, enrol(found, [PlantedEncoder()]))
    assert about["speakers with a recorded sex"] == 2
    assert about["recorded sex differs from the estimate"] == 1, "the F0 of a is that of a man"


def test_speakers_of_one_and_of_several_recordings_are_not_mixed(tiny_run, tmp_path):
    folder = a_folder(tmp_path, ["a.flac", "b/1.flac", "b/2.flac"])
    with pytest.raises(RunError, match="give each of them one recording, or several"):
        enrol(human_trials(folder, tiny_run.config, 2, 1), [PlantedEncoder()])


def test_a_folder_is_read_by_speaker(tmp_path):
    folder = a_folder(tmp_path, ["b/2.flac", "a.wav", "b/1.flac"])
    names = {name: [path.name for path in paths] for name, paths in recordings_by_speaker(folder).items()}
    assert names == {"a": ["a.wav"], "b": ["1.flac", "2.flac"]}


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["a.flac", "a/1.flac"], "two speakers of one name"),
        (["a.flac", "a.wav"], "two speakers of one name"),
        (["corpus/a/1.flac", "corpus/b/1.flac"], "a folder of a folder"),
    ],
)
def test_a_folder_with_unclear_speakers_is_refused(tmp_path, names, says):
    with pytest.raises(RunError, match=says):
        recordings_by_speaker(a_folder(tmp_path, names))


def test_a_folder_with_the_suffix_of_a_recording_is_a_speaker_and_a_link_that_leads_nowhere_is_named(tmp_path):
    folder = a_folder(tmp_path, ["b.wav/1.flac", "a.wav"])
    assert list(recordings_by_speaker(folder)) == ["a", "b.wav"]
    (folder / "c.wav").symlink_to(tmp_path / "gone.wav")
    with pytest.raises(RunError, match=r"c\.wav is a link to a file that is not there"):
        recordings_by_speaker(folder)


def test_a_recording_gets_a_length():
    assert of_length(np.arange(1, 4), 5).tolist() == [1, 2, 3, 0, 0]
    assert of_length(np.arange(1, 4), 2).tolist() == [1, 2]
