import json
import shutil

import numpy as np
import pytest
import torch
from helpers import log_of, trained_beside, voiced
from safetensors.torch import load_file, save_file

from thesis_lib.audio.files import AudioError, write_audio
from thesis_lib.config import Config, ConfigError
from thesis_lib.corpus.manifest import Manifest
from thesis_lib.embeddings.encoders.tiny import TinyTestEncoder
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.stages import RECORD, StaleError
from thesis_lib.training.adaptation import KEY, adapt
from thesis_lib.validation import adaptation
from thesis_lib.validation.adaptation import AFTER, BEFORE, adapt_speakers, adaptation_sample, adaptation_test
from thesis_lib.vocoder import checkpoints
from thesis_lib.vocoder.synthesis import Vocoder

BRIEF = 0.02  # minutes


@pytest.fixture
def recordings(tmp_path):
    """22 s of one "voice", in two files of other rates, six of them silence."""
    silence = np.zeros(6 * 22_050, np.float32)
    write_audio(tmp_path / "one.wav", np.concatenate([voiced(10.0), silence]), 22_050)
    write_audio(tmp_path / "two.flac", voiced(6.0, 16_000, seed=1), 16_000)
    return [tmp_path / "one.wav", tmp_path / "two.flac"]


def test_a_vocoder_goes_on_with_the_voice_of_some_recordings(tiny_run, recordings, tmp_path):
    folder = str(tiny_run.path / "conversion" / "vocoder")
    before = Vocoder.from_pretrained(folder)
    adapted = adapt(recordings, tmp_path / "me", folder, BRIEF)
    assert adapted.meta["stopped_by"] == "max_minutes"
    assert (adapted.content_config, adapted.meta["generator"]) == (before.content_config, before.meta["generator"])
    statistics = [v.generator.condition.speaker_statistics.mean for v in (before, adapted)]
    assert torch.equal(*statistics)
    both = zip(before.generator.parameters(), adapted.generator.parameters(), strict=True)
    moved = [(a - b).abs().max() for a, b in both]
    assert 0 < max(moved) < 0.1
    log = log_of(Run(tmp_path / "me", Config.from_json((tmp_path / "me" / "config.json").read_text())), "conversion")
    assert log[-1]["validation_mel"] > 0
    # The same command again trains no more, and another one does not touch what is there.
    assert adapt(recordings, tmp_path / "me", folder, BRIEF).meta == adapted.meta
    with pytest.raises(RunError, match="other recordings"):
        adapt(recordings[:1], tmp_path / "me", folder, BRIEF)
    with pytest.raises(ConfigError, match="another configuration"):
        adapt(recordings, tmp_path / "me", folder, BRIEF / 2)
    longer = adapt(recordings, tmp_path / "me", folder, 2 * BRIEF)  # goes on
    assert longer.description.steps > adapted.description.steps
    assert adapt(recordings, tmp_path / "me", folder, 2 * BRIEF).description == longer.description
    assert adapt(recordings, tmp_path / "me", folder, 3 * BRIEF).description.steps > longer.description.steps


def test_training_ends_at_the_given_step(tiny_run, recordings, tmp_path):
    adapted = adapt(recordings, tmp_path / "me", str(tiny_run.path / "conversion" / "vocoder"), minutes=10, steps=2)
    assert (adapted.meta["steps"], adapted.meta["stopped_by"]) == (2, "steps")


def test_pieces_have_speech_in_them_and_some_are_held_out(tiny_run, recordings, tmp_path):
    adapt(recordings, tmp_path / "me", str(tiny_run.path / "conversion" / "vocoder"), BRIEF)
    manifest = Manifest.load(tmp_path / "me" / "corpus")
    assert [round(u.target_duration) for u in manifest] == [4, 4, 4, 3, 3]  # one of four is all silence
    assert [u.split for u in manifest] == ["train"] * 4 + ["validation"]


def test_the_bandwidth_of_a_recording_made_at_16_khz_is_in_the_manifest(tiny_run, tmp_path):
    """So that training compares below it only; white noise fills its band up to the Nyquist frequency."""
    for rate in (16_000, 44_100):
        noise = 0.003 * np.random.default_rng(0).normal(size=8 * rate)
        write_audio(tmp_path / f"{rate}.wav", voiced(8.0, rate) + noise.astype(np.float32), rate)
    recordings = [tmp_path / "16000.wav", tmp_path / "44100.wav"]
    adapt(recordings, tmp_path / "me", str(tiny_run.path / "conversion" / "vocoder"), BRIEF)
    narrow, also, full, last = (u.target_bandwidth for u in Manifest.load(tmp_path / "me" / "corpus"))
    assert narrow == also == pytest.approx(8000, rel=0.05)
    assert full is last is None


def test_a_vocoder_that_was_trained_again_is_not_taken_for_the_one_before(tiny_run, recordings, tmp_path):
    folder = shutil.copytree(tiny_run.path / "conversion" / "vocoder", tmp_path / "v")
    adapted = adapt(recordings, tmp_path / "me", str(folder), BRIEF)
    tensors, meta = checkpoints.load(folder)
    checkpoints.save(folder, {name: 1.1 * x for name, x in tensors.items()}, meta)
    with pytest.raises(RunError, match=r"me was made from \S+/v before that was trained again, .*another folder"):
        adapt(recordings, tmp_path / "me", str(folder), BRIEF)
    # A run of an earlier version has no key and no fingerprint of the weights, and loads as before.
    (tmp_path / "me" / KEY).unlink()
    with pytest.raises(StaleError, match="weights of the warm start was"):
        adapt(recordings, tmp_path / "me", str(folder), BRIEF)
    record = tmp_path / "me" / "conversion" / RECORD
    tree = json.loads(record.read_text())
    del tree["inputs"]["weights of the warm start"]
    record.write_text(json.dumps(tree))
    assert adapt(recordings, tmp_path / "me", str(folder), BRIEF).meta == adapted.meta


def test_too_little_is_refused(tiny_run, tmp_path):
    folder = str(tiny_run.path / "conversion" / "vocoder")
    write_audio(tmp_path / "short.wav", voiced(1.0), 22_050)
    with pytest.raises(RunError, match=r"1\.0 s of speech"):
        adapt([tmp_path / "short.wav"], tmp_path / "me", folder, BRIEF)
    write_audio(tmp_path / "silent.wav", np.zeros(44_100, np.float32), 22_050)
    with pytest.raises(AudioError, match=r"silent\.wav"):
        adapt([tmp_path / "silent.wav"], tmp_path / "me", folder, BRIEF)
    clipped = np.concatenate([voiced(8.0), np.sign(voiced(4.0))]) * 0.9999
    clipped[: 8 * 22_050] *= 0.5
    write_audio(tmp_path / "clipped.wav", clipped, 22_050)
    with pytest.raises(AudioError, match=r"clipped\.wav: clipping"):
        adapt([tmp_path / "clipped.wav"], tmp_path / "me", folder, BRIEF)
    with pytest.raises(RunError, match="takes the voice from its content"):
        adapt([tmp_path / "short.wav"], tmp_path / "me", str(tiny_run.path / "resynthesis" / "vocoder"), BRIEF)
    # Nothing of it stands in the way of a better try.
    write_audio(tmp_path / "enough.wav", voiced(3.0), 22_050)
    adapt([tmp_path / "enough.wav"], tmp_path / "me", folder, BRIEF)
    assert [u.split for u in Manifest.load(tmp_path / "me" / "corpus")] == ["train", "validation"]


def test_what_adaptation_adds_is_measured_on_test_voices(tiny_run, tmp_path):
    run = trained_beside(tiny_run, tmp_path / "run", adaptation__voices=2)
    adapt_speakers(run)
    table = adaptation_test(run)
    assert list(dict.fromkeys(table.stage)) == [BEFORE, AFTER]
    assert table.target_speaker.nunique() == 2
    assert (table.content != table.target_speaker).all()
    before, after = (table[table.stage == stage].to_target.to_numpy() for stage in (BEFORE, AFTER))
    assert not np.allclose(before, after)
    # The first Spanish recording of a voice gives the condition; only the others are trained on.
    pieces = Manifest.load(run.path / "adapted" / "0" / "corpus")
    spoken = Manifest.load(run.path / "corpus")
    own = [u for u in spoken.split("test") if u.speaker == table.target_speaker.iloc[0]]
    assert sum(u.target_duration for u in pieces) == pytest.approx(sum(u.source_duration for u in own[1:]), abs=0.1)
    assert set(run.load_table("adaptation_summary").statistic) == {
        "target_preference",
        "to_target",
        "to_content",
        "normalised_similarity",
        "identified",
        "accepted_1",
        "accepted_5",
    }
    assert all(adaptation_sample(run, 1, what).exists() for what in ("voice", BEFORE, AFTER))
    assert adaptation_test(run).equals(run.load_table("adaptation"))
    shutil.rmtree(run.path / "adapted")
    adapt_speakers(run)
    assert not (run.path / "adapted").exists(), "the table that they are for is there"


def test_a_test_that_was_interrupted_goes_on_with_the_vocoder_that_is_there_now(tiny_run, tmp_path, monkeypatch):
    run = trained_beside(tiny_run, tmp_path / "run", adaptation__voices=1)
    monkeypatch.setattr(adaptation, "compared", interrupt)
    adapt_speakers(run)
    with pytest.raises(KeyboardInterrupt):
        adaptation_test(run)
    folder = run.path / "conversion" / "vocoder"
    before, meta = checkpoints.load(folder)
    now = {name: 1.1 * x if x.dim() > 1 else x for name, x in before.items()}
    checkpoints.save(folder, now, meta)
    with pytest.raises(
        RunError, match=r"adapted/0 holds no vocoder adapted from today's .*: remove that folder and run"
    ):
        adaptation_test(run)
    adapt_speakers(run)
    with pytest.raises(KeyboardInterrupt):
        adaptation_test(run)
    adapted, _ = checkpoints.load(run.path / "adapted" / "0" / "conversion" / "vocoder")
    distances = [sum((adapted[name] - x).square().sum() for name, x in tensors.items()) for tensors in (before, now)]
    assert distances[1] < 0.5 * distances[0]


def interrupt(*given):
    raise KeyboardInterrupt


def test_the_table_names_the_encoders_it_was_measured_by(tiny_run, tmp_path):
    run = trained_beside(tiny_run, tmp_path / "run", adaptation__voices=1)
    adapt_speakers(run)
    adaptation_test(run)
    provenance = json.loads((run.path / "tables" / "adaptation.provenance.json").read_text())
    assert provenance["weights"]["tiny-test-encoder"] == TinyTestEncoder.revision


def test_the_folder_of_the_emotion_encoder_is_passed_on(tiny_run, tmp_path, monkeypatch):
    run, given = trained_beside(tiny_run, tmp_path / "run", adaptation__voices=1), []
    run.config = run.config.override({"encoders.emotion_folder": "weights"})
    monkeypatch.setattr(adaptation, "adapt", lambda *options: given.append(options))
    adapt_speakers(run)
    ((*_, encoders, plugins),) = given
    assert (encoders.emotion_folder, plugins) == ("weights", ())
    with pytest.raises(RunError, match="--set encoders.emotion_folder=weights"):
        adaptation_test(run)


def test_another_vocoder_is_adapted_anew(tiny_run, tmp_path):
    run = trained_beside(tiny_run, tmp_path / "run", adaptation__voices=1)
    adapt_speakers(run)
    first = adaptation_test(run)
    weights = run.path / "conversion" / "vocoder" / "model.safetensors"
    tensors = {name: 1.1 * x if x.dim() > 1 else x for name, x in load_file(weights).items()}
    save_file(tensors, weights)
    adapt_speakers(run)
    second = adaptation_test(run)
    assert not np.allclose(first.to_target, second.to_target)
    folders = run.path / "adapted" / "0" / "conversion" / "vocoder", weights.parent
    adapted, changed = (Vocoder.from_pretrained(folder).generator for folder in folders)
    moved = [(a - b).abs().max() for a, b in zip(adapted.parameters(), changed.parameters(), strict=True)]
    assert max(moved) < 0.1
