"""Errors of recordings."""

import pickle

from thesis_lib.audio.errors import AudioError


def test_an_error_crosses_to_another_process():
    error = AudioError("no speech", "a.wav", "name another recording")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.reason) == (AudioError, str(error), "no speech")
