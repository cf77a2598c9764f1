"""`thesis clone`, `stream` and `detect` work without any module of an extra; `serve` needs that of its own extra."""

import socket
import subprocess
import sys

import pytest

from thesis_lib.corpus import mini
from thesis_lib.utils.extras import EXTRAS

SERVE = tuple(module for module, extra in EXTRAS.items() if extra == "serve")  # the README names it for `thesis serve`
OF_THE_CORE = ("joblib", "threadpoolctl")  # installed with resemble-perth too, through librosa and scikit-learn
PROGRAM = """
import sys
from importlib.machinery import PathFinder

blocked = {blocked}

class WithoutExtras(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in blocked else super().find_spec(name, path, target)

sys.meta_path[:] = [WithoutExtras if finder is PathFinder else finder for finder in sys.meta_path]
from thesis_lib.cli import main

sys.argv[0] = "thesis"
main()
"""


def thesis(*arguments: object, allowed: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    """Run a command without the modules of the extras but the allowed ones."""
    blocked = sorted(EXTRAS.keys() - {*allowed, *OF_THE_CORE})
    command = [sys.executable, "-c", PROGRAM.format(blocked=blocked), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.mark.weights("ecapa", "kokoro", "kokoro-voices", "whisper-base", "whisper-tiny.en")
def test_a_recording_is_cloned_and_its_watermark_detected_without_torch(tmp_path):
    source, target = mini.bundle() / "audio" / "000191.es.opus", tmp_path / "hello.wav"
    made = thesis("--offline", "clone", source, target, "--consent", "a test", "--text", "Hello again.")
    assert made.returncode == 0, made.stderr
    found = thesis("detect", target)
    assert found.returncode == 0, found.stderr
    assert "marked" in found.stdout


@pytest.mark.weights("ecapa")
def test_the_small_weights_name_the_extra_of_their_emotion_encoder(tmp_path):
    source = mini.bundle() / "audio" / "000191.es.opus"
    made = thesis("--offline", "clone", source, tmp_path / "hello.wav", "--vocoder", "small", "--text", "Hello.")
    assert made.returncode == 2
    assert "this needs the package opensmile: pip install 'thesis-lib[egemaps]'" in made.stderr


@pytest.mark.weights("hifigan-universal")
def test_a_recording_is_streamed_without_torch(tmp_path):
    source, target = mini.bundle() / "audio" / "000191.es.opus", tmp_path / "again.wav"
    made = thesis("--offline", "stream", source, target, "--chunk", "1000")
    assert made.returncode == 0, made.stderr
    assert target.stat().st_size > 100_000


def test_the_dubbing_page_starts_without_torch():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = thesis("serve", "--port", port, allowed=SERVE)
    assert ended.returncode == 2
    assert f"port {port}" in ended.stderr  # and not what torch is needed for


def test_the_modules_of_the_extras_are_not_found(tmp_path):
    """As in a fresh installation of the core: what looks for one finds none, and what imports one names its extra."""
    without = thesis("serve")
    assert without.returncode == 2
    assert "this needs the package tornado: pip install 'thesis-lib[serve]'" in without.stderr
    report = thesis("validate", "--profile", "smoke", "--run-dir", tmp_path / "run")
    assert report.returncode == 2
    assert "thesis-lib[train]" in report.stderr


def test_the_package_of_cloning_imports_neither_torch_nor_pandas():
    heavy = (*EXTRAS, "pandas", "onnx", "onnxruntime", "faster_whisper", "kokoro_onnx", "c2pa")
    code = f"import sys, thesis_lib.cloning; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
