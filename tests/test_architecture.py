"""Imports run one way, and `import thesis_lib` is light."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

from thesis_lib.runs.stages import STAGES

PACKAGE = Path(__file__).parents[1] / "thesis_lib"
BENCHMARKS = PACKAGE.parent / "benchmarks"

# From the bottom to the top: a package imports from packages before it, and from itself.
ORDER = [
    "utils",
    "config",
    "audio",
    "pretrained",
    "embeddings",
    "losses",
    "vocoder",
    "cloning",
    "serving",
    "corpus",
    "runs",
    "training",
    "validation",
    "compression",
    "reporting",
    "cli",
]
# Packages that voice cloning does not need.
NOT_FOR_CLONING = {"losses", "corpus", "runs", "training", "validation", "compression", "reporting", "serving"}
MAX_FUNCTION_LINES = 45
# Public names that several modules define, outside `cli`, which names functions as its commands.
SHARED_NAMES = {
    "read": "each reader of a corpus has one, of the same signature (`corpus.readers.base.Reader.read`)",
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "thesis_lib":
                found |= {alias.name for alias in node.names}
            elif node.module.startswith("thesis_lib."):
                found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            assert not any(alias.name.startswith("thesis_lib.") for alias in node.names), path
    return found - {"__version__"}


def described(path: Path) -> str:
    """What a module's docstring says first."""
    text = ast.get_docstring(ast.parse(path.read_text()))
    return text.split("\n\n")[0].replace("\n", " ").replace("``", "`").replace("|", "\\|")


def picture() -> str:
    """The tree two levels deep, as the book shows it."""
    rows = ["| package | what it is | modules |", "|---|---|---|"]
    for name in reversed(ORDER):
        folder = PACKAGE / name
        modules = sorted(p.stem for p in folder.glob("*.py") if p.stem != "__init__")
        packages = sorted(f"{p.parent.name}/" for p in folder.glob("*/__init__.py"))
        rows.append(f"| `{name}` | {described(folder / '__init__.py')} | {', '.join(packages + modules)} |")
    return "\n".join(rows) + "\n"


def test_the_books_picture_of_the_packages_is_true():
    """On failure, the table to put there."""
    assert picture() in (PACKAGE.parent / "book" / "architecture.md").read_text(), picture()


def test_every_module_lives_in_a_package():
    assert {p.stem for p in PACKAGE.glob("*.py")} == {"__init__"}
    assert {p.parent.name for p in PACKAGE.glob("*/__init__.py")} == set(ORDER)


def test_imports_run_one_way():
    for path in PACKAGE.rglob("*.py"):
        package = path.relative_to(PACKAGE).parts[0]
        if package == "__init__.py":
            continue
        for other in imports(path) - {package}:
            assert ORDER.index(other) < ORDER.index(package), f"{path.relative_to(PACKAGE)} imports {other}"


def test_cloning_needs_no_training():
    for path in (PACKAGE / "cloning").rglob("*.py"):
        assert not imports(path) & NOT_FOR_CLONING, path


def test_no_file_is_longer_than_300_lines():
    folders = (PACKAGE, PACKAGE.parent / "benchmarks", PACKAGE.parent / "scripts")
    files = [path for folder in folders for path in folder.rglob("*.py")]
    assert {p.name for p in files if len(p.read_text().splitlines()) > 300} == set()


def test_no_function_is_longer_than_a_screen():
    """Without its signature and docstring."""
    too_long = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) and node.body[1:] else node.body
                if node.end_lineno - body[0].lineno + 1 > MAX_FUNCTION_LINES:
                    too_long.add(f"{path.relative_to(PACKAGE)}: {node.name}")
    assert too_long == set()


def test_a_public_name_has_one_meaning():
    """Of top-level classes and functions."""
    modules: dict[str, set[str]] = {}
    for path in [*PACKAGE.rglob("*.py"), *BENCHMARKS.glob("*.py")]:
        if path.is_relative_to(PACKAGE / "cli"):
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
                modules.setdefault(node.name, set()).add(path.relative_to(PACKAGE.parent).as_posix())
    for name in ("run", "main"):  # of every benchmark
        modules[name] = {path for path in modules[name] if not path.startswith(BENCHMARKS.name)}
    shared = {name: sorted(paths) for name, paths in modules.items() if len(paths) > 1}
    assert {name: paths for name, paths in shared.items() if name not in SHARED_NAMES} == {}
    assert set(SHARED_NAMES) <= set(shared), "an exception that is not needed"
    assert {Path(path).parent.as_posix() for path in shared["read"]} == {"thesis_lib/corpus/readers"}


def test_every_listed_public_name_exists():
    missing = []
    for path in PACKAGE.rglob("__init__.py"):
        name = ".".join(path.relative_to(PACKAGE.parent).parent.parts)
        module = importlib.import_module(name)
        missing += [f"{name}.{x}" for x in getattr(module, "__all__", ()) if not hasattr(module, x)]
    assert missing == []


def test_import_is_light():
    code = "import sys, thesis_lib; print([m for m in ('torch', 'numpy', 'speechbrain') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_help_is_light():
    """The command line names runtimes, profiles and corpora without importing what runs them."""
    heavy = ("torch", "numpy", "pandas", "scipy", "librosa", "onnxruntime", "av", "huggingface_hub")
    code = f"import sys, thesis_lib.cli; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_librosa_is_imported_in_one_place():
    """Its first import is not safe beside that of another process."""
    folders = (PACKAGE, *(PACKAGE.parent / name for name in ("benchmarks", "scripts", "tests")))
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        text = path.read_text()
        assert not re.search(r"^\s*(import|from) librosa\b", text, re.MULTILINE), path
        # Imports librosa at its own import, so that ours must come first.
        assert "perth_watermarker" not in text or "load_librosa()" in text or path.name == Path(__file__).name, path
        assert not re.search(r"^from perth\b", text, re.MULTILINE), path


def test_a_vocoder_is_read_by_the_fields_of_its_description():
    """``meta``, the dictionary that is stored with the weights, is for storing it."""
    for path in (path for path in PACKAGE.rglob("*.py") if "vocoder" not in path.relative_to(PACKAGE).parts):
        read = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Attribute) and n.attr == "meta"]
        assert not read, path


def test_torchaudio_imports_beside_a_cpu_torch():
    code = "import thesis_lib, torchaudio.compliance.kaldi; print('ok')"
    assert "ok" in subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout


def test_nothing_unsafe_is_loaded():
    """No pickle but through torch.load(weights_only=True); no archive is extracted by its own names."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            assert name not in {"eval", "exec", "yaml.load", "pickle.load", "pickle.loads"}, path
            assert not name.endswith((".extractall", ".extract")), path
            if name == "torch.load":
                assert any(k.arg == "weights_only" and k.value.value is True for k in node.keywords), path


ARCHITECTURE = (PACKAGE.parent / "book" / "architecture.md").read_text()


def out_of_order(page: str) -> list[str]:
    """The stages that the page's data flow, or its list of the stages, has at another place than the library."""
    run = page.split("the stages of a run")[1].split("the cloning path")[0]
    drawn = re.findall(r"^ +\|   thesis (\w+)", run, re.MULTILINE)
    listed = re.search(r"stages fill it, one after the other: ([\w, ]+)\.", page)[1].split(", ")
    verbs, names = [stage.command.split()[1] for stage in STAGES], [stage.name for stage in STAGES]
    pairs = [*zip(verbs, drawn[: len(verbs)], strict=True), *zip(names, listed, strict=True)]
    return [expected for expected, found in pairs if expected != found]


def test_the_data_flow_picture_has_the_stages_in_their_order():
    assert out_of_order(ARCHITECTURE) == []
    swapped = ARCHITECTURE.replace("thesis embed   ", "thesis analyse ", 1)
    assert out_of_order(swapped) == ["embed"], "a picture with another order is found"


def test_the_data_flow_picture_names_modules_that_exist():
    flow = ARCHITECTURE.split(":name: data-flow")[1].split("```")[0]
    named = set(re.findall(rf"\b({'|'.join(ORDER)})\.(\w+)", flow))
    assert {package for package, _ in named} >= set(ORDER) - {"utils", "config", "pretrained", "cli"}
    for package, module in named:
        place = PACKAGE / package / module
        assert place.with_suffix(".py").exists() or (place / "__init__.py").exists(), f"{package}.{module}"
