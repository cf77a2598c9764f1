"""Intervals of the content benchmark: over speakers, each with one test recording."""

import json

import numpy as np
import pytest
import torch

from benchmarks.content import _identified, identification, word_error_rate
from thesis_lib.validation.metrics import share_interval

SPEAKERS, PIECES = 60, 10


def test_pieces_that_agree_within_their_speaker_have_the_interval_of_the_speakers():
    right = np.arange(SPEAKERS) < 12
    found = identification(np.repeat(right, PIECES), np.repeat(np.arange(SPEAKERS), PIECES))
    assert (found["accuracy"], found["pieces"]) == (0.2, SPEAKERS * PIECES)
    row = found["speaker identified"]
    assert (row["value"], row["n"], row["recordings"]) == (0.2, SPEAKERS * PIECES, SPEAKERS)
    # Clopper & Pearson's interval of 12 of 60; that of 120 of 600 is 0.169 to 0.234.
    assert (row["low"], row["high"]) == pytest.approx((0.108, 0.323), abs=0.005)
    pieces_alone = share_interval(np.repeat(right, PIECES))
    assert row["high"] - row["low"] > 3 * (pieces_alone[2] - pieces_alone[1])
    assert json.loads(json.dumps(found)) == found


def test_a_word_error_rate_is_of_every_word_and_its_interval_of_the_recordings():
    errors = np.column_stack([np.arange(SPEAKERS) < 30, np.full(SPEAKERS, 10)]).astype(int)
    found = word_error_rate(errors)
    row = found["word error rate"]
    assert found["wer"] == row["value"] == 30 / 600
    assert row["n"] == SPEAKERS
    half = 2.001 * 0.05 / np.sqrt(SPEAKERS - 1)  # t of 59 degrees of freedom, standard deviation 0.05
    assert (row["low"], row["high"]) == pytest.approx((0.05 - half, 0.05 + half), abs=0.002)
    unequal = word_error_rate(np.array([[5, 5], [0, 15]]))
    assert unequal["wer"] == 0.25, "not the mean of rates"
    assert unequal["word error rate"]["low"] == 0
    none = word_error_rate(np.column_stack([np.zeros(10), np.full(10, 7)]))["word error rate"]
    # The upper limit of a share of 0 of 10 in every table of the binomial.
    assert (none["value"], none["low"], none["high"]) == pytest.approx((0, 0, 0.3085), abs=1e-4)


def test_the_classifier_identifies_what_is_apart_and_says_which_piece_is_whose():
    torch.manual_seed(0)
    names = torch.arange(4).repeat_interleave(5)
    apart = torch.eye(4)[names] * 10 + torch.randn(20, 4)
    mixed_up = names.clone()
    mixed_up[-5:] = 0  # the last speaker's pieces under another name
    identified, speakers = _identified((apart, names), (apart, mixed_up), 4)
    assert identified.tolist() == [True] * 15 + [False] * 5
    assert speakers.tolist() == mixed_up.tolist()
