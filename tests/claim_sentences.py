"""The claims, the saved results, and the sentences of the pages, for the tests of the claims."""

import functools
import json
import re
from pathlib import Path

from thesis_lib.reporting.claims import SavedResults, load_claims

ROOT = Path(__file__).parents[1]
RESULTS = SavedResults(ROOT / "benchmarks" / "results")
CLAIMS = load_claims(ROOT / "book" / "claims.toml")


def text_of(page: str) -> str:
    """A page's prose: of a notebook, that of its markdown cells and of the cells that show sentences."""
    text = (ROOT / page).read_text(encoding="utf-8")
    if not page.endswith(".ipynb"):
        return text
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(text)["cells"]]
    return "\n\n".join(source for kind, source in cells if kind == "markdown" or "reporting.say(" in source)


@functools.cache
def phrases() -> tuple[tuple[str, str], ...]:
    """(page, phrase with its numbers) of every claim."""
    return tuple(
        (page, RESULTS.filled(c, p) if c.result else p) for c in CLAIMS for page, ps in c.phrases.items() for p in ps
    )


def unclaimed(text: str, stated: list[str]) -> list[str]:
    """The sentences of a text that no stated phrase overlaps, line by line."""
    found = []
    for line in text.strip().splitlines():
        spans = [(line.index(phrase), line.index(phrase) + len(phrase)) for phrase in stated if phrase in line]
        for sentence in re.finditer(r"\S.*?(?:\.(?:\*\*)?(?= [^a-z]|$)|$)", line):
            if not any(low < sentence.end() and sentence.start() < high for low, high in spans):
                found.append(sentence[0])
    return found
