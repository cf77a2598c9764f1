"""A vocoder's inputs from the bundled recordings."""

import numpy as np
import pytest
from loud_vocoder import loud_vocoder

from thesis_lib.audio.files import read_audio
from thesis_lib.audio.pitch import track
from thesis_lib.compression import BundledInputs, bundled
from thesis_lib.config import CorpusConfig, IstftConfig
from thesis_lib.corpus import mini
from thesis_lib.embeddings.encoders import embed
from thesis_lib.embeddings.encoders.tiny import TinyTestEncoder


@pytest.fixture
def inputs(monkeypatch) -> BundledInputs:
    for name in ("speaker_encoder", "emotion_encoder"):
        monkeypatch.setattr(bundled, name, lambda config: TinyTestEncoder())
    return BundledInputs(loud_vocoder(IstftConfig(channels=16, blocks=1)))


def test_the_voice_is_that_of_the_spanish_and_the_content_is_the_english(inputs):
    spanish, english = (read_audio(mini.bundle() / "audio" / f"000124.{side}.opus", 22_050)[0] for side in ("es", "en"))
    voice = inputs.voice("000124")
    assert np.allclose(voice.speaker, embed(TinyTestEncoder(), spanish, 22_050))
    assert voice.log_f0_median == track(spanish, inputs.vocoder.audio).log_f0_median
    given = inputs.inputs("000124", voice)
    assert np.allclose(given["content"], inputs.vocoder.features(english, voice.log_f0_median))
    assert np.array_equal(given["speaker"], voice.speaker[None])
    assert given["emotion"].shape == (1, 192)


def test_calibration_takes_sentences_of_the_training_split_each_in_its_own_voice(inputs, monkeypatch):
    calls = []
    monkeypatch.setattr(BundledInputs, "voice", lambda self, id: id)
    monkeypatch.setattr(BundledInputs, "inputs", lambda self, id, voice: calls.append((id, voice)))
    assert len(inputs.calibration(3)) == 3
    table = mini.table(CorpusConfig(name="mini")).set_index("id")
    assert len(calls) == 3
    assert all(id == voice and table.split[id] == "train" for id, voice in calls)
    assert len({table.voice[id] for id, _ in calls}) == 3
