"""The measurements of the kept background."""

import numpy as np
import pytest
from helpers import spoken

from benchmarks import background
from thesis_lib.cloning.watermark import detect_watermark


def test_an_interval_is_over_voices_and_a_share_over_words():
    words = [[True] * 5, [False] * 5, [True] * 5, [False] * 10]
    alone = background.share_of(words, np.array(["a", "b", "c", "d"]))
    by_voice = background.share_of(words, np.array(["a", "b", "a", "b"]))
    assert alone["share"] == by_voice["share"] == 10 / 25
    assert by_voice["low"] < alone["low"] < 0.4 < alone["high"] < by_voice["high"]
    none = background.share_of([[False] * 8, [False] * 9], np.array(["a", "b"]))
    assert (none["share"], none["low"]) == (0, 0)
    assert none["high"] > 0, "no word of a few says little"


def test_each_different_word_counts_once():
    class Recogniser:
        def __call__(self, wav, rate, language):
            return type("Said", (), {"text": "El gato, el perro"})

    assert background.words_found(Recogniser(), np.zeros(1), "¡El gato duerme! El gato...") == [False, True, True]


@pytest.mark.parametrize("sound", sorted(background.SOUNDS))
def test_a_mixture_is_the_english_in_its_place_over_the_background(sound):
    start = 3 * background.RATE
    source = 0.02 * background.SOUNDS[sound](6 * background.RATE, 0)
    english = spoken(0, background.RATE, "en")[: 2 * background.RATE]
    before, after = background.mixtures(english, source, start)
    for wav in (before, after):
        assert len(wav) == len(english)
        assert np.corrcoef(wav, english)[0, 1] > 0.8
    assert detect_watermark(after, background.RATE).is_marked
