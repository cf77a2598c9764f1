"""A run: one folder with one configuration, its stages' outputs, tables and samples."""

import json
import platform
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thesis_lib import __version__
from thesis_lib.config import Config, ConfigError
from thesis_lib.config.renamed import current_column
from thesis_lib.config.resume import conflicts
from thesis_lib.runs.commands import table_command
from thesis_lib.runs.provenance import Provenance, commit, machine
from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.files import fingerprint, write_text

if TYPE_CHECKING:
    import pandas as pd

MAX_NAMED_SETTINGS = 5  # in an error
RETIRED_TABLES = {"manner_swap"}  # of earlier versions; under another name now


class RunError(ThesisError):
    """A run folder that cannot be used, or a result that is missing."""


def project_root() -> Path:
    """The nearest folder upwards that holds _toc.yml, else the working folder."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "_toc.yml").exists()), here)


def start_folder() -> Path:
    """The folder in which relative paths of a run start: that in which the command or the notebook is run.

    Jupyter runs a notebook in the project's notebooks/; its paths start in the project, as those of a command there.
    """
    here = Path.cwd()
    return here.parent if here.name == "notebooks" and (here.parent / "_toc.yml").exists() else here


def corpus_files(folder: Path) -> list[Path]:
    """manifest.json, which changes with every row, and embeddings.json, which names the encoders, where they exist."""
    files = (folder / "corpus" / "manifest.json", folder / "embeddings" / "embeddings.json")
    return [path for path in files if path.exists()]


class Run:
    """Open or create a run folder; a relative path starts in ``start_folder``.

    Layout: config.json, release/, corpus/, embeddings/, analyses/, TASK/ (checkpoints/, vocoder/, trained_with.json),
    tables/, samples/, notebooks/.
    """

    def __init__(self, path: str | Path, config: Config, device: str = "cpu") -> None:
        self.path = start_folder() / path
        self.config = config
        self.begun_with = config  # the configuration of the run's first results; ``config`` may prolong its trainings
        self.device = device  # where ``load_trained_vocoder`` puts the run's vocoders, and ``analysed`` Whisper
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{self.path} is a file; a run needs a folder: choose another --run-dir")
        stored = self.path / "config.json"
        if not self._has_results():
            write_text(stored, config.model_dump_json(indent=2) + "\n")
        elif not stored.exists():
            raise ConfigError(
                f"{self.path} holds other files, which stay as they are: choose another --run-dir, or remove it."
            )
        else:
            self._go_on(Config.from_json(stored.read_text()))

    @property
    def digest(self) -> str:
        """The digest of the configuration that the run began with."""
        return self.begun_with.digest()

    def _go_on(self, stored: Config) -> None:
        """Take over the configuration of the run in the folder. ConfigError for settings that give other results."""
        if found := conflicts(stored, self.config):
            more = f" and {len(found) - MAX_NAMED_SETTINGS} more" if len(found) > MAX_NAMED_SETTINGS else ""
            raise ConfigError(
                f"{self.path} holds a run with another configuration: {'; '.join(found[:MAX_NAMED_SETTINGS])}{more}. "
                "It stays as it is: give the same settings, choose another --run-dir, or remove that folder."
            )
        self.begun_with = stored

    def _has_results(self) -> bool:
        """Whether the folder holds more than a configuration; without results the configuration may still change."""
        return self.path.is_dir() and any(path.name != "config.json" for path in self.path.iterdir())

    def table_path(self, name: str) -> Path:
        """The path of tables/NAME.csv."""
        return self.path / "tables" / f"{name}.csv"

    def save_table(self, name: str, frame: "pd.DataFrame", provenance: Provenance) -> None:
        """Write tables/NAME.csv and its provenance beside it."""
        write_text(self.table_path(name), frame.to_csv(index=False))
        write_text(self._provenance_path(name), json.dumps(asdict(provenance), indent=2) + "\n")

    def provenance_of(
        self, *tasks: str, weights: dict[str, str] | None = None, outside: dict[str, str] | None = None
    ) -> Provenance:
        """Provenance of a table made now: the corpus, its embeddings, the vocoders of some tasks, other weights.

        ``outside`` has a fingerprint of each file that is not in the run's folder.
        """
        vocoders = [self.path / task / "vocoder" / "model.safetensors" for task in tasks]
        inputs = [*corpus_files(self.path), *(path for path in vocoders if path.exists())]
        return self.provenance(inputs, weights, outside)

    def provenance(
        self, inputs: Iterable[Path], weights: dict[str, str] | None = None, outside: dict[str, str] | None = None
    ) -> Provenance:
        """Provenance of a result made now from some files of the run, other weights and files outside the run."""
        hashes = {str(Path(path).relative_to(self.path)): fingerprint(path) for path in inputs}
        return Provenance(self.path.name, self.digest, commit(), hashes, weights or {}, outside or {})

    def staleness(self, name: str, outside: dict[str, str] | None = None) -> list[str]:
        """The reasons why tables/NAME.csv is stale; empty when it is up to date or has no provenance.

        ``outside`` are the fingerprints that a table made now would have. Without it, only the files outside the run
        that the table was made from, and that are still there, are compared with what they were.
        """
        if not self._provenance_path(name).exists():
            earlier = self.path / "tables" / f"{name}.origin.json"
            return ["an earlier version of thesis_lib made it, under other column names"] if earlier.exists() else []
        from thesis_lib.embeddings.encoders.declared import changed_revision  # numpy, which --help needs not

        provenance = Provenance(**json.loads(self._provenance_path(name).read_text()))
        found = [] if provenance.config == self.digest else ["another configuration made it"]
        for path, digest in provenance.inputs.items():
            if not (self.path / path).exists():
                found.append(f"{path} is gone")
            elif fingerprint(self.path / path) != digest:
                found.append(f"{path} has changed since")
        found += _changed_outside(provenance.outside, outside)
        for model, revision in provenance.weights.items():
            if present := changed_revision(model, revision, self.config.encoders):
                found.append(f"{model} was {revision}, is {present}")
        return found

    def has(self, name: str, outside: dict[str, str] | None = None) -> bool:
        """Whether tables/NAME.csv exists and is not stale; ``outside`` as of ``staleness``."""
        return self.table_path(name).exists() and not self.staleness(name, outside)

    def stale(self) -> dict[str, list[str]]:
        """Every stale table with the reasons."""
        kinds = (".provenance.json", ".origin.json")  # the second: of earlier versions
        names = {path.name.removesuffix(kind) for kind in kinds for path in (self.path / "tables").glob(f"*{kind}")}
        return {name: why for name in sorted(names - RETIRED_TABLES) if (why := self.staleness(name))}

    def _provenance_path(self, name: str) -> Path:
        return self.path / "tables" / f"{name}.provenance.json"

    def load_table(self, name: str) -> "pd.DataFrame":
        """Read tables/NAME.csv, metrics under their present names; RunError with the command that writes it."""
        import pandas as pd  # most commands, and --help, read no table

        path = self.table_path(name)
        self._require(path)
        table = pd.read_csv(path).rename(columns=current_column)
        return table.assign(metric=table.metric.map(current_column, na_action="ignore")) if "metric" in table else table

    def save_json(self, name: str, tree: Any) -> None:
        """Write tables/NAME.json."""
        write_text(self.path / "tables" / f"{name}.json", json.dumps(tree, indent=2) + "\n")

    def load_json(self, name: str) -> Any:
        """Read tables/NAME.json; RunError with the command that writes it."""
        path = self.path / "tables" / f"{name}.json"
        self._require(path)
        return json.loads(path.read_text())

    def _require(self, path: Path) -> None:
        """RunError for a table or JSON file that is missing."""
        if not path.exists():
            command = table_command(self, path.stem)
            remedy = f"run `{command}`" if command else "no command of this version writes it"
            raise RunError(f"{path} is missing: {remedy}")

    def stamp(self) -> dict[str, str]:
        """What produced a result: profile, configuration digest, commit, versions, machine."""
        return {
            "profile": self.config.profile,
            "config": self.digest,
            "commit": commit(),
            "thesis-lib": __version__,  # also where the package is not installed but on the path
            "torch": version("torch"),
            "python": platform.python_version(),
            "machine": machine(),
        }


def _changed_outside(before: dict[str, str], now: dict[str, str] | None) -> list[str]:
    """What has changed outside the run's folder, a reason each."""
    if now is None:
        now = {path: fingerprint(Path(path)) if Path(path).is_file() else old for path, old in before.items()}
    if now and not before:
        return ["it has no fingerprints of the recordings outside the run"]  # of an earlier version
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return [f"{name} has changed since" for name in names]
