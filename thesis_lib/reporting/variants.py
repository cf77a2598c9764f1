"""Tables of the variants of vocoders: size, speed, quality, and streams."""

import pandas as pd

from thesis_lib.reporting.tables import interval_table, saved_rows


def variants_table(variants: list[dict]) -> pd.DataFrame:
    """A row for each variant of `python -m benchmarks compress`: parameters, file size, speed, peak memory."""
    return pd.DataFrame(
        {
            "variant": variant["variant"],
            "million parameters": variant["parameters"] / 1e6,
            "size (MB)": variant["megabytes"],
            "× real time, 1 thread": variant["x real time, 1 thread"],
            "× real time, 2 threads": variant["x real time, 2 threads"],
            "peak memory (MB)": variant["peak MB"],
        }
        for variant in variants
    )


def variants_quality(variants: list[dict], metrics: list[str]) -> pd.DataFrame:
    """A row for each variant with samples of its own, a column for each metric, each cell with its interval."""
    rows = [
        {"variant": variant["variant"], "metric": metric} | variant["quality"][metric]
        for variant in variants
        if not isinstance(variant["quality"], str)
        for metric in metrics
    ]
    return interval_table(saved_rows(rows), ["variant"])


def streams_table(streams: list[dict]) -> pd.DataFrame:
    """A row for each variant: its look-ahead, and the time of a piece of a tenth of a second on one thread."""
    return pd.DataFrame(
        {
            "variant": stream["variant"],
            "left context (frames)": stream["left context (frames)"],
            "look-ahead (ms)": stream["look-ahead ms"],
            "work for a second (s)": stream["work for a second"],
            "work for a piece (ms)": stream["ms of work for a piece"]["median"],
            "maximum work for a piece (ms)": stream["ms of work for a piece"]["highest"],
        }
        for stream in streams
    )


def released_sizes(result: dict) -> pd.DataFrame:
    """A row for each variant of `python -m benchmarks compress_released`: parameters, file size, speed."""
    return pd.DataFrame(
        {
            "variant": variant["system"],
            "million parameters": variant["parameters"] / 1e6,
            "size (MB)": variant["megabytes"],
            "× real time, 1 thread": "{median:.0f} ({low:.0f}–{high:.0f})".format(**variant["x real time, 1 thread"]),
            "speed relative to torch float32": "{median:.2f} ({low:.2f}–{high:.2f})".format(
                **variant["speed / torch float32"]
            ),
        }
        for variant in result["variants"]
    )


def released_quality(result: dict) -> pd.DataFrame:
    """A row for each variant of `python -m benchmarks compress_released`, a column for each metric, with intervals."""
    wide = interval_table(saved_rows(result["rows"]), ["system"])
    is_reference = wide.system.str.endswith("torch float32")
    wide.loc[is_reference, "mel_l1"] = "the reference"
    named = {"system": "variant", "mel_l1": "distance to torch float32 (mel L1, nepers)"}
    return wide.rename(columns=named).fillna("not measured")
