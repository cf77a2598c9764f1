"""Size and speed of cloning without torch.

Megabytes of the packages of the core and of [train]; seconds of imports and of a whole clone, each in a new process;
and each network in ONNX Runtime or NumPy against its original in torch, interleaved on one thread: how far the results
are apart, and how much faster the one without torch is.
"""

import importlib.metadata
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from packaging.markers import Marker

from thesis_lib.audio.files import read_audio
from thesis_lib.config import CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.utils.load_librosa import load_librosa
from thesis_lib.utils.timing import interleaved, ratio
from thesis_lib.vocoder.sources import DEFAULT
from thesis_lib.vocoder.voice import Voice

COMMANDS = {
    "import thesis_lib": ["-c", "import thesis_lib"],
    "thesis --help": ["-c", "import sys; from thesis_lib.cli import main; sys.argv = ['thesis', '--help']; main()"],
}
CLONE = "import sys; from thesis_lib.cli import main; sys.argv = ['thesis', *sys.argv[1:]]; main()"


def run(quick: bool) -> dict:
    """MB, seconds, differences and ratios; medians with the lowest and the highest of the rounds."""
    row = mini.table(CorpusConfig(name="mini")).iloc[0]
    spanish, english = (mini.bundle() / "audio" / f"{row.id}.{side}.opus" for side in ("es", "en"))
    with tempfile.TemporaryDirectory() as work:
        clone = ["-c", CLONE, "--offline", "clone", str(spanish), str(Path(work) / "out.wav"), "--consent", "benchmark"]
        seconds = _seconds(COMMANDS | {"thesis clone": clone}, 1 if quick else 3)
    wav, rate = read_audio(spanish)
    return {
        "cores": len(os.sched_getaffinity(0)),
        "load average": os.getloadavg()[0],
        "MB of the core": _megabytes(_required()),
        "MB with [train]": _megabytes(_required("train")),
        "seconds of Spanish": len(wav) / rate,
        "seconds": seconds,
        "networks": networks(*read_audio(english, 22_050), rounds=1 if quick else 15),
    }


def _seconds(commands: dict[str, list[str]], rounds: int) -> dict[str, dict[str, float]]:
    """Seconds from the start of each process to its end, and of its processor time; one round more fills caches."""
    wall: dict[str, list[float]] = {name: [] for name in commands}
    busy: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            before, started = os.times(), time.perf_counter()
            subprocess.run([sys.executable, *command], check=True, capture_output=True)
            if number:
                wall[name].append(time.perf_counter() - started)
                after = os.times()
                busy[name].append(
                    after.children_user + after.children_system - before.children_user - before.children_system
                )
    return {name: _spread(wall[name]) | {"processor": statistics.median(busy[name])} for name in commands}


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "low": min(values), "high": max(values), "n": len(values)}


def _required(*extras: str) -> set[str]:
    """Names of the installed distributions that the core and some extras of pyproject.toml bring."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    left = [*project["dependencies"], *(pin for extra in extras for pin in project["optional-dependencies"][extra])]
    found: set[str] = set()
    while left:
        package, _, marker = left.pop().partition(";")
        name = re.match(r"[\w.-]+", package)[0].lower().replace("_", "-")
        if name not in found and _applies(marker) and _installed(name):
            found.add(name)
            left += importlib.metadata.requires(name) or []
    return found


def _applies(marker: str) -> bool:
    return not marker or Marker(marker).evaluate({"extra": ""})


def _installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _megabytes(names: set[str]) -> float:
    """Size of the distributions' files, without compiled bytecode."""
    paths = [importlib.metadata.distribution(name).locate_file(file) for name in names for file in _files(name)]
    return sum(Path(path).stat().st_size for path in paths if Path(path).is_file()) / 1e6


def _files(name: str) -> list:
    return [file for file in importlib.metadata.files(name) or [] if not str(file).endswith(".pyc")]


def networks(wav: np.ndarray, rate: int, rounds: int) -> dict[str, dict]:
    """Each network on a bundled recording: largest difference of its output, and speed relative to torch."""
    from thesis_lib.audio.files import resample
    from thesis_lib.cloning import watermark
    from thesis_lib.embeddings.encoders.ecapa import EcapaTdnn
    from thesis_lib.embeddings.encoders.ecapa_onnx import OnnxEcapa
    from thesis_lib.vocoder.loading import load_vocoder
    from thesis_lib.vocoder.synthesis import Vocoder

    speech, loud = resample(wav, rate, 16_000), resample(wav, rate, watermark.RATE)
    ours, theirs = load_vocoder(DEFAULT), Vocoder.from_torch(DEFAULT)
    voice = Voice(np.random.default_rng(0).normal(size=192).astype(np.float32), ours.mean_emotion)
    content = ours.features(wav)
    ecapa, original = OnnxEcapa(1), EcapaTdnn()
    marker, published = watermark._marker(), _published_watermark()
    pairs: dict[str, tuple[Callable, Callable]] = {
        "ECAPA-TDNN": (lambda: ecapa.encode(speech), lambda: original.encode(speech)),
        "released vocoder": (lambda: ours.samples(content, voice), lambda: theirs.samples(content, voice)),
        "watermark": (lambda: marker.mark(loud), lambda: published.apply_watermark(loud, watermark.RATE)),
    }
    found = {}
    for name, (without, in_torch) in pairs.items():
        a, b = without(), in_torch()
        times = interleaved({"without": without, "torch": in_torch}, rounds)
        found[name] = {
            "largest difference": float(np.abs(a - b).max()),
            "largest value": float(np.abs(b).max()),
            "speed": ratio(times["torch"], times["without"]) | {"n": rounds},
        }
    return found


def _published_watermark():
    import torch

    load_librosa()  # before the package imports it
    from perth.perth_net.perth_net_implicit.config import default_hp
    from perth.perth_net.perth_net_implicit.model.perth_net import PerthNet
    from perth.perth_net.perth_net_implicit.perth_watermarker import PerthImplicitWatermarker

    from thesis_lib.cloning.watermark import weights_path

    network = PerthNet(default_hp)
    network.load_state_dict(torch.load(weights_path(), map_location="cpu", weights_only=True)["model"])
    return PerthImplicitWatermarker(None, perth_net=network.eval().requires_grad_(False))
