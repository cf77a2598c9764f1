"""The claims for which an earlier saved result gives the other verdict, from the history of the repository.

Each version of ``benchmarks/results/NAME.json`` in the history of git is read with the key of each of today's claims.
``book/verdict_history.md`` shows the versions in which the interval is on the side that the claim states and today's is
not, or the other way round.
"""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from thesis_lib.reporting.claims import DESCRIBED, FORMS, Claim, ClaimError, SavedResults, is_shown, load_claims

HEAD = ("| claim | result | today | earlier results with the other verdict |", "|---|---|---|---|")
RESULTS = Path("benchmarks") / "results"
UNREADABLE = (ClaimError, KeyError, TypeError, AttributeError)  # a version with other names


@dataclass(frozen=True)
class Version(SavedResults):
    """One version of a saved result in the history: the day of its commit, and what the file had."""

    day: str
    result: dict

    def load(self, name: str) -> Any:
        """What the file had; it is of the one benchmark that the version was read for."""
        return self.result


class Changed(NamedTuple):
    """A claim, today's value with its interval, and those of the earlier results with the other verdict."""

    claim: Claim
    today: str
    earlier: list[str]


def versions(root: Path, name: str) -> Iterator[Version]:
    """The versions of a result that git has, the oldest first; a version that repeats the one before it is left out.

    A version that is no JSON object is left out too.
    """
    path, last = (RESULTS / f"{name}.json").as_posix(), ""
    for line in _git(root, "log", "--reverse", "--format=%h %ad", "--date=short", "--", path).splitlines():
        commit, day = line.split()
        try:
            text = _git(root, "show", f"{commit}:{path}")
            result = json.loads(text)
        except (subprocess.CalledProcessError, json.JSONDecodeError):  # it was removed, or is a pointer
            continue
        if text != last and isinstance(result, dict):
            yield Version(root / RESULTS, day, result)
        last = text


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return done.stdout.decode("utf-8")


def changed_verdicts(root: Path, claims: Sequence[Claim]) -> list[Changed]:
    """The claims with a verdict that another version of their result would change, in the order of ``claims``.

    Of claims with the same value and comparison the first. A version in which neither the claim's key nor one of its
    earlier ones finds a value is left out. CalledProcessError without git or its history.
    """
    by_value = {
        json.dumps([claim.result, claim.key, claim.against, claim.side]): claim
        for claim in reversed(claims)
        if claim.result and claim.verdict != DESCRIBED
    }
    tested = list(reversed(by_value.values()))
    today, found = SavedResults(root / RESULTS), []
    known = {name: list(versions(root, name)) for name in dict.fromkeys(claim.result for claim in tested)}
    for claim in tested:
        shown, earlier = is_shown(claim, today), dict[str, str]()  # value -> first day
        for version in known[claim.result]:
            read = _verdict(claim, version)
            if read and read[0] != shown:
                earlier.setdefault(read[1], version.day)
        if earlier:
            found.append(Changed(claim, _said(claim, today), [f"{day}: {said}" for said, day in earlier.items()]))
    return found


def _verdict(claim: Claim, version: Version) -> tuple[bool, str] | None:
    """Whether the version shows the claim, and its value, by the first of the claim's keys that finds one."""
    for key in (claim.key, *claim.earlier):
        read = replace(claim, key=key)
        with suppress(*UNREADABLE):
            return is_shown(read, version), _said(read, version)
    return None


def _said(claim: Claim, results: SavedResults) -> str:
    return FORMS[claim.form](results.row(claim))


def history_table(found: Sequence[Changed]) -> str:
    """The table as the book shows it, in Markdown."""
    lines = []
    for claim, today, earlier in found:
        cells = (claim.claim, f"`{claim.result}.json`", f"{claim.verdict}: {today}", "; ".join(earlier))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*HEAD, *lines]) + "\n"


def _main() -> None:
    """Write the table into ``book/verdict_history.md``, between its head and the end of the page."""
    from thesis_lib.runs.folder import project_root

    root = project_root()
    page = root / "book" / "verdict_history.md"
    head = page.read_text(encoding="utf-8").split(HEAD[0])[0]
    claims = load_claims(root / "book" / "claims.toml")
    page.write_text(head + history_table(changed_verdicts(root, claims)), encoding="utf-8")


if __name__ == "__main__":
    _main()
