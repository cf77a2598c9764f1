"""The table of claims: every sentence that states a result, with the result file that carries it, n and interval.

``book/claims.toml`` has the claims. A phrase stands on its pages word for word; in it, ``<name>`` is a number that is
read from the result, in the form that the claim names. ``book/claims.md`` shows the table.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from thesis_lib.utils.errors import ThesisError

SHOWN, IN_PART, NOT_SHOWN, DESCRIBED = "shown", "shown in part", "not shown", "described"
VERDICTS = (SHOWN, IN_PART, NOT_SHOWN, DESCRIBED)
NONE = "–"
NO_WIDTH = "(the same in all draws)"  # of the bootstrap: instead of an interval
PLACEHOLDER = re.compile(r"<([a-z_0-9]+)>")
LINE = "| {where} | {claim} | {source} | {n} | {interval} | {verdict} |"
HEAD = ("| where | claim | result | n | value and 95 % interval | verdict |", "|---|---|---|---|---|---|")


class ClaimError(ThesisError):
    """A claim that cannot be read, or a key that its result does not have."""


def _percent(value: float, digits: str = ".0f") -> str:
    return f"{100 * value:{digits}} %"


def _share(row: Mapping[str, Any]) -> str:
    return f"{100 * row['value']:.0f} % [{100 * row['low']:.0f}, {100 * row['high']:.0f}]"


def _proportion(row: Mapping[str, Any], digits: int = 0) -> str:
    value, low, high = (f"{100 * row[name]:.{digits}f}" for name in ("share", "low", "high"))
    return f"{value} % [{low}, {high}]"


def bracketed(low: float, high: float, form: str) -> str:
    """An interval with both ends in the format ``form``; ``NO_WIDTH`` for one without width."""
    return NO_WIDTH if low == high else f"[{low:{form}}, {high:{form}}]"


def _number(row: Mapping[str, Any], sign: str = "", digits: int = 2) -> str:
    return f"{row['value']:{sign}.{digits}f} {bracketed(row['low'], row['high'], f'.{digits}f')}"


def _rounds(row: Mapping[str, Any]) -> str:
    """The median of rounds, with the lowest and the highest of them."""
    digits = ".0f" if row["median"] >= 10 else ".1f" if row["median"] >= 1 else ".2f"
    return f"{row['median']:{digits}} ({row['low']:{digits}}–{row['high']:{digits}})"


def _more(row: Mapping[str, Any], digits: int = 0) -> str:
    value, low, high = (100 * row[name] for name in ("more", "low", "high"))
    return f"{value:+.{digits}f} % [{low:.{digits}f}, {high:.{digits}f}]"


# Form -> the text of what a key gives: of a row with value, low and high, or of one value.
FORMS: dict[str, Callable[[Any], str]] = {
    "share": _share,
    "proportion": _proportion,
    "proportion, one decimal": lambda row: _proportion(row, 1),
    "number": _number,
    "number, one decimal": lambda row: _number(row, digits=1),
    "three decimals": lambda row: _number(row, digits=3),
    "difference": lambda row: f"{row['difference']:+.3f} [{row['low']:.3f}, {row['high']:.3f}]",
    "difference, two decimals": lambda row: f"{row['difference']:+.2f} [{row['low']:.2f}, {row['high']:.2f}]",
    "difference, one decimal": lambda row: f"{row['difference']:+.1f} [{row['low']:.1f}, {row['high']:.1f}]",
    "points": lambda row: f"{100 * row['difference']:+.1f} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]",
    "an hour": lambda row: f"{row['per hour']:.1f} [{row['low']:.1f}, {row['high']:.1f}]",
    "more": _more,
    "more, one decimal": lambda row: _more(row, 1),
    "rounds": _rounds,
    "rounds, two decimals": lambda row: "{median:.2f} ({low:.2f}–{high:.2f})".format(**row),
    "remains": lambda row: f"{row['remains']:.2f} [{row['remains_low']:.2f}, {row['remains_high']:.2f}]",
    "cosine lost": lambda row: (
        f"{row['cosine_lost']:.2f} [{row['cosine_lost_low']:.2f}, {row['cosine_lost_high']:.2f}]"
    ),
    "margin": lambda row: f"{row['margin']:.2f} [{row['low']:.2f}, {row['high']:.2f}]",
    "moved": lambda row: f"{row['moved']:.2f} [{row['low']:.2f}, {row['high']:.2f}]",
    "mean": lambda row: f"{row['mean']:+.3f} [{row['low']:.3f}, {row['high']:.3f}]",
    "gain": lambda row: _number(row, "+"),
    "percent": _percent,
    "percent, two digits": lambda value: _percent(value, ".2g"),
    "no decimal": "{:.0f}".format,
    "one decimal": "{:.1f}".format,
    "two decimals": "{:.2f}".format,
    "plain three decimals": "{:.3f}".format,
    "signed": "{:+.3f}".format,
    "thousands": "{:,}".format,
    "scientific": "{:.1e}".format,
    "millions": lambda count: f"{count / 1e6:.3g}",
    "minutes": lambda seconds: f"{seconds / 60:.1f}",
    "count": lambda rows: str(len(rows)),
    "text": str,
}
SIDES = (ABOVE, BELOW, EITHER) = ("above", "below", "either")
RANGES = {
    "rounds",
    "rounds, two decimals",
}  # forms with the lowest and the highest of the rounds as low and high: no interval


@dataclass(frozen=True)
class Claim:
    """A claim: its sentence, the pages with it, the result that it states, and the verdict."""

    claim: str
    verdict: str  # one of ``VERDICTS``
    phrases: dict[str, tuple[str, ...]]  # page -> phrases on it
    result: str = ""  # NAME of benchmarks/results/NAME.json
    table: str = ""  # or a table of the run, made with the book: the page shows n and interval
    key: tuple[Any, ...] = ()  # of the row in the result
    earlier: tuple[tuple[Any, ...], ...] = ()  # keys of the same value in earlier versions of the result
    form: str = "number"  # of that row in the table of claims
    n: Any = None  # key of n where the row has none
    # What the interval is compared with: a value, the name of a column of the row, or the key of another row and then
    # its interval. The claim is shown where the interval is wholly on ``side`` of it.
    against: Any = None
    side: str = ""  # of the interval that the claim states, one of ``SIDES``, where there is ``against``
    values: dict[str, dict[str, Any]] = field(default_factory=dict)  # placeholder -> {key, form, result}


def load_claims(path: Path) -> list[Claim]:
    """Read ``claims.toml``. ClaimError names what is wrong with which claim."""
    found = []
    for number, row in enumerate(tomllib.loads(path.read_text(encoding="utf-8"))["claim"], 1):
        phrases: dict[str, tuple[str, ...]] = {}
        for text in row.pop("text"):
            for page in text["pages"]:
                phrases[page] = (*phrases.get(page, ()), *text["phrases"])
        try:
            claim = Claim(phrases=phrases, **row)
        except TypeError as error:
            raise ClaimError(f"{path}, claim {number}: {error}") from None
        if claim.verdict not in VERDICTS:
            raise ClaimError(f"{path}, claim {number}: no verdict {claim.verdict!r}; known: {', '.join(VERDICTS)}")
        if bool(claim.result) == bool(claim.table):
            raise ClaimError(f"{path}, claim {number}: give result or table, one of them")
        found.append(claim)
    return found


def at(tree: Any, key: Iterable[Any]) -> Any:
    """Value at a key path: a name selects from an object, a number from a list, a mapping the row with these values.

    ClaimError where there is no such value, or several rows.
    """
    for step in key:
        if isinstance(step, dict):
            rows = [row for row in tree if all(row.get(name) == value for name, value in step.items())]
            if len(rows) != 1:
                raise ClaimError(f"{len(rows)} rows have {step}")
            tree = rows[0]
        else:
            try:
                tree = tree[step]
            except (KeyError, IndexError, TypeError):
                raise ClaimError(f"no key {step!r} on the path {list(key)}") from None
    return tree


@dataclass(frozen=True)
class SavedResults:
    """The saved results of the benchmarks, below ``folder``."""

    folder: Path

    def load(self, name: str) -> Any:
        """A result by the benchmark's name. ClaimError where there is none."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            raise ClaimError(f"{path} is missing")
        return json.loads(path.read_text(encoding="utf-8"))

    def row(self, claim: Claim) -> Any:
        """What the claim's key finds in its result."""
        return at(self.load(claim.result), claim.key)

    def value(self, claim: Claim, name: str) -> str:
        """The text of a placeholder of the claim's phrases."""
        if name not in claim.values:
            raise ClaimError(f"{claim.claim}: no value <{name}>")
        spec = claim.values[name]
        found = at(self.load(spec.get("result", claim.result)), spec.get("key", claim.key))
        if "names" in spec:
            listed = [name for row, name in _named(found, spec) if (row["low"] <= 0 <= row["high"]) == spec["zero"]]
            return ", ".join(listed)
        return FORMS[spec.get("form", claim.form)](found)

    def filled(self, claim: Claim, phrase: str) -> str:
        """A phrase with the numbers of the result."""
        return PLACEHOLDER.sub(lambda found: self.value(claim, found[1]), phrase)


def _named(rows: list[dict], spec: dict[str, Any]) -> Iterator[tuple[dict, str]]:
    """The rows with ``where``, in the order of ``names`` (statistic -> its name in prose)."""
    for statistic, label in spec["names"].items():
        yield at(rows, [spec["where"] | {"statistic": statistic}]), label


def is_shown(claim: Claim, results: SavedResults) -> bool:
    """Whether the interval of the claim's row is on the claim's side of what it is compared with (``Claim.against``).

    ClaimError where the claim does not name its side.
    """
    if claim.side not in SIDES:
        raise ClaimError(f"{claim.claim}: give side, {' or '.join(SIDES)}")
    row = results.row(claim)
    low = high = claim.against
    if isinstance(claim.against, str):
        low = high = row[claim.against]
    elif isinstance(claim.against, list):
        other = at(results.load(claim.result), claim.against)
        low, high = (other["low"], other["high"]) if isinstance(other, dict) else (other, other)
    above, below = row["low"] > high, row["high"] < low
    return {ABOVE: above, BELOW: below, EITHER: above or below}[claim.side]


def claims_table(claims: list[Claim], results: SavedResults) -> str:
    """The table as the book shows it, in Markdown."""
    return "\n".join([*HEAD, *(LINE.format(**_cells(claim, results)) for claim in claims)]) + "\n"


def _cells(claim: Claim, results: SavedResults) -> dict[str, str]:
    about = {
        "where": ", ".join(map(_linked, claim.phrases)),
        "claim": claim.claim,
        "verdict": claim.verdict,
    }
    if claim.table:
        made = f"run's table `{claim.table}`"
        return about | {"source": made, "n": "on the page", "interval": "on the page"}
    row = results.row(claim)
    has_interval = isinstance(row, dict) and "low" in row
    n = at(results.load(claim.result), claim.n) if claim.n else row.get("n", NONE) if isinstance(row, dict) else NONE
    spread = " (lowest and highest)" if claim.form in RANGES else ""
    interval = FORMS[claim.form](row) + (spread if has_interval else " (no interval saved)")
    return about | {"source": f"`{claim.result}.json`: {_said(claim.key)}", "n": str(n), "interval": interval}


def _said(key: tuple[Any, ...]) -> str:
    """A key as the table shows it."""
    return ", ".join(" · ".join(map(str, step.values())) if isinstance(step, dict) else str(step) for step in key)


def _linked(page: str) -> str:
    """The page with its address from the folder of the table's page; README is no page of the book."""
    folder, _, name = page.rpartition("/")
    if not folder:
        return page
    return f"[{Path(page).stem.replace('_', ' ')}]({name if folder == 'book' else f'../{page}'})"


def main() -> None:
    """Write the table into ``book/claims.md``, between the mark and the end of the page."""
    from thesis_lib.runs.folder import project_root

    root = project_root()
    page = root / "book" / "claims.md"
    head = page.read_text(encoding="utf-8").split(HEAD[0])[0]
    claims = load_claims(root / "book" / "claims.toml")
    page.write_text(head + claims_table(claims, SavedResults(root / "benchmarks" / "results")), encoding="utf-8")


if __name__ == "__main__":
    main()
