"""The example of the deployment page renders speech with an exported file, without torch."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.corpus import mini
from thesis_lib.embeddings.encoders import embed, speaker_encoder
from thesis_lib.embeddings.similarity import cosine
from thesis_lib.vocoder.graphs import vocoder_file
from thesis_lib.vocoder.onnx_vocoder import OnnxVocoder

PAGE = (Path(__file__).parents[2] / "book" / "deployment.md").read_text(encoding="utf-8")
RATE = 22_050
RECORDINGS = {"hola": "000108.es", "english": "000191.en"}  # a man and a woman
BEFORE = "sounds = []\nplay = sounds.append\n"
AFTER = """
import sys
import numpy as np
assert "torch" not in sys.modules
np.savez("made.npz", wav=wav, streamed=np.concatenate(sounds))
"""


@pytest.mark.weights("ecapa", "whisper-tiny.en")
def test_the_example_renders_and_streams_in_the_target_voice(tmp_path):
    (code,) = re.findall(r"```python\n([^`]*?\"default\.onnx\".*?)```", PAGE, re.S)
    path = vocoder_file("default")
    assert path is not None
    shutil.copy(path, tmp_path / "default.onnx")
    given = {name: read_audio(mini.bundle() / "audio" / f"{id_}.opus", RATE)[0] for name, id_ in RECORDINGS.items()}
    for name, wav in given.items():
        write_audio(tmp_path / f"{name}.wav", wav, RATE)
    done = subprocess.run(
        [sys.executable, "-c", BEFORE + code + AFTER], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    made = np.load(tmp_path / "made.npz")
    assert len(made["wav"]) == len(given["english"])
    assert made["streamed"][: len(made["wav"])] == pytest.approx(made["wav"], abs=1e-3)
    encoder = speaker_encoder(OnnxVocoder.from_pretrained(path).encoders, inference=True)
    output, target, content = (embed(encoder, wav, RATE) for wav in (made["wav"], given["hola"], given["english"]))
    assert cosine(output, target) > cosine(output, content)
