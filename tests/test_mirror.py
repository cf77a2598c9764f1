"""A test file of a package bears the name of a module of that package."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent
MAX_LINES = 400
OF_THE_BOOK = "book"  # pages, notebooks and the built site: no package

SEVERAL_MODULES = {
    "cloning/test_no_torch.py": "the commands of the core, in a process that finds no module of an extra",
    "losses/test_gradients.py": "every loss with the training step: the mutation test runs tests/losses",
    "serving/test_page.py": "the page in a browser, on a server",
    "serving/test_speakers.py": "speakers and background on the page, against the files of the command",
    "training/test_band_limit.py": "the bandwidth of a recording in segments, losses, discriminators and validation",
    "training/test_resume.py": "a whole training that is stopped and goes on",
    "validation/test_faults.py": "one table of faulty signals for every encoder and every metric",
    "validation/test_stages.py": "every evaluation names the command of a stage that is missing",
}

FILES = sorted(path.relative_to(TESTS) for path in TESTS.glob("*/**/test_*.py"))


def source_of(folder: str) -> Path:
    """The folder of the code that is tested by a folder of tests."""
    return ROOT / folder if folder == "benchmarks" else ROOT / "thesis_lib" / folder


def names_of(package: Path) -> set[str]:
    """The names that a test file of a package may bear: of a module, of a subpackage, or of one in the other."""
    names = set()
    for path in package.rglob("*.py"):
        parts = path.relative_to(package).with_suffix("").parts
        if parts[-1] == "__init__":
            # The package itself where its __init__.py defines something, as `thesis_lib.cli` does.
            defines = any(line.startswith(("def ", "class ")) for line in path.read_text(encoding="utf-8").splitlines())
            parts = parts[:-1] or ((package.name,) if defines else ())
        if parts:
            names |= {parts[-1].strip("_"), "_".join(parts)}
    return names


def is_in_place(path: Path) -> bool:
    """Whether a test file, relative to the folder of all tests, bears the name of a module."""
    return path.stem.removeprefix("test_") in names_of(source_of(path.parts[0]))


@pytest.mark.parametrize("path", [path for path in FILES if path.parts[0] != OF_THE_BOOK], ids=str)
def test_a_test_file_bears_the_name_of_a_module(path):
    assert is_in_place(path) != (path.as_posix() in SEVERAL_MODULES), (
        f"tests/{path}: name it as the module that it tests, or list it in SEVERAL_MODULES with the reason"
    )


def test_a_name_that_no_module_has_is_found():
    assert not is_in_place(Path("training/test_training.py"))
    assert not is_in_place(Path("validation/test_step.py"))
    assert is_in_place(Path("training/test_step.py"))
    assert is_in_place(Path("validation/test_released_ablation.py"))
    assert is_in_place(Path("benchmarks/test_main.py"))


def test_the_list_names_files_that_are_there():
    assert set(SEVERAL_MODULES) <= {path.as_posix() for path in FILES}


def test_a_test_file_is_short():
    lines = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in TESTS.rglob("*.py")}
    assert {path: count for path, count in lines.items() if count > MAX_LINES} == {}
