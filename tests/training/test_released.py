import shutil

import pytest
import torch

from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.config import Config
from thesis_lib.corpus import mini
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.rows import read_list
from thesis_lib.embeddings.encoders import evaluation_encoders
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.training import TrainingError, train
from thesis_lib.training.adaptation import adapt
from thesis_lib.training.released import reproduce
from thesis_lib.utils.errors import ThesisError
from thesis_lib.validation.swap import SpeakerScorer, corpus_speakers, trials
from thesis_lib.vocoder.checkpoints import WEIGHTS
from thesis_lib.vocoder.synthesis import DEFAULT, DEFAULT_FOLDER, Vocoder


def test_weights_are_trained_and_halved(tiny_run, tmp_path):
    """The corpus is there and the training is short: the rest is what `thesis weights reproduce` does."""
    root = tmp_path / "wide" / "release"
    shutil.copytree(tiny_run.path / "release", root)
    run = Run(tmp_path / "run", tiny_run.config.override({"corpus.name": "cvss-t", "corpus.root": str(root)}))
    said = []
    vocoder = reproduce(run, tmp_path / "default", say=said.append)
    trained = Vocoder.from_pretrained(run.path / "conversion" / "vocoder")
    sizes = [
        (folder / WEIGHTS).stat().st_size for folder in (tmp_path / "default", run.path / "conversion" / "vocoder")
    ]
    assert sizes[0] < 0.65 * sizes[1]
    for one, other in zip(vocoder.generator.parameters(), trained.generator.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-4)
    assert Config.from_json((tmp_path / "default" / "run.json").read_text()) == run.config
    assert (tmp_path / "default" / "metrics.jsonl").read_text().count("\n") == 5
    assert said[-1] == f"the weights: {tmp_path / 'default'}"
    with pytest.raises(ThesisError, match="no accelerator named 'tpu'"):
        reproduce(run, tmp_path / "default", accelerator="tpu")


def test_a_corpus_that_cannot_be_synthesised_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "_toc.yml").touch()
    monkeypatch.chdir(tmp_path)
    run = Run(tmp_path / "run", Config.from_profile("released"))
    with pytest.raises(RunError, match="clone it"):
        reproduce(run, tmp_path / "default")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "build_wide_corpus.py").write_text("raise SystemExit(3)")
    with pytest.raises(RunError, match="code 3"):
        reproduce(run, tmp_path / "default")


def test_weights_of_human_speech_need_their_corpora_and_no_synthesis(tmp_path, monkeypatch):
    """The utterances that they train on are listed by the ids of the official archives."""
    monkeypatch.chdir(tmp_path)
    config = Config.from_profile("human")
    listed = {member.name: member.utterances for member in config.corpus.members if member.utterances}
    assert {name: len(read_list(path)) for name, path in listed.items()} == {"librispeech": 100, "speechocean762": 2400}
    assert {member.speed for member in config.corpus.members} == {0.88, 1.0, 1.13}
    lost = [m.model_copy(update={"root": str(tmp_path / "lost")}) for m in config.corpus.members if m.root]
    run = Run(tmp_path / "run", config.override({"corpus.members": [m.model_dump() for m in lost]}))
    said = []
    with pytest.raises(CorpusError, match="lost is no folder: .*thesis download librispeech"):
        reproduce(run, tmp_path / "weights", say=said.append, accelerator="cpu")
    assert not any("synthesised" in line for line in said)
    assert not (tmp_path / "weights").exists()


def test_the_released_weights_describe_themselves():
    vocoder = Vocoder.from_pretrained(DEFAULT)
    assert (DEFAULT_FOLDER / WEIGHTS).stat().st_size < 8_000_000
    assert vocoder.converts
    assert (vocoder.encoders.speaker, vocoder.encoders.emotion) == ("ecapa", "egemaps")
    assert vocoder.meta["stamp"]["profile"] == "released"
    made_by, profile = Config.from_json((DEFAULT_FOLDER / "run.json").read_text()), Config.from_profile("released")
    # The profile that the card names is what made them.
    assert (made_by.conversion, made_by.corpus) == (profile.conversion, profile.corpus)


@pytest.mark.weights("ecapa", "whisper-tiny.en", "resemblyzer")
def test_the_released_weights_convert_to_the_target_voice(tmp_path):
    """Measured by an evaluation encoder on unseen speakers."""
    changes = {"corpus.limit": 8, "encoders.emotion": "egemaps"}
    run = Run(tmp_path / "run", Config.from_profile("demo").override(changes))
    vocoder = Vocoder.from_pretrained(DEFAULT)
    speakers = [speaker for speaker in corpus_speakers(run) if speaker.kind == "unseen"]
    encoder = SpeakerScorer(evaluation_encoders(run.config.encoders)[0], speakers, run.config.audio.sample_rate)
    nearer = []
    for content, target, _ in trials(speakers, 6):
        found = encoder.score(vocoder.render(content.content, target.voice, 2.0), target, content)
        own = encoder.score(vocoder.render(content.content, content.voice, 2.0), target, content)
        nearer.append(found["to_target"] > own["to_target"])
    assert sum(nearer) >= len(nearer) - 1


@pytest.mark.weights("ecapa", "whisper-tiny.en")
def test_four_seconds_adapt_the_released_weights_and_cannot_start_from_random_ones(tmp_path):
    """They bring their content's components: so little speech has fewer frames than those."""
    wav, rate = read_audio(mini.bundle() / "audio" / "000124.es.opus")
    write_audio(tmp_path / "voice.wav", wav[: 4 * rate], rate)
    adapted = adapt([tmp_path / "voice.wav"], tmp_path / "me", DEFAULT, 0.01)
    before = Vocoder.from_pretrained(DEFAULT)
    assert torch.equal(adapted.generator.reduce.basis, before.generator.reduce.basis)
    config = Config.from_json((tmp_path / "me" / "config.json").read_text())
    cold = Run(tmp_path / "cold", config.override({"conversion.training.warm_start": "none"}))
    shutil.copytree(tmp_path / "me" / "corpus", cold.path / "corpus")
    with pytest.raises(TrainingError, match="frames of content do not give 192 components"):
        train(cold, "conversion")
