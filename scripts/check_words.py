"""Check prose for retired words: `python scripts/check_words.py [FILE ...]` prints each with the term to use instead.

Prose is the book's pages, the README and its companions, the notebooks' markdown cells, the texts beside the library's
data, and the docstrings, comments, error messages and help texts of the library, benchmarks, scripts and notebooks,
with the sentences that a notebook's cell shows (`reporting.say`). Code spans, code blocks, addresses and citations are
skipped.
Exit status 1 if a word was found.
"""

import ast
import io
import json
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "book/*.md", "paper/*.md", "thesis_lib/data/**/*.md")
NOTEBOOKS = "notebooks/*.ipynb"
MODULES = ("thesis_lib/**/*.py", "benchmarks/*.py", "scripts/*.py")

MACHINE = (
    r"(?:vocoder|generator|discriminator|network|encoder|decoder|recogniser|translator|synthesizer|model|pipeline|"
    r"student|loss|metric|Whisper|ECAPA|Kokoro|it|which|that)s?"
)
# Pattern -> what to say instead. A space matches any white space; case does not count.
RETIRED = {
    r"manners?": "speaking style",
    r"second embeddings?": "emotion embedding",
    r"(?<!to\s)(?<!listeners\s)(?<!raters\s)judges?": "evaluation encoder, held-out speaker encoder",
    r"lent|lends?|lending": "sampled target speaker, speaker sampling",
    r"at first hearing": "zero-shot",
    r"voices? of one's own": "speaker adaptation",
    r"from (?:the )?floor to (?:the )?ceiling": "normalised similarity",
    r"\d ?% closer|closer rates?": "target-preference rate",
    r"nobody(?:'s)?": "mean speaker, unconditional",
    rf"{MACHINE} (?:(?:does|do|did) not |really |still |only )?(?:listens?|listened)": "uses the speaker embedding",
    r"\*listening\*": "conditioning sensitivity",
    rf"hears|{MACHINE} (?:(?:does|do|did) not |cannot |can |really |still |only )?hear": (
        "recognises, transcribes; has a receptive field of"
    ),
    rf"{MACHINE} (?:has |have |had )?(?:not |never )?heard|been heard|words (?:was |were )?heard": (
        "recognised, transcribed, seen in training"
    ),
    r"taught": "distilled",
    r"package's own": "released (weights), bundled (corpus)",
    r"worth": "ablation, contribution of",
    r"passages?": "synthesised segment",
    r"stand-ins?": "substitute encoder",
    r"portable": "ONNX vocoder, exported",
    r"swapped-in": "target speaker, target voice",
    r"whose": "with …, of which …",
    r"reach before": "left context",
    r"inert": "safe (checkpoint reader)",
    r"finishing": "loudness normalisation",
    r"(?:its|the generator's|the vocoder's|frames of) reach": "receptive field, left and right context",
    r"(?:pitch|F0)(?:'s)? (?:level|spread)s?|(?:level|spread) of (?:the )?(?:pitch|F0)": (
        "log-F0 median, log-F0 standard deviation"
    ),
    r"(?:train|training|dev|validation|test|held-out) parts?": "split",
    r"well-known (?:toolkits?|librar(?:y|ies)|systems?)": "its name, with a citation",
    r"54 voices of (?:one|a) text-to-speech model": "the number of voices in the bundled corpus, from its table",
    r"(?:int8|float16|ONNX|compressed) forms?|forms? of (?:the|a) vocoders?": "model variant, export format",
}
SPACE = r"(?:[^\S\n]+|[^\S\n]*\n[^\S\n]*)"  # at most one line break
PATTERNS = {
    re.compile(r"(?<![\w-])(?:" + pattern.replace(" ", SPACE) + r")(?![\w-])", re.IGNORECASE): say
    for pattern, say in RETIRED.items()
}

CODE_BLOCK = re.compile(
    r"^([ >]*)(```+|~~~+)(?!\{(?:note|tip|warning|admonition|figure|glossary)).*?^\1\2[ \t]*$", re.M | re.S
)
SKIPPED = (
    re.compile(r"<!--.*?-->", re.S),
    re.compile(r"\$\$.*?\$\$", re.S),
    re.compile(r"(?<!`)(`{1,2})(?!`)(?:(?!\n\s*\n).)+?(?<!`)\1(?!`)", re.S),  # code spans; {cite}`key`
    re.compile(r"(?<=\])\([^)\n]*\)"),  # addresses of links
    re.compile(r"https?://\S+"),
    re.compile(r"</?[a-zA-Z][^>\n]*>"),
)


def blank(text: str) -> str:
    """Replace every character but line breaks by a space."""
    return re.sub(r"[^\n]", " ", text)


def prose_of_markdown(text: str) -> str:
    """Return the text with code, addresses and citations replaced by spaces."""
    for pattern in (CODE_BLOCK, *SKIPPED):
        text = pattern.sub(lambda match: blank(match[0]), text)
    return text


def newest_section(text: str) -> str:
    """Return a changelog with all sections but the first replaced by spaces; released sections are not rewritten."""
    headings = [match.start() for match in re.finditer(r"^## ", text, re.M)]
    return text[: headings[1]] + blank(text[headings[1] :]) if len(headings) > 1 else text


def prose_of_python(text: str) -> str:
    """Return the docstrings, comments, error messages and help texts; everything else is replaced by spaces."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    spans = list(_prose_lines(ast.parse(text)))
    kept = list(blank(text))
    strings = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        is_string = token.type in strings and any(a <= token.start[0] <= b for a, b in spans)
        if token.type == tokenize.COMMENT or is_string:
            words = re.sub(r"\{[^{}\n]*\}", lambda match: blank(match[0]), token.string)
            words = re.sub(r"^#|^[a-zA-Z]*(?:\"\"\"|\"|')|(?:\"\"\"|\"|')$", lambda match: blank(match[0]), words)
            start = starts[token.start[0] - 1] + token.start[1]
            kept[start : start + len(words)] = words
    return prose_of_markdown("".join(kept))


def _prose_lines(tree: ast.AST) -> Iterator[tuple[int, int]]:
    """First and last line of each docstring, raised error, help text and sentence that a notebook's cell shows."""
    for node in ast.walk(tree):
        found: ast.AST | None = None
        if isinstance(node, ast.Raise) or isinstance(node, ast.Call) and ast.unparse(node.func) == "reporting.say":
            found = node
        elif isinstance(node, ast.keyword) and node.arg == "help":
            found = node.value
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found = node
        if found is not None:
            yield found.lineno, found.end_lineno


def found_in(prose: str) -> list[tuple[int, str, str]]:
    """Return (line, word, what to say instead) of every retired word, in order."""
    found = [
        (prose.count("\n", 0, match.start()) + 1, " ".join(match[0].split()), say)
        for pattern, say in PATTERNS.items()
        for match in pattern.finditer(prose)
    ]
    return sorted(found)


def found_in_notebook(text: str) -> list[tuple[int, str, str]]:
    """Return the retired words of the markdown cells and of the code cells' prose, with their lines."""
    found, place = [], 0
    for cell in json.loads(text)["cells"]:
        lines = []  # of the file, one of each line of the cell
        for line in cell["source"]:
            at = text.find(json.dumps(line, ensure_ascii=False), place)
            place = at if at >= 0 else place
            lines.append(text.count("\n", 0, place) + 1)
        prose = prose_of_markdown if cell["cell_type"] == "markdown" else prose_of_python
        words = found_in(prose("".join(cell["source"])))
        found += [(lines[number - 1], word, say) for number, word, say in words]
    return found


def check(path: Path) -> list[str]:
    """Return "file:line: word -> what to say instead" for every retired word of a file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        found = found_in_notebook(text)
    elif path.suffix == ".py":
        found = found_in(prose_of_python(text))
    else:
        found = found_in(prose_of_markdown(newest_section(text) if path.name == "CHANGELOG.md" else text))
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    return [f"{name}:{line}: {word} -> {say}" for line, word, say in found]


def files() -> Iterator[Path]:
    """Yield every file that is checked."""
    for pattern in (*PAGES, NOTEBOOKS, *MODULES):
        yield from sorted(ROOT.glob(pattern))


def main(names: Iterable[str]) -> int:
    """Check the named files, or all; return the exit status."""
    paths = [Path(name).resolve() for name in names] or list(files())
    found = [line for path in paths for line in check(path)]
    print("\n".join(found) or f"{len(paths)} files without retired words")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
