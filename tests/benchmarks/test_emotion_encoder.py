"""The benchmark of emotion encoders."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import emotion_encoder


def acted(emotions: int = 3, speakers: int = 4) -> pd.DataFrame:
    """Every speaker says one sentence in every emotion."""
    rows = [
        {"speaker": f"s{s}", "emotion": f"e{e}", "sentence": "01"} for s in range(speakers) for e in range(emotions)
    ]
    return pd.DataFrame(rows)


def test_an_encoder_of_the_emotion_alone_has_every_triplet_and_no_speaker():
    table = acted()
    vectors = pd.get_dummies(table.emotion).to_numpy(float) + 1e-6 * np.random.default_rng(0).normal(size=(12, 3))
    found = {row["measure"]: row for row in emotion_encoder.measures(vectors, table, resamples=100)}
    assert found["triplets, distractor: none"]["value"] == found["triplets, distractor: speaker"]["value"] == 1
    assert found["rank-1 speaker"]["value"] == 0
    rows, confusion = emotion_encoder.by_emotion(vectors, table)
    assert [(row["AUC"], row["recall"]) for row in rows] == [(1, 1)] * 3
    assert confusion["e0"] == {"e0": 4, "e1": 0, "e2": 0}


def test_an_encoder_of_the_speaker_alone_has_no_triplet_and_every_speaker():
    table = acted()
    vectors = pd.get_dummies(table.speaker).to_numpy(float) + 0.01 * pd.get_dummies(table.emotion).to_numpy() @ np.eye(
        3, 4
    )
    found = {row["measure"]: row for row in emotion_encoder.measures(vectors, table, resamples=100)}
    assert found["triplets, distractor: speaker"]["value"] == 0
    assert found["rank-1 speaker"]["value"] == 1
    text = found["triplets, distractor: text"]
    assert text["value"] is None
    assert "distractors sentence" in text["reason"]


def test_a_single_speaker_gives_no_interval_and_the_reason():
    table = acted(speakers=1)
    rows = emotion_encoder.measures(np.eye(3), table, resamples=100)
    assert {row["value"] for row in rows} == {None}
    assert all(row["reason"] for row in rows)


def test_chance_of_identification_is_counted():
    assert emotion_encoder.identification_chance(acted()) == pytest.approx(2 / 11)


def test_recordings_that_the_encoder_was_trained_on_are_not_measured(tmp_path, monkeypatch):
    (tmp_path / "utterances.tsv").write_text(
        "path\tspeaker\temotion\tsentence\tuse\na.wav\ts1\te\tx\ttrain\nb.wav\ts2\te\tx\tmeasure only\n"
    )
    monkeypatch.setenv("THESIS_EMOTIONS", str(tmp_path))
    table, folder = emotion_encoder.measured_recordings()
    assert table.path.tolist() == ["b.wav"]
    assert table.corpus.tolist() == [tmp_path.name]
    monkeypatch.delenv("THESIS_EMOTIONS")
    with pytest.raises(SystemExit, match="THESIS_EMOTIONS"):
        emotion_encoder.measured_recordings()
