"""Imports go down only, and `import thesis_lib` is light."""

import ast
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "thesis_lib"

ROWS = [
    {"errors", "files", "config", "parallel", "voice", "_torchaudio"},
    {"runs", "audio", "mel", "pitch", "manifest", "conditioning", "discriminators", "models", "timing", "subtitles"},
    {"streaming"},
    {
        "corpora",
        "encoders",
        "generators",
        "losses",
        "metrics",
        "asr",
        "tts",
        "content",
        "segmentation",
        "finishing",
        "portable",
        "watermark",
    },
    {"embeddings", "checkpoints", "hub", "translation"},
    {"dataset", "synthesis"},
    {"training", "validation", "ablation", "listening", "swap", "compression", "cascade", "adaptation", "released"},
    {"reporting", "book", "history", "panel"},
    {"cli"},
]
# Within a row, a module may use those named here; a folder's own files use each other.
WITHIN = {
    "manifest": {"runs"},
    "hub": {"checkpoints"},
    "corpora": {"metrics", "finishing"},
    "validation": {"training"},
    "book": {"history"},
    "panel": {"reporting"},
    "ablation": {"training", "validation"},
    "listening": {"training", "validation"},
    "metrics": {"losses", "content"},
    "content": {"asr"},
    "generators": {"content"},
    "pitch": {"audio"},
    "timing": {"runs"},
    "dataset": {"synthesis"},
    "compression": {"training", "validation"},
    "swap": {"training"},
    "cascade": {"training", "adaptation", "validation"},
    "translation": {"hub"},
    "adaptation": {"training", "swap"},
    "released": {"training"},
    "config": {"errors"},
    "parallel": {"errors"},
}
ROW = {name: i for i, row in enumerate(ROWS) for name in row}


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


def described(name: str) -> str:
    """What a module's docstring says first."""
    path = PACKAGE / f"{name}.py"
    text = ast.get_docstring(ast.parse((path if path.exists() else PACKAGE / name / "__init__.py").read_text()))
    return text.split("\n\n")[0].replace("\n", " ").replace("``", "`").replace("|", "\\|")


def test_the_books_picture_of_the_layers_is_true():
    """On failure, the table to put there."""
    rows = [
        f"| {len(ROWS) - i} | `{name}` | {described(name)} |"
        for i, row in enumerate(reversed(ROWS), 1)
        for name in sorted(row)
    ]
    picture = "\n".join(["| row | module | what it is |", "|---|---|---|", *rows]) + "\n"
    page = (PACKAGE.parent / "book" / "architecture.md").read_text()
    assert picture in page, picture


def test_every_module_has_a_row():
    modules = {p.stem for p in PACKAGE.glob("*.py")} | {p.parent.name for p in PACKAGE.glob("*/__init__.py")}
    assert modules - {"__init__"} == set(ROW)


def test_imports_go_down_only():
    for path in PACKAGE.rglob("*.py"):
        module = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if module == "__init__":
            continue
        for other in imports(path) - {module}:
            allowed = ROW[other] < ROW[module] or other in WITHIN.get(module, set())
            assert allowed, f"{path.name} (row {ROW[module]}) imports {other} (row {ROW[other]})"


def test_import_is_light():
    code = "import sys, thesis_lib; print([m for m in ('torch', 'numpy', 'speechbrain') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


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
