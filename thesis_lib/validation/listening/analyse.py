"""Analyse the answers of a listening test: MOS, MUSHRA and voice choices with intervals, after screening raters."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from thesis_lib.runs.folder import Run
from thesis_lib.runs.provenance import Provenance
from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.files import fingerprint
from thesis_lib.validation import GROUND_TRUTH, metrics
from thesis_lib.validation.evaluation import groups_of, interval
from thesis_lib.validation.listening.build import key_path

# ITU-R BS.1534-3, 4.1.2: a rater who puts the hidden reference below 90 in more than 15 % of the items is left out.
MIN_HIDDEN_REFERENCE, MAX_MISSED_SHARE = 90, 0.15  # a score from 0 to 100; of the items

SCALES = {"mushra": (0, 100), "mos": (1, 5)}  # of the ratings
DIFFERENT = "not the same in all tests"  # in place of an input's fingerprint, so that the tables are stale


class ListeningError(ThesisError):
    """Answers that cannot be used, or belong to another test."""


class Answer(BaseModel):
    """One page. A browser wrote the file, so every field is validated."""

    model_config = ConfigDict(extra="ignore")

    kind: Literal["begin", "mushra", "mos", "abx", "attention"]
    item: str | None = None
    order: list[str] | None = None
    expected: str | None = None
    response: dict[str, Annotated[str, Field(max_length=100)]]
    rt: float | None = None


class Answers(BaseModel):
    """One rater's file."""

    model_config = ConfigDict(extra="ignore")

    test: str
    rater: str = Field(min_length=1, max_length=40)
    answers: list[Answer]


def analyse_answers(run: Run, files: Iterable[Path]) -> pd.DataFrame:
    """Read the answers, screen the raters, and summarise.

    Columns: kind, system, value, low, high, raters, n, reason.

    mushra: mean score 0..100; mos: mean 1..5; abx: share of the choices that fall on the system's recording and not
    on another speaker's. The intervals are over raters and items; ``reason`` says why there is none. Every answer, and
    who was left out and why, stand in tables beside it. Raises ListeningError naming the file that does not fit.
    """
    rows, raters = [], []
    seen: dict[str, Path] = {}
    keys: dict[str, dict] = {}
    for path in map(Path, files):
        given = _read(path)
        if given.rater in seen:
            raise ListeningError(f"{path}: rater {given.rater} is also in {seen[given.rater]}: give each file once")
        seen[given.rater] = path
        keys[given.test] = _key(run, given.test, path)
        own = _rows(given, keys[given.test], path)
        reason = _screen(own, given)
        raters.append({"rater": given.rater, "file": path.name, "kept": not reason, "reason": reason})
        rows += [row | {"kept": not reason} for row in own]
    if not raters:
        raise ListeningError("no file of answers was given")
    answers = pd.DataFrame(rows, columns=["rater", "kind", "item", "system", "value", "kept"])
    provenance = _provenance(run, keys, seen.values())
    run.save_table("listening_answers", answers, provenance)
    run.save_table("listening_raters", pd.DataFrame(raters), provenance)
    kept = answers[answers.kept & answers.kind.isin(["mushra", "mos", "abx"])]
    summary = pd.DataFrame(
        [_summary(part, kind, system, run) for (kind, system), part in kept.groupby(["kind", "system"], sort=True)],
        columns=["kind", "system", "value", "low", "high", "raters", "n", "reason"],
    )
    run.save_table("listening_summary", summary, provenance)
    return summary


def _provenance(run: Run, keys: dict[str, dict], files: Iterable[Path]) -> Provenance:
    """Corpus and vocoders as they were when the tests were built, the tests' keys, and the files of answers.

    A key of an earlier version does not have the first.
    """
    inputs: dict[str, str] = {}
    for key in keys.values():
        for path, digest in key.get("inputs", {}).items():
            if inputs.setdefault(path, digest) != digest:
                inputs[path] = DIFFERENT
    found = run.provenance(key_path(run, test) for test in keys)
    outside = {str(path): fingerprint(path) for path in files}
    return replace(found, inputs=inputs | found.inputs, outside=outside)


def _read(path: Path) -> Answers:
    try:
        return Answers.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ListeningError(f"{path}: there is no such file") from error
    except (ValidationError, UnicodeDecodeError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "not text"
        raise ListeningError(f"{path}: not a file of answers ({first})") from error


def _key(run: Run, test: str, path: Path) -> dict:
    known = key_path(run, test) if test.isalnum() else None
    if known is None or not known.exists():
        raise ListeningError(
            f"{path}: belongs to test {test[:20]!r}; the key of that test is not in {run.path / 'listening'}"
        )
    return json.loads(known.read_text())


def _rows(given: Answers, key: dict, path: Path) -> list[dict]:
    """rater, kind, item, system, value: one row for each rating."""
    stimuli, rows = key["stimuli"], []
    chosen_of = {tuple(sorted(t["pair"])): t for t in key["trials"] if t["kind"] == "abx"}

    def about(name: str) -> dict:
        if name not in stimuli:
            raise ListeningError(f"{path}: rates {name[:40]!r}, which is not in the test")
        return stimuli[name]

    for answer in given.answers:
        row = {"rater": given.rater, "kind": answer.kind, "item": answer.item}
        if answer.kind in ("mushra", "mos"):
            low, high = SCALES[answer.kind]
            for name, value in answer.response.items():
                if not value.isdigit() or not low <= int(value) <= high:
                    raise ListeningError(f"{path}: {value!r} is no rating from {low} to {high}")
                rows.append(row | {"system": about(name)["system"], "value": float(value)})
        elif answer.kind == "abx":
            choice, pair = answer.response.get("voice", ""), tuple(sorted(answer.order or []))
            if pair not in chosen_of or choice not in pair:
                raise ListeningError(f"{path}: a choice between voices that is not in the test")
            target = chosen_of[pair]
            rows.append(row | {"system": target["system"], "value": float(choice == target["pair"][0])})
        elif answer.kind == "attention":
            passed = answer.response.get("attention") == answer.expected
            rows.append(row | {"system": "", "value": float(passed)})
    return rows


def _screen(rows: list[dict], given: Answers) -> str:
    """The reason to exclude a rater; empty for one who is kept."""
    failed = [row for row in rows if row["kind"] == "attention" and not row["value"]]
    if failed:
        return f"{len(failed)} attention questions answered wrongly"
    hidden = [row["value"] for row in rows if row["kind"] == "mushra" and row["system"] == GROUND_TRUTH]
    if hidden and np.mean(np.array(hidden) < MIN_HIDDEN_REFERENCE) > MAX_MISSED_SHARE:
        return f"the hidden reference below {MIN_HIDDEN_REFERENCE} in more than {MAX_MISSED_SHARE:.0%} of the items"
    return "" if hidden else "no item was rated"


def _summary(part: pd.DataFrame, kind: str, system: str, run: Run) -> dict:
    """Mean and 95 % interval over raters and items. One answer has no interval, and the reason instead."""
    values, settings = part.value.to_numpy(), run.config.validation
    statistic: metrics.Statistic = metrics.Share(values == 1)
    if kind in SCALES:
        statistic = metrics.Bounded(metrics.mean_of(values), *SCALES[kind])
    groups = groups_of(part, ["rater", "item"])
    found = interval(len(values), statistic, settings.resamples, settings.seed, groups)
    if found["reason"]:
        found["value"] = float(values.mean())
    return {"kind": kind, "system": system, "raters": part.rater.nunique()} | found
