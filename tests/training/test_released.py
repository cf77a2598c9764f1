import shutil
from types import SimpleNamespace

import pytest
import torch

from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.config import Config, TrainingConfig
from thesis_lib.corpus import mini
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.rows import read_list
from thesis_lib.embeddings.encoders import evaluation_encoders
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.training import TrainingError, released, train
from thesis_lib.training.adaptation import adapt
from thesis_lib.training.released import released_folder, reproduce_weights
from thesis_lib.utils.errors import ThesisError
from thesis_lib.validation.swap import SpeakerScorer, corpus_speakers, trials
from thesis_lib.vocoder.checkpoints import WEIGHTS
from thesis_lib.vocoder.sources import MADE_BY
from thesis_lib.vocoder.synthesis import DEFAULT, RELEASED, SMALL, Vocoder


def test_weights_are_trained_and_halved(tiny_run, tmp_path):
    """The corpus is there and the training is short: the rest is what `thesis weights reproduce` does."""
    root = tmp_path / "wide" / "release"
    shutil.copytree(tiny_run.path / "release", root)
    run = Run(tmp_path / "run", tiny_run.config.override({"corpus.name": "cvss-t", "corpus.root": str(root)}))
    said = []
    vocoder = reproduce_weights(run, tmp_path / "default", say=said.append)
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
        reproduce_weights(run, tmp_path / "default", accelerator="tpu")


@pytest.mark.parametrize(("scheduler", "device"), [(None, "cuda:0"), ("tcp://head:8786", "cpu")])
def test_the_analyses_are_computed_on_the_device_of_the_training(tmp_path, monkeypatch, scheduler, device):
    used = []
    monkeypatch.setattr(released, "fabric_of", lambda training, accelerator: SimpleNamespace(device="cuda:0"))
    for stage in ("prepared", "embedded"):
        monkeypatch.setattr(released, stage, lambda *given, **named: None)
    monkeypatch.setattr(released, "analysed", lambda run, *given: used.append(run.device))
    monkeypatch.setattr(released, "train", lambda run, task, progress, fabric: fabric.stop)
    with pytest.raises(AttributeError, match="stop"):
        reproduce_weights(
            Run(tmp_path / "run", Config.from_profile("human")), tmp_path, accelerator="cuda", scheduler=scheduler
        )
    assert used == [device]


def test_a_corpus_that_cannot_be_synthesised_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "_toc.yml").touch()
    monkeypatch.chdir(tmp_path)
    run = Run(tmp_path / "run", Config.from_profile("released"))
    with pytest.raises(RunError, match="clone it"):
        reproduce_weights(run, tmp_path / "default")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "build_wide_corpus.py").write_text("raise SystemExit(3)")
    with pytest.raises(RunError, match="code 3"):
        reproduce_weights(run, tmp_path / "default")


def test_weights_of_human_speech_need_their_corpora_and_no_synthesis(tmp_path, monkeypatch):
    """The utterances that they train on are listed by the ids of the official archives."""
    monkeypatch.chdir(tmp_path)
    config = Config.from_profile("human")
    listed = {(m.name, m.speed): set(read_list(m.utterances)) for m in config.corpus.members if m.utterances}
    slow, whole, fast = (listed["speechocean762", speed] for speed in (0.88, 1.0, 1.13))
    assert (len(slow), len(whole), len(fast), slow | fast) == (1200, 2400, 1200, whole)
    read = [listed["librispeech", speed] for speed in (0.88, 1.0, 1.13)]
    assert (len(read[0]), read[1], read[2]) == (100, read[0], read[0])
    assert {member.speed for member in config.corpus.members} == {0.88, 1.0, 1.13}
    lost = [m.model_copy(update={"root": str(tmp_path / "lost")}) for m in config.corpus.members if m.root]
    run = Run(tmp_path / "run", config.override({"corpus.members": [m.model_dump() for m in lost]}))
    said = []
    with pytest.raises(CorpusError, match="lost is no folder: .*thesis download librispeech"):
        reproduce_weights(run, tmp_path / "weights", say=said.append, accelerator="cpu")
    assert not any("synthesised" in line for line in said)
    assert not (tmp_path / "weights").exists()


@pytest.mark.parametrize(
    ("name", "megabytes", "emotion", "profile"),
    [(DEFAULT, 25, "whisper-emotion", "human"), (SMALL, 8, "egemaps", "released")],
)
def test_the_released_weights_describe_themselves(name, megabytes, emotion, profile):
    vocoder = Vocoder.from_pretrained(name)
    assert (RELEASED[name] / WEIGHTS).stat().st_size < 1e6 * megabytes
    assert vocoder.converts
    assert (vocoder.encoders.speaker, vocoder.encoders.emotion) == ("ecapa", emotion)
    assert (vocoder.meta["stamp"]["profile"], MADE_BY[profile]) == (profile, name)
    made_by, now = (config.conversion for config in (made_by_config(name), Config.from_profile(profile)))
    # The profile that the card names is what made them; the default ones were stopped by the time.
    same = {"steps": vocoder.meta["steps"], "max_minutes": None}
    same |= {key: getattr(now.training, key) for key in TrainingConfig.OPERATIONAL}
    assert made_by.model_copy(update={"training": made_by.training.model_copy(update=same)}) == now
    assert now.training.steps == vocoder.meta["steps"]


def made_by_config(name: str) -> Config:
    return Config.from_json((RELEASED[name] / "run.json").read_text())


def test_the_default_weights_were_made_from_the_corpora_of_their_profile():
    """Read from one folder that holds the utterances which the profile's lists name."""
    made_by, profile = made_by_config(DEFAULT).corpus, Config.from_profile("human").corpus
    assert made_by.model_copy(update={"members": profile.members}) == profile
    assert {m.speed for m in made_by.members} == {m.speed for m in profile.members}
    assert made_by_config(SMALL).corpus == Config.from_profile("released").corpus


def test_a_profile_writes_to_the_folder_of_its_released_weights():
    assert [released_folder(profile) for profile in ("human", "released")] == [RELEASED[DEFAULT], RELEASED[SMALL]]
    with pytest.raises(RunError, match="the profile demo makes none of the released weights: name a folder by --out"):
        released_folder("demo")


@pytest.mark.weights("ecapa", "whisper-tiny.en", "resemblyzer")
def test_the_released_weights_convert_to_the_target_voice(tmp_path):
    """Measured by an evaluation encoder on unseen speakers."""
    changes = {"corpus.limit": 8, "encoders.emotion": "whisper-emotion"}
    run = Run(tmp_path / "run", Config.from_profile("demo").override(changes))
    embedded(run, sides=("source",))
    vocoder = Vocoder.from_pretrained(DEFAULT)
    speakers = [speaker for speaker in corpus_speakers(run) if speaker.kind == "unseen"]
    encoder = SpeakerScorer(evaluation_encoders(run.config.encoders)[0], speakers, run.config.audio.sample_rate)
    nearer = []
    for trial in trials(speakers, 6):
        content, target = trial.content, trial.target
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
