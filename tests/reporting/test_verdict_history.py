"""The table of verdicts that changed: a small repository with a history, and the page of this one."""

import json
import subprocess

import pytest
from helpers import ROOT

from thesis_lib.reporting.claims import Claim, load_claims
from thesis_lib.reporting.verdict_history import RESULTS, changed_verdicts, history_table, versions

COLUMNS = {"result": "speakers", "key": ("rows", {"system": "ours"}), "form": "gain", "against": 0, "side": "above"}
GAIN = Claim("a gain", "shown", {}, **COLUMNS)


def git(folder, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path):
    """A result that is not shown, removed and committed again; another; the first again; one under another name, one
    that is no JSON, and today's.
    """
    git(tmp_path, "init", "-q")
    path = tmp_path / RESULTS / "speakers.json"
    path.parent.mkdir(parents=True)
    rows = [{"system": "ours", "value": 0.3, "low": low, "high": 0.6} for low in (-0.1, -0.2, 0.1)]
    texts = [json.dumps({"rows": [row], "made by": {}}) for row in (rows[0], rows[1], rows[0])]
    texts += [json.dumps({"rows": [{"name": "ours", "value": 1}]}), "no json", json.dumps({"rows": [rows[2]]})]
    for text in (texts[0], None, *texts):
        path.unlink() if text is None else path.write_text(text)
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-qm", "a result, or none")
    return tmp_path


def test_the_versions_of_a_result_are_read_from_the_oldest_on(repository):
    found = list(versions(repository, "speakers"))
    assert [version.result["rows"][0].get("low") for version in found] == [-0.1, -0.2, -0.1, None, 0.1]
    assert list(versions(repository, "emotion")) == []


def test_a_claim_has_each_earlier_value_with_the_other_verdict_once(repository):
    (found,) = changed_verdicts(repository, [GAIN, Claim("again", "shown", {}, **COLUMNS)])
    assert (found.claim.claim, found.today) == ("a gain", "+0.30 [0.10, 0.60]")
    assert [text.partition(": ")[2] for text in found.earlier] == ["+0.30 [-0.10, 0.60]", "+0.30 [-0.20, 0.60]"]
    assert "| a gain | `speakers.json` | shown: +0.30 [0.10, 0.60] |" in history_table([found])
    below = Claim("a loss", "not shown", {}, **COLUMNS | {"side": "below"})
    assert changed_verdicts(repository, [below]) == [], "no version has another verdict"
    described = Claim("a value", "described", {}, result="speakers", key=COLUMNS["key"])
    assert changed_verdicts(repository, [described]) == []


def test_a_value_is_found_by_its_earlier_key_too(repository):
    moved = COLUMNS | {"key": ("rows", {"name": "moved"})}
    assert changed_verdicts(repository, [Claim("a gain", "shown", {}, **COLUMNS, earlier=(moved["key"],))]) != []
    path = repository / RESULTS / "speakers.json"
    path.write_text(json.dumps({"rows": [{"name": "moved", "value": 0.3, "low": 0.1, "high": 0.6}]}))
    git(repository, "commit", "-qam", "another key")
    assert changed_verdicts(repository, [Claim("a gain", "shown", {}, **moved)]) == []
    (found,) = changed_verdicts(repository, [Claim("a gain", "shown", {}, **moved, earlier=(COLUMNS["key"],))])
    assert [text.partition(": ")[2] for text in found.earlier] == ["+0.30 [-0.10, 0.60]", "+0.30 [-0.20, 0.60]"]


def test_the_page_is_that_of_the_history():
    """After a new result: `python -m thesis_lib.reporting.verdict_history`."""
    try:
        if git(ROOT, "rev-parse", "--is-shallow-repository").strip() != "false":
            pytest.skip("the clone has no history")
    except (subprocess.CalledProcessError, FileNotFoundError):
        pytest.skip("no repository of git")
    table = history_table(changed_verdicts(ROOT, load_claims(ROOT / "book" / "claims.toml")))
    assert (ROOT / "book" / "verdict_history.md").read_text(encoding="utf-8").endswith(table)
    assert "file: book/verdict_history\n" in (ROOT / "_toc.yml").read_text()
