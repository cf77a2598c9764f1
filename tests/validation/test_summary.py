"""Summaries, comparisons and agreements of planted measurements."""

import numpy as np
import pandas as pd
import pytest
from helpers import trained_beside
from planted import SETTINGS, cell, measurements
from planted_voices import enrolled

from thesis_lib.validation import (
    GROUND_TRUTH,
    INVERSION,
    OURS,
    Measured,
    Measurements,
    agreements,
    calibrations,
    comparisons,
    summarise,
    winners,
)
from thesis_lib.validation.measurements import SOURCE
from thesis_lib.validation.metrics import Calibration, bootstrap, mean_of
from thesis_lib.validation.speaker_test import ALL_PAIRS, gains, impostor_levels, summarise_speakers


def test_summary_of_planted_measurements(planted):
    known, missing = calibrations(planted)
    assert not missing
    summary, unsummed = summarise(planted, known, SETTINGS)
    assert not unsummed
    ours = OURS["conversion"]
    assert cell(summary, ours, "mel_l1").value == pytest.approx(0.345)
    assert cell(summary, ours, "mel_l1").speakers == 5
    assert cell(summary, ours, "wer").value == 0
    assert cell(summary, ours, "bleu").value == pytest.approx(100)
    assert cell(summary, ours, "ter").value == 0
    assert cell(summary, ours, "normalised_encoder").value == pytest.approx(100, abs=5)
    assert cell(summary, ours, "eer_encoder").value == 0
    assert cell(summary, ours, "follows_rate").value == pytest.approx(1)
    assert list(summary.metric[summary.system == ours])[:2] == ["mel_l1", "wer"], "signal first"
    assert "mel_l1" not in set(summary.metric[summary.system == GROUND_TRUTH])


def test_a_rate_without_an_error_has_the_upper_limit_of_a_share_of_none_of_the_speakers(planted):
    summary, _ = summarise(planted, calibrations(planted)[0], SETTINGS)
    limit = 100 * (1 - 0.025 ** (1 / 5))  # Clopper & Pearson's of 0 of 5: 52 %
    for metric in ("wer", "cer", "ter", "eer_encoder"):
        row = cell(summary, OURS["conversion"], metric)
        assert (row.value, row.low, row.high) == pytest.approx((0, 0, limit)), metric


# Of one speaker each. t of two degrees of freedom makes the interval 2.7 times as wide as the percentiles.
WIDE = {
    "mel_l1": ([0.1, 0.1, 2.0], 0, np.inf),
    "stft": ([0.1, 0.1, 2.0], 0, np.inf),
    "mcd": ([1.0, 1.0, 20.0], 0, np.inf),
    "mcd_dtw": ([1.0, 1.0, 20.0], 0, np.inf),
    "f0_cents": ([5.0, 5.0, 300.0], 0, np.inf),
    "periodicity": ([0.02, 0.02, 0.95], 0, 1),
    "voicing_f1": ([0.1, 0.9, 1.0], 0, 1),
    "stoi": ([-0.9, 0.9, 0.95], -1, 1),
    "pesq": ([1.1, 1.1, 4.5], -np.inf, np.inf),
}


@pytest.mark.parametrize("metric", WIDE)
def test_the_interval_of_a_mean_stays_where_the_metric_can_lie(metric):
    values, least, most = WIDE[metric]
    found = measurements("abc")
    for one, value in zip(found.measured, values, strict=True):
        one.rows[2][metric] = value
    row = cell(summarise(found, {}, SETTINGS)[0], OURS["conversion"], metric)
    _, low, high = bootstrap(3, mean_of(np.array(values)), SETTINGS.resamples, SETTINGS.seed, np.arange(3))
    assert low < least or high > most or metric == "pesq", "unbounded, it leaves the range"
    assert (row.low, row.high) == (max(low, least), min(high, most))


def test_the_interval_of_a_cosine_and_of_a_percentile_stays_where_those_can_lie():
    """Two speakers' outputs equal their Spanish, and the third's is opposite to it."""
    found = measurements("abc")
    for one, sign in zip(found.measured, (1, 1, -1), strict=True):
        one.vectors[OURS["conversion"], "encoder"] = sign * one.vectors[SOURCE, "encoder"]
    known = {"encoder": Calibration(same=np.array([0.5, 0.6]), different=np.array([0.1]))}
    summary, _ = summarise(found, known, SETTINGS)
    rows = {name: cell(summary, OURS["conversion"], name) for name in ("encoder", "percentile_encoder")}
    assert (rows["encoder"].value, rows["encoder"].low, rows["encoder"].high) == pytest.approx((1 / 3, -1, 1))
    percentile = rows["percentile_encoder"]
    assert (percentile.value, percentile.low, percentile.high) == pytest.approx((200 / 3, 0, 100))
    normalised = cell(summary, OURS["conversion"], "normalised_encoder")
    assert normalised.high > 100 * (1 - 0.1) / 0.45, "a similarity that was scaled is not confined"


def test_words_are_counted_over_the_corpus_and_not_averaged():
    found = measurements("ab")
    for one, recognised, errors, count in zip(
        found.measured, ("one two three four five", "x"), (0, 1), (5, 1), strict=True
    ):
        said = {"recognised": recognised, "target_text": "one two three four five" if count == 5 else "six"}
        one.rows[2].update(said | {"word_errors": errors, "words": count})
    summary, _ = summarise(found, {}, SETTINGS)
    assert cell(summary, OURS["conversion"], "wer").value == pytest.approx(100 / 6)


def test_one_speaker_has_no_interval_and_says_so():
    summary, missing = summarise(measurements("aaa"), {}, SETTINGS)
    assert not len(summary)
    assert {row["reason"] for row in missing} == {"1 groups give no interval"}
    known, unknown = calibrations(measurements("aaa"))
    assert not known
    assert "pairs of one speaker and of two" in unknown[0]["reason"]
    agreed, missing = agreements(measurements("aaa"), SETTINGS)
    assert not len(agreed)
    assert [(row["metric"], row["reason"]) for row in missing] == [
        ("agreement of encoder and other", "1 groups give no interval")
    ]


def test_comparisons_find_a_planted_difference_and_no_other(planted):
    ours = OURS["conversion"]
    named = SETTINGS.model_copy(update={"hypotheses": (("mel_l1", ours, INVERSION), ("pesq", ours, INVERSION))})
    table, untested = comparisons(planted, named)
    assert untested == [
        {
            "id": "all",
            "system": ours,
            "metric": "pesq",
            "reason": f"hypothesis: not compared with {INVERSION}: not measured",
        }
    ]
    mel = table[(table.metric == "mel_l1")].iloc[0]
    assert (mel["first"], mel["second"]) == (OURS["conversion"], INVERSION)
    assert mel.difference == pytest.approx(-0.1)
    assert (mel.effect, mel.speakers) == (-1, 5)
    assert mel.p == pytest.approx(2 / 2**5)
    assert mel.p_holm == mel.p, "the only hypothesis of the table"
    assert not mel.significant, "five speakers cannot show it at 5 %"
    assert winners(table) == set()
    many, _ = comparisons(measurements("abcdefghijkl"), named)
    assert winners(many) == {(ours, "mel_l1")}
    assert many[many.metric != "mel_l1"].p.isna().all(), "no hypothesis"
    assert not many[many.metric != "mel_l1"].significant.any()
    two = named.model_copy(update={"hypotheses": (("mel_l1", INVERSION, ours), ("encoder", ours, INVERSION))})
    corrected = comparisons(measurements("abcdefghijkl"), two)[0].set_index("metric")
    assert corrected.p_holm["mel_l1"] == pytest.approx(2 * corrected.p["mel_l1"])


def of_values(a: list[float], b: list[float], speakers: str) -> Measurements:
    """The mel of our conversion and of Griffin-Lim, an utterance a letter of its speaker."""
    found = measurements(speakers)
    for one, ours, inversion in zip(found.measured, a, b, strict=True):
        one.rows[1]["mel_l1"], one.rows[2]["mel_l1"] = inversion, ours
    return found


def test_a_difference_its_interval_and_its_winner_are_of_speakers_means():
    """One speaker of eight has most utterances and the other sign: each counts the same."""
    speakers = "abcdefgh" + 20 * "h"
    ours, inversion = [0.3] * 7 + [0.9] * 21, [0.4 + 0.01 * i for i in range(7)] + [0.8] * 21
    ours_name = OURS["conversion"]
    named = SETTINGS.model_copy(update={"hypotheses": (("mel_l1", ours_name, INVERSION),)})
    row = comparisons(of_values(ours, inversion, speakers), named)[0].set_index("metric").loc["mel_l1"]
    expected = np.mean([*(0.3 - np.array(inversion[:7])), 0.1])
    assert row.difference == pytest.approx(expected)
    assert row.low < row.difference < row.high < 0.1
    assert row.difference < 0 < np.mean(np.subtract(ours, inversion)), "the utterances' mean has the other sign"
    assert row.effect < 0


def test_a_test_and_a_difference_of_opposite_signs_name_no_winner():
    """Eleven speakers are slightly better and one is far worse: the ranks and the mean disagree."""
    ours_name = OURS["conversion"]
    named = SETTINGS.model_copy(update={"hypotheses": (("mel_l1", ours_name, INVERSION),)})
    ours, inversion = [0.3] * 11 + [9.0], [0.31 + 0.001 * i for i in range(11)] + [0.4]
    table, _ = comparisons(of_values(ours, inversion, "abcdefghijkl"), named)
    row = table.set_index("metric").loc["mel_l1"]
    assert row.significant
    assert row.effect < 0 < row.difference
    assert winners(table) == set()


def test_one_test_speaker_gives_empty_tables_that_can_be_read_again(tiny_run, tmp_path):
    one = measurements("aaa")
    named = SETTINGS.model_copy(update={"hypotheses": (("mel_l1", OURS["conversion"], INVERSION),)})
    summary, _ = summarise(one, calibrations(one)[0], named)
    compared, untested = comparisons(one, named)
    assert [row["reason"] for row in untested] == [
        f"hypothesis: not compared with {INVERSION}: measured for fewer than two speakers"
    ]
    run = trained_beside(tiny_run, tmp_path / "run")
    for name, table in (("validation_summary", summary), ("validation_comparisons", compared)):
        assert table.empty
        run.save_table(name, table, run.provenance([]))
        assert list(run.load_table(name).columns) == list(table.columns)
    assert list(compared.columns)[:4] == ["metric", "first", "second", "difference"]
    assert winners(run.load_table("validation_comparisons")) == winners(compared) == set()
    assert "system" in summary


def test_a_difference_of_no_hypothesis_is_not_tested(planted):
    table, untested = comparisons(planted, SETTINGS)
    assert table.p.isna().all()
    assert not table.significant.any()
    assert len(untested) == len(SETTINGS.hypotheses)


def test_agreement_of_encoders(planted):
    table, missing = agreements(planted, SETTINGS)
    assert not missing
    assert list(table[["first", "second"]].iloc[0]) == ["encoder", "other"]
    assert -1 <= table.low[0] <= table.tau[0] <= table.high[0] <= 1
    assert table.n[0] == 30
    twins = [Measured(m.rows, m.missing, {k: m.vectors[k[0], "encoder"] for k in m.vectors}) for m in planted.measured]
    assert agreements(Measurements(twins), SETTINGS)[0].tau[0] == pytest.approx(1)


def crossed(decides: str, system: str, *scores: float) -> list[dict]:
    """Rows of 30 speakers crossed with 2 contents, or 2 with 30: the side with two decides the score."""
    many = {"target_speaker": "content", "content": "target_speaker"}[decides]
    sexes = {"content_sex": "", "target_sex": "", "semitones": np.nan, "impostor_pairs_same_sex": 0}
    about = {"system": system, "encoder": "planted", "floor": 0.0, "ceiling": 1.0, "impostor_pairs": 380} | sexes
    return [
        about
        | {decides: f"few{number}", many: f"many{other}", "to_target": score, "to_content": 0.5}
        | dict.fromkeys(("identified", "accepted_1", "accepted_5"), float(score > 0.5))
        for number, score in enumerate(scores)
        for other in range(30)
    ]


@pytest.mark.parametrize("decides", ["target_speaker", "content"])
def test_the_speaker_test_draws_targets_and_contents(decides):
    """Two values say little, however many rows have them: t(1) / z sqrt(2) = 9.168 times their half-distance."""
    table = pd.DataFrame(crossed(decides, "a", 0.8, 0.6) + crossed(decides, "b", 0.4, 0.4))
    summary = summarise_speakers(table, impostor_levels([enrolled()]), 100, 0)
    rows = summary[summary.pairs == ALL_PAIRS].set_index(["system", "statistic"])
    for statistic in ("normalised_similarity", "to_target"):
        found = rows.loc[("a", statistic), ["value", "low", "high"]]
        assert found.tolist() == pytest.approx([0.7, 0.7 - 0.9168, 0.7 + 0.9168], abs=1e-3)
    gained = gains(table, "a", 100, 0, trivial=("b",)).set_index(["pairs", "statistic"]).loc[ALL_PAIRS]
    found = gained.loc["normalised_similarity", ["value", "low", "high"]]
    assert found.tolist() == pytest.approx([0.3, 0.3 - 0.9168, 0.3 + 0.9168], abs=1e-3)


@pytest.mark.parametrize("decides", ["target_speaker", "content"])
def test_shares_of_the_speaker_test_draw_targets_and_contents(decides):
    table = pd.DataFrame(crossed(decides, "a", 0.8, 0.4) + crossed(decides, "b", 0.3, 0.3))
    summary = summarise_speakers(table, impostor_levels([enrolled()]), 100, 0)
    rows = summary[summary.pairs == ALL_PAIRS].set_index(["system", "statistic"])
    gained = gains(table, "a", 100, 0, trivial=("b",)).set_index(["pairs", "statistic"]).loc[ALL_PAIRS]
    for statistic in ("identified", "accepted_5"):
        for found in (rows.loc["a", statistic], gained.loc[statistic]):
            assert found.value == 0.5
            assert found.low < 0.02
            assert found.high > 0.98
