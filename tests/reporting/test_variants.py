"""Tables of the variants of vocoders."""

import pandas as pd

from thesis_lib import reporting


def test_the_quality_of_a_variant_without_samples_of_its_own_has_no_row():
    metrics = ["mel_l1", "resemblyzer", "wer"]
    quality = {metric: {"value": 0.5, "low": 0.25, "high": 0.75} for metric in metrics}
    variants = [{"variant": "a", "quality": quality}, {"variant": "b", "quality": "that of a"}]
    half = "0.50 [0.25, 0.75]"
    assert reporting.variants_quality(variants, metrics).to_dict("records") == [
        {"variant": "a", "mel_l1": half, "cosine, Resemblyzer": half, "wer": "50 [25, 75]"}
    ]


def test_a_released_variant_has_its_size_and_its_speed_with_the_range_of_the_rounds():
    speed = {"median": 40.4, "low": 30.0, "high": 50.6}
    row = {"system": "default, ONNX", "parameters": 10_200_000, "megabytes": 13.0, "x real time, 1 thread": speed}
    ratio = {"median": 1.5, "low": 1.0, "high": 2.0}
    table = reporting.released_sizes({"variants": [row | {"speed / torch float32": ratio}]})
    assert table.to_dict("records") == [
        {
            "variant": "default, ONNX",
            "million parameters": "10.2",
            "size (MB)": "13.0",
            "× real time, 1 thread": "40 (30–51)",
            "speed relative to torch float32": "1.50 (1.00–2.00)",
        }
    ]


def test_the_quality_of_released_variants_has_intervals_and_says_which_is_the_reference():
    numbers = {"value": 0.5, "low": 0.25, "high": 0.75}
    metrics = {"default, torch float32": ["wer"], "default, ONNX": ["wer", "mel_l1"]}
    rows = [{"system": name, "metric": metric} | numbers for name, own in metrics.items() for metric in own]
    assert reporting.released_quality({"rows": rows}).to_dict("records") == [
        {
            "variant": "default, torch float32",
            "wer": "50 [25, 75]",
            "distance to torch float32 (mel L1, nepers)": "the reference",
        },
        {
            "variant": "default, ONNX",
            "wer": "50 [25, 75]",
            "distance to torch float32 (mel L1, nepers)": "0.50 [0.25, 0.75]",
        },
    ]


def test_a_gap_of_a_released_variant_is_no_reference():
    numbers = {"value": 0.5, "low": 0.25, "high": 0.75}
    given = [("default, torch float32", "wer"), ("default, ONNX", "wer"), ("default, int8", "mel_l1")]
    table = reporting.released_quality({"rows": [{"system": s, "metric": m} | numbers for s, m in given]})
    assert table.iloc[:, 2].tolist() == ["the reference", "not measured", "0.50 [0.25, 0.75]"]
    assert table.wer.tolist() == ["50 [25, 75]", "50 [25, 75]", "not measured"]


def test_a_stream_has_its_look_ahead_and_its_work():
    stream = {"variant": "live", "left context (frames)": 7, "look-ahead ms": 58.0, "work for a second": 0.02}
    table = reporting.streams_table([stream | {"ms of work for a piece": {"median": 2.0, "highest": 4.0}}])
    assert table.loc[0, "look-ahead (ms)"] == "58.0"
    assert table.loc[0, "maximum work for a piece (ms)"] == "4.00"


def test_a_variant_of_a_run_has_one_column_for_a_value_and_its_spread():
    row = {"megabytes": 0.2121, "times_real_time": 294.3, "mel_l1": 2.0, "mel_l1_low": 1.5, "mel_l1_high": 2.5, "n": 2}
    row |= {"speed_ratio": 1.0, "speed_ratio_low": 0.5, "speed_ratio_high": 1.5, "reason": ""}
    first, second, none = {"variant": "torch float32"}, {"variant": "int8", "mel_l1": 2.1}, {"variant": "ONNX"}
    none |= {"mel_l1": float("nan"), "reason": "no output"}
    table = reporting.run_variants(pd.DataFrame([row | first, row | second, row | none]))
    assert table.iloc[0].to_dict() == {
        "variant": "torch float32",
        "size (MB)": "0.212",
        "× real time, 1 thread": "294",
        "speed relative to torch float32": "1.00 (0.50–1.50)",
        "mel L1 (nepers)": "2.00 [1.50, 2.50]",
        "change of the mel L1 (%)": "+0.0",
        "n": 2,
    }
    assert table["change of the mel L1 (%)"].tolist()[1] == "+5.0"
    assert table["mel L1 (nepers)"].tolist()[2] == "not measured: no output"


def test_paired_differences_are_in_per_cent_of_published_v1():
    row = {"variant": "istft", "metric": "mel_l1", "more": 0.4, "low": 0.35, "high": 0.47}
    table = reporting.variants_differences([row | {"rival": rival} for rival in ("HiFi-GAN V2", "HiFi-GAN V1")])
    assert table.to_dict("records") == [{"variant": "istft", "mel L1, relative to HiFi-GAN V1 (%)": "40 [35, 47]"}]
    assert reporting.show(table).data.variant.tolist() == ["inverse STFT"]


def test_the_speed_of_a_variant_has_the_range_of_the_rounds():
    speed = {"speed / speechbrain HiFi-GAN V1": {"median": 121.6, "low": 85.4, "high": 130.7}, "peak MB": 372.5}
    about = {"variant": "istft", "parameters": 1_858_850, "megabytes": 7.97}
    table = reporting.variants_table([about | speed | {f"x real time, {n}": 2.1147 for n in ("1 thread", "2 threads")}])
    assert table.iloc[0].tolist() == ["istft", "1.86", "7.97", "2.11", "122 (85–131)", "2.11", "372"]
