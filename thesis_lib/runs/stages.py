"""The stages of a run, prepare -> embed -> analyse -> train -> evaluate, and the provenance of their outputs.

A stage writes ``provenance.json`` beside its outputs: the corpus, encoders and settings that they were made from. Where
one of these has changed since, the outputs are stale, and using them is an error that names the change and the folder
to remove. Outputs of earlier versions have no such file and load without the check.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from thesis_lib.config import digest
from thesis_lib.config.resume import flat, prolongs
from thesis_lib.corpus.manifest import Manifest, index_of
from thesis_lib.runs.commands import command_of
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.provenance import commit
from thesis_lib.utils.files import fingerprint, write_text

RECORD = "provenance.json"
CORPUS, ROWS = "corpus", "corpus rows"  # fingerprint of manifest.json; digest of the rows' audio, speakers and splits


class StaleError(RunError):
    """An output with inputs that have changed since it was made."""


@dataclass(frozen=True)
class Stage:
    """A step of the pipeline: what it reads, what it writes and the command that runs it."""

    name: str
    inputs: tuple[str, ...]  # names of earlier stages
    outputs: tuple[str, ...]  # folders of the run; {task} and {kind}, the content's, are filled in
    command: str

    def folder(self, run: Run, task: str = "", kind: str = "") -> Path:
        """The run's folder with the stage's outputs."""
        return run.path / self.outputs[0].format(task=task, kind=kind)

    def command_for(self, run: Run, task: str = "") -> str:
        """The command line, quoted for the shell, that makes the stage's outputs of a run again with its settings."""
        return command_of(run, self.command.format(task=task))


PREPARE = Stage("prepare", (), ("corpus",), "thesis prepare")
EMBED = Stage("embed", ("prepare",), ("embeddings",), "thesis embed")
ANALYSE = Stage("analyse", ("prepare",), ("analyses/{kind}",), "thesis analyse --task {task}")
TRAIN = Stage("train", ("prepare", "embed", "analyse"), ("{task}",), "thesis train --task {task}")
EVALUATE = Stage("evaluate", ("prepare", "embed", "train"), ("tables", "samples"), "thesis validate")
STAGES = (PREPARE, EMBED, ANALYSE, TRAIN, EVALUATE)


def corpus_inputs(run: Run, manifest: Manifest) -> dict[str, str]:
    """The corpus as an input of a later stage: its manifest's fingerprint, and a digest of its rows.

    The digest leaves out texts and styles, which no embedding, analysis or vocoder depends on.
    """
    columns = ("id", "split", "speaker", "source_audio", "target_audio", "source_duration", "target_duration")
    rows = digest([[getattr(utterance, column) for column in columns] for utterance in manifest])
    return {CORPUS: fingerprint(index_of(run.path / "corpus")), ROWS: rows}


def settings_inputs(prefix: str, section: BaseModel) -> dict[str, Any]:
    """Settings as inputs of a stage, {dotted key: value}: a change is then named by its key."""
    return flat(section.model_dump(mode="json"), prefix)


def recorded(folder: Path) -> dict[str, Any]:
    """What the outputs in a folder were made from; empty where an earlier version made them, or nothing is there."""
    path = folder / RECORD
    return json.loads(path.read_text())["inputs"] if path.exists() else {}


def changes(folder: Path, inputs: dict[str, Any]) -> list[str]:
    """The names of the inputs that differ from the recorded ones; empty where nothing is recorded.

    A setting that only one of the two has is of another version of the library, and no change; nor is a higher limit
    of a training (steps, minutes, patience).
    """
    before = recorded(folder)
    found = [name for name in before if name in inputs and before[name] != inputs[name]]
    found = [name for name in found if not prolongs(name, before, inputs)]
    if CORPUS in found and ROWS not in found:
        found.remove(CORPUS)  # only texts or styles have changed
    return [name for name in found if name != ROWS]


def check_inputs(run: Run, stage: Stage, inputs: dict[str, Any], task: str = "", kind: str = "") -> None:
    """StaleError when the stage's outputs were made from other inputs."""
    folder = stage.folder(run, task, kind)
    if found := changes(folder, inputs):
        before = recorded(folder)
        what = "; ".join(f"{name} was {before[name]}, is {inputs[name]}" for name in found)
        raise StaleError(f"{folder} is stale ({what}): remove that folder and run `{stage.command_for(run, task)}`")


def record_inputs(run: Run, stage: Stage, inputs: dict[str, Any], task: str = "", kind: str = "") -> None:
    """Check the recorded inputs; record them where the stage has no outputs yet."""
    check_inputs(run, stage, inputs, task, kind)
    folder = stage.folder(run, task, kind)
    if folder.is_dir() and any(folder.iterdir()):
        return  # recorded before, or made by an earlier version
    tree = {"stage": stage.name, "inputs": inputs, "commit": commit()}
    write_text(folder / RECORD, json.dumps(tree, indent=2) + "\n")
