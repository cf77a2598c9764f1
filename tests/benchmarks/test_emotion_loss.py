"""The comparison of trainings with and without the emotion loss of sampled target speakers, without its trainings."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from helpers import spoken, voiced

from benchmarks import emotion, emotion_loss
from benchmarks.acted import Acted
from benchmarks.emotion_loss import RELEASED, WITH, WITHOUT
from benchmarks.emotion_statistics import SOURCE
from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.audio.voice_activity import RATE


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two actors with three recordings of two emotions, marked "train", and two readers."""
    rows = [(actor, name, take) for actor in ("x", "y") for name in ("fear", "joy") for take in range(3)]
    table = ["path\tspeaker\temotion\tsentence\tuse"]
    for actor, name, take in rows:
        path = tmp_path / "acted" / f"{actor}-{name}-{take}.wav"
        write_audio(path, voiced(), 22_050)
        table.append(f"{path.name}\t{actor}\t{name}\ta\ttrain")
    (tmp_path / "acted" / "utterances.tsv").write_text("\n".join(table) + "\n")
    for reader in ("r", "s"):
        write_audio(tmp_path / "human" / reader / "1.wav", voiced(10.0), 22_050)
    monkeypatch.setenv("THESIS_EMOTIONS", str(tmp_path / "acted"))
    monkeypatch.setenv("THESIS_HUMAN", str(tmp_path / "human"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def test_no_measured_recording_is_trained_on(folders, monkeypatch):
    given = {}
    monkeypatch.setattr(emotion_loss, "continued_weights", lambda table, quick: given.update(trained=set(table.path)))

    def stop(table, vocoders):
        given["measured"] = set(table.path)
        raise RuntimeError("as far as it goes")

    monkeypatch.setattr(emotion_loss, "_measured", stop)
    with pytest.raises(RuntimeError, match="as far"):
        emotion_loss.run(quick=False)
    assert len(given["measured"]) == 4
    assert len(given["trained"]) == 8
    assert not given["trained"] & given["measured"]


def test_the_trainings_differ_in_the_loss_alone_and_have_the_recordings(folders, monkeypatch):
    runs = []

    def train(run, task, progress):
        for part in ("corpus", "embeddings", "analyses"):
            if not runs:
                (run.path / part).mkdir()
                (run.path / part / "made").touch()
            assert (run.path / part / "made").exists(), "the second training has the first one's stages"
        runs.append(run)
        return task

    monkeypatch.setattr(emotion_loss, "train", train)
    monkeypatch.setattr(emotion_loss.Vocoder, "from_torch", lambda name: name)
    found = emotion_loss.continued_weights(emotion.acted_recordings(train=True), quick=False)
    assert found == {RELEASED: "default", WITHOUT: "conversion", WITH: "conversion"}
    without, with_loss = (run.config for run in runs)
    assert without.override({"conversion.losses.sampled_emotion": emotion_loss.WEIGHT}) == with_loss
    assert without.conversion.losses.sampled_emotion == 0 < with_loss.conversion.losses.sampled_emotion
    assert with_loss.conversion.training.trainable == "condition"
    assert with_loss.conversion.training.warm_start == "default"
    corpora = {member.title: member.root for member in with_loss.corpus.members}
    files = {title: sorted(emotion_loss.Path(root).glob("*/*")) for title, root in corpora.items()}
    assert [len(files["acted"]), len(files["read"])] == [12, 2]
    assert {path.parent.name for path in files["acted"]} == {"x", "y"}
    wav, rate = read_audio(files["read"][0])
    assert len(wav) == emotion_loss.HUMAN_SECONDS * rate


def test_every_vocoder_renders_the_same_sentence():
    def synthesise(translated, speaker, level):
        assert (translated, speaker) == ("text", "voice")
        yield SimpleNamespace(wav=np.full(5, level))

    pipelines = {
        name: SimpleNamespace(
            analyse_speaker=lambda segments, recording: "voice",
            from_text=lambda text, segments, recording: text,
            synthesise=partial(synthesise, level=level),
            sample_rate=22_050,
        )
        for name, level in ((RELEASED, 1.0), (WITH, 2.0))
    }
    item = Acted(0, "x", "fear", "x.wav", "text", lambda: (spoken(0, RATE), RATE))
    found = emotion_loss.clones_of_each(pipelines, item)
    assert list(found) == [SOURCE, RELEASED, WITH]
    assert [set(found[name][0].tolist()) for name in (RELEASED, WITH)] == [{1.0}, {2.0}]
    assert 0 < len(found[SOURCE][0]) <= len(spoken(0, RATE))


def test_the_result_has_the_differences_to_the_training_without_the_loss(folders, monkeypatch):
    """Rows with known recalls: with the loss, the probe's input is the recording's; without it, that of no emotion."""
    rng, rows = np.random.default_rng(0), []
    for number, (actor, name) in enumerate((a, e) for a in "uvwxyz" for e in ("fear", "joy")):
        values = dict.fromkeys((*emotion_loss.CORRELATED, "DNSMOS"), float(number % 2) + 0.1 * rng.normal())
        vector = np.full(4, 1.0 if name == "fear" else -1.0) + 0.01 * rng.normal(size=4)
        row = {"number": number, "speaker": actor, "emotion": name, "text": actor, "errors": 0, "words": 5}
        for system in (SOURCE, RELEASED, WITHOUT, WITH):
            probe = vector if system in (SOURCE, WITH) else -vector
            rows.append(row | values | {"system": system, "probe": probe, "functionals": probe})
    monkeypatch.setattr(emotion_loss, "continued_weights", lambda *given: None)
    monkeypatch.setattr(emotion_loss, "_measured", lambda *given: (pd.DataFrame(rows), []))
    found = emotion_loss.run(quick=True)
    gains = {(row["system"], row["statistic"]): row["value"] for row in found["differences"]}
    assert gains[WITH, "recall"] == 1
    assert gains[RELEASED, "recall"] == 0
    assert {row["against"] for row in found["differences"]} == {WITHOUT}
    assert found["steps"] == emotion_loss.QUICK_STEPS
    assert found["speakers"] == 6
