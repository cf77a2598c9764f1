"""Tables of the variants of vocoders: size, speed, quality, and streams."""

import pandas as pd

from thesis_lib.reporting.claims import FORMS
from thesis_lib.reporting.tables import interval_table, saved_rows, with_interval

SPEECHBRAIN = "speechbrain HiFi-GAN V1"  # what the speeds of ``benchmarks compress`` are compared with
RIVAL = "HiFi-GAN V1"  # what the paired differences are relative to


def run_variants(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each variant of a run's vocoder (``compression.compress``): size, speed, mel L1 and its change."""
    first = table.mel_l1.iloc[0]  # of torch float32
    return pd.DataFrame(
        {
            "variant": row["variant"],
            "size (MB)": _short(row["megabytes"]),
            "× real time, 1 thread": _short(row["times_real_time"]),
            "speed relative to torch float32": _spread(
                {"median": row["speed_ratio"], "low": row["speed_ratio_low"], "high": row["speed_ratio_high"]}
            ),
            "mel L1 (nepers)": with_interval(
                {"value": row["mel_l1"], "low": row["mel_l1_low"], "high": row["mel_l1_high"], "reason": row["reason"]}
            ),
            "change of the mel L1 (%)": f"{100 * (row['mel_l1'] / first - 1):+z.1f}",
            "n": row["n"],
        }
        for row in table.to_dict("records")
    )


def _short(value: float) -> str:
    """Three significant digits, or all digits before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def _spread(rounds: dict[str, float]) -> str:
    """The median of rounds with their range, in the digits of a table: two decimals below 10."""
    return FORMS["rounds" if rounds["median"] >= 10 else "rounds, two decimals"](rounds)


def variants_table(variants: list[dict]) -> pd.DataFrame:
    """A row for each variant of `python -m benchmarks compress`: parameters, file size, speed, peak memory."""
    relative = f"1 thread, relative to {SPEECHBRAIN}"
    return pd.DataFrame(
        {
            "variant": variant["variant"],
            "million parameters": _short(variant["parameters"] / 1e6),
            "size (MB)": _short(variant["megabytes"]),
            "× real time, 1 thread": _short(variant["x real time, 1 thread"]),
            relative: _spread(variant[f"speed / {SPEECHBRAIN}"]),
            "× real time, 2 threads": _short(variant["x real time, 2 threads"]),
            "peak memory (MB)": _short(variant["peak MB"]),
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
    return interval_table(saved_rows(rows), ["variant"]).rename(columns={"resemblyzer": "cosine, Resemblyzer"})


def variants_differences(against: list[dict]) -> pd.DataFrame:
    """A row for each variant: the change of its mel L1 and STFT distance relative to HiFi-GAN V1, in per cent."""
    named = {"mel_l1": "mel L1", "stft": "multi-resolution STFT distance"}
    rows = [
        {"variant": row["variant"], "metric": f"{named[row['metric']]}, relative to {RIVAL} (%)"}
        | {name: 100 * row[key] for name, key in (("value", "more"), ("low", "low"), ("high", "high"))}
        for row in against
        if row["rival"] == RIVAL
    ]
    return interval_table(pd.DataFrame(rows), ["variant"])


def streams_table(streams: list[dict]) -> pd.DataFrame:
    """A row for each variant: its look-ahead, and the time of a piece of a tenth of a second on one thread."""
    return pd.DataFrame(
        {
            "variant": stream["variant"],
            "left context (frames)": stream["left context (frames)"],
            "look-ahead (ms)": _short(stream["look-ahead ms"]),
            "work for a second (s)": f"{stream['work for a second']:.3f}",
            "work for a piece (ms)": _short(stream["ms of work for a piece"]["median"]),
            "maximum work for a piece (ms)": _short(stream["ms of work for a piece"]["highest"]),
        }
        for stream in streams
    )


def released_sizes(result: dict) -> pd.DataFrame:
    """A row for each variant of `python -m benchmarks compress_released`: parameters, file size, speed."""
    return pd.DataFrame(
        {
            "variant": variant["system"],
            "million parameters": _short(variant["parameters"] / 1e6),
            "size (MB)": _short(variant["megabytes"]),
            "× real time, 1 thread": _spread(variant["x real time, 1 thread"]),
            "speed relative to torch float32": _spread(variant["speed / torch float32"]),
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
