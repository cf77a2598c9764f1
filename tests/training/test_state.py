"""The state of a training: what a checkpoint holds, and the vocoder that a training starts from."""

import json
import math
import shutil

import pytest
import torch
from helpers import beside, segments_of

from thesis_lib.config import TASKS, Config, ConfigError, HifiganConfig
from thesis_lib.training import State, TrainingError, train
from thesis_lib.training.segments import Segments
from thesis_lib.vocoder import checkpoints
from thesis_lib.vocoder.checkpoints import CheckpointError
from thesis_lib.vocoder.conditioning import ConditionFusion, FiLM
from thesis_lib.vocoder.synthesis import Vocoder


def test_a_checkpoint_says_what_made_it(tiny_run):
    _, meta = checkpoints.load(checkpoints.latest(tiny_run.path / "conversion" / "checkpoints"))
    assert meta["config"] == json.loads(tiny_run.config.model_dump_json())
    assert meta["step"] == 4
    assert meta["commit"]
    assert meta["encoders"]["speaker_encoder"].startswith("tiny-test-encoder (")
    assert meta["weights"] == {}, "none are used here"


@pytest.mark.weights("hifigan-universal")
def test_and_which_published_weights_it_rests_on(tiny_run, tmp_path):
    data = Segments(tiny_run, "resynthesis", "train")
    changes = {"training.warm_start": "hifigan-universal", "generator": HifiganConfig().model_dump()}
    config = tiny_run.config.override({f"resynthesis.{key}": value for key, value in changes.items()})
    folder = State.create(config, "resynthesis", data).save(tmp_path / "checkpoint", config)
    assert set(checkpoints.load(folder)[1]["weights"]) == {"hifigan-universal"}


@pytest.mark.weights("hifigan-universal")
@pytest.mark.slow
def test_the_warm_start_begins_as_the_published_vocoder(tiny_run):
    changes = {"training.warm_start": "hifigan-universal", "generator": HifiganConfig().model_dump()}
    changes["generator"] |= {"fusion_dim": 32, "condition_dim": 32}
    config = tiny_run.config.override({f"resynthesis.{key}": value for key, value in changes.items()})
    data = Segments(tiny_run, "resynthesis", "train")
    state, batch = State.create(config, "resynthesis", data), data.batch(0)
    published = Vocoder.from_pretrained("hifigan-universal")
    with torch.no_grad():
        ours = state.generator(batch.content, batch.speaker, batch.emotion).squeeze(1)
    assert (ours - published(batch.content)).abs().max() < 1e-5


@pytest.mark.parametrize("task", TASKS)
def test_a_vocoder_can_start_another_training(tiny_run, task):
    """With its weights, norm and direction apart again, and the statistics that it was trained under."""
    vocoder = train(tiny_run, task)
    folder = tiny_run.path / task / "vocoder"
    config = tiny_run.config.override({f"{task}.training.warm_start": str(folder)})
    data = Segments(tiny_run, task, "validation")
    state, batch = State.create(config, task, data), data.batch(0)
    with torch.no_grad():
        ours = state.generator.eval()(batch.content, batch.speaker, batch.emotion).squeeze(1)
    assert (ours - vocoder(batch.content, batch.speaker, batch.emotion)).abs().max() < 1e-5
    statistics = state.generator.condition.speaker_statistics
    assert torch.equal(statistics.mean, vocoder.generator.condition.speaker_statistics.mean)


def test_a_warm_start_leaves_what_reads_another_encoder_s_embedding(tiny_run, tmp_path):
    """The emotion's projection starts anew, with statistics of its own; the speaker's and the rest go on."""
    other = shutil.copytree(tiny_run.path / "conversion" / "vocoder", tmp_path / "other")
    meta = json.loads((other / "config.json").read_text()) | {"emotion_encoder": "emotion2vec (somewhere)"}
    (other / "config.json").write_text(json.dumps(meta))
    vocoder = Vocoder.from_pretrained(other).generator.condition
    config = tiny_run.config.override({"conversion.training.warm_start": str(other)})
    started = State.create(config, "conversion", Segments(tiny_run, "conversion", "train")).generator.condition
    assert torch.equal(started.speaker.weight, vocoder.speaker.weight)
    assert torch.equal(started.fuse[0].weight, vocoder.fuse[0].weight)
    assert not torch.equal(started.emotion.weight, vocoder.emotion.weight)


def test_another_kind_of_vocoder_cannot_start_it(tiny_run):
    train(tiny_run, "resynthesis")
    folder = tiny_run.path / "resynthesis" / "vocoder"
    for changes in ({"conversion.training.warm_start": str(folder)}, {"conversion.training.warm_start": "nowhere"}):
        with pytest.raises(CheckpointError, match="nowhere|cannot start this training"):
            State.create(tiny_run.config.override(changes), "conversion", Segments(tiny_run, "conversion", "train"))
    changes = {"resynthesis.training.warm_start": str(folder), "resynthesis.generator.channels": 64}
    with pytest.raises(CheckpointError, match="cannot start this training") as error:
        State.create(tiny_run.config.override(changes), "resynthesis", Segments(tiny_run, "resynthesis", "train"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("begins", "says"), [(2, "steps 0 to 1"), (99, "steps 0 to 3")])
def test_steps_without_a_loss_are_refused_before_training(tiny_run, begins, says):
    changes = {"losses.mel": 0.0, "training.adversarial_from": begins}
    config = tiny_run.config.override({f"resynthesis.{key}": value for key, value in changes.items()})
    with pytest.raises(TrainingError, match=f"no loss is active in {says}: give losses"):
        State.create(config, "resynthesis", Segments(tiny_run, "resynthesis", "train")).check_losses()


def test_a_best_score_of_nan_in_an_old_checkpoint_is_forgotten(tiny_run, tmp_path):
    state = State.create(tiny_run.config, "resynthesis", Segments(tiny_run, "resynthesis", "train"))
    state.best = math.nan
    state.restore(state.save(tmp_path / "checkpoint", tiny_run.config))
    assert state.best is None


def test_both_optimizers_have_the_betas_of_the_settings(tiny_run):
    config = tiny_run.config.override({"resynthesis.training.betas": [0.5, 0.9]})
    state = State.create(config, "resynthesis", Segments(tiny_run, "resynthesis", "train"))
    found = {name: {group["betas"] for group in optimizer.param_groups} for name, optimizer in state.optimizers.items()}
    assert found == {"generator": {(0.5, 0.9)}, "discriminator": {(0.5, 0.9)}}


def test_a_training_of_the_condition_changes_its_layers_alone(tiny_run, tmp_path):
    start = str(tiny_run.path / "conversion" / "vocoder")
    changes = {"trainable": "condition", "warm_start": start, "ema_decay": 0.9, "adversarial_from": 1}
    named = {f"conversion__training__{key}": value for key, value in changes.items()}
    run = beside(tiny_run, tmp_path / "run", **named)
    before = State.create(run.config, "conversion", segments_of(run, "conversion", "train")).generator
    after = train(run, "conversion").generator
    layers = [name for name, module in before.named_modules() if isinstance(module, ConditionFusion | FiLM)]
    own = {name for name, _ in before.named_parameters() if any(name.startswith(f"{layer}.") for layer in layers)}
    first, last = before.state_dict(), after.state_dict()
    changed = {name for name in own if not torch.equal(first[name], last[name])}
    assert changed >= {name for name in own if name.startswith(("post_film", "blocks.0.film", "condition.emotion"))}
    assert all(torch.equal(first[name], last[name]) for name in first.keys() & last.keys() - own)


def test_a_training_of_the_condition_needs_trained_weights_to_start_from():
    with pytest.raises(ConfigError, match=r"set training\.warm_start to a vocoder"):
        Config().override({"conversion.training.trainable": "condition"})
