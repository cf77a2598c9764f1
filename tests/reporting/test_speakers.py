"""Tables and figures of the speaker test show chance levels, and mark encoders with a role."""

import numpy as np
import pandas as pd
import pytest

from thesis_lib import reporting
from thesis_lib.reporting import (
    by_encoder,
    degraded_table,
    lost_cosine_table,
    pairs_table,
    speakers_figure,
    speakers_table,
    swap_rows,
)
from thesis_lib.reporting.headings import STATISTICS


@pytest.fixture
def summary() -> pd.DataFrame:
    """Two systems by two encoders; acceptance at 1 % was not measured. As of a JSON file, without numbers."""
    rows = []
    chance = {"normalised_similarity": 0.0, "identified": 0.01, "accepted_1": 0.01, "accepted_5": 0.05}
    for encoder, role in (("ecapa", "conditions and trains"), ("resemblyzer", "evaluation")):
        for number, system in enumerate(("natural recording", "released weights")):
            for statistic, level in chance.items():
                row = {"system": system, "encoder": encoder, "pairs": "all", "statistic": statistic, "n": 6}
                row |= {"value": 0.9 - 0.5 * number, "low": 0.3, "high": 1.0, "reason": "", "chance": level}
                if statistic == "accepted_1":
                    row |= {"value": None, "low": None, "high": None, "reason": "6 impostor pairs"}
                rows.append(row | {"role": role})
    return pd.DataFrame(rows)


def test_the_table_has_chance_levels_and_evaluation_encoders_first(summary):
    table = reporting.speakers_table(summary)
    assert list(table.columns) == [
        "encoder",
        "system",
        "n",
        "normalised similarity (chance 0)",
        "identified at rank 1 (chance 0.01)",
        "accepted at 1 % (chance 0.01)",
        "accepted at 5 % (chance 0.05)",
    ]
    assert table.encoder.tolist() == ["resemblyzer"] * 2 + ["ecapa †"] * 2
    assert table["identified at rank 1 (chance 0.01)"].tolist()[:2] == ["0.90 [0.30, 1.00]", "0.40 [0.30, 1.00]"]
    assert set(table["accepted at 1 % (chance 0.01)"]) == {"not measured: 6 impostor pairs"}


def test_the_figure_has_a_panel_a_statistic_with_its_chance_level(summary):
    figure = reporting.speakers_figure(summary)
    assert len(figure.axes) == 3
    for axis, chance in zip(figure.axes, (0, 0.01, 0.05), strict=True):
        assert axis.texts[0].get_text() == f"chance {chance:.2g}"
        assert any(np.allclose(line.get_xdata(), chance) for line in axis.lines)
    names = [text.get_text() for text in figure.axes[-1].get_legend().get_texts()]
    assert names == ["Resemblyzer", "ECAPA †"]


def test_kinds_of_pairs_are_lines_of_one_system(summary):
    both = pd.concat([summary, summary.assign(pairs="female to male", n=2)])
    gains = pd.DataFrame(columns=["encoder", "pairs", "statistic", "best trivial", "value", "low", "high", "n", "role"])
    table = reporting.pairs_table(both, gains, "released weights")
    table = table[table.system == "released weights"]
    assert table["content to target"].tolist() == ["all", "female to male"] * 2
    assert table.n.tolist() == [6, 2] * 2
    assert set(table["accepted at 5 %"]) == {"0.40 [0.30, 1.00]"}


def test_gains_and_shares_that_remain_are_beside_their_reference():
    about = {"encoder": "resemblyzer", "role": "evaluation", "n": 6, "reason": "", "low": 0.1, "high": 0.3}
    gains = pd.DataFrame(
        [about | {"pairs": "all", "statistic": "identified", "best trivial": "nearest TTS voice", "value": 0.2}]
    )
    (line,) = reporting.gains_table(gains).to_dict("records")
    assert line["gain (no gain: 0)"] == "0.20 [0.10, 0.30]"
    assert line["best trivial system"] == "nearest TTS voice"
    empty = gains.assign(**{"best trivial": np.nan, "value": np.nan, "reason": "too few"})
    (line,) = reporting.gains_table(empty).to_dict("records")
    assert (line["best trivial system"], line["gain (no gain: 0)"]) == ("", "not measured: too few")
    change = about | {"system": "natural recording", "before": 1.0, "difference": None}
    change |= {"remains": 0.8, "remains_low": 0.7, "remains_high": 0.9}
    lost = [change | {"degradation": name, "after": 0.8} for name in ("noise", "MP3")]
    (line,) = reporting.degraded_table(pd.DataFrame(lost)).to_dict("records")
    assert line["undegraded (chance 0)"] == "1.00"
    assert line["after noise"] == line["after MP3"] == "0.80 [0.70, 0.90]"
    assert reporting.degraded_table(pd.DataFrame(lost), beside_natural=True).empty, (
        "natural recordings are the reference"
    )


LEVELS = {"all": (0.05, 0.087), "male to female": (0.017, 0.136)}


@pytest.fixture
def by_pairs():
    rows = [
        {
            "system": system,
            "encoder": "e",
            "pairs": pairs,
            "statistic": statistic,
            "value": value,
            "low": value - 0.1,
            "high": value + 0.1,
            "n": 12,
            "reason": "",
            "chance": chance,
            "chance_same_sex": same,
            "role": "evaluation",
        }
        for pairs, (chance, same) in LEVELS.items()
        for system, value in (("natural recording", 0.9), ("ours", 0.4), ("WORLD", 0.2))
        for statistic in ("normalised_similarity", "identified", "accepted_5")
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def gains():
    about = {"encoder": "e", "statistic": "accepted_5", "system": "ours", "best trivial": "WORLD = other"}
    numbers = {"value": 0.2, "low": 0.1, "high": 0.3, "n": 11, "reason": "", "role": "evaluation"}
    return pd.DataFrame([about | numbers | {"pairs": pairs} for pairs in LEVELS])


def test_the_table_has_both_chance_levels(by_pairs):
    found = speakers_table(by_pairs).set_index("system")["accepted at 5 % (chance 0.05)"]
    assert found["ours"] == "0.40 [0.30, 0.50]"
    assert found["chance: natural impostors of the target's sex"] == "0.087"


def test_each_kind_of_pair_has_its_chance_levels_its_natural_and_its_trivial_row(by_pairs, gains):
    table = pairs_table(by_pairs, gains, "ours")
    for pairs, (chance, same) in LEVELS.items():
        found = table[table["content to target"] == pairs].set_index("system")["accepted at 5 %"]
        assert list(found) == [
            "0.90 [0.80, 1.00]",
            "0.40 [0.30, 0.50]",
            "0.20 [0.10, 0.30]",
            "0.20 [0.10, 0.30]",
            f"{chance:.2g}",
            f"{same:.2g}",
        ]


def test_the_figure_has_a_line_for_each_chance_level(by_pairs):
    figure = speakers_figure(by_pairs)
    lines = {round(line.get_xdata()[0], 3) for line in figure.axes[2].lines if len(set(line.get_xdata())) == 1}
    assert {0.05, 0.087} <= lines


def test_a_share_that_is_not_given_is_named():
    about = {"encoder": "e", "degradation": "noise", "role": "evaluation", "n": 12}
    nothing = dict.fromkeys(("remains", "remains_low", "remains_high", "difference", "low", "high"), np.nan)
    kept = {"remains": 0.5, "remains_low": 0.4, "remains_high": 0.6, "difference": -0.5, "low": -0.6, "high": -0.4}
    rows = [
        about | {"system": "ours", "before": 0.4, "reason": ""} | kept,
        about | {"system": "TTS", "before": 0.01, "reason": "too small"} | nothing,
    ]
    found = degraded_table(pd.DataFrame(rows)).set_index("system")
    assert found["after noise"].to_dict() == {"ours": "0.50 [0.40, 0.60]", "TTS": "not given"}
    assert found.n.tolist() == [12, 12]
    (line,) = degraded_table(pd.DataFrame(rows), beside_natural=True).to_dict("records")
    assert line == {"encoder": "e", "system": "ours", "n": 12, "after noise": "-0.50 [-0.60, -0.40]"}


def test_what_a_degradation_takes_from_the_cosine_has_a_column_each():
    lost = {"cosine_before": 0.5, "cosine_lost": 0.1, "cosine_lost_low": 0.0, "cosine_lost_high": 0.2}
    about = {"encoder": "e", "role": "evaluation", "n": 12} | lost
    rows = [about | {"system": system, "degradation": name} for system in ("ours", "TTS") for name in ("noise", "MP3")]
    (line,) = lost_cosine_table(pd.DataFrame(rows), ["ours"]).to_dict("records")
    taken = "0.10 [0.00, 0.20]"
    assert line.pop("cosine, undegraded") == "0.50"
    assert line == {"encoder": "e", "system": "ours", "n": 12, "lost by noise": taken, "lost by MP3": taken}


@pytest.fixture
def swap():
    about = {"test_set": "bundled", "task": "conversion", "stage": "after training", "target": "seen", "n": 9}
    values = {"normalised_similarity": 0.456, "identified": 0.25, "accepted_5": np.nan, "target_preference": 0.8}
    rows = [
        about | {"encoder": encoder, "statistic": name, "value": value, "low": value, "high": value, "reason": "few"}
        for encoder in ("e", "f")
        for name, value in {**values, "to_target": 0.3}.items()
    ]
    return pd.DataFrame(rows)


def test_a_speaker_swap_is_shown_as_the_speaker_test_with_its_chance_levels(swap):
    rows = swap_rows(swap, voices=8)
    assert set(rows.system) == {"conversion, after training, to seen voices"}
    assert "to_target" not in set(rows.statistic)
    (line, _) = speakers_table(rows).to_dict("records")
    assert line["normalised similarity (chance 0)"].startswith("0.456")
    assert line["identified at rank 1 (chance 0.12)"].startswith("0.250")
    assert line["accepted at 5 % (chance 0.05)"] == "not measured: few"
    assert line["target-preference rate (chance 0.5)"].startswith("0.800")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (
            "conversion, target preference, resemblyzer",
            "conversion, target-preference rate (chance 0.5), Resemblyzer",
        ),
        ("normalised similarity, ecapa †", "normalised similarity (chance 0), ECAPA †"),
        ("ecapa_normalised", "normalised similarity (chance 0), ECAPA"),
        ("identified", "identified at rank 1 (chance 0.12)"),
        ("accepted_5", "accepted at 5 % (chance 0.05)"),
        ("wer, tiny.en †", "WER (%), tiny.en †"),
        ("to_target", "cosine to the target voice"),
    ],
)
def test_a_statistic_of_the_speaker_test_is_named_with_its_chance_level(key, said):
    named = reporting.with_chance(key, voices=8)
    assert named == said
    assert reporting.heading(named) == said, "a shown table keeps it"


def test_the_chance_of_identification_needs_the_number_of_voices():
    assert reporting.with_chance("identified") == "identified at rank 1 (chance: one in the enrolled voices)"


def test_a_sentence_has_the_value_of_each_encoder_and_says_what_was_not_measured(swap):
    said = {name: by_encoder(part) for name, part in swap.groupby("statistic")}
    assert said["normalised_similarity"] == "0.46 (e), 0.46 (f)"
    assert said["identified"] == "25 % (e), 25 % (f)"
    assert said["accepted_5"] == "not measured (e), not measured (f)"


def test_the_measures_of_one_encoder_are_beside_natural_recordings_and_chance(by_pairs):
    no_natural = by_pairs[(by_pairs.system == "ours") & (by_pairs.statistic == "identified")]
    about = {"statistic": "target_preference", "chance_same_sex": None}
    table = reporting.measures_table(pd.concat([by_pairs, no_natural.assign(**about)]), "ours", "e")
    assert table.measure.tolist() == [
        "normalised similarity",
        "identified at rank 1",
        "accepted at 5 %",
        "target-preference rate",
    ]
    assert table["ours (n = 12)"].tolist() == ["0.40 [0.30, 0.50]"] * 4
    assert table["natural recording (n = 12)"].tolist() == ["0.90 [0.80, 1.00]"] * 3 + ["–"]
    assert table["chance: natural impostors"].tolist() == ["0.05"] * 4
    assert table["chance: natural impostors of the target's sex"].tolist() == ["0.087"] * 3 + ["–"]


def test_two_tables_have_all_statistics_of_the_speaker_test():
    both = (*reporting.MAIN_STATISTICS, *reporting.STRICT_STATISTICS)
    assert sorted(both) == sorted(STATISTICS)
    assert len(reporting.MAIN_STATISTICS) == len(reporting.STRICT_STATISTICS) == 4


def test_the_movement_by_noise_has_its_interval():
    numbers = {"moved": 0.05, "low": 0.0, "high": 0.09}
    rows = [
        {"encoder": encoder, "noise": noise} | numbers
        for encoder in ("e", "f")
        for noise in ("white noise", "plain loss", "augmented loss")
    ]
    table = reporting.noise_table(rows)
    assert table.encoder.tolist() == ["e", "f"]
    assert table["along the gradient of ECAPA's loss"].tolist() == ["0.050 [0.000, 0.090]"] * 2
