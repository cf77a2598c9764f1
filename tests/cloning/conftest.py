"""Fixtures of a conversation that is cloned: a substitute speaker encoder, the recording, and the voices rendered."""

import pytest
from cloning_stages import ByLevel, write_dialogue

from thesis_lib.vocoder.synthesis import Vocoder


@pytest.fixture
def levels(stages):
    """The stages with the substitute encoder."""
    return (ByLevel(stages[0]), *stages[1:])


@pytest.fixture
def dialogue(tmp_path):
    """Speaker 1 at 0 to 3 s, speaker 2 to 6.25 s, speaker 1 at 8.25 to 11.25 s."""
    return write_dialogue(tmp_path / "talk.wav")


@pytest.fixture
def rendered(monkeypatch):
    """The speaker embedding of every segment that is rendered: 1 is speaker 1, who is loud, and 0 speaker 2."""
    found, render = [], Vocoder.render

    def spy(self, wav, voice, *more):
        found.append(int(voice.speaker.argmax()))
        return render(self, wav, voice, *more)

    monkeypatch.setattr(Vocoder, "render", spy)
    return found
