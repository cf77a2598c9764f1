"""`thesis clone`, `stream`, `detect` and `serve` work where torch cannot be imported."""

import socket
import subprocess
import sys

import pytest

from thesis_lib.corpus import mini

BLOCKED = ("opensmile", "torch", "torchaudio", "speechbrain", "librosa", "funasr", "transformers")
PROGRAM = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED}:
            raise ImportError(f"{{name}} is blocked by this test", name=name)

sys.meta_path.insert(0, Blocked())
from thesis_lib.cli import main

sys.argv[0] = "thesis"
main()
"""


def thesis(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
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
        ended = thesis("serve", "--port", port)
    assert ended.returncode == 2
    assert f"port {port}" in ended.stderr  # and not what torch is needed for


def test_the_package_of_cloning_imports_neither_torch_nor_pandas():
    heavy = (*BLOCKED, "pandas", "onnx", "onnxruntime", "faster_whisper", "kokoro_onnx", "c2pa")
    code = f"import sys, thesis_lib.cloning; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
