"""A vocoder's inputs from the bundled recordings: to calibrate its variants, and to compare them."""

import numpy as np

from thesis_lib.audio.files import read_audio
from thesis_lib.compression.variants import voice_inputs
from thesis_lib.config import CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.corpus.split import spread
from thesis_lib.embeddings.encoders import emotion_encoder, speaker_encoder
from thesis_lib.runs.embed import recorded_voice
from thesis_lib.vocoder.synthesis import Vocoder
from thesis_lib.vocoder.voice import Voice


class BundledInputs:
    """Inputs of one vocoder: a bundled English sentence as content, the voice of a bundled Spanish recording.

    The encoders are those that the vocoder was trained with.
    """

    def __init__(self, vocoder: Vocoder) -> None:
        self.vocoder = vocoder
        self._encoders = speaker_encoder(vocoder.encoders), emotion_encoder(vocoder.encoders)

    def voice(self, id: str) -> Voice:
        """The voice of the Spanish recording of a bundled pair: both embeddings and the log-F0 median."""
        return recorded_voice(self._recording(f"{id}.es"), self.vocoder.audio, self._encoders, id)

    def inputs(self, id: str, voice: Voice) -> dict[str, np.ndarray]:
        """The inputs (``voice_inputs``) for the English sentence of a bundled pair in a voice."""
        return voice_inputs(self._recording(f"{id}.en"), voice, self.vocoder)

    def calibration(self, count: int) -> list[dict[str, np.ndarray]]:
        """The inputs for sentences of the training split, each in its own voice, spread over the voices."""
        rows = mini.table(CorpusConfig(name="mini"))
        ids = rows[rows.split == "train"].id.tolist()
        return [self.inputs(ids[i], self.voice(ids[i])) for i in spread(len(ids), count)]

    def _recording(self, name: str) -> np.ndarray:
        return read_audio(mini.bundle() / "audio" / f"{name}.opus", self.vocoder.sample_rate)[0]
