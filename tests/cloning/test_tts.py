import numpy as np
import pytest

from thesis_lib.cloning import (
    tts,
)
from thesis_lib.cloning.tts import KokoroSynthesizer, SpeechError


@pytest.mark.weights("kokoro", "kokoro-voices")
def test_kokoro_speaks_both_languages_and_mixtures_and_refuses_the_rest():
    synthesizer = KokoroSynthesizer()
    assert len(synthesizer.voices) == 54
    for voice, language, text in (("af_heart", "en", "Good morning."), ("ef_dora+if_sara", "es", "Buenos días.")):
        wav = synthesizer(text, voice, language)
        assert 0.4 < len(wav) / 24_000 < 3
        assert np.isfinite(wav).all()
        assert np.abs(wav).max() > 0.05
    # In float16 this very sentence came out as NaN.
    assert np.isfinite(
        synthesizer("This morning I left my keys inside the house and had to call my neighbour.", "af_heart")
    ).all()
    with pytest.raises(SpeechError, match="no voice"):
        synthesizer("hello", "af_hart")
    with pytest.raises(SpeechError, match="text to synthesise is empty"):
        synthesizer("  ", "af_heart")


def test_a_long_text_is_spoken_sentence_by_sentence_and_a_short_one_at_once():
    sentence = "When the storm had passed, the two fishermen went down to the harbour."
    assert tts.portions(f"Yes. {sentence}") == [f"Yes. {sentence}"]
    assert tts.portions(" ".join([sentence] * 3)) == [sentence] * 3


@pytest.mark.parametrize("mark", [", ", " ", ""])
def test_no_text_takes_more_memory_than_the_longest_portion(mark):
    endless = mark.join(["and then another one"] * 40)
    found = tts.portions(f"It began. {endless}")
    assert max(map(len, found)) <= tts.MAX_CHARS_AT_ONCE
    assert "".join(found).replace(" ", "") == f"It began. {endless}".replace(" ", "")
    if mark == ", ":
        assert all(portion.endswith(",") for portion in found[1:-1])
