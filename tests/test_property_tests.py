"""The number of examples of the property tests, in `make test` and in `make explore`."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SLOW = {"test_pieces_of_any_size_are_the_whole": 20}  # of `make test`; the others draw 100
COLLECT = """
import sys, hypothesis, pytest

class Counts:
    def pytest_collection_finish(self, session):
        for item in session.items:
            own = getattr(item.function, "_hypothesis_internal_use_settings", hypothesis.settings.default)
            print("examples", item.originalname, own.max_examples)

sys.exit(pytest.main(["--collect-only", "-q", "-m", "hypothesis", *sys.argv[1:]], plugins=[Counts()]))
"""


@pytest.fixture(scope="module")
def files() -> list[str]:
    """The test files with a property test."""
    return sorted(str(path) for path in TESTS.rglob("test_*.py") if re.search("^@given", path.read_text(), re.M))


def examples(profile: str, files: list[str]) -> dict[str, int]:
    """Property test -> the number of examples that it draws under a profile."""
    environment = os.environ | {"HYPOTHESIS_PROFILE": profile}
    command = [sys.executable, "-c", COLLECT, *files]
    done = subprocess.run(command, env=environment, cwd=TESTS.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: int(count) for name, count in re.findall(r"^examples (\w+) (\d+)$", done.stdout, re.M)}


def test_exploring_draws_its_thousand_examples_of_every_property(files):
    found = examples("explore", files)
    assert len(found) == sum(len(re.findall("^@given", Path(path).read_text(), re.M)) for path in files)
    assert set(found.values()) == {1000}


def test_the_gate_draws_fewer_of_slow_properties(files):
    found = examples("gate", files)
    assert {name: count for name, count in found.items() if count != 100} == SLOW
