"""Every sentence that states a result has a row in book/claims.toml, and the row is that of the saved result."""

import json
import re
from dataclasses import replace

import pytest
from claim_sentences import CLAIMS, RESULTS, ROOT, phrases, text_of
from scipy.stats import binomtest

from benchmarks.human import compared_speakers
from thesis_lib import reporting
from thesis_lib.reporting.claims import (
    FORMS,
    IN_PART,
    NOT_SHOWN,
    PLACEHOLDER,
    SHOWN,
    SIDES,
    Claim,
    ClaimError,
    SavedResults,
    at,
    claims_table,
    is_shown,
    load_claims,
)


def sections(page: str) -> list[str]:
    """The headings of a page's sections."""
    return re.findall(r"^## .+$", (ROOT / page).read_text(encoding="utf-8"), re.M)


# Sections in which every number is a result: page -> heading of the section, or the start of the paragraph.
NUMBERED = {
    "README.md": ["| measure |", "## What it found"],
    "book/index.md": ["## Abstract", "| measure |"],
    "book/results.md": sections("book/results.md"),
    "paper/paper.md": ["## Results by claims"],
    "book/limitations.md": sections("book/limitations.md"),
    "book/introduction.md": sections("book/introduction.md"),
}
# A share, an interval, a decimal or signed number, n.
NUMBER = re.compile(r"\d+(?:\.\d+)? %|\[-?\d[\d.]*, -?\d[\d.]*\]|[+-]?\d+\.\d+|n = \d+")
SETTINGS = {"5 %", "1 %"}  # thresholds that name a measure
WITHOUT_NUMBERS = {
    ("book/limitations.md", "## Data"),
    *(("book/introduction.md", s) for s in sections("book/introduction.md")),
}
# Settings of a test, page by page: no results.
SETTING_PHRASES = {
    "book/limitations.md": [
        "`--guidance` 1.5 and 2 were tried",
        "turns of 0.9 to 8.0 s that are cut by the level of the sound alone",
        "leaves out pauses of 0.3 s",
        "keeps pauses up to 0.8 s and 0.1 s beside each segment",
    ]
}


@pytest.mark.parametrize("page", sorted({page for claim in CLAIMS for page in claim.phrases}))
def test_each_phrase_stands_on_its_page_with_the_saved_numbers(page):
    text = text_of(page)
    missing = [phrase for where, phrase in phrases() if where == page and phrase not in text]
    assert missing == []


@pytest.mark.parametrize(
    "claim", [claim for claim in CLAIMS if claim.against is not None], ids=lambda claim: claim.claim
)
def test_the_verdict_is_that_of_the_interval(claim):
    assert claim.verdict in ((SHOWN, IN_PART) if is_shown(claim, RESULTS) else (NOT_SHOWN,))


def test_a_verdict_of_an_effect_is_of_a_comparison():
    claims = [claim for claim in CLAIMS if claim.verdict in (SHOWN, IN_PART) and claim.against is None]
    assert claims == [], "shown: in comparison with what?"


def test_every_value_of_a_claim_is_in_a_phrase():
    for claim in CLAIMS:
        used = {name for ps in claim.phrases.values() for p in ps for name in PLACEHOLDER.findall(p)}
        assert used == set(claim.values), claim.claim


def test_no_page_shows_a_placeholder():
    names = {name for claim in CLAIMS for name in claim.values}
    pages = ["README.md", *(str(x.relative_to(ROOT)) for x in (ROOT / "book").glob("*.md"))]
    pages += [str(x.relative_to(ROOT)) for x in (ROOT / "notebooks").glob("*.ipynb")]
    found = {page: left for page in pages if (left := names & set(PLACEHOLDER.findall(text_of(page))))}
    assert found == {}


def test_the_book_shows_the_table():
    """On failure: python -m thesis_lib.reporting.claims."""
    assert (ROOT / "book" / "claims.md").read_text(encoding="utf-8").endswith(claims_table(CLAIMS, RESULTS))
    assert "file: book/claims\n" in (ROOT / "_toc.yml").read_text()


def test_a_table_of_the_run_is_one_that_the_library_makes():
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "thesis_lib").rglob("*.py"))
    for claim in CLAIMS:
        if claim.table:
            stem = claim.table.removesuffix("_summary").removesuffix("_agreement")
            assert f'"{claim.table}"' in code or f'"{stem}"' in code, claim.table


@pytest.mark.parametrize(("page", "start"), [(page, start) for page, starts in NUMBERED.items() for start in starts])
def test_every_number_of_the_findings_belongs_to_a_claim(page, start):
    text = text_of(page) + "\n\n## end"
    begin = text.index(start)
    end = text.find("\n## " if start.startswith("##") else "\n\n", begin + 1)
    covered = [False] * len(text)
    settings = SETTING_PHRASES.get(page, [])
    assert [phrase for phrase in settings if phrase not in text] == []
    for phrase in [*settings, *(phrase for where, phrase in phrases() if where == page)]:
        for found in re.finditer(re.escape(phrase), text):
            covered[slice(*found.span())] = [True] * len(phrase)
    numbers = [found for found in NUMBER.finditer(text, begin, end) if found[0] not in SETTINGS]
    assert bool(numbers) == ((page, start) not in WITHOUT_NUMBERS)
    loose = [text[max(0, found.start() - 60) : found.end() + 20] for found in numbers if not covered[found.start()]]
    assert loose == [], "sentences with a number and no claim"


@pytest.mark.parametrize(
    ("count", "of", "all_of"), [("noted", "overlaps", "real"), ("refused", "one speaker too many", "asked")]
)
def test_an_interval_that_is_not_saved_is_the_exact_one_of_its_counts(count, of, all_of):
    found = RESULTS.load("diarisation")[of]
    low, high = binomtest(found[count], found[all_of]).proportion_ci(0.95, "exact")
    said = f"{100 * found[count] / found[all_of]:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"
    assert said in text_of("book/limitations.md")


def test_the_numbers_of_introduction_and_paper_are_in_their_results():
    paper = text_of("paper/paper.md")
    head, results = paper.split("## Results by claims")
    limits = results[results.index("## Limits") :]
    assert NUMBER.findall(text_of("book/introduction.md") + head + limits) == []


def test_the_speed_is_the_median_of_all_sentences_but_the_first():
    """benchmarks/clone_speed.py does not time the first, which fills caches."""
    for page in ("README.md", "book/index.md"):
        ((timed, made),) = re.findall(r"median of (\d+) sentences; the first of (\d+) is not timed", text_of(page))
        assert int(timed) == int(made) - 1


def test_a_new_number_without_a_claim_would_be_found():
    assert [found[0] for found in NUMBER.finditer("It is 7 % [1, 9], +0.2 or 3.5 (n = 4) among 107 voices.")] == [
        "7 %",
        "[1, 9]",
        "+0.2",
        "3.5",
        "n = 4",
    ]


def test_no_reported_target_was_used_to_compare_recipes():
    saved = reporting.benchmark("speakers")
    assert len(saved["target names"]) == saved["targets"] == 24
    assert not compared_speakers() & set(saved["target names"])
    assert saved["targets that a choice between systems may have used"] == 0
    assert saved["enrolment"] == "other half of one recording", "the prose says: same session"


def test_every_encoder_of_the_main_table_may_be_a_headline():
    """One that noise along ECAPA's gradient moves by more than 0.1 may not (`python -m benchmarks artefacts`)."""
    allowed = reporting.benchmark("artefacts")["may be a headline"]
    encoders = set()
    for claim in CLAIMS:
        rows = [x for page in ("README.md", "book/index.md") for x in claim.phrases.get(page, ()) if x.startswith("| ")]
        encoders |= {part["encoder"] for part in claim.key if isinstance(part, dict) and "encoder" in part and rows}
    assert encoders == set(allowed)


def test_the_share_of_lines_that_the_readme_names_is_the_one_that_gates():
    (least,) = re.findall(r"--cov-fail-under=(\d+)", (ROOT / "Makefile").read_text())
    assert f"run at least {least} % of the package's lines" in text_of("README.md")


def test_no_sentence_claims_the_same_voice():
    """The titles and the goal name it; a sentence about an output does not."""
    for page in ("README.md", "book/index.md", "book/introduction.md", "book/results.md", "book/limitations.md"):
        for line in text_of(page).splitlines():
            if "same voice" in line.lower() and not line.startswith(("#", "  title ")):
                assert "goal" in line or "pairs in which both sides have the same voice" in line, line


@pytest.fixture
def planted(tmp_path):
    """A result with two rows, and a claim on one of them."""
    rows = [{"system": "a", "value": 0.2, "low": 0.1, "high": 0.3, "n": 8, "chance": 0.05}, {"system": "b", "value": 1}]
    (tmp_path / "x.json").write_text(json.dumps({"rows": rows, "total": 9}))
    return SavedResults(tmp_path), {"claim": "c", "verdict": SHOWN, "phrases": {}, "result": "x"}


def test_a_phrase_is_filled_from_the_result(planted):
    results, about = planted
    values = {"share": {"form": "share"}, "chance": {"key": ["rows", 0, "chance"], "form": "percent, two digits"}}
    claim = Claim(**about, key=("rows", {"system": "a"}), values=values)
    assert results.filled(claim, "in <share> (chance <chance>)") == "in 20 % [10, 30] (chance 5 %)"
    with pytest.raises(ClaimError, match="no value <other>"):
        results.filled(claim, "<other>")


@pytest.mark.parametrize(
    ("form", "says"), [("rounds, two decimals", "2.00 (1.00–3.00) (lowest and highest)"), ("percent", "9 %")]
)
def test_the_form_says_what_the_brackets_are(tmp_path, form, says):
    """Of a ratio, the lowest and the highest round; every other row with brackets has an interval."""
    row = {"median": 2.0, "value": 0.5, "low": 1.0, "high": 3.0}
    (tmp_path / "x.json").write_text(json.dumps({"row": row, "share": 0.09}))
    key = ("row",) if form.startswith("rounds") else ("share",)
    claim = Claim(claim="c", verdict=SHOWN, phrases={}, result="x", key=key, form=form)
    other = Claim(claim="c", verdict=SHOWN, phrases={}, result="x", key=("row",))
    table = claims_table([claim, other], SavedResults(tmp_path))
    assert says in table.splitlines()[2]
    assert "(lowest and highest)" not in table.splitlines()[3]


def test_the_share_that_remains_has_its_own_interval():
    """The interval ``low`` to ``high`` of the same row is that of the difference to natural recordings."""
    row = {"remains": 1.0401, "remains_low": 0.612, "remains_high": 1.348, "low": -0.3, "high": 0.3}
    assert FORMS["remains"](row) == "1.04 [0.61, 1.35]"


@pytest.mark.parametrize(
    ("against", "shown"),
    [
        (0.05, {"above", "either"}),
        (0.1, set()),
        (0.2, set()),
        (0.4, {"below", "either"}),
        ("chance", {"above", "either"}),
        (["rows", {"system": "a"}], set()),
    ],
)
def test_an_interval_shows_what_is_on_its_side_alone(planted, against, shown):
    results, about = planted
    claim = Claim(**about, key=("rows", {"system": "a"}), against=against)
    assert {side for side in SIDES if is_shown(replace(claim, side=side), results)} == shown
    with pytest.raises(ClaimError, match="give side, above or below or either"):
        is_shown(claim, results)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (["rows", {"system": "c"}], "0 rows have"),
        (["rows", {}], "2 rows have"),
        (["rows", 2], "no key 2"),
        (["sum"], "no key 'sum'"),
    ],
)
def test_a_key_that_finds_nothing_or_several_rows_is_refused(planted, key, says):
    with pytest.raises(ClaimError, match=says):
        at(planted[0].load("x"), key)


@pytest.mark.parametrize(
    ("form", "found", "says"),
    [
        ("thousands", 106060, "106,060"),
        ("no decimal", 48.47, "48"),
        ("plain three decimals", 0.2404, "0.240"),
        ("three decimals", {"value": 0.9976, "low": 0.992, "high": 1.0}, "0.998 [0.992, 1.000]"),
        ("scientific", 1.19e-7, "1.2e-07"),
        ("rounds", {"median": 121.6, "low": 85.4, "high": 130.7}, "122 (85–131)"),
        ("rounds", {"median": 1.7575, "low": 1.5486, "high": 2.1801}, "1.8 (1.5–2.2)"),
        ("rounds", {"median": 0.9156, "low": 0.8798, "high": 0.9528}, "0.92 (0.88–0.95)"),
        ("number, one decimal", {"value": -10.796, "low": -14.252, "high": -7.602}, "-10.8 [-14.3, -7.6]"),
        ("difference, two decimals", {"difference": -1.3264, "low": -1.5546, "high": -1.1011}, "-1.33 [-1.55, -1.10]"),
        ("more, one decimal", {"more": 0.0121, "low": 0.008, "high": 0.0163}, "+1.2 % [0.8, 1.6]"),
        ("points", {"difference": 0.0316, "low": -0.0078, "high": 0.1067}, "+3.2 [-0.8, 10.7]"),
        ("an hour", {"per hour": 8.5318, "low": 0.216, "high": 45.4189}, "8.5 [0.2, 45.4]"),
        ("millions", 1_858_850, "1.86"),
        ("rounds, two decimals", {"median": 2.5212, "low": 1.9012, "high": 2.6168}, "2.52 (1.90–2.62)"),
    ],
)
def test_a_form_has_its_digits(form, found, says):
    assert FORMS[form](found) == says


def test_a_missing_result_is_named(planted):
    with pytest.raises(ClaimError, match=r"y\.json is missing"):
        planted[0].load("y")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ('claim = "c"\nverdict = "proven"\nresult = "x"', "no verdict 'proven'"),
        ('claim = "c"\nverdict = "shown"', "give result or table"),
        ('claim = "c"\nverdict = "shown"\nresult = "x"\ntable = "y"', "give result or table"),
        ('claim = "c"\nverdict = "shown"\nresults = "x"', "results"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path, row, says):
    text = f'[[claim]]\n{row}\n[[claim.text]]\npages = ["p"]\nphrases = ["q"]\n'
    (tmp_path / "claims.toml").write_text(text)
    with pytest.raises(ClaimError, match=f"claim 1: .*{says}"):
        load_claims(tmp_path / "claims.toml")
