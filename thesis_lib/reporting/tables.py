"""Tables as the pages show them."""

import json

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler
from torch import Tensor

from thesis_lib.config import GENERATOR_PRESETS, TASKS, Config
from thesis_lib.reporting.claims import FORMS, bracketed
from thesis_lib.reporting.headings import heading, metric_heading
from thesis_lib.runs.folder import Run, RunError, project_root
from thesis_lib.validation import ALIGNED, GROUND_TRUTH, WORDS, circular, describe, winners
from thesis_lib.validation.metrics import Leak
from thesis_lib.validation.roles import is_circular
from thesis_lib.vocoder.conditioning import FiLM
from thesis_lib.vocoder.generators import Generator

SMOKE = "smoke"  # the profile of the tests
# Columns of which the cells are keys of results: column -> what says the key in words.
NAMED = dict.fromkeys(("encoder", "group", "statistic", "system", "variant"), heading) | {"metric": metric_heading}


def stamp_table(run: Run, **more: object) -> pd.DataFrame:
    """Provenance of a page, as a table of two columns."""
    return pd.DataFrame((run.stamp() | more).items(), columns=["what", "value"])


def notice(profile: str) -> str:
    """Markdown for the first lines of a page: what made its results; those of ``SMOKE`` are no measure of quality.

    Raises ConfigError for an unknown profile.
    """
    config = Config.from_profile(profile)
    steps = ", ".join(f"{config.recipe(task).training.steps} of {task}" for task in TASKS)
    if profile != SMOKE:
        return f"> Results of the profile `{profile}` (training steps, at most: {steps})."
    return (
        "> **Smoke results: no measure of quality.** The profile `smoke` runs all code with the least data: at most "
        f"{config.corpus.limit} recordings of a split, and few training steps ({steps}). The outputs of its vocoders "
        "are not speech. Only tables and numbers with a command `python -m benchmarks` are of trained weights. "
        "`thesis book --profile demo` makes this page with trained vocoders."
    )


def benchmark(name: str) -> dict:
    """A committed result of ``python -m benchmarks NAME --save``. RunError when it has never been saved."""
    path = project_root() / "benchmarks" / "results" / f"{name}.json"
    if not path.exists():
        raise RunError(f"{path} is missing: run `python -m benchmarks {name} --save`")
    return json.loads(path.read_text())


def show(table: pd.DataFrame, missing: str = "not measured") -> Styler:
    """A table without index, keys in words, three decimals, and ``missing`` where there is no number."""
    named = table.assign(**{column: table[column].map(said) for column, said in NAMED.items() if column in table})
    return named.rename(columns=heading).style.hide(axis="index").format(precision=3, na_rep=missing)


def parameter_table(generator: Generator) -> pd.DataFrame:
    """Parameters and float32 megabytes of the generator's parts, weight norm folded or not."""
    film = {id(p) for m in generator.modules() if isinstance(m, FiLM) for p in m.parameters()}
    fusion = {id(p) for p in generator.condition.parameters()}
    counts = {"generator": 0, "condition fusion": 0, "FiLM layers": 0}
    for parameter in generator.parameters():
        owner = id(parameter)
        counts["FiLM layers" if owner in film else "condition fusion" if owner in fusion else "generator"] += (
            parameter.numel()
        )
    counts["all"] = sum(counts.values())
    return pd.DataFrame([{"part": part, "parameters": n, "float32 MB": 4 * n / 1e6} for part, n in counts.items()])


def sizes_table(parts: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """A row for each generator: its preset, million parameters of each part (``parameter_table``), and the size."""
    rows = []
    for name, table in parts.items():
        millions = {f"{row.part} (M)": f"{row.parameters / 1e6:.2f}" for row in table.itertuples()}
        size = {"float32 (MB)": f"{table['float32 MB'].max():.1f}"}
        rows.append({"vocoder": heading(name), "preset": name if name in GENERATOR_PRESETS else "–"} | millions | size)
    return pd.DataFrame(rows)


def modulation_table(generator: Generator, speaker: Tensor, emotion: Tensor) -> pd.DataFrame:
    """Mean |gamma| and |beta| of each FiLM layer over some conditions (B, S), (B, E)."""
    condition = generator.condition(speaker, emotion)
    rows = []
    for number, layer in enumerate(m for m in generator.modules() if isinstance(m, FiLM)):
        gamma, beta = layer.affine(condition).detach().abs().chunk(2, dim=1)
        rows.append({"layer": number, "gamma": float(gamma.mean()), "beta": float(beta.mean())})
    return pd.DataFrame(rows)


def leak_table(leaks: dict[tuple[str, str], Leak]) -> pd.DataFrame:
    """A row for every two splits: speakers, suspected speakers of both, and the false-alarm rate of a comparison."""
    return pd.DataFrame(
        {
            "split": split,
            "speakers": len(leak.speakers),
            "compared with": other,
            "suspects": int(leak.suspects.sum()),
            "threshold (cosine)": leak.threshold,
            "false-alarm rate (%)": 100 * leak.false_alarms,
            "highest cosine": leak.cosines.max(),
        }
        for (split, other), leak in leaks.items()
    )


def data_speed(result: dict) -> pd.DataFrame:
    """Pairs a second of ``benchmarks data``, a row for each implementation, with its time relative to ours."""
    thread = result["one thread"]
    return pd.DataFrame(
        {
            "implementation": name,
            "pairs a second": "{median:.0f} ({low:.0f}–{high:.0f})".format(**spread),
            "time relative to ours": "1"
            if name == "ours"
            else "{median:.2f} ({low:.2f}–{high:.2f})".format(**thread["times"][name]),
        }
        for name, spread in thread["pairs a second"].items()
    )


def with_interval(row: dict) -> str:
    """A value and its 95 % interval, or "not measured" with the reason; ``bracketed`` has the interval.

    The width of the interval sets the decimals: three below 0.1, two below 3, one below 10. Three digits are the most.
    """
    if np.isnan(row["value"]):
        return "not measured: " + row["reason"]
    width, largest = row["high"] - row["low"], max(abs(row[name]) for name in ("value", "low", "high"))
    digits = min(sum(width < limit for limit in (0.1, 3, 10)), sum(largest <= limit for limit in (1, 10, 100)))
    if width == 0 and float(largest).is_integer():
        digits = 0
    form = f"z.{digits}f"
    return f"{row['value']:{form}} {bracketed(row['low'], row['high'], form)}"


def speaker_check_table(rates: list[dict]) -> pd.DataFrame:
    """Of ``benchmarks interpret`` a row for each test set: n of each kind, both error rates with intervals."""
    named = {"one voice called several": "one speaker detected as several"}
    named |= {"two voices called one": "two speakers detected as one"}

    def rate(found: dict) -> str:
        return FORMS["share"](found | {"value": found["share"]})

    return pd.DataFrame(
        {"test_set": row["test_set"], "n": row["n"]} | {title: rate(row[name]) for name, title in named.items()}
        for row in rates
    )


def saved_rows(rows: list[dict]) -> pd.DataFrame:
    """Rows of a saved result: a metric's value and interval each; word error rates, saved as shares, in per cent."""
    table = pd.DataFrame(rows)
    words = table.metric.str.contains(r"\bwer\b")
    numbers = ["value", "low", "high"]
    return table.assign(**{name: table[name].where(~words, 100 * table[name]) for name in numbers})


def interval_table(rows: pd.DataFrame, index: list[str], column: str = "metric") -> pd.DataFrame:
    """A line for each value of ``index``, a column for each of ``column``, in their order; each cell with interval."""
    cells = rows.assign(cell=[with_interval(row) for row in rows.to_dict("records")])
    wide = cells.pivot_table(index=index, columns=column, values="cell", aggfunc="first", sort=False)
    return wide.reset_index().rename_axis(columns=None)


def score_text(values: pd.Series, metric: str) -> str:
    """A metric's value to one decimal, or "not measured"; ``values`` is metric -> value."""
    value = values.get(metric, np.nan)
    return f"{value:.1f}" if np.isfinite(value) else "not measured"


def separation_table(rows: pd.DataFrame, by: list[str], measures: dict[str, str]) -> pd.DataFrame:
    """Rows of ``metrics.separations``, a line for each of the columns ``by``; ``measures`` is measure -> heading."""
    lines = []
    for key, part in rows.groupby(by, sort=False):
        found = {row["measure"]: with_interval(row) for row in part.to_dict("records")}
        lines.append(dict(zip(by, key, strict=True)) | {heading: found[m] for m, heading in measures.items()})
    return pd.DataFrame(lines)


def summary_table(summary: pd.DataFrame, comparisons: pd.DataFrame) -> pd.DataFrame:
    """metric x system, each cell "value [low, high]" or "not measured".

    An asterisk: significantly better in one of the configured hypotheses. A dagger: measured by a network that
    conditions a vocoder, computes its content or trained it (``validation.roles``); the metric favours that vocoder.
    """
    best = winners(comparisons)
    cells = summary.assign(
        cell=[
            f"{r.value:.3g} {bracketed(r.low, r.high, '.3g')}" + " *" * ((r.system, r.metric) in best)
            for r in summary.itertuples()
        ]
    )
    wide = cells.pivot(index="metric", columns="system", values="cell")
    wide = wide.reindex(index=_with_all_words(summary.metric), columns=list(dict.fromkeys(summary.system)))
    wide.insert(0, "unit", [describe(name).label for name in wide.index])
    if GROUND_TRUTH in wide:
        wide.loc[wide.index.isin(ALIGNED), GROUND_TRUTH] = "the reference"
    marked = circular(summary)
    wide.index = [f"{name} †" if name in marked else name for name in wide.index]
    return wide.fillna("not measured").rename_axis("metric").reset_index().rename_axis(columns=None)


def _with_all_words(metrics: pd.Series) -> list[str]:
    """The metrics once each; with any word score also those that a summary of an earlier version lacks."""
    names = list(dict.fromkeys(metrics))
    place = next((number for number, name in enumerate(names) if name in WORDS), None)
    if place is None:
        return names
    return [*names[:place], *WORDS, *(name for name in names[place:] if name not in WORDS)]


def settings_table(summary: pd.DataFrame) -> pd.DataFrame:
    """The settings and package versions of each metric of a summary: the table's footnotes."""
    names = list(dict.fromkeys(summary.metric))
    rows = [(name, describe(name).better, describe(name).settings) for name in names]
    return pd.DataFrame(rows, columns=["metric", "better", "measured by"])


def budget_table(study: dict, metrics: dict[str, str]) -> pd.DataFrame:
    """Of ``benchmarks budget`` a row for each system and time: the steps of its first seed, each metric's interval."""
    rows = []
    for (system, minutes), part in pd.DataFrame(study["rows"]).groupby(["system", "minutes"], sort=False):
        steps = dict(zip(study["minutes of one core"], study["steps"].get(system, ()), strict=False))
        found = {row["metric"]: with_interval(row) for row in part.to_dict("records")}
        cells = {heading: found[metric] for metric, heading in metrics.items()}
        rows.append({"system": system, "minutes": f"{minutes:g}", "steps": steps.get(minutes, 0)} | cells)
    return pd.DataFrame(rows)


def ablation_table(rows: pd.DataFrame) -> pd.DataFrame:
    """A line for each row of an ablation: value, difference from the full recipe with its interval, n and seeds.

    A dagger: measured by a network with a role in the vocoder.
    """
    return pd.DataFrame(
        {
            "variant": row["variant"],
            "metric": row["metric"] + " †" * is_circular(row["role"]),
            "value": f"{row['value']:.3g}",
            "difference from the full recipe": f"{row['difference']:.3g} [{row['low']:.3g}, {row['high']:.3g}]",
            "n": row["n"],
            "seeds": row["seeds"],
        }
        for row in rows.to_dict("records")
    )


def clone_table(summary: pd.DataFrame, test_set: str, metrics: dict[str, str]) -> pd.DataFrame:
    """A row for each system of one test set; ``metrics`` is metric -> heading, each cell with its interval.

    ``n`` is the system's rows; a cell of fewer has its own n. A metric that the summary lacks has no column, but a word
    score, which a summary of an earlier version may lack, is "not measured". A dagger: measured by a network with a
    role in the vocoder.
    """
    part = summary[(summary.test_set == test_set) & summary.metric.isin(metrics)]
    marked = circular(part)
    every = part.groupby("system", sort=False).n.transform("max")
    cells = [
        with_interval(row) + (f" (n = {row['n']})" if np.isfinite(row["value"]) and row["n"] < count else "")
        for row, count in zip(part.to_dict("records"), every, strict=True)
    ]
    part = part.assign(cell=cells, n=every)
    wide = part.pivot_table(index=["system", "n"], columns="metric", values="cell", aggfunc="first", sort=False)
    wide = wide.reindex(columns=[name for name in metrics if name in wide or name in WORDS]).fillna("not measured")
    named = {name: said + " †" * (name in marked) for name, said in metrics.items()}
    return wide.rename(columns=named).reset_index().rename_axis(columns=None)
