"""The command line that made a run, and that makes its missing or stale outputs again."""

import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from thesis_lib.config import PROFILES, TASKS, Config, parse_assignment

if TYPE_CHECKING:
    from thesis_lib.runs.folder import Run

ADAPTED = "adapt"  # profile of a run that `thesis adapt` made
RECORDINGS = "recordings.txt"  # of such a run: fingerprint and path of each recording
ABLATION = "ablation"  # folder of a run; below it `thesis ablate` makes one run for each variant and seed

# Command -> what the names of the tables and JSON files that it writes begin with.
TABLES = {
    "thesis validate": ("validation", "calibration", "speakers"),
    "thesis validate --pairs FOLDER": ("pairs",),
    "thesis ablate": ("ablation",),
    "thesis swap-test": ("swap", "style_swap"),
    "thesis compress": ("compression",),
    "thesis clone-report": ("cloning",),
    "thesis listening analyse ANSWERS": ("listening",),
}
NOTEBOOK_TABLES = ("adaptation", "matrix")  # written by notebooks alone


def table_command(run: "Run", name: str) -> str | None:
    """The command line that writes tables/NAME of a run; None for a name that no command writes."""

    def is_one_of(kinds: tuple[str, ...]) -> bool:
        return any(f"{name}_".startswith(f"{kind}_") for kind in kinds)

    if is_one_of(NOTEBOOK_TABLES):  # `thesis book` takes no settings
        return shlex.join(["thesis", "book", "--profile", run.config.profile, "--run-dir", str(run.path)])
    return next((command_of(run, command) for command, kinds in TABLES.items() if is_one_of(kinds)), None)


def command_of(run: "Run", command: str) -> str:
    """The command line, quoted for the shell, that runs ``command`` (a stage's) with a run's folder and settings.

    The outputs of a run of `thesis adapt` are made by that command, and those of an ablation's run by `thesis ablate`
    on the run that it belongs to.
    """
    if run.config.profile == ADAPTED:
        return _adapt_command(run)
    folder, config = run.path, run.config
    if (found := _ablated(run.path)) is not None:
        command, (folder, config) = "thesis ablate", found
    changes = (word for text in overrides(config) for word in ("--set", text))
    return shlex.join([*command.split(), "--profile", config.profile, "--run-dir", str(folder), *changes])


def overrides(config: Config) -> list[str]:
    """The ``--set`` assignments that turn the configuration's profile into it."""
    before, now = (x.model_dump(mode="json") for x in (profile_of(config), config))
    return [f"{key}={_written(value)}" for key, value in _changes(before, now)]


def profile_of(config: Config) -> Config:
    """The configuration that a run's settings are compared with: its profile, or "thesis" under a name that is none."""
    known = config.profile in PROFILES
    return Config.from_profile(config.profile) if known else Config().override({"profile": config.profile})


def _changes(before: dict[str, Any], now: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """The dotted keys that differ, with their values now; a section with other keys, of another generator, is whole."""
    found: list[tuple[str, Any]] = []
    for name, value in now.items():
        key, old = f"{prefix}{name}", before.get(name)
        if old == value and name in before:
            continue
        # Weights of losses from outside are set one by one, as the built-in ones.
        is_open = key in [f"{task}.losses" for task in TASKS]
        if isinstance(old, dict) and isinstance(value, dict) and (old.keys() == value.keys() or is_open):
            found += _changes(old, value, f"{key}.")
        else:
            found.append((key, value))
    return found


def _written(value: Any) -> str:
    """A value as ``--set`` reads it: a string as it is, unless it would be read as another type; else JSON."""
    if isinstance(value, str) and parse_assignment(f"key={value}") == ("key", value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _adapt_command(run: "Run") -> str:
    """`thesis adapt` with the recordings and the settings of its run."""
    training, listed = run.config.conversion.training, run.path / RECORDINGS
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
    recordings = [line.partition("  ")[2] for line in lines]
    return adapt_command(recordings, run.path, training.warm_start, cast(float, training.max_minutes), run.config)


def adapt_command(recordings: Iterable[str | Path], folder: Path, vocoder: str, minutes: float, config: Config) -> str:
    """The command line, quoted for the shell, that adapts a vocoder to some recordings with a run's settings."""
    options = ["--run-dir", str(folder), "--vocoder", vocoder, "--minutes", str(minutes)]
    own = {"plugins": config.plugins, "encoders.emotion_folder": config.encoders.emotion_folder}
    changes = [f"{key}={_written(value)}" for key, value in own.items() if value]
    more = (word for change in changes for word in ("--set", change))
    return shlex.join(["thesis", "adapt", *map(str, recordings), *options, *more])


def _ablated(path: Path) -> tuple[Path, Config] | None:
    """Folder and configuration of the run that an ablation's run folder belongs to; None for any other run."""
    owner = path.parent.parent
    if path.parent.name != ABLATION or not (stored := owner / "config.json").is_file():
        return None
    return owner, Config.from_json(stored.read_text(encoding="utf-8"))
