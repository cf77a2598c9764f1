"""Options that several commands share, and the configuration and the run made from them."""

from pathlib import Path
from typing import Annotated

import typer

from thesis_lib.config import PROFILES, CloningConfig, Config, ConfigError, EncoderConfig, parse_assignment
from thesis_lib.config.renamed import current_key
from thesis_lib.config.resume import flat
from thesis_lib.runs.folder import Run

Profile = Annotated[str, typer.Option(help=f"Profile, one of: {', '.join(PROFILES)}.")]
RunDir = Annotated[Path | None, typer.Option(help="Run folder; by default runs/PROFILE, from the working folder.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Change a setting: section.key=value; repeatable.")]
DEFAULT = "default"
VocoderName = Annotated[
    str,
    typer.Option(help="default or small (the released weights), hifigan-universal, a vocoder's folder, or owner/name."),
]
Device = Annotated[
    str, typer.Option(help="Device of the vocoder and the encoders of its condition: cpu, cuda or cuda:NUMBER.")
]
Pairs = Annotated[
    Path | None,
    typer.Option(help="Folder with human Spanish (GROUP_es_src/) and published English (GROUP_en_SYSTEM/)."),
]
# What a command with a vocoder, instead of a run, may read of --set.
CONDITION_KEYS = tuple(f"encoders.{name}" for name in ("speaker", "emotion", "emotion_folder", "precision", "device"))
ADAPTATION_KEYS = (*CONDITION_KEYS, "encoders.batch_size")
CLONING_KEYS = tuple(f"cloning.{name}" for name in CloningConfig.model_fields if name != "examples")
Scheduler = Annotated[str | None, typer.Option(help="Dask scheduler that distributes the work, tcp://HOST:PORT.")]


def config_of(profile: str, changes: list[str] | None) -> Config:
    """Return the profile with the changes of ``--set``. Raises ConfigError for an unknown profile or setting."""
    return Config.from_profile(profile).override(dict(map(parse_assignment, changes or [])))


def settings_of(changes: list[str] | None, *read: str) -> Config:
    """Return the settings that ``--set`` names, for a command without a run; imports the ``plugins`` among them.

    ConfigError for a wrong setting, and for one besides ``plugins`` and the keys that the command ``read``s.
    """
    config = config_of("thesis", changes)
    for key in sorted(_whole_keys(changes)):
        if key not in ("plugins", *read):
            known = ", ".join(("plugins", *read))
            raise ConfigError(f"{key}: of --set, this command reads {known} only: leave that setting out")
    return config


def _keys(changes: list[str] | None) -> set[str]:
    return {current_key(parse_assignment(change)[0]) for change in changes or []}


def _whole_keys(changes: list[str] | None) -> set[str]:
    """The dotted keys of the settings; a section that is given at once counts as each of its settings."""
    return {current_key(key) for change in changes or [] for key in flat(dict([parse_assignment(change)]))}


def encoders_of(changes: list[str] | None) -> EncoderConfig:
    """The encoder settings that ``--set`` names; the others count as not set. ConfigError for a wrong one."""
    chosen, keys = config_of("thesis", changes).encoders, _keys(changes)
    named = {key.removeprefix("encoders.") for key in keys if key.startswith("encoders.")}
    if "encoders" in keys:  # the whole section at once
        named = set(EncoderConfig.model_fields)
    return EncoderConfig(**chosen.model_dump(include=named))


def run_of(profile: str, run_dir: Path | None, changes: list[str] | None, device: str = "cpu") -> Run:
    """Return the run in ``run_dir``, by default runs/PROFILE.

    ``device`` is that of the run's vocoders, and of the encoders where ``encoders.device`` is not set.
    """
    config = config_of(profile, changes)
    if device != "cpu" and not {"encoders", "encoders.device"} & _keys(changes):
        config = config.override({"encoders.device": device})
    return Run(run_folder(profile, run_dir), config, device)


def run_folder(profile: str, run_dir: Path | None) -> Path:
    """The run folder as an absolute path: a relative one starts where the command is run, as every other path does."""
    return Path.cwd() / (run_dir or Path("runs") / profile)
