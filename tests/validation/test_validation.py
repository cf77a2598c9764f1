import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers import rename_encoder, trained_beside, voiced
from planted import measurements
from safetensors.torch import load_file, save_file

from thesis_lib import validation
from thesis_lib.audio.files import write_audio
from thesis_lib.audio.mel import LogMel
from thesis_lib.config import AudioConfig, Config, ConfigError, ValidationConfig
from thesis_lib.config.registries import METRICS
from thesis_lib.corpus.manifest import NOT_TRANSCRIBED
from thesis_lib.embeddings.encoders.tiny import TinyTestEncoder
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.folder import RunError
from thesis_lib.runs.prepare import prepared
from thesis_lib.training import train
from thesis_lib.validation import (
    ALIGNED,
    EVALUATION,
    GROUND_TRUTH,
    INVERSION,
    OTHER,
    OURS,
    PUBLISHED,
    SAME,
    CircularScoring,
    Measured,
    Measurements,
    Scorers,
    System,
    TestSet,
    ValidationItem,
    agreements,
    calibrations,
    comparisons,
    describe,
    evaluate,
    griffin_lim,
    headline,
    metrics,
    roles,
    summarise,
    summarise_pairs,
    systems,
    validate,
    validate_pairs,
    winners,
)
from thesis_lib.validation.measurements import SOURCE
from thesis_lib.validation.metrics import MetricError, Recording
from thesis_lib.validation.scoring import words
from thesis_lib.validation.validate import SPANISH
from thesis_lib.vocoder.description import EncoderMismatchError

SETTINGS = ValidationConfig(resamples=100)


@pytest.fixture
def unpublished(monkeypatch):
    monkeypatch.setattr(systems.pretrained, "is_cached", lambda name: False)


@pytest.fixture(scope="module")
def planted() -> Measurements:
    return measurements()


def item_of(run) -> ValidationItem:
    """The first test utterance of a run."""
    manifest = prepared(run)
    return ValidationItem.load(manifest.split("test")[0], manifest, embedded(run), run.config.audio)


def cell(summary, system, metric):
    return summary.set_index(["system", "metric"]).loc[(system, metric)]


def test_every_system_and_metric_of_the_tiny_run(tiny_run, unpublished):
    table = validate(tiny_run)
    assert set(table.system) == {GROUND_TRUTH, SAME, OTHER, INVERSION, *OURS.values()}
    assert table.groupby("system").size().eq(3).all()
    rendered = table.system.isin([INVERSION, *OURS.values()])
    assert table.loc[rendered, "mel_l1"].notna().all()
    assert table.loc[~rendered, "mel_l1"].isna().all(), "nothing is scored against itself or another text"
    summary = tiny_run.load_table("validation_summary")
    assert cell(summary, OURS["conversion"], "speaker").role == "conditions"
    assert cell(summary, OURS["conversion"], "style").role == "conditions", "so does the second embedding's encoder"
    assert cell(summary, SAME, "speaker").n == 3
    assert tiny_run.load_json("validation_encoders")["speaker"] == "tiny-test-encoder"
    assert len(list((tiny_run.path / "samples").glob("validation_*.mp3"))) == 18
    assert validate(tiny_run).equals(tiny_run.load_table("validation")), "a finished validation is not done again"


def test_an_interrupted_validation_goes_on(tiny_run, tmp_path, unpublished, monkeypatch):
    run = trained_beside(tiny_run, tmp_path / "run", validation__utterances=3)
    scored = []
    real = validation.validate.__globals__["evaluate"]

    def once(test_set, *given, **options):
        scored.append(test_set.items[0].utterance.id)
        if len(scored) == 2:
            raise KeyboardInterrupt
        return real(test_set, *given, **options)

    monkeypatch.setitem(validation.validate.__globals__, "evaluate", once)
    with pytest.raises(KeyboardInterrupt):
        validate(run)
    assert not run.table_path("validation").exists()
    validate(run)
    assert len(scored) == 4, "the first is kept, the second is done again"
    assert len(set(scored)) == 3


def test_a_table_older_than_its_vocoder_is_made_again(tiny_run, tmp_path, unpublished):
    run = trained_beside(tiny_run, tmp_path / "run", validation__utterances=2)
    first = validate(run)
    assert run.stale() == {}
    weights = run.path / "conversion" / "vocoder" / "model.safetensors"
    save_file({name: 2 * tensor for name, tensor in load_file(weights).items()}, weights)
    assert "conversion/vocoder/model.safetensors has changed since" in run.stale()["validation"]
    again = validate(run)
    assert run.stale() == {}
    ours = again.system == OURS["conversion"]
    assert not np.allclose(again.mel_l1[ours], first.mel_l1[ours])
    assert np.allclose(again.mel_l1[again.system == INVERSION], first.mel_l1[again.system == INVERSION])


def test_what_cannot_be_measured_is_listed_with_its_reason(tiny_run, tmp_path, monkeypatch, unpublished):
    def fails(*_):
        raise MetricError("no speech found")

    monkeypatch.setitem(METRICS._entries, "pesq", replace(METRICS.entry("pesq"), value=fails))
    run = trained_beside(tiny_run, tmp_path / "run", validation__utterances=2)
    table = validate(run)
    missing = run.load_table("validation_not_measured")
    assert set(missing.reason[(missing.metric == "pesq") & (missing.id != "all")]) == {"no speech found"}
    assert "thesis models fetch" in missing.reason[missing.system == PUBLISHED].item()
    assert "pesq" not in table
    assert "pesq" not in set(run.load_table("validation_summary").metric)


def test_words_of_a_recording_without_a_transcript_are_not_measured():
    def recognise(*_, **__):
        raise AssertionError("nothing is recognised that nothing is compared with")

    with pytest.raises(MetricError, match="no transcript"):
        words(recognise, Recording(voiced(0.5), 22_050), NOT_TRANSCRIBED)


def test_a_silent_output_is_scored_as_not_measured(tiny_run):
    scorers = Scorers.load(tiny_run.config)
    silence = System(OURS["conversion"], lambda item: scorers.record(np.zeros_like(item.wav)), about={"system": "ours"})
    found = Measured.of(evaluate(TestSet([item_of(tiny_run)]), [silence], scorers.every))
    reasons = {row["metric"]: row["reason"] for row in found.missing}
    assert "silence" in reasons["speaker"]
    assert ("ours", "speaker") not in found.vectors
    assert found.rows[0]["mel_l1"] > 1


def test_each_output_is_scored_by_what_is_defined_for_it(tiny_run):
    """Of the source only embeddings and prosody; the ground truth is not compared with itself."""
    scorers = Scorers.load(tiny_run.config)
    systems = [System(name, lambda item: item.reference, about={"system": name}) for name in (GROUND_TRUTH, "copy")]
    systems += [System(SAME, lambda item: item.reference, has_words=False, about={"system": SAME}), SPANISH]
    found = Measured.of(evaluate(TestSet([item_of(tiny_run)]), systems, scorers.every, parallel=True))
    assert [row["system"] for row in found.rows] == [GROUND_TRUTH, "copy", SAME]
    assert [row.get("mel_l1") for row in found.rows] == [None, 0, None]
    for row in found.rows:
        assert row["source_rate"] != row["output_rate"] == found.rows[0]["output_rate"]
    assert {system for system, _ in found.vectors} == {SOURCE, GROUND_TRUTH, "copy", SAME}
    assert not found.missing


def test_an_output_that_is_no_sound_is_not_measured_and_stops_nothing(tiny_run, tmp_path, unpublished):
    run = trained_beside(tiny_run, tmp_path / "run", validation__utterances=2)
    systems = {
        "broken": System("broken", lambda item: np.full(len(item.wav), np.nan)),
        "copy": System("copy", lambda item: item.wav),
    }
    chosen = prepared(run).split("test")[:2]
    found = validation.measure(run, chosen, systems, Scorers.load(run.config), tmp_path / "home")
    assert found.systems == ["copy"]
    assert [(row["system"], row["reason"]) for row in found.missing] == 2 * [("broken", "a signal is not finite")]


def test_a_speaker_with_one_recording_has_no_ceiling(tiny_run):
    manifest = prepared(tiny_run)
    one = manifest.split("test")[:1]
    found = systems.systems_of({"conversion": train(tiny_run, "conversion")}, manifest, one)
    item = ValidationItem(one[0], Recording(voiced(1.0), 22_050), None, None)
    for name in (SAME, OTHER):
        with pytest.raises(MetricError, match="no other recording"):
            found[name].render(item)


def test_a_metric_without_an_accepted_licence_is_named_and_not_fetched(tiny_run, unpublished):
    config = tiny_run.config.override({"validation.metrics": ("mel_l1", "nisqa")})
    scorers = Scorers.load(config)
    assert scorers.chosen == ("mel_l1",)
    assert "CC BY-NC-SA" in scorers.absent["nisqa"]
    assert "thesis models fetch nisqa-tts" in scorers.absent["nisqa"]


def test_an_unknown_metric_is_refused():
    with pytest.raises(ConfigError, match="metrics"):
        Config().override({"validation.metrics": ("mel_l1", "peqs")})


def test_griffin_lim_comes_back_in_time_with_the_recording():
    log_mel = LogMel(AudioConfig())
    burst = np.zeros(100 * 256, np.float32)
    burst[12_000:14_000] = 0.1 * np.random.default_rng(0).normal(size=2000)
    centre = [np.average(np.arange(len(x)), weights=x**2) for x in (burst, griffin_lim(burst, log_mel))]
    assert abs(centre[1] - centre[0]) < 30, "half a hop is 128"
    wav = voiced(2.0)[: 170 * 256]
    back = griffin_lim(wav, log_mel)
    assert len(back) == len(wav)
    distance = metrics.mel_l1(Recording(back, 22_050), Recording(wav, 22_050))
    assert distance < 0.25
    late = np.roll(back, 128)
    assert distance < metrics.mel_l1(Recording(late, 22_050), Recording(wav, 22_050)), "half a hop late is worse"
    assert np.array_equal(back, griffin_lim(wav, log_mel)), "the phases it starts from are always the same"


def test_measurements_survive_their_file(planted, tmp_path):
    one = planted.measured[3]
    one.save(tmp_path / "x.npz")
    again = Measured.load(tmp_path / "x.npz")
    assert again.rows == one.rows
    assert again.vectors.keys() == one.vectors.keys()
    assert all(np.array_equal(again.vectors[key], one.vectors[key]) for key in one.vectors)


def test_stored_measurements_of_an_earlier_version_have_the_present_names(tmp_path):
    Measured([{"system": "a", "output_f0_level": 1.0, "source_f0_spread": 2.0}]).save(tmp_path / "a.npz")
    assert Measured.load(tmp_path / "a.npz").rows == [{"system": "a", "output_f0_median": 1.0, "source_f0_std": 2.0}]


def test_a_missing_vector_is_a_gap_and_no_shift(planted):
    holes = [Measured(m.rows, m.missing, dict(m.vectors)) for m in planted.measured]
    del holes[2].vectors[OURS["conversion"], "encoder"]
    found = Measurements(holes).cosines(OURS["conversion"], "encoder")
    assert np.isnan(found[2]).all()
    rest = np.arange(10) != 2
    assert np.allclose(found[rest], planted.cosines(OURS["conversion"], "encoder")[rest])


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


@pytest.mark.parametrize(
    ("hypothesis", "says"),
    [
        (["mel_l1", "ours, converzion", INVERSION], "no system named 'ours, converzion'"),
        (["mel_l2", OURS["conversion"], INVERSION], "no metric named 'mel_l2'"),
    ],
)
def test_a_hypothesis_of_an_unknown_name_is_refused_before_any_work(tiny_run, tmp_path, monkeypatch, hypothesis, says):
    monkeypatch.setitem(validate.__globals__, "measure", None)
    run = trained_beside(tiny_run, tmp_path / "run", validation__hypotheses=[hypothesis])
    with pytest.raises(ConfigError, match=f"validation.hypotheses: {says}"):
        validate(run)


def test_a_difference_of_no_hypothesis_is_not_tested(planted):
    table, untested = comparisons(planted, SETTINGS)
    assert table.p.isna().all()
    assert not table.significant.any()
    assert len(untested) == len(SETTINGS.hypotheses)


def test_the_hypotheses_of_the_configuration_name_systems_and_metrics_that_exist():
    for metric, *compared in SETTINGS.hypotheses:
        assert describe(metric).better
        assert set(compared) <= {GROUND_TRUTH, PUBLISHED, *OURS.values()}
    with pytest.raises(ConfigError, match="hypotheses"):
        Config().override({"validation.hypotheses": [["mel_l1", "a", "b"]] * 6})


def test_agreement_of_encoders(planted):
    table, missing = agreements(planted, SETTINGS)
    assert not missing
    assert list(table[["first", "second"]].iloc[0]) == ["encoder", "other"]
    assert -1 <= table.low[0] <= table.tau[0] <= table.high[0] <= 1
    assert table.n[0] == 30
    twins = [Measured(m.rows, m.missing, {k: m.vectors[k[0], "encoder"] for k in m.vectors}) for m in planted.measured]
    assert agreements(Measurements(twins), SETTINGS)[0].tau[0] == pytest.approx(1)


def test_roles_of_encoders(tiny_run):
    vocoders = {"conversion": train(tiny_run, "conversion")}

    class Ecapa(TinyTestEncoder):
        name = "ecapa"

    given = {"speaker": TinyTestEncoder(), "resemblyzer": Ecapa()}
    assert roles(tiny_run.config, vocoders, given) == {"speaker": "conditions", "resemblyzer": EVALUATION}
    for loss in ("speaker", "swap"):
        trained = tiny_run.config.override({f"conversion.losses.{loss}": 1.0})
        assert roles(trained, vocoders, given)["resemblyzer"] == "trains", "by what it is, not by its column"


def test_no_circular_headline():
    rows = [("speaker", "conditions"), ("resemblyzer", EVALUATION), ("mel_l1", "")]
    summary = pd.DataFrame([{"system": "ours", "metric": m, "role": r, "value": 1.0} for m, r in rows])
    assert headline(summary, "ours", "resemblyzer").value == 1
    assert headline(summary, "ours", "mel_l1").value == 1
    with pytest.raises(CircularScoring, match="conditions the vocoder"):
        headline(summary, "ours", "speaker")
    with pytest.raises(MetricError, match="not measured"):
        headline(summary, "ours", "pesq")
    read = pd.read_csv(pd.io.common.StringIO(summary.to_csv(index=False)))
    assert headline(read, "ours", "mel_l1").value == 1, "an empty role is a missing one in a file"


def test_every_column_is_described(tiny_run, planted):
    summary, _ = summarise(planted, calibrations(planted)[0], SETTINGS)
    for name in {*summary.metric, *ALIGNED, "cer", "chrf", "ter", "dnsmos_p808", "plcmos", "style", "style_auc"}:
        about = describe(name)
        assert about.label
        assert about.settings
        assert about.better in ("higher", "lower")
    assert "tok:13a" in describe("bleu").settings
    assert "tok:tercom" in describe("ter").settings
    assert describe("ter").better == "lower"


def pairs_folder(folder):
    for group, system, count in (("a", "es_src", 3), ("a", "en_ref", 2), ("a", "en_other", 3)):
        for number in range(count):
            write_audio(folder / f"{group}_{system}" / f"{number}.wav", voiced(1.0, f0=110 + 30 * number), 22_050)
    return folder


def test_human_pairs_stand_beside_ours(tiny_run, tmp_path):
    folder = pairs_folder(tmp_path / "pairs")
    write_audio(folder / "a_en_other" / "2.wav", np.zeros(22_050), 22_050)
    run = trained_beside(tiny_run, tmp_path / "run")
    table = validate_pairs(run, folder)
    counts = table.groupby("system").size().to_dict()
    assert counts["ref"] == 2
    assert counts["other"] == 2
    assert counts["another Spanish speaker"] == 3
    assert counts["ours, conversion, guidance 1"] == counts["ours, conversion, guidance 2"] == 2
    assert table.set_index(["system", "id"]).loc[("ref", "0"), "speaker"] == pytest.approx(1), "the same samples"
    assert run.load_table("pairs_not_measured").system.tolist() == ["other"]
    summary = run.load_table("pairs_summary")
    assert set(summary.metric) == {"speaker"}


@pytest.mark.parametrize("title", ["another-encoder (1)", "tiny-test-encoder (2)"])
def test_pairs_need_the_encoders_of_the_vocoder(tiny_run, tmp_path, title):
    """The run has no embeddings, so that only the encoders that are loaded tell."""
    run = trained_beside(tiny_run, tmp_path / "run")
    shutil.rmtree(run.path / "embeddings")
    rename_encoder(run, "conversion", title, stored=False)
    with pytest.raises(EncoderMismatchError, match=rf"{re.escape(title)}, this one is tiny-test-encoder \(1\)"):
        validate_pairs(run, pairs_folder(tmp_path / "pairs"))


def test_a_metric_of_pairs_is_averaged_over_the_rows_that_have_it_and_named_where_there_are_too_few():
    about = {"group": "g", "system": "s"}
    values = [(1.0, 2.0, np.nan), (3.0, np.nan, np.nan), (5.0, 4.0, 1.0)]
    table = pd.DataFrame([about | {"id": str(i), "x": x, "y": y, "z": z} for i, (x, y, z) in enumerate(values)])
    summary = summarise_pairs(table, SETTINGS).set_index("metric")
    assert summary.value[["x", "y"]].tolist() == [3, 3]
    assert summary.n.tolist() == [3, 2, 1]
    assert np.isnan(summary.value["z"])
    assert "no interval" in summary.reason["z"]


def test_a_wrong_folder_of_pairs_is_named(tiny_run, tmp_path):
    with pytest.raises(RunError, match="GROUP_es_src"):
        validate_pairs(tiny_run, tmp_path)


def test_nothing_measured_is_an_empty_summary_with_its_columns():
    summary = summarise_pairs(pd.DataFrame(), SETTINGS)
    assert list(summary.columns) == ["group", "system", "metric", "value", "low", "high", "n", "reason"]
    assert summary.empty
