"""Tables of the variants of vocoders."""

from thesis_lib import reporting


def test_the_quality_of_a_variant_without_samples_of_its_own_has_no_row():
    quality = {metric: {"value": 0.5, "low": 0.25, "high": 0.75} for metric in ("mel_l1", "wer")}
    variants = [{"variant": "a", "quality": quality}, {"variant": "b", "quality": "that of a"}]
    assert reporting.variants_quality(variants, ["mel_l1", "wer"]).to_dict("records") == [
        {"variant": "a", "mel_l1": "0.500 [0.250, 0.750]", "wer": "50.000 [25.000, 75.000]"}
    ]


def test_a_released_variant_has_its_size_and_its_speed_with_the_range_of_the_rounds():
    speed = {"median": 40.4, "low": 30.0, "high": 50.6}
    row = {"system": "default, ONNX", "parameters": 10_200_000, "megabytes": 13.0, "x real time, 1 thread": speed}
    ratio = {"median": 1.5, "low": 1.0, "high": 2.0}
    table = reporting.released_sizes({"variants": [row | {"speed / torch float32": ratio}]})
    assert table.to_dict("records") == [
        {
            "variant": "default, ONNX",
            "million parameters": 10.2,
            "size (MB)": 13.0,
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
            "wer": "50.000 [25.000, 75.000]",
            "distance to torch float32 (mel L1, nepers)": "the reference",
        },
        {
            "variant": "default, ONNX",
            "wer": "50.000 [25.000, 75.000]",
            "distance to torch float32 (mel L1, nepers)": "0.500 [0.250, 0.750]",
        },
    ]


def test_a_gap_of_a_released_variant_is_no_reference():
    numbers = {"value": 0.5, "low": 0.25, "high": 0.75}
    given = [("default, torch float32", "wer"), ("default, ONNX", "wer"), ("default, int8", "mel_l1")]
    table = reporting.released_quality({"rows": [{"system": s, "metric": m} | numbers for s, m in given]})
    assert table.iloc[:, 2].tolist() == ["the reference", "not measured", "0.500 [0.250, 0.750]"]
    assert table.wer.tolist() == ["50.000 [25.000, 75.000]", "50.000 [25.000, 75.000]", "not measured"]


def test_a_stream_has_its_look_ahead_and_its_work():
    stream = {"variant": "live", "left context (frames)": 7, "look-ahead ms": 58.0, "work for a second": 0.02}
    table = reporting.streams_table([stream | {"ms of work for a piece": {"median": 2.0, "highest": 4.0}}])
    assert table.loc[0, "look-ahead (ms)"] == 58
    assert table.loc[0, "maximum work for a piece (ms)"] == 4
