"""The benchmark of emotion and prosody on data with a known answer."""

import numpy as np
import pandas as pd
import pytest
from helpers import voiced

from benchmarks import emotion
from thesis_lib.audio.files import write_audio
from thesis_lib.utils.errors import MetricError

EMOTIONS = ("anger", "neutral", "sadness")


def rows(carried: float, seed: int = 0) -> pd.DataFrame:
    """Six speakers; the probe's input is the emotion's direction times ``carried``, the speaker's offset and noise."""
    rng, directions = np.random.default_rng(seed), np.eye(3, 8)
    found = []
    for speaker in range(6):
        offset = 5 * rng.normal(size=8)
        for number, name in enumerate(EMOTIONS):
            probe = offset + carried * directions[number] + 0.05 * rng.normal(size=8)
            found.append({"speaker": f"s{speaker}", "emotion": name, "probe": probe})
    return pd.DataFrame(found)


def test_recall_of_an_output_that_carries_the_emotion_is_one():
    """Although each speaker is far from the others, and never part of the probe's own training."""
    assert emotion.recall(rows(1.0), rows(1.0, seed=1))(np.arange(18)) == 1.0


def test_recall_of_an_output_without_emotion_is_about_chance():
    values = [emotion.recall(rows(1.0), rows(0.0, seed=seed))(np.arange(18)) for seed in range(1, 30)]
    assert np.mean(values) == pytest.approx(1 / 3, abs=0.1)


def test_a_constant_has_no_correlation():
    with pytest.raises(MetricError, match="constant"):
        emotion.correlation_of_rows(np.ones(4), np.arange(4.0))(np.arange(4))
    assert emotion.correlation_of_rows(-np.arange(4.0), np.arange(4.0))(np.arange(4)) == pytest.approx(-1)


def test_a_folder_of_speakers_is_read(tmp_path, monkeypatch):
    for name in ("ana/anger_1.wav", "ana/joy_2.wav", "luis/anger_1.wav"):
        write_audio(tmp_path / name, voiced(), 22_050)
    monkeypatch.setenv("THESIS_EMOTIONS", str(tmp_path))
    found = emotion.recordings()
    assert list(zip(found.speaker, found.emotion, strict=True)) == [("ana", "anger"), ("ana", "joy"), ("luis", "anger")]
    table = "path\tspeaker\temotion\tuse\nana/anger_1.wav\tx\tfear\ttrain\nana/joy_2.wav\tx\tjoy\tmeasure only\n"
    (tmp_path / "utterances.tsv").write_text(table)
    assert list(emotion.recordings().emotion) == ["joy"]
    monkeypatch.setenv("THESIS_EMOTIONS", str(tmp_path / "luis"))
    with pytest.raises(SystemExit, match="neither"):
        emotion.recordings()
    monkeypatch.delenv("THESIS_EMOTIONS")
    with pytest.raises(SystemExit, match="THESIS_EMOTIONS"):
        emotion.recordings()
