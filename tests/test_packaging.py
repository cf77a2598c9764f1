"""Two lists of pins are one; the README's commands exist; every weight and corpus has a licence."""

import ast
import importlib.metadata
import json
import re
import sys
import sysconfig
import tomllib
from pathlib import Path

import yaml

from thesis_lib.config import CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.pretrained import REGISTRY
from thesis_lib.utils.extras import EXTRAS

ROOT = Path(__file__).parents[1]
# Modules that a package of another name brings.
PACKAGES = {"c2pa": "c2pa-python", "sklearn": "scikit-learn", "sphinx": "jupyter-book", "traitlets": "ipywidgets"}
PACKAGES |= dict.fromkeys(("IPython", "myst_nb"), "jupyter-book")
PACKAGES |= dict.fromkeys(("fastdtw", "pysptk", "pyworld"), "pymcd")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_environment_yml_installs_the_same_pins():
    listed = set(re.findall(r'^ {6}- "(.+)"$', (ROOT / "environment.yml").read_text(), re.M))
    optional = PROJECT["optional-dependencies"]
    extras = re.search(r"^EXTRAS := (.+)$", (ROOT / "Makefile").read_text(), re.M).group(1).split(",")
    assert listed == {*PROJECT["dependencies"], *(pin for extra in extras for pin in optional[extra])}
    assert (ROOT / ".binder" / "environment.yml").resolve() == ROOT / "environment.yml"


def test_a_missing_package_is_named_with_its_extra():
    """Every pin of an extra that the package imports is in the table of extras, and under that extra."""
    optional = PROJECT["optional-dependencies"]
    nodes = [n for path in (ROOT / "thesis_lib").rglob("*.py") for n in ast.walk(ast.parse(path.read_text()))]
    names = [a.name for n in nodes if isinstance(n, ast.Import) for a in n.names]
    names += [str(n.module) for n in nodes if isinstance(n, ast.ImportFrom)]
    imported = {name.partition(".")[0] for name in names}
    for module, extra in EXTRAS.items():
        package = PACKAGES.get(module, module).replace("_", "-")
        assert any(pin.split("==")[0].lower() == package for pin in optional[extra]), module
    core = {re.split("[=<]", pin)[0].replace("-", "_") for pin in PROJECT["dependencies"]}
    core |= {"faster_whisper", "kokoro_onnx", "perth", "swift_f0", "yaml", "omegaconf", "ctranslate2", "packaging"}
    known = core | set(EXTRAS) | set(sys.stdlib_module_names) | {"thesis_lib"}
    assert imported <= known, imported - known


def test_readme_commands_are_makefile_targets():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    commands = re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(), re.M)
    assert {"book", "test"} <= set(commands) <= targets


def test_what_the_readme_and_its_neighbours_link_to_is_there():
    for page in ("README.md", "CONTRIBUTING.md"):
        links = re.findall(r"\]\(([^)#\s]+)", (ROOT / page).read_text())
        assert links
        assert not [link for link in links if "://" not in link and not (ROOT / link).exists()]


def test_counts_in_prose_are_the_bundles():
    rows = mini.table(CorpusConfig(name="mini"))
    assert f"{len(rows)} pairs, {rows.voice.nunique()} voices" in (ROOT / "README.md").read_text()
    assert f"{len(rows)} pairs of" in (ROOT / "book" / "first_plan.md").read_text()
    mixtures = sum("+" in voice for voice in rows.voice.unique())
    card = (ROOT / "book" / "data_card.md").read_text()
    published = rows.voice.nunique() - mixtures
    assert f"| {published} published voices of Kokoro-82M {{cite}}`kokoro` and {mixtures} mixtures" in card


def test_every_weight_has_licence_citation_and_hashes():
    for weight in REGISTRY.values():
        assert weight.licence
        assert weight.citation
        assert weight.homepage.startswith("https://")
        assert weight.files
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in weight.files.values())
        assert weight.mirror is None or set(weight.mirror.members) == set(weight.files)


def test_model_card_names_every_copyleft_package():
    """Of the installed packages: those with the (L)GPL as their only licence; eSpeak NG's package names no licence."""
    named = {"espeakng-loader", "phonemizer"}
    for package in importlib.metadata.distributions(path=[sysconfig.get_path("purelib")]):
        meta = package.metadata
        classifiers = [entry for entry in meta.get_all("Classifier") or [] if entry.startswith("License ::")]
        licences = classifiers or [(meta.get("License-Expression") or meta.get("License") or "")[:40]]
        if all(re.search("GPL|GNU", licence) for licence in licences):
            named.add(meta["Name"].lower())
    card = (ROOT / "book" / "model_card.md").read_text().lower()
    assert not {name for name in named if name not in card}


def test_model_card_names_every_weight():
    card = (ROOT / "book" / "model_card.md").read_text()
    assert all(name in card for name in REGISTRY)


def test_repository_is_small_and_portable():
    machine = re.compile(r"[\s\"'(](/(home|root|tmp|work|Users)/[\w.])")
    for path in [*ROOT.glob("*.*"), *ROOT.glob("thesis_lib/**/*"), *ROOT.glob("notebooks/*"), *ROOT.glob("book/*")]:
        if path.is_file() and path.suffix in {".py", ".md", ".ipynb", ".toml", ".yml"}:
            assert path.stat().st_size < 1_000_000, path
            assert not machine.search(path.read_text()), f"{path} holds an absolute path"
    corpus = sum(p.stat().st_size for p in (ROOT / "thesis_lib" / "data" / "mini").rglob("*") if p.is_file())
    assert corpus < 12_000_000


def test_the_workflow_runs_the_readmes_two_commands_and_the_types():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "book.yml").read_text())["jobs"]
    commands = {step.get("run") for job in jobs.values() for step in job["steps"]}
    assert commands >= {"make test", "make types", "make book"}
    for job in jobs.values():
        for step in job["steps"]:
            if "setup-python" in step.get("uses", ""):
                assert f">={step['with']['python-version']}" in PROJECT["requires-python"]


def test_versions_are_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert f"ruff=={hooks[0]['rev'].removeprefix('v')}" in PROJECT["optional-dependencies"]["test"]


def test_what_the_containers_call_exists():
    assert ".venv/installed:" in (ROOT / "Makefile").read_text()
    assert "make .venv/installed" in (ROOT / "Dockerfile").read_text()
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert container["postCreateCommand"] == "make .venv/installed"


def test_what_contributors_are_told_to_touch_exists():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = re.findall(r"`(thesis_lib/[^`]+)`", text) + re.findall(r"\]\(([^)]+)\)", text)
    assert len(named) > 8
    for path in named:
        assert (ROOT / path).exists(), path
