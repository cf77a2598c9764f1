"""Tables of voice cloning, from rows as the benchmarks save them."""

import numpy as np
import pandas as pd

from thesis_lib import reporting

NUMBERS = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 8, "reason": ""}


def test_adaptation_has_a_column_for_each_stage_and_one_for_the_gain():
    row = {"encoder": "resemblyzer"} | NUMBERS
    stages = ("before adaptation", "after adaptation")
    names = ("identified", "to_target")
    rows = pd.DataFrame([row | {"stage": stage, "statistic": name} for stage in stages for name in names])
    table = reporting.adaptation_table(rows, pd.DataFrame([row | {"statistic": "identified"}]))
    assert list(table.columns) == ["statistic", "encoder", "n", *stages, "gain (no gain: 0)"]
    identified = "identified at rank 1 (chance: one in the enrolled voices)"
    assert table.iloc[0].tolist() == [identified, "resemblyzer", 8, *["0.50 [0.25, 0.75]"] * 3]
    assert pd.isna(table["gain (no gain: 0)"][1]), "the cosines have no gain"
    assert list(reporting.adaptation_table(rows).columns) == ["statistic", "encoder", "n", *stages]


def test_adaptation_has_chance_levels_and_marks_encoders_with_a_role():
    row = {"stage": "before adaptation"} | NUMBERS
    names = ("normalised_similarity", "identified", "accepted_1", "accepted_5", "target_preference", "to_target")
    roles = {"ecapa": "conditions and trains", "resemblyzer": "evaluation"}
    rows = pd.DataFrame(
        [row | {"statistic": name, "encoder": encoder, "role": roles[encoder]} for encoder in roles for name in names]
    )
    gain = rows[rows.statistic == "identified"].drop(columns="stage")
    table = reporting.adaptation_table(rows, gain, voices=47)
    assert table.encoder.tolist() == ["resemblyzer", "ecapa †"] * 6
    assert table.statistic[::2].tolist() == [
        "normalised similarity (chance 0)",
        "identified at rank 1 (chance 0.021)",
        "accepted at 1 % (chance 0.01)",
        "accepted at 5 % (chance 0.05)",
        "target-preference rate (chance 0.5)",
        "cosine to the target voice",
    ]
    gained = table[table["gain (no gain: 0)"].notna()]
    assert gained.statistic.tolist() == ["identified at rank 1 (chance 0.021)"] * 2, "the gain is in its row"


def test_style_has_the_systems_that_are_measured():
    row = {"test_set": "human", "metric": "rate_correlation"} | NUMBERS
    none = {"value": np.nan, "reason": "5 speakers have it"}
    rows = [row | {"system": "ours"}, row | {"system": "published"} | none, row | {"system": "ours", "metric": "wer"}]
    table = reporting.style_table(pd.DataFrame(rows), "human").set_index("statistic")
    assert list(table.columns) == ["ours"]
    assert table.ours["voiced segments (per s)"] == "0.50 [0.25, 0.75]"
    assert pd.isna(table.ours["pauses"])


def test_the_emotion_that_a_probe_recalls_is_in_per_cent_and_correlations_are_in_words():
    names = ("recall", "recall, eGeMAPS", "correlation, f0_median", "rank, loudness")
    rows = [{"system": "ours", "statistic": name} | NUMBERS for name in names]
    assert reporting.recall_table(rows).iloc[0].tolist() == ["ours", "50 [25, 75]", "50 [25, 75]"]
    differences = [row | {"against": other} for other in ("TTS", "source") for row in rows]
    table = reporting.recall_table(differences)
    assert list(table)[2:] == [f"probe of {x}: recall (percentage points)" for x in ("Whisper's states", "eGeMAPS")]
    assert table.to_numpy().tolist() == [
        ["ours", "TTS", "50 [25, 75]", "50 [25, 75]"],
        ["ours", "source", "50 [25, 75]", "50 [25, 75]"],
    ]
    (found,) = reporting.correlations_table(rows).to_dict("records")
    assert found == {"statistic": "F0 median (semitones re 100 Hz)", "ours": "0.50 [0.25, 0.75]"}


def test_both_hours_have_their_memory_and_their_speed():
    one = {"GB with the models loaded": 0.69, "seconds of computation for a second": 0.231}
    several = one | {"speakers": 4, "highest GB of each tenth": [0.8, 1.3, 1.2]}
    memory = one | {"highest GB of each tenth": [1.16, 1.2], "a voice for every speaker": several}
    assert reporting.memory_table(memory).to_numpy().tolist() == [
        ["one voice", "0.69", "1.16", "1.20", "1.20", "0.23"],
        ["a voice for each of 4 speakers", "0.69", "0.80", "1.20", "1.30", "0.23"],
    ]


def test_the_watermark_has_its_detections_with_intervals():
    row = {"after": "nothing", "seen in marked": 1.0, "marked, low": 0.69, "marked, high": 1.0}
    row |= {"marked, lowest": 0.817, "marked, highest": 1.0, "seen in unmarked": 0.0, "unmarked, low": 0.0}
    row |= {"unmarked, high": 0.31, "unmarked, lowest": 0.0, "unmarked, highest": 0.29}
    (found,) = reporting.watermark_table([row]).to_numpy().tolist()
    assert found == ["nothing", "100 % [69, 100]", "0.82–1.00", "0 % [0, 31]", "0.00–0.29"]


def test_marked_stretches_and_false_alarms_have_their_counts():
    row = {"seconds": 20, "speed": 1.0, "files": 8, "stretches": 37, "share": 0.95, "low": 0.87, "high": 1.0}
    alarm = {"speed": 0.9, "recordings": 50, "hours": 0.117, "alarms": 1, "per hour": 8.53, "low": 0.22, "high": 45.4}
    result = {"stretches": [row], "stretches at another speed": [row | {"speed": 1.05}]}
    result["false alarms"] = {"recordings": [alarm], "joined": [alarm | {"recordings": 8}]}
    table = reporting.stretches_table(result)
    assert table.speed.tolist() == ["1", "1.05"]
    assert set(table.found) == {"95 % [87, 100]"}
    alarms = reporting.alarms_table(result)
    assert alarms["unmarked speech"].tolist() == ["joined to files of 90 s", "short recordings"]
    assert alarms.iloc[1].tolist()[1:] == ["0.9", 50, "0.12", 1, "8.5 [0.2, 45.4]"]
