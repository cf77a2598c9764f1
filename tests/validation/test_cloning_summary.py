"""Statistics of the cloning report, on tables with known answers."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from thesis_lib import reporting
from thesis_lib.validation.cloning_report import (
    HUMAN,
    SEVERAL,
    summarise_clones,
)
from thesis_lib.validation.cloning_summary import calibrate_sources
from thesis_lib.validation.metrics import PROSODY


def rows(system: str, count: int = 12, shift: float = 0.0) -> list[dict]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        prosody = {f"{side}_{name}": rng.normal() for side in ("source", "output") for name in PROSODY}
        prosody["output_f0_median"] = prosody["source_f0_median"] + 1
        found.append(
            {"test_set": "mini" if number < 2 else "g", "id": str(number), "speaker": str(number),
             "system": system,
             "transcript": "", "translation": "hello there my friend", "reference": "hello there my friend",
             "recognised": "hello there my friend", "word_errors": number, "words": 10, "ecapa": 0.1 * number + shift}
            | prosody
        )  # fmt: skip
    return found


def summarised(table):
    """The summary of a table in which the first row is of the run's corpus."""
    return summarise_clones(table, ["ecapa"], table.test_set.iloc[0].removesuffix(SEVERAL))


def test_the_summary_by_hand():
    table = pd.DataFrame(rows("a") + rows("b", shift=1.0))
    summary = summarised(table).set_index(["test_set", "system", "metric"])
    assert summary.loc[("g", "a", "ecapa"), "value"] == pytest.approx(0.65)
    assert summary.loc[(HUMAN, "b", "ecapa"), "value"] == pytest.approx(1.65)
    assert summary.loc[("g", "a", "wer"), "value"] == pytest.approx(100 * 65 / 100)
    assert summary.loc[("mini", "a", "bleu"), "value"] == pytest.approx(100)
    assert summary.loc[("mini", "a", "ter"), "value"] == summary.loc[("mini", "a", "translation_ter"), "value"] == 0
    assert summary.loc[("g", "a", "f0_median_correlation"), "value"] == pytest.approx(1)
    assert abs(summary.loc[("g", "a", "tilt_correlation"), "value"]) < 1
    assert summary.loc[("g", "a", "ecapa"), "low"] < 0.65 < summary.loc[("g", "a", "ecapa"), "high"]
    two = summary.loc[("mini", "a", "tilt_correlation")]  # two speakers correlate with anything
    assert np.isnan(two.value)
    assert two.reason == "2 speakers have it; a correlation needs 8"
    # Recordings of one speaker are drawn together, so that more of them make no interval narrower.
    twice = pd.concat([table, table.assign(id=table.id + "b")])
    wide = summarised(twice).set_index(["test_set", "system", "metric"])
    key = ("g", "a", "ecapa")
    assert wide.loc[key, ["low", "high"]].tolist() == pytest.approx(summary.loc[key, ["low", "high"]].tolist())


def test_a_metric_is_summarised_over_the_rows_that_have_it():
    table = pd.DataFrame(rows("a"))
    table.loc[5, ["output_f0_std", "words", "word_errors", "ecapa"]] = np.nan
    table.loc[5, "reference"] = ""
    summary = summarised(table).set_index(["test_set", "system", "metric"]).loc[("g", "a")]
    assert np.isfinite(summary.value["f0_std_correlation"])
    assert summary.value["f0_median_correlation"] == pytest.approx(1)
    assert summary.value["wer"] == pytest.approx(100 * 60 / 90)
    assert summary.value["ecapa"] == pytest.approx(6.0 / 9)
    counts = summary.n[["f0_std_correlation", "f0_median_correlation", "wer", "bleu", "ecapa"]]
    assert counts.tolist() == [9, 10, 9, 9, 9]
    shown = reporting.clone_table(summarised(table), "g", {"ecapa": "cosine", "bleu": "BLEU"})
    assert shown.n.tolist() == [9]


def test_intervals_stay_where_cosines_percentiles_and_error_rates_can_lie():
    table = pd.DataFrame(rows("a", count=3)).assign(test_set="g", word_errors=[0, 0, 30])
    table = table.assign(ecapa=[-0.9, 0.9, 1.0], ecapa_percentile=[0.0, 95.0, 100.0], ecapa_normalised=[-0.9, 0.9, 1.0])
    found = summarised(table).set_index(["test_set", "system", "metric"]).loc[("g", "a")]
    assert found.loc["ecapa", ["low", "high"]].tolist() == [-1, 1]
    assert found.loc["ecapa_percentile", ["low", "high"]].tolist() == [0, 100]
    assert found.low["ecapa_normalised"] < -1
    assert found.high["ecapa_normalised"] > 1
    assert (found.low["wer"], found.value["wer"]) == (0, 100)
    # Without an error: Clopper & Pearson's upper limit of 0 of 3 speakers.
    right = summarised(table.assign(word_errors=0)).set_index(["test_set", "system", "metric"]).loc[("g", "a")]
    for metric in ("wer", "ter", "translation_ter"):
        expected = (0, 0, 100 * (1 - 0.025 ** (1 / 3)))
        assert tuple(right.loc[metric, ["value", "low", "high"]]) == pytest.approx(expected), metric


def test_ter_is_of_all_words_and_may_exceed_100():
    table = pd.DataFrame(rows("a"))
    # "hello there my friend" against one word: three deletions and a substitution, or three deletions.
    table["reference"] = ["bye", "hello"] * 6
    found = summarised(table).set_index(["test_set", "system", "metric"]).loc[("g", "a")]
    for metric in ("ter", "translation_ter"):
        assert found.value[metric] == pytest.approx(350)
        assert 100 < found.low[metric] < 350 < found.high[metric]


def test_a_summary_of_an_earlier_version_has_no_ter():
    summary = summarised(pd.DataFrame(rows("a")))
    earlier = summary[~summary.metric.isin(["ter", "translation_ter"])]
    for table, cell in ((summary, "0 [0, 31]"), (earlier, "not measured")):
        shown = reporting.clone_table(table, "g", {"bleu": "ASR-BLEU", "ter": "ASR-TER (%)"})
        assert list(shown.columns) == ["system", "n", "ASR-BLEU", "ASR-TER (%)"]
        assert shown["ASR-TER (%)"].tolist() == [cell]
    values = earlier[earlier.test_set == "g"].set_index("metric").value
    assert reporting.score_text(values, "translation_bleu") == "100.0"
    assert reporting.score_text(values, "translation_ter") == "not measured"
    assert reporting.score_text(pd.Series({"ter": np.nan}), "ter") == "not measured"


def test_a_metric_that_no_row_has_stays_with_its_reason():
    table = pd.DataFrame(rows("a")).assign(reference="", words=np.nan, dnsmos_ovrl=np.nan)
    table.loc[:5, "output_f0_std"] = np.nan
    summary = summarised(table).set_index(["test_set", "system", "metric"]).loc[("g", "a")]
    for metric, reason in {
        "wer": "no row has a text to compare with",
        "bleu": "no row has a text to compare with",
        "ter": "no row has a text to compare with",
        "dnsmos_ovrl": "no row has a value",
        "f0_std_correlation": "6 speakers have it; a correlation needs 8",
    }.items():
        assert np.isnan(summary.value[metric])
        assert summary.reason[metric] == reason
    shown = reporting.clone_table(summarised(table), "g", {"ecapa": "cosine", "wer": "WER (%)"})
    assert shown["WER (%)"].tolist() == ["not measured: no row has a text to compare with"]


def test_a_table_says_where_a_metric_has_fewer_rows_than_the_system():
    table = pd.DataFrame(rows("a"))
    table.loc[5, ["words", "word_errors"]] = np.nan
    shown = reporting.clone_table(summarised(table), "g", {"ecapa": "cosine", "wer": "WER (%)"})
    assert shown.n.tolist() == [10]
    assert "(n =" not in shown.cosine[0]
    assert shown["WER (%)"][0].endswith("(n = 9)")


def test_recordings_of_several_speakers_are_no_part_of_floor_and_ceiling():
    def source(speaker: str, halves: tuple[float, float], several: bool) -> SimpleNamespace:
        vectors = [{"encoder": np.array([np.cos(angle), np.sin(angle)])} for angle in (*halves, halves[0])]
        return SimpleNamespace(speaker=speaker, halves=vectors[:2], vectors=vectors[2], several=several)

    single = [source("a", (0.0, 0.1), False), source("b", (1.0, 1.1), False)]
    mixed = source("c", (0.5, 2.0), True)
    known, reasons = calibrate_sources([*single, mixed], ["encoder"])
    assert not reasons
    assert known["encoder"].same == pytest.approx([np.cos(0.1)] * 2)
    assert known["encoder"].different == pytest.approx([np.cos(1.0)])
    _, reasons = calibrate_sources([mixed, mixed], ["encoder"])
    assert "a calibration needs pairs" in reasons["encoder"]


def test_synthetic_rows_never_join_the_human_ones():
    """The corpus is not human, even when its first recording has several speakers."""
    table = pd.DataFrame(rows("a"))
    table.loc[0, "test_set"] += SEVERAL
    row = summarised(table).set_index(["test_set", "system", "metric"]).loc[(HUMAN, "a", "ecapa")]
    assert (row.value, row.n) == (pytest.approx(0.65), 10)
    # With no row of the corpus at all, its name says what the others are.
    human = pd.DataFrame(rows("a")).iloc[2:]
    named = summarise_clones(human, ["ecapa"], corpus="mini").set_index(["test_set", "system", "metric"])
    assert named.loc[(HUMAN, "a", "ecapa"), "value"] == pytest.approx(0.65)


def test_figures_and_tables_of_the_chapter():
    both = pd.DataFrame(rows("a") + rows("b"))
    summary = summarised(both.assign(ecapa_normalised=both.ecapa, ecapa_percentile=50.0))
    shown = reporting.clone_table(
        summary, "g", {"ecapa_normalised": "normalised_similarity", "wer": "WER (%)", "dnsmos_ovrl": "DNSMOS"}
    )
    assert list(shown.columns) == ["system", "n", "normalised_similarity", "WER (%)"]
    assert list(shown.system) == ["a", "b"]
    figure = reporting.clone_figure(summary, "g", ["ecapa"])
    assert "normalised similarity" in figure.axes[0].get_xlabel()
    bars = reporting.stage_figure({"translate": 1.0, "speak": 3.0}, 8.0).axes[0].patches
    assert [bar.get_width() for bar in bars] == [0.125, 0.375]
