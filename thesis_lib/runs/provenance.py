"""Provenance: commit, configuration, inputs, weights and machine of a result."""

import os
import platform
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

CPU_FLAGS = Path("/proc/cpuinfo")  # Linux only
CHANGED = "+"  # after a commit, where tracked files differ from it
INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "avx512_vnni", "avx512f", "avx2", "asimd")  # widest first


@dataclass(frozen=True)
class Provenance:
    """The sources of a table's numbers."""

    run: str
    config: str  # digest
    commit: str
    inputs: dict[str, str]  # file of the run -> fingerprint
    weights: dict[str, str]  # pretrained model -> revision
    outside: dict[str, str] = field(default_factory=dict)  # another file or vocoder -> fingerprint or key


def machine() -> str:
    """Architecture, widest instruction set for low-precision arithmetic, and number of cores."""
    flags = set(CPU_FLAGS.read_text().split()) if CPU_FLAGS.exists() else set()
    widest = next((f" with {name}" for name in INSTRUCTIONS if name in flags), "")
    return f"{platform.machine()}{widest}, {os.cpu_count()} cores"


def commit() -> str:
    """Short commit of the project, with "+" when tracked files differ; "not a checkout" outside git."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", f"--dirty={CHANGED}", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "not a checkout"
    return found.stdout.strip()
