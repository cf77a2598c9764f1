"""Quality of copies and swaps."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers import spoken

from benchmarks.human import compared_speakers, recorded_sexes
from benchmarks.quality import (
    CONVERSION,
    MAX_SPEAKERS,
    HumanTest,
    differences_of_systems,
    error_rate,
    overview,
    report_speakers,
    summarise_systems,
)
from thesis_lib.audio.files import write_audio
from thesis_lib.corpus.split import spread
from thesis_lib.validation import Results
from thesis_lib.validation.evaluation import interval
from thesis_lib.validation.swap import SwapSystem
from thesis_lib.vocoder.synthesis import DEFAULT, Vocoder


def results(*left_out: tuple[str, str]) -> Results:
    """Systems "a" and "b" on three speakers, and the reason for each (system, speaker) that is left out."""
    every = [(system, speaker) for speaker in "xyz" for system in "ab"]
    rows = [
        {"speaker": speaker, "system": system, "score": float(ord(speaker)), "rate": (1, 4), "right": system == "a"}
        for system, speaker in every
        if (system, speaker) not in left_out
    ]
    return Results(rows, [{"speaker": speaker, "system": system, "reason": "silent"} for system, speaker in left_out])


def test_a_speaker_that_one_system_is_not_measured_on_is_in_no_row():
    rows, missing = summarise_systems(results(("b", "y")), ["speaker"])
    assert missing == [{"speaker": "y", "system": "b", "reason": "silent"}]
    assert [(row["system"], row["metric"], row["n"]) for row in rows] == [
        (system, metric, 2) for system in "ab" for metric in ("score", "rate", "right")
    ]
    assert overview(rows) == {system: {"score": 121, "rate": 0.25, "right": float(system == "a")} for system in "ab"}


def test_a_score_without_an_interval_has_the_reason():
    rows, _ = summarise_systems(results(("a", "y"), ("b", "z")), ["speaker"])
    assert {(row["value"], row["low"], row["reason"]) for row in rows} == {(None, None, "1 groups give no interval")}
    assert overview(rows)["a"]["score"] is None
    assert summarise_systems(results(*(("a", speaker) for speaker in "xyz")), ["speaker"])[0] == []


def test_the_limits_of_an_error_rate_are_not_below_zero_where_no_errors_are():
    low = {}
    for name, fewest in (("errors", 0), ("errors above the recording's", -1)):
        numbers = np.array([[fewest, 10], [fewest, 10], [4, 10]])
        low[name] = interval(3, error_rate(numbers), 100, 0)["low"]
    assert low["errors"] == 0
    without = interval(3, error_rate(np.array([[0, 10]] * 3)), 100, 0)
    assert (without["value"], without["low"]) == (0, 0)
    assert without["high"] == pytest.approx(1 - 0.025 ** (1 / 3)), "Clopper and Pearson's limit of 0 of 3"
    assert low["errors above the recording's"] < -0.1


@pytest.mark.parametrize("decides", CONVERSION)
def test_intervals_are_over_targets_and_over_contents(decides):
    """Two values say little, however many rows have them: t(1) / z sqrt(2) = 9.168 times their half-distance."""
    (many,) = (side for side in CONVERSION if side != decides)
    rows = [
        {decides: f"few{number}", many: f"many{other}", "system": system, "score": score, "wer": (errors, 10)}
        for system, values in {"a": ((0.8, 4), (0.6, 0)), "b": ((0.5, 0), (0.5, 0))}.items()
        for number, (score, errors) in enumerate(values)
        for other in range(30)
    ]
    summary, _ = summarise_systems(Results(rows, []), CONVERSION)
    found = {row["metric"]: row for row in summary if row["system"] == "a"}
    assert [found["score"][key] for key in ("low", "high")] == pytest.approx([0.7 - 0.9168, 0.7 + 0.9168], abs=1e-3)
    assert [found["wer"][key] for key in ("low", "high")] == pytest.approx([0, 0.2 + 1.8336], abs=1e-3)
    differences = {row["metric"]: row for row in differences_of_systems(rows, CONVERSION, [("a", "b")])}
    for metric, difference, half in (("score", 0.2, 0.9168), ("wer", 0.2, 1.8336)):
        row = differences[metric]
        assert [row["low"], row["high"]] == pytest.approx([difference - half, difference + half], abs=1e-3)


def test_no_speaker_is_in_a_choice_and_in_a_report():
    names = list(recorded_sexes())
    speakers = [SimpleNamespace(name=name) for name in names]
    chosen, compared = report_speakers(speakers, True, 101)
    reported, same = report_speakers(speakers, False, 101)
    assert compared == same
    assert len(chosen) == MAX_SPEAKERS
    assert {speaker.name for speaker in chosen} <= compared
    assert {speaker.name for speaker in reported} == set(names) - compared
    others, _ = report_speakers([SimpleNamespace(name=name) for name in "abcd"], False, 3)
    assert [speaker.name for speaker in others] == ["a", "c", "d"], "no choice used another folder's speakers"


def test_both_comparisons_of_recipes_are_in_the_list():
    names = list(recorded_sexes())
    assert compared_speakers() == {names[i] for count in (16, 48) for i in spread(101, count)}


@pytest.mark.slow
@pytest.mark.weights("ecapa", "resemblyzer", "eres2net", "whisper-tiny.en", "whisper-base")
def test_quality_measures_copies_and_swaps_of_human_recordings(tmp_path, monkeypatch):
    """Recordings that are their own copies are perfect; a swap that keeps the content's voice prefers no target."""
    for number in (0, 6, 12):
        write_audio(tmp_path / f"{number}.wav", np.concatenate([spoken(number), spoken(number)]), 22_050)
    monkeypatch.setenv("THESIS_HUMAN", str(tmp_path))
    test_set = HumanTest("egemaps", quick=True)
    assert len(test_set.speakers) + len(test_set.short) == 3
    found, missing = test_set.resynthesis({"copy": lambda speaker: speaker.content})
    copies = {row["metric"]: row for row in found}
    assert missing == []
    assert copies["mel_l1"]["value"] == 0
    assert copies["wer, above the recording's"]["value"] == 0
    assert copies["mel_l1"]["n"] == len(test_set.speakers)
    monkeypatch.setattr(Vocoder, "render", lambda self, wav, voice, guidance: wav)
    system = SwapSystem("conversion", "none", Vocoder.from_torch(DEFAULT))
    found, missing = summarise_systems(test_set.conversion([system]), CONVERSION)
    swaps = {row["metric"]: row for row in found}
    assert missing == []
    assert swaps["target preference, ecapa"]["value"] == 0
    assert swaps["target preference, ecapa"]["n"] == len(test_set.speakers)
