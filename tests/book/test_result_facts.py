"""Sentences about several rows of a saved result: true of each of them."""

import re
from pathlib import Path

import pandas as pd
from helpers import notebook_prose

from thesis_lib import reporting

ROOT = Path(__file__).parents[2]


def test_a_gain_in_identification_is_shown_for_male_targets_together_and_in_none_of_the_four_kinds_of_pairs():
    rows = pd.DataFrame(reporting.benchmark("speakers")["gains"])
    rows = rows[(rows.encoder == "resemblyzer") & (rows.statistic == "identified")].set_index("pairs")
    kinds = [f"{said} to {wanted}" for said in ("female", "male") for wanted in ("female", "male")]
    assert {kind: bool(rows.low[kind] > 0) for kind in (*kinds, "all to female", "all to male")} == dict.fromkeys(
        (*kinds, "all to female"), False
    ) | {"all to male": True}
    page = (ROOT / "book" / "limitations.md").read_text(encoding="utf-8")
    assert "By Resemblyzer, a gain in identification is shown in none of the four." in page


def test_identification_of_female_targets_is_not_shown_to_be_above_chance_in_the_two_kinds_of_pairs():
    rows = pd.DataFrame(reporting.benchmark("speakers")["rows"])
    rows = rows[
        (rows.encoder == "resemblyzer") & (rows.system == "released weights") & (rows.statistic == "identified")
    ]
    for kind in ("female to female", "male to female"):
        (row,) = rows[rows.pairs == kind].itertuples()
        assert row.low <= row.chance_same_sex, kind


def test_no_other_way_to_prosody_differs_from_the_default_in_these_statistics():
    """The sentence is in results.md; "model" is the network."""
    rows = pd.DataFrame(reporting.benchmark("prosody_ways")["differences"]).set_index(["system", "statistic"])
    named = ("correlation, F0 slope", "correlation, final F0 movement", "recall", "recall, eGeMAPS", "WER")
    for way in ("style vector", "model"):
        for statistic in named:
            assert rows.loc[(way, statistic)].low <= 0 <= rows.loc[(way, statistic)].high, (way, statistic)


def test_the_correlations_of_the_output_are_above_those_of_the_tts_but_where_a_row_says_that_it_is_not_shown():
    """The table of limitations.md; its names are those of the result, or stand here."""
    names = {
        "F0 median": "f0_median",
        "F0 standard deviation by pYIN, plain": "f0_std",
        "F0 standard deviation by pYIN, from percentiles": "F0 standard deviation by pYIN, robust",
        "loudness peaks per second": "loudness peaks a second",
        "speaking rate (inverse of the duration of the speech, by Silero's network)": "speaking rate",
        "voiced segments per second, by pYIN": "rate",
        "spectral tilt": "tilt",
        "pauses, share of the time": "pauses",
        "energy variation of the mel": "energy_std",
    }
    saved = pd.DataFrame(reporting.benchmark("emotion")["differences"])
    low = saved[(saved.system == "ours") & (saved.against == "TTS")].set_index("statistic").low
    page = (ROOT / "book" / "limitations.md").read_text(encoding="utf-8")
    table = page.split("correlation of source and output, over the emotions of an actor")[1].split("\n\n")[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", table, re.M)
    compared = {names.get(name, name): text for name, text in rows if "without the factor" not in name}
    assert {f"correlation, {name}" for name in compared} == {name for name in low.index if "correlation" in name}
    for name, text in compared.items():
        assert (low[f"correlation, {name}"] > 0) == ("not shown" not in text), name


def test_the_emotion_embedding_changes_four_of_the_statistics_of_the_emotion_test():
    """limitations.md names them."""
    saved = pd.DataFrame(reporting.benchmark("emotion")["differences"])
    rows = saved[(saved.system == "ours") & (saved.against == "ours, mean emotion embedding")].set_index("statistic")
    assert len(rows) == 22
    raised, lowered = rows.index[rows.low > 0], rows.index[rows.high < 0]
    correlations = {f"correlation, {name}" for name in ("tilt", "alpha ratio", "harmonics-to-noise ratio")}
    assert set(raised) == correlations | {"DNSMOS"}
    assert set(lowered) == set()
    assert not rows.low.isna().any()


def test_seven_correlations_are_not_shown_to_be_above_those_of_the_trivial_system():
    """limitations.md names them, below the table."""
    saved = pd.DataFrame(reporting.benchmark("emotion")["differences"])
    rows = saved[(saved.system == "ours") & (saved.against == "TTS, source's F0 median and loudness")]
    rows = rows[rows.statistic.str.startswith("correlation")].set_index("statistic")
    found = rows.index[rows.low <= 0].str.removeprefix("correlation, ")
    named = {"f0_median", "tilt", "harmonics-to-noise ratio", "alpha ratio", "jitter", "energy_std", "rate"}
    assert set(found) == named


def test_no_difference_of_the_outputs_with_the_student_is_shown():
    quality = reporting.benchmark("clone_speed")["1 core"]["quality"]
    for measure, graphs in quality.items():
        assert graphs["student"]["low"] <= 0 <= graphs["student"]["high"], measure
    assert "No difference between the outputs is shown in words" in notebook_prose("07_voice_cloning.ipynb")
