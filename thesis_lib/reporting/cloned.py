"""Tables of voice cloning: adaptation, style, memory, and the watermark."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from thesis_lib.reporting.claims import FORMS
from thesis_lib.reporting.speakers import with_chance, with_daggers
from thesis_lib.reporting.tables import interval_table
from thesis_lib.validation.metrics import PROSODY

RECALL = "recall"  # start of the statistics of a probe
CORRELATION = "correlation, "  # start of the statistics of the output beside its recording
STYLE = {
    "f0_median_correlation": "log-F0 median",
    "f0_std_correlation": "log-F0 standard deviation",
    "energy_std_correlation": "energy standard deviation",
    "tilt_correlation": "spectral tilt",
    "rate_correlation": "voiced segments (per s)",
    "pauses_correlation": "pauses",
}
GAIN = "gain (no gain: 0)"


def adaptation_table(rows: pd.DataFrame, gain: pd.DataFrame | None = None, voices: int | None = None) -> pd.DataFrame:
    """A row for each statistic, with its chance level, and encoder; a column for each stage, and one for the gain.

    The gain is in pairs. A dagger marks an encoder with a role in the vocoder, by the column ``role`` of both tables.
    ``voices`` is the number of enrolled ones, None where it is not known.
    """
    if gain is not None:
        rows = pd.concat([rows, gain.assign(stage=GAIN)])
    rows = with_daggers(rows.assign(statistic=[with_chance(name, voices) for name in rows.statistic]))
    return interval_table(rows, ["statistic", "encoder", "n"], "stage")


def style_table(summary: pd.DataFrame, test_set: str) -> pd.DataFrame:
    """Correlations over speakers: a row for each statistic of style, a column for each system that has any."""
    part = summary[(summary.test_set == test_set) & summary.metric.isin(STYLE)].dropna(subset=["value"])
    part = part.assign(statistic=part.metric.map(STYLE))
    return interval_table(part, ["statistic"], "system").set_index("statistic").reindex(STYLE.values()).reset_index()


def recall_table(rows: list[dict]) -> pd.DataFrame:
    """Of ``benchmarks emotion`` a row for each system: the unweighted average recall of both probes in per cent.

    Of its differences a row for each two systems: the first one's recall minus the second one's, in percentage points.
    """
    unit = "percentage points" if any("against" in row for row in rows) else "%"
    inputs = {RECALL: "Whisper's states", f"{RECALL}, eGeMAPS": "eGeMAPS"}
    probes = {statistic: f"probe of {name}: recall ({unit})" for statistic, name in inputs.items()}
    found = pd.DataFrame([row | {"probe": probes[row["statistic"]]} for row in rows if row["statistic"] in probes])
    numbers = ["value", "low", "high"]
    percent = found.assign(**100 * found[numbers].astype(float))
    return interval_table(percent, [name for name in ("system", "against") if name in found], "probe")


def correlations_table(rows: list[dict]) -> pd.DataFrame:
    """Of ``benchmarks emotion`` a row for each statistic, a column for each system: correlation with the recording."""
    found = pd.DataFrame([row for row in rows if row["statistic"].startswith(CORRELATION)])
    named = found.statistic.str.removeprefix(CORRELATION).replace(PROSODY)
    return interval_table(found.assign(statistic=named), ["statistic"], "system")


def memory_table(memory: Mapping[str, Any]) -> pd.DataFrame:
    """Of ``benchmarks memory`` a row for each of its two hours: memory in the models, its course, and the speed."""
    several = memory["a voice for every speaker"]
    hours = {"one voice": memory, f"a voice for each of {several['speakers']} speakers": several}
    return pd.DataFrame(
        {
            "an hour in": name,
            "models loaded (GB)": f"{found['GB with the models loaded']:.2f}",
            "highest in the first tenth (GB)": f"{found['highest GB of each tenth'][0]:.2f}",
            "highest in the last tenth (GB)": f"{found['highest GB of each tenth'][-1]:.2f}",
            "highest (GB)": f"{max(found['highest GB of each tenth']):.2f}",
            "computing for a second of Spanish (s)": f"{found['seconds of computation for a second']:.2f}",
        }
        for name, found in hours.items()
    )


def watermark_table(rows: list[dict]) -> pd.DataFrame:
    """Of ``benchmarks watermark`` a row for each kind of processing: detections, and the range of the scores."""
    lines = []
    for row in rows:
        line = {"processing": row["after"]}
        for kind in ("marked", "unmarked"):
            found = {"share": row[f"seen in {kind}"], "low": row[f"{kind}, low"], "high": row[f"{kind}, high"]}
            line[f"{kind}: detected"] = FORMS["proportion"](found)
            line[f"{kind}: lowest to highest score"] = f"{row[f'{kind}, lowest']:.2f}–{row[f'{kind}, highest']:.2f}"
        lines.append(line)
    return pd.DataFrame(lines)


def stretches_table(result: Mapping[str, Any]) -> pd.DataFrame:
    """Of ``benchmarks watermark`` a row for each length and speed of the marked stretches in longer files."""
    return pd.DataFrame(
        {
            "marked stretch (s)": row["seconds"],
            "speed": f"{row['speed']:g}",
            "files": row["files"],
            "stretches": row["stretches"],
            "found": FORMS["proportion"](row),
        }
        for row in [*result["stretches"], *result["stretches at another speed"]]
    )


def alarms_table(result: Mapping[str, Any]) -> pd.DataFrame:
    """Of ``benchmarks watermark`` a row for each kind and speed of unmarked speech: false alarms, and their rate."""
    named = {"joined": "joined to files of 90 s", "recordings": "short recordings"}
    return pd.DataFrame(
        {
            "unmarked speech": name,
            "speed": f"{row['speed']:g}",
            "files": row["recordings"],
            "hours": f"{row['hours']:.2f}",
            "false alarms": row["alarms"],
            "false alarms an hour": FORMS["an hour"](row),
        }
        for kind, name in named.items()
        for row in result["false alarms"][kind]
    )
