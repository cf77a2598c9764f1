"""Sentences about several rows of a saved result: true of each of them."""

import re
from pathlib import Path

import pandas as pd
from helpers import notebook_prose

from thesis_lib import reporting

ROOT = Path(__file__).parents[2]


def test_speech_synthesis_takes_the_largest_share_of_a_clone():
    stages = reporting.benchmark("clone_speed")["2 cores"]["seconds for a second of Spanish"]["int8"]
    assert max((name for name in stages if name != "whole"), key=stages.get) == "speak"
    assert "Speech synthesis takes the largest share of this time" in notebook_prose("07_voice_cloning.ipynb")


def test_no_gain_in_identification_is_shown_in_the_groups_of_two_sexes():
    groups = [row for row in reporting.benchmark("speakers")["gains"] if " to " in row["pairs"]]
    four = [row for row in groups if (row["encoder"], row["statistic"]) == ("resemblyzer", "identified")]
    found = {row["pairs"]: row["low"] <= 0 <= row["high"] for row in four}
    assert found == dict.fromkeys(
        ("all to female", "female to female", "female to male", "male to female", "male to male"), True
    ) | {"all to male": False}


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
        "F0 standard deviation by pYIN": "f0_std",
        "loudness peaks per second": "loudness peaks a second",
        "speaking rate (inverse of the duration of the speech, by Silero's network)": "speaking rate",
        "voiced segments per second, by pYIN": "rate",
    }
    saved = pd.DataFrame(reporting.benchmark("emotion")["differences"])
    low = saved[(saved.system == "ours") & (saved.against == "TTS")].set_index("statistic").low
    table = (
        (ROOT / "book" / "limitations.md").read_text(encoding="utf-8").split("| correlation of source and output")[1]
    )
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", table.split("\n\n")[0], re.M)[1:]
    compared = [(name, text) for name, text in rows if "without the factor" not in name]
    assert len(compared) >= 10
    for name, text in compared:
        assert (low[f"correlation, {names.get(name, name)}"] > 0) == ("not shown" not in text), name
