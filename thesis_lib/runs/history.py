"""Compare runs: list them, and show their differences in settings and results."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from thesis_lib.config import TASKS, Config
from thesis_lib.config.renamed import current_log
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.stages import settings_inputs
from thesis_lib.utils.errors import ThesisError

# Summary tables: table -> the columns that together name a value.
SUMMARIES = {
    "validation_summary": ("system", "metric"),
    "swap_summary": ("test_set", "task", "stage", "target", "encoder", "statistic"),
    "cloning_summary": ("test_set", "system", "metric"),
}


def open_run(path: str | Path) -> Run:
    """Open an existing run. RunError when the folder holds none."""
    stored = Path(path) / "config.json"
    if not stored.is_file():
        raise RunError(f"{path} holds no run (config.json is missing); `thesis runs list` names the existing ones")
    return Run(Path(path).resolve(), Config.from_json(stored.read_text()))


def runs(root: str | Path = "runs") -> pd.DataFrame:
    """One row for each run below ``root``: profile, configuration, steps and minutes of each task, tables."""
    rows = []
    for stored in sorted(Path(root).glob("*/config.json")):
        if stored.parent.is_symlink():
            continue
        try:
            run = open_run(stored.parent)
        except ThesisError as error:  # another version's, or one with a missing plugin
            rows.append({"run": stored.parent.name, "profile": f"cannot be opened: {error}"})
            continue
        row: dict[str, Any] = {"run": stored.parent.name, "profile": run.config.profile, "config": run.config.digest()}
        for task in TASKS:
            found = training(run, task)
            row[task] = f"{found['steps']} steps, {found['minutes']} min" if found else "-"
        rows.append(row | {"tables": len(list((run.path / "tables").glob("*.csv")))})
    return pd.DataFrame(rows, columns=["run", "profile", "config", *TASKS, "tables"])


def training(run: Run, task: str) -> dict[str, Any]:
    """Steps, minutes and validation scores of a task's training so far; empty when it has not begun."""
    path = run.path / task / "metrics.jsonl"
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    log = pd.DataFrame(current_log(json.loads(line)) for line in lines if line.endswith("\n"))  # the last may be cut
    held_out = log.dropna(subset=["validation_mel"])
    minutes = 0.0 if "seconds" not in log else round(float(log.seconds.max()) / 60, 2)
    found = {"steps": int(log.step.iloc[-1]), "minutes": minutes}
    if len(held_out):
        best = held_out.loc[held_out.validation_mel.idxmin()]
        found |= {"validation mel, last": float(held_out.validation_mel.iloc[-1])}
        found |= {"validation mel, best": float(best.validation_mel), "best at step": int(best.step)}
        found |= {"conditioning sensitivity, last": float(held_out.conditioning_sensitivity.iloc[-1])}
    return found


def settings(config: Config) -> dict[str, Any]:
    """{dotted key: value} of a configuration, with the keys of ``--set``."""
    return settings_inputs("", config)


def differences(one: Config, other: Config) -> pd.DataFrame:
    """The settings in which two configurations differ: setting, first, second."""
    first, second = settings(one), settings(other)
    keys = [key for key in first | second if first.get(key) != second.get(key)]
    return pd.DataFrame([(k, first.get(k), second.get(k)) for k in keys], columns=["setting", "first", "second"])


def results(run: Run) -> dict[str, float]:
    """Every value of the run's training logs and summary tables, by name."""
    found = {f"{task}: {name}": value for task in TASKS for name, value in training(run, task).items()}
    return found | {name: row.value for name, row in _summary_rows(run)}


def roles(run: Run) -> dict[str, str]:
    """Value of a summary table, by name -> the role in the vocoder of the network that measured it, where it has one.

    Such a value favours the vocoder.
    """
    found = {name: row.get("role") for name, row in _summary_rows(run)}
    return {name: role for name, role in found.items() if isinstance(role, str) and role not in ("", "evaluation")}


def _summary_rows(run: Run) -> Iterator[tuple[str, pd.Series]]:
    """The name of each value of the summary tables, and its row."""
    for table, names in SUMMARIES.items():
        if run.has(table):
            for _, row in run.load_table(table).iterrows():
                yield ", ".join(str(row[name]) for name in names), row


def compare(one: Run, other: Run) -> pd.DataFrame:
    """The results that both runs have: result, first, second, difference (second - first), role (``roles``)."""
    first, second, known = results(one), results(other), roles(other) | roles(one)
    rows = [
        (name, first[name], second[name], second[name] - first[name], known.get(name, ""))
        for name in first
        if name in second
    ]
    return pd.DataFrame(rows, columns=["result", "first", "second", "difference", "role"])
