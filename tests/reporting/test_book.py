"""The notebook runner, audio files of the book, and the rules for notebooks."""

import ast
import base64
import json
import re
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pandas as pd
import pytest

from thesis_lib.reporting import book
from thesis_lib.reporting.book import BookError, audio_to_files, executed, run_notebook, run_notebooks
from thesis_lib.runs.folder import Run
from thesis_lib.utils.files import write_text

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MAX_SHOWN_CELLS = 6


def make(path: Path, *cells: str) -> Path:
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    notebook.cells[0].metadata["tags"] = ["parameters"]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def test_an_unknown_parameter_is_refused(tmp_path):
    source = make(tmp_path / "a.ipynb", "profile = 'smoke'")
    with pytest.raises(BookError, match=r"a\.ipynb has no parameter named 'run_dirr'"):
        run_notebook(source, tmp_path / "out.ipynb", {"profile": "demo", "run_dirr": "x"})
    assert not (tmp_path / "out.ipynb").exists()


@pytest.mark.slow
def test_runs_resumes_and_keeps_earlier_results(tmp_path, monkeypatch, tiny_run):
    write_text(tmp_path / "_toc.yml", "")
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "notebooks" / "01_a.ipynb", "profile = ''\nrun_dir = ''", "print(profile)")
    make(tmp_path / "notebooks" / "02_b.ipynb", "profile = ''\nrun_dir = ''", "1 / 0")
    run = Run(tmp_path / "runs" / "x", tiny_run.config)
    with pytest.raises(BookError, match=r"02_b\.ipynb: ZeroDivisionError"):
        run_notebooks(run)
    done = run.path / "notebooks" / "01_a.ipynb"
    stamp = done.stat().st_mtime_ns
    assert "smoke" in done.read_text()
    assert (run.path / "notebooks" / "failed-02_b.ipynb").exists()
    assert executed(tmp_path, "01_a.ipynb") is None, "an unfinished run is not shown"
    make(tmp_path / "notebooks" / "02_b.ipynb", "profile = ''\nrun_dir = ''", "2 / 1")
    run_notebooks(run)
    assert done.stat().st_mtime_ns == stamp, "what was finished is kept"
    assert executed(tmp_path, "01_a.ipynb") == done
    assert executed(tmp_path, "03_c.ipynb") is None


def test_a_page_older_than_its_tables_is_named(tmp_path, monkeypatch, tiny_run):
    write_text(tmp_path / "_toc.yml", "")
    monkeypatch.chdir(tmp_path)
    source = make(tmp_path / "notebooks" / "01_a.ipynb", "profile = ''\nrun_dir = ''", "print(profile)")
    run = Run(tmp_path / "runs" / "x", tiny_run.config)
    assert book.check(run) == ["01_a.ipynb has not been executed"]
    write_text(run.path / "input.txt", "one")
    run.save_table("found", pd.DataFrame({"a": [1]}), run.provenance([run.path / "input.txt"], {"an encoder": "1"}))
    run_notebooks(run)
    assert book.check(run) == []
    write_text(run.path / "input.txt", "two")
    assert book.check(run) == ["tables/found.csv: input.txt has changed since"]
    assert not run.has("found")
    run.save_table("found", pd.DataFrame({"a": [2]}), run.provenance([run.path / "input.txt"]))
    assert book.check(run) == ["01_a.ipynb shows an older tables/found.csv"]
    make(source, "profile = ''\nrun_dir = ''", "print(1)")
    assert "01_a.ipynb was executed from other cells" in book.check(run)
    run_notebooks(run)
    assert book.check(run) == []
    (run.path / "input.txt").unlink()
    assert book.check(run) == ["tables/found.csv: input.txt is gone"]


def test_the_build_warns_of_a_page_that_is_out_of_date(tmp_path, monkeypatch, tiny_run, caplog):
    write_text(tmp_path / "_toc.yml", "")
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "notebooks" / "01_a.ipynb", "profile = ''\nrun_dir = ''")
    app = type("App", (), {"srcdir": str(tmp_path), "outdir": str(tmp_path / "html")})()
    book._on_builder_inited(app)
    assert not caplog.records, "a fresh clone shows the committed notebooks"
    Run(tmp_path / "runs" / "x", tiny_run.config)
    write_text(tmp_path / "runs" / "latest", "runs/x\n")
    logged = []
    monkeypatch.setattr("sphinx.util.logging.SphinxLoggerAdapter.warning", lambda self, *text: logged.append(text))
    book._on_builder_inited(app)
    assert "01_a.ipynb has not been executed" in logged[0][1]


def test_audio_moves_to_files_beside_the_page(tmp_path):
    data = b"\xff\xfb" * 40
    text = json.dumps({"html": f'<audio src="data:audio/mpeg;base64,{base64.b64encode(data).decode()}"></audio>'})
    moved = audio_to_files(text, tmp_path / "_audio", "../_audio")
    (path,) = (tmp_path / "_audio").iterdir()
    assert path.read_bytes() == data
    assert json.loads(moved)["html"] == f'<audio src="../_audio/{path.name}"></audio>'
    assert audio_to_files(moved, tmp_path / "_audio", "../_audio") == moved


def test_the_extension_shows_the_last_run_or_the_committed_notebook(tmp_path):
    app = type("App", (), {"srcdir": str(tmp_path), "outdir": str(tmp_path / "html")})()
    committed, done = (nbformat.read(make(tmp_path / f"{name}.ipynb", name), 4) for name in ("committed", "executed"))
    source = [nbformat.writes(committed)]
    book._on_source_read(app, "notebooks/01_a", source)
    (cell,) = json.loads(source[0])["cells"]
    assert "".join(cell["source"]) == "committed"
    assert cell["metadata"]["tags"] == ["parameters", "remove-cell"]
    write_text(tmp_path / "runs" / "x" / "notebooks" / "01_a.ipynb", nbformat.writes(done))
    write_text(tmp_path / "runs" / "latest", "runs/x\n")
    book._on_source_read(app, "notebooks/01_a", source)
    assert "".join(json.loads(source[0])["cells"][0]["source"]) == "executed"
    book._on_source_read(app, "book/index", prose := ["prose"])
    assert prose == ["prose"]


def test_cells_that_only_prepare_numbers_are_folded(tmp_path):
    path = make(tmp_path / "a.ipynb", "profile = ''", "profile = 'smoke'", 'glue("n", 1)', 'glue("n", 2)', "show(1)")
    notebook = nbformat.read(path, 4)
    notebook.cells[1].metadata["tags"] = ["injected-parameters"]
    notebook.cells[2].metadata["tags"] = ["nbval-ignore-output"]
    notebook.cells[3].metadata["tags"] = ["remove-output"]
    notebook.cells.append(nbformat.v4.new_markdown_cell("`glue(` is a function."))
    nbformat.write(notebook, path)
    key = book._key(path, {})
    cells = json.loads(book.fold_cells(path.read_text()))["cells"]
    assert [cell["metadata"].get("tags", []) for cell in cells] == [
        ["parameters", "remove-cell"],
        ["injected-parameters", "remove-cell"],
        ["nbval-ignore-output", "hide-input"],
        ["remove-output"],
        [],
        [],
    ]
    (tmp_path / "folded.ipynb").write_text(json.dumps({"cells": cells}))
    assert book._key(tmp_path / "folded.ipynb", {}) == key, "nothing is executed again"


def test_a_published_book_opens_its_chapters_in_binder_and_colab(monkeypatch):
    config = SimpleNamespace(html_theme_options={"navigation_with_keys": True})
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    book._on_config_inited(None, config)
    assert config.html_theme_options == {"navigation_with_keys": True}, "at home there is no address to point at"
    monkeypatch.setenv("GITHUB_REPOSITORY", "somebody/thesis")
    monkeypatch.setenv("GITHUB_REF_NAME", "main")
    book._on_config_inited(None, config)
    options = config.html_theme_options
    assert options["repository_url"] == "https://github.com/somebody/thesis"
    assert {"binderhub_url", "colab_url"} <= options["launch_buttons"].keys()
    assert options["navigation_with_keys"]


def test_rejected_parts_of_the_theme_are_removed_from_a_page():
    live = type("Script", (), {"filename": None, "attributes": {"body": 'const THEBE_JS_URL = "https://x"'}})()
    context = {
        "script_files": ["_static/sphinx-thebe.js", live, "_static/doctools.js"],
        "body": 'role="doc-biblioentry"',
    }
    book._on_page(None, "book/index", "page.html", context, None)
    assert context == {"script_files": ["_static/doctools.js"], "body": 'role="listitem"'}


def test_mathjax_is_copied_beside_the_pages(tmp_path, monkeypatch):
    (tmp_path / "tex-svg.js").write_text("mathjax")
    monkeypatch.setattr(book.pretrained, "fetch", lambda name: tmp_path)
    app = type("App", (), {"outdir": str(tmp_path / "html")})()
    (tmp_path / "html" / "_static").mkdir(parents=True)
    book._on_finished(app, ValueError("the build failed"))
    assert not list((tmp_path / "html" / "_static").iterdir())
    book._on_finished(app, None)
    config = (ROOT / "_config.yml").read_text()
    (copied,) = (tmp_path / "html" / "_static").iterdir()
    assert f"mathjax_path: {copied.name}" in config


def test_printing_needs_chromium(monkeypatch):
    monkeypatch.setattr(book.shutil, "which", lambda name: None)
    with pytest.raises(BookError, match="apt-get install chromium"):
        book.print_pdf()


def test_there_are_eight():
    assert [p.name[:2] for p in NOTEBOOKS] == [f"0{i}" for i in range(1, 9)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_notebook_keeps_the_house_habits(path):
    notebook = nbformat.read(path, 4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    parameters = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    assert len(parameters) == 1
    names = {t.id for node in ast.parse(parameters[0].source).body for t in node.targets}
    assert names == {"profile", "run_dir"}
    assert all(len(cell.source.splitlines()) <= 15 for cell in code)
    assert not any(
        isinstance(node, ast.FunctionDef | ast.ClassDef) for cell in code for node in ast.walk(ast.parse(cell.source))
    )
    assert all(cell.source.count("reporting.show(") <= 1 for cell in code), "a cell displays its last value only"
    opening = notebook.cells[0].source
    assert all(f"**{word}.**" in opening for word in ("Question", "Inputs", "Outputs", "Run time"))
    (answer,) = re.findall(r"\*\*Question\.\*\* .+\n\n\*\*Answer\.\*\* (.+)\n\n\*\*Code", opening)
    assert answer.count(". ") == 0, "one sentence"
    assert answer.endswith(".")
    assert "reporting.notice(profile)" in code[1].source, "the profile of the results, before any of them"
    assert "remove-input" in code[1].metadata.tags
    assert code[1].outputs[0].data["text/markdown"].startswith("> **Smoke results")
    assert "stamp_table" in code[-1].source
    stamp = "".join(output.get("data", {}).get("text/html", "") for output in code[-1].outputs)
    (commit,) = re.findall(r">commit</td>\s*<td[^>]*>([^<]+)<", stamp)
    assert re.fullmatch("[0-9a-f]{7,40}", commit), "executed from a clean checkout: `make outputs` after a commit"
    exercises = next(i for i, cell in enumerate(notebook.cells) if cell.source.startswith("## Exercises"))
    solution = notebook.cells[exercises + 1]
    assert solution.cell_type == "code"
    assert "hide-cell" in solution.metadata.tags
    assert any(cell.outputs for cell in code), "committed with the smoke profile's outputs"
    assert not any(o.output_type == "error" for cell in code for o in cell.outputs)
    assert "widgets" not in notebook.metadata, "the state of bars that no page shows: `make outputs`"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_first_page_asks_the_question_of_the_notebook(path):
    (question,) = re.findall(r"\*\*Question\.\*\* (.+)\n", nbformat.read(path, 4).cells[0].source)
    assert f"(../notebooks/{path.name}) | {question} |" in (ROOT / "book" / "index.md").read_text()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_chapter_shows_the_calls_that_matter(path):
    """Three to six cells of code; the others, which prepare numbers or draw them, are folded or left out."""
    cells = json.loads(book.fold_cells(path.read_text(encoding="utf-8")))["cells"]
    hidden = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
    shown = [
        cell for cell in cells if cell["cell_type"] == "code" and not hidden & set(cell["metadata"].get("tags", []))
    ]
    assert 3 <= len(shown) <= MAX_SHOWN_CELLS, [cell["id"] for cell in shown]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_caption_stands_alone(path):
    """It says n and refers to no other figure or sentence."""
    figures = [cell.metadata.get("mystnb", {}).get("figure", {}) for cell in nbformat.read(path, 4).cells]
    for figure in filter(None, figures):
        assert re.search(r"n = (\{glue:text\}`\w+`|1\b)", figure["caption"]), figure["name"]
        assert not re.search(r"\b(above|below|as in the)\b(?! each panel)", figure["caption"]), figure["name"]
        assert figure["caption"].endswith("."), figure["name"]


def test_exercises_ask_for_a_loss_a_training_and_a_recording_of_the_reader():
    exercises = {}
    for path in NOTEBOOKS:
        cells = nbformat.read(path, 4).cells
        asked = next(cell.source for cell in cells if cell.source.startswith("## Exercises"))
        exercises[path.stem[:2]] = (asked, [cell for cell in cells if "hide-cell" in cell.metadata.get("tags", [])])
    asked, (first, solution) = exercises["04"]
    assert "--set conversion.losses" in asked
    assert "loss of your own" in asked
    assert "train(exercise" in solution.source
    assert "LOSSES.register" in solution.source
    asked, (first, solution) = exercises["07"]
    assert "recording of your own" in asked
    assert "pipeline(" in solution.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_an_output_resembles_a_speaker_and_follows_nobody(path):
    prose = "".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")
    assert not re.search(r"follow\w* (?:\w+ )?(?:\w+'s )?(?:voices?|speakers?)\b", prose)
    assert "brings it nearer" not in prose


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_no_heading_is_a_question(path):
    headings = [
        line
        for cell in nbformat.read(path, 4).cells
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.startswith("#")
    ]
    assert [line for line in headings if line.endswith("?")] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_an_answer_has_numbers(path):
    assert re.search(r"\d", nbformat.read(path, 4).cells[0].source.split("**Answer.**")[1].split("**Code")[0])
