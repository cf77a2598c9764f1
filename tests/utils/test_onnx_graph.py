"""Graphs built node by node, and the cache of built files."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from thesis_lib.utils.files import sha256
from thesis_lib.utils.onnx_graph import Graph, GraphError, cached, session


def write_sum(path):
    graph = Graph({"x": (np.float32, [1, "n"])})
    total = graph.add("Add", graph.add("Mul", "x", np.float32(2)), np.float32(2))
    graph.write(path, total, "y", {"about": "2 x + 2"})


def test_a_graph_runs_and_its_scalars_are_shared(tmp_path):
    path = tmp_path / "sum.onnx"
    write_sum(path)
    loaded = session(path, threads=1)
    assert np.array_equal(loaded.run(None, {"x": np.ones((1, 3), np.float32)})[0], np.full((1, 3), 4))
    assert loaded.get_modelmeta().custom_metadata_map == {"about": "2 x + 2"}
    import onnx

    assert len(onnx.load(path).graph.initializer) == 1


def test_a_built_file_is_kept_and_a_damaged_one_is_built_again(tmp_path):
    built = []

    def build(path):
        built.append(path)
        write_sum(path)

    path = tmp_path / "graphs" / "sum.onnx"
    first = sha256(cached(path, build))
    assert sha256(cached(path, build)) == first
    assert len(built) == 1
    path.write_bytes(path.read_bytes()[:-3])
    assert sha256(cached(path, build)) == first
    assert len(built) == 2


def test_a_build_that_fails_leaves_no_file(tmp_path):
    def build(path):
        path.write_bytes(b"half")
        raise ValueError

    with pytest.raises(ValueError):
        cached(tmp_path / "sum.onnx", build)
    assert not list(tmp_path.glob("*.onnx"))


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "graphs").write_text("a file")
    with pytest.raises(GraphError, match=r"sum\.onnx: cannot be written .*--models-dir"):
        cached(tmp_path / "graphs" / "sum.onnx", write_sum)


GROWTH = """
import os, sys
from pathlib import Path
import numpy as np
from thesis_lib.utils import onnx_graph

def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

wide = np.ones((1, 4000), np.float32)  # 64 MB in between
loaded = getattr(onnx_graph, sys.argv[1])(sys.argv[2], threads=1)
loaded.run(None, {"x": wide[:, :10]})
before = resident_bytes()
assert abs(loaded.run(None, {"x": wide})[0] / 4000**2 - 1) < 1e-6
print(resident_bytes() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the resident memory from /proc")
def test_a_freeing_session_returns_the_memory_of_a_long_input_and_a_plain_one_keeps_it(tmp_path):
    """Each in a process of its own: in this one, earlier tests may have left free memory, which a session then uses."""
    graph, path = Graph({"x": (np.float32, [1, "n"])}), tmp_path / "square.onnx"
    square = graph.add("MatMul", graph.add("Transpose", "x", perm=[1, 0]), "x")
    graph.write(path, graph.add("ReduceSum", graph.add("Abs", square), keepdims=0), "y")

    def growth(make: str) -> int:
        ran = subprocess.run([sys.executable, "-c", GROWTH, make, path], capture_output=True, text=True, check=True)
        return int(ran.stdout)

    assert growth("freeing_session") < 20e6 < 50e6 < growth("session")


HELD = """
import os, sys
from pathlib import Path
import numpy as np
from thesis_lib.audio.pitch import track
from thesis_lib.config import AudioConfig
from thesis_lib.vocoder.loading import load_vocoder

def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

if sys.argv[1] == "pitch":
    noise = np.random.default_rng(0).normal(0, 0.1, 20 * 22050).astype(np.float32)
    call = lambda seconds: track(noise[: int(seconds * 22050)], AudioConfig())
else:
    vocoder = load_vocoder("default", frees_memory=sys.argv[1] == "freeing vocoder")
    call = lambda seconds: vocoder.samples(np.zeros((1, 387, int(seconds * 86)), np.float32))
call(0.5)
before = resident_bytes()
call(20)
print(resident_bytes() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the resident memory from /proc")
def test_the_pitch_tracker_and_the_vocoder_of_the_cloning_pipeline_return_the_memory_of_a_long_input():
    def held(what: str) -> int:
        ran = subprocess.run([sys.executable, "-c", HELD, what], capture_output=True, text=True, check=True)
        return int(ran.stdout)

    assert held("pitch") < 25e6
    assert held("freeing vocoder") < 25e6 < 35e6 < held("vocoder")
