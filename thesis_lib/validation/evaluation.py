"""The framework of every evaluation: test set x system x scorer -> results.

A test set holds items, a system renders an output for an item, a scorer gives columns of numbers for an output. A
trial is one item, system and scorer: a row of the results, or a row of what was not measured with the reason.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import pandas as pd

from thesis_lib.audio.files import AudioError
from thesis_lib.audio.pitch import PitchError
from thesis_lib.embeddings.encoders import EncoderError
from thesis_lib.runs.folder import Run
from thesis_lib.runs.provenance import Provenance
from thesis_lib.utils.parallel import map_on_cores
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation import metrics

UNMEASURABLE = (metrics.MetricError, AudioError, EncoderError, PitchError)  # errors that leave a trial without a row
INTERVAL = ("value", "low", "high", "n", "reason")
UNBOUNDED, COSINES, PERCENT = (-np.inf, np.inf), (-1.0, 1.0), (0.0, 100.0)  # ranges of values
OUTPUTS_AT_ONCE = 32  # that are rendered before they are scored in parallel
ALL = "all"  # system or scorer of a row of what was not measured, where it concerns every one

Item = TypeVar("Item")
Output = TypeVar("Output")
Columns = dict[str, Any]
Keep = Callable[[Any, Any, Any], None]  # (item, system, output): stores the output's audio


def _nothing(item: Any) -> Columns:
    return {}


def _every(given: Any) -> bool:
    return True


@dataclass(frozen=True)
class TestSet(Generic[Item]):
    """Items to evaluate; ``about`` gives the columns that identify one."""

    __test__: ClassVar[bool] = False  # pytest collects classes of this name otherwise

    items: Sequence[Item]
    about: Callable[[Item], Columns] = _nothing
    name: str = "evaluate"  # of the progress bar


@dataclass(frozen=True)
class System(Generic[Item, Output]):
    """A system under evaluation: ``render`` gives its output for an item, or raises one of UNMEASURABLE."""

    name: str
    render: Callable[[Item], Output]
    has_words: bool = True  # the output has the item's words, in time with its recording
    about: Columns = field(default_factory=dict)  # the columns that identify the system, beside its name
    takes: Callable[[Item], bool] = _every  # items that it is evaluated on


@dataclass(frozen=True)
class Scorer(Generic[Item, Output]):
    """A scorer: ``score`` gives the columns of an output, or raises one of UNMEASURABLE.

    PartlyMeasured gives a row of the columns that were measured, and the reason for the others.
    """

    score: Callable[[Item, Output], Columns]
    about: Columns = field(default_factory=dict)  # the columns that identify the scorer
    takes: Callable[[System], bool] = _every  # systems with outputs that it scores


@dataclass(frozen=True)
class Results:
    """A row for every trial that was measured, and one with the reason for every other."""

    rows: list[Columns] = field(default_factory=list)
    missing: list[Columns] = field(default_factory=list)

    def __add__(self, other: "Results") -> "Results":
        return Results(self.rows + other.rows, self.missing + other.missing)

    @property
    def table(self) -> pd.DataFrame:
        """One row for each measured trial."""
        return pd.DataFrame(self.rows)

    def not_measured(self, columns: Iterable[str]) -> pd.DataFrame:
        """One row for each trial without numbers: the columns that identify it, and the reason."""
        return pd.DataFrame(self.missing, columns=[*columns, "reason"])


def evaluate(
    test_set: TestSet[Item],
    systems: Sequence[System[Item, Output]],
    scorers: Sequence[Scorer[Item, Output]],
    progress: Progress = silent,
    keep: Keep | None = None,
    by_system: bool = False,
    parallel: bool = False,
) -> Results:
    """Render every item by every system that takes it, and score every output by every scorer that takes the system.

    ``keep`` is called with each output, to store its audio. Rows are ordered by item, then system, then scorer; with
    ``by_system``, by system first. With ``parallel``, ``OUTPUTS_AT_ONCE`` outputs are rendered and then scored on a
    core each; no more than these are in memory. An output that a scorer cannot measure does not stop the others.
    """
    results = Results()
    work = [(item, system) for item in test_set.items for system in systems if system.takes(item)]
    if by_system:
        work = [(item, system) for system in systems for item in test_set.items if system.takes(item)]

    def outputs() -> Iterator[tuple[Item, System[Item, Output], Output]]:
        for item, system in progress(work, len(work), test_set.name):
            try:
                output = system.render(item)
            except UNMEASURABLE as error:
                results.missing.append(test_set.about(item) | system.about | {"reason": str(error)})
                continue
            if keep:
                keep(item, system, output)
            yield item, system, output

    def scored(trial: tuple[Item, System[Item, Output], Output]) -> Results:
        item, system, output = trial
        found = Results()
        for scorer in (scorer for scorer in scorers if scorer.takes(system)):
            about = test_set.about(item) | system.about | scorer.about
            try:
                found.rows.append(about | scorer.score(item, output))
            except UNMEASURABLE as error:
                found.missing.append(about | {"reason": str(error)})
                if isinstance(error, metrics.PartlyMeasured):
                    found.rows.append(about | error.columns)
        return found

    made = outputs()
    # Several are rendered before they are scored: rendering uses all cores, and scoring an output one.
    while some := list(islice(made, OUTPUTS_AT_ONCE if parallel else 1)):
        for found in map_on_cores(scored, some) if parallel else map(scored, some):
            results.rows.extend(found.rows)
            results.missing.extend(found.missing)
        del some  # before the next ones are rendered
    return results


def interval(
    count: int, statistic: metrics.Statistic, resamples: int, seed: int, groups: metrics.Groups = None
) -> Columns:
    """Return value, low, high (95 %, ``confidence_interval``), n and reason of a statistic of ``count`` rows.

    With ``groups`` (count,), whole groups are drawn, as the rows of one speaker are not independent; with several, the
    groups of each are drawn independently. Where there is no interval, all three are NaN and ``reason`` says why.
    """
    try:
        value, low, high = metrics.confidence_interval(count, statistic, resamples, seed, groups)
    except metrics.MetricError as error:
        return {"value": np.nan, "low": np.nan, "high": np.nan, "n": count, "reason": str(error)}
    return {"value": value, "low": low, "high": high, "n": count, "reason": ""}


@dataclass(frozen=True)
class OfRows:
    """A statistic of some rows of a table: ``statistic`` takes indices into ``rows`` (m,), which have its values.

    Where it cannot be computed, ``reason`` says why and there is no statistic.
    """

    rows: np.ndarray
    statistic: metrics.Statistic | None = None
    reason: str = ""


def mean_of_present(values: np.ndarray, bounds: tuple[float, float] = UNBOUNDED) -> OfRows:
    """The mean of the finite ones of some values (n,); ``bounds`` is their range, which the interval does not leave."""
    rows = np.flatnonzero(np.isfinite(values))
    if not len(rows):
        return OfRows(rows, reason="no row has a value")
    return OfRows(rows, metrics.Bounded(metrics.mean_of(values[rows]), *bounds))


def groups_of(part: pd.DataFrame, columns: Sequence[str]) -> metrics.Groups:
    """The groups of a bootstrap; None where every column has one value, so that only the trials can be drawn."""
    return [part[name].to_numpy() for name in columns if part[name].nunique() > 1] or None


def summarise_groups(
    table: pd.DataFrame,
    by: Sequence[str],
    statistics: Callable[[pd.DataFrame], Mapping[str, metrics.Statistic | OfRows]],
    groups: Sequence[str],
    resamples: int,
    seed: int,
    label: str = "metric",
) -> pd.DataFrame:
    """Summarise each set of rows by some statistics, with intervals over the columns ``groups``.

    One column is the speaker of a row; two are the target and the content of a trial, which cross. Columns: ``by``,
    ``label`` (the statistic's name), value, low, high, n (rows that have the statistic's values), reason.
    """
    rows: list[Columns] = []
    for key, part in table.groupby(list(by), sort=False) if len(table) else ():
        about = dict(zip(by, key, strict=True))
        for name, found in statistics(part).items():
            given = found if isinstance(found, OfRows) else OfRows(np.arange(len(part)), found)
            rows.append(about | {label: name} | _summarised(given, part.iloc[given.rows], groups, resamples, seed))
    return pd.DataFrame(rows, columns=[*by, label, *INTERVAL])


def _summarised(given: OfRows, part: pd.DataFrame, groups: Sequence[str], resamples: int, seed: int) -> Columns:
    if given.statistic is None:
        return {"value": np.nan, "low": np.nan, "high": np.nan, "n": len(part), "reason": given.reason}
    return interval(len(part), given.statistic, resamples, seed, groups_of(part, groups))


def save_results(
    run: Run, name: str, results: Results, columns: Sequence[str], summary: pd.DataFrame, provenance: Provenance
) -> pd.DataFrame:
    """Write tables/NAME_not_measured, NAME_summary and NAME, ``columns`` first, with provenance; returns the last one.

    It is written last: its presence says that all are there.
    """
    run.save_table(f"{name}_not_measured", results.not_measured(columns), provenance)
    run.save_table(f"{name}_summary", summary, provenance)
    table = results.table
    table = table.reindex(columns=list(dict.fromkeys([*columns, *table.columns])))
    run.save_table(name, table, provenance)
    return table
