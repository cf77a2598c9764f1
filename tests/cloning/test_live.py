import numpy as np
import pytest
import soundfile
from cloning_stages import HZ, Synthesizer, pipeline

from thesis_lib.audio.files import AudioError, raw_blocks
from thesis_lib.cloning import (
    Request,
    clone_live,
)
from thesis_lib.cloning.errors import CloningError


class Microphone:
    """A stream of raw samples that counts the bytes read."""

    def __init__(self, wav):
        self.data, self.read_bytes = (wav * 32767).astype("<i2").tobytes() + b"x", 0

    def read(self, size):
        part = self.data[self.read_bytes : self.read_bytes + size]
        self.read_bytes += len(part)
        return part


def test_live_speech_is_translated_before_the_input_ends(stages, talk, monkeypatch):
    microphone = Microphone(talk)
    made = pipeline(stages, english="hello my dear friend, how are you doing today?")
    segments = made.live(raw_blocks(microphone, HZ, 0.25), HZ)
    first = next(segments)
    assert first.translated.english == "hello my dear friend,"
    assert microphone.read_bytes < 0.8 * len(microphone.data)
    rest = list(segments)
    assert [p.translated.english for p in rest][:1] == ["how are you doing today?"]
    assert len(rest) == 3
    assert all(a.end <= b.start for a, b in zip([first, *rest], rest, strict=False))


def test_live_to_a_file_and_to_stdout(stages, talk, tmp_path, capfdbinary):
    said = []
    seconds = clone_live(
        pipeline(stages), Microphone(talk), HZ, tmp_path / "out.wav", Request(consent="me"), said.append
    )
    assert soundfile.info(tmp_path / "out.wav").duration == pytest.approx(seconds)
    assert said == ["hello my friend"] * 2
    assert clone_live(pipeline(stages), Microphone(talk), HZ, "-") == pytest.approx(seconds)
    assert len(capfdbinary.readouterr().out) == pytest.approx(2 * seconds * HZ, abs=4)
    with pytest.raises(CloningError, match="need a file"):
        clone_live(pipeline(stages), Microphone(talk), HZ, "-", Request(text="hello"))
    with pytest.raises(AudioError, match="no words were recognised"):
        clone_live(pipeline(stages), Microphone(np.zeros(HZ)), HZ, "-")


def test_clauses_that_are_together_too_long_for_their_segment_are_noted(stages, talk, tmp_path):
    class Slow(Synthesizer):
        def __call__(self, text, voice, language="en", speed=1.0):
            return super().__call__(text, voice, language, speed / 4)

    said, made = [], pipeline(stages, english="The old boat goes out, and all of the men sing, until the sun is up.")
    made.synthesizer = Slow()
    seconds = clone_live(made, Microphone(talk), HZ, tmp_path / "a.wav", say=said.append)
    notes = [text for text in said if "s of English for" in text]
    assert len(notes) == 3
    assert notes[0].startswith("1.")
    assert notes[2] == f"the whole speech: {seconds:.1f} s of English for {len(talk) / HZ:.1f} s of the source"
    said.clear()
    first = talk[: int(0.45 * len(talk))]  # one segment
    clone_live(made, Microphone(first), HZ, tmp_path / "a.wav", say=said.append)
    assert sum("s of English for" in text for text in said) == 1


def test_a_wav_file_on_stdin_is_not_played_as_raw_samples(stages, talk, tmp_path):
    soundfile.write(tmp_path / "in.wav", talk, HZ)
    with open(tmp_path / "in.wav", "rb") as stream:
        seconds = clone_live(pipeline(stages), stream, 16_000, tmp_path / "out.wav")
    assert seconds == pytest.approx(clone_live(pipeline(stages), Microphone(talk), HZ, tmp_path / "raw.wav"), abs=0.05)


def test_inverted_phase_on_stdin_is_repaired_and_said(stages, talk, tmp_path):
    soundfile.write(tmp_path / "in.wav", np.stack([talk, -talk], 1), HZ, subtype="FLOAT")
    said = []
    with open(tmp_path / "in.wav", "rb") as stream:
        seconds = clone_live(pipeline(stages), stream, 16_000, tmp_path / "out.wav", say=said.append)
    assert seconds > 1
    assert said.count("hello my friend") == 2
    assert any(text.startswith("stdin: the channels cancel each other (inverted phase)") for text in said)
