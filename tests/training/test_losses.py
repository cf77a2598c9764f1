"""The signal losses that a recipe asks for, and the emotion loss of the outputs for sampled target speakers."""

import pytest
import torch
from helpers import beside, segments_of
from torch.nn import functional as F

from thesis_lib.config import Config, ConfigError, LossConfig
from thesis_lib.training import State, TrainingError, signal_losses, speaker_sampling, train_step

DIM = 88  # of eGeMAPS, whose stored embeddings the tiny run has
OFF = ("multi_scale_mel", "stft", "temporal", "adversarial", "feature_matching", "speaker")


class SmallEncoder(torch.nn.Module):
    """A small random encoder with a gradient."""

    name, sample_rate, revision = "small", 16_000, "1"

    def __init__(self, dim: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.conv, self.out = torch.nn.Conv1d(1, 16, 64, 32), torch.nn.Linear(16, dim, bias=False)

    def forward(self, wav):
        return self.out(torch.log(self.conv(wav.unsqueeze(1)).pow(2).mean(-1) + 1e-6))


@pytest.mark.parametrize(("loss", "says"), [("speaker", "tiny-test-encoder"), ("emotion", "egemaps")])
def test_an_encoder_without_gradient_is_refused_for_a_loss(tiny_run, loss, says):
    config = tiny_run.config.override({f"conversion.losses.{loss}": 1.0})
    with pytest.raises(TrainingError, match=f"{says} has no gradient"):
        signal_losses(config, config.conversion.losses)


def test_every_weight_of_a_signal_loss_makes_one(tiny_run):
    names = ("mel", "multi_scale_mel", "stft", "temporal")
    for name in names:
        weights = LossConfig(**{other: float(other == name) for other in names})
        (made,) = signal_losses(tiny_run.config, weights).items()
        assert made[0] == name
        wavs = 0.1 * torch.randn(2, 1, 8192)
        assert float(made[1](*wavs)) > 0


@pytest.fixture
def emotional(tiny_run, tmp_path, monkeypatch):
    """A function: settings of the conversion recipe -> State and Segments, sampled losses alone, small encoders."""
    monkeypatch.setattr("thesis_lib.training.losses.speaker_encoder", lambda _: SmallEncoder(192, 3))
    monkeypatch.setattr("thesis_lib.training.losses.emotion_encoder", lambda _: SmallEncoder(DIM, 4))
    monkeypatch.setattr(speaker_sampling, "speaker_prototypes", lambda: torch.eye(5, 192))
    changes = {f"losses__{name}": 0.0 for name in OFF} | {
        "losses__sampled_speaker": 1e-9,
        "training__auxiliary_from": 0,
    }
    run = beside(tiny_run, tmp_path / "run", **{f"conversion__{key}": value for key, value in changes.items()})
    data = segments_of(run, "conversion", "train")

    def made(**settings):
        changed = {f"conversion.{key.replace('__', '.')}": value for key, value in settings.items()}
        return State.create(run.config.override(changed), "conversion", data), data

    return made


def test_it_compares_the_output_for_the_target_speaker_with_the_emotion_it_was_given(emotional):
    """By hand: the same draws, the generator's output for them, and one minus the mean cosine."""
    state, data = emotional(losses__sampled_emotion=1.0, generator__condition_dropout=0.0)
    batch = data.batch(0)
    torch.manual_seed(1)
    sampled, _ = state.speaker_sampler.sample(batch)
    assert torch.equal(sampled.emotion, batch.emotion.roll(1, 0)), "not the segment's own"
    with torch.no_grad():
        wav = state.generator(sampled.content, sampled.speaker, sampled.emotion).squeeze(1)
        loss = state.speaker_sampler.losses["sampled_emotion"]
        cosines = F.cosine_similarity(loss.encoder(loss.resample(wav)), sampled.emotion)
    torch.manual_seed(1)
    row = train_step(state, [batch])
    assert row["sampled_emotion"] == pytest.approx(1 - float(cosines.mean()), abs=1e-5)


def test_training_on_it_moves_the_output_towards_the_emotion_and_seeds_decide(emotional):
    def trained(weight: float) -> list[float]:
        state, data = emotional(losses__sampled_emotion=weight, training__learning_rate=1e-2)
        found = []
        for _ in range(12):
            torch.manual_seed(1)  # the same target speakers in every step
            found.append(train_step(state, [data.batch(0)])["sampled_emotion"])
        return found

    strong, same, weak = trained(1.0), trained(1.0), trained(1e-9)
    assert strong == same
    assert strong[0] == weak[0]
    assert strong[-1] < strong[0] - 0.02, "it falls"
    assert strong[-1] < weak[-1] - 0.02, "because of its weight"


def test_the_augmentation_of_the_speaker_loss_is_of_the_emotion_loss_too(emotional):
    def first(chance: float) -> float:
        state, data = emotional(losses__sampled_emotion=1.0, training__encoder_augmentation=chance)
        torch.manual_seed(1)
        return train_step(state, [data.batch(0)])["sampled_emotion"]

    assert first(0.0) != first(0.9)


def test_it_begins_with_the_losses_of_an_encoder(emotional):
    state, data = emotional(losses__sampled_emotion=1.0, losses__multi_scale_mel=1.0, training__auxiliary_from=1)
    rows = [train_step(state, [data.batch(number)]) for number in range(2)]
    assert [{"sampled_emotion", "sampled_speaker"} <= row.keys() for row in rows] == [False, True]


def test_without_a_weight_it_is_not_computed(emotional):
    state, data = emotional()
    assert set(state.speaker_sampler.losses) == {"sampled_speaker"}
    assert "sampled_emotion" not in train_step(state, [data.batch(0)])


def test_it_needs_sampled_target_speakers():
    with pytest.raises(ConfigError, match=r"losses\.sampled_emotion is of the sampled target speakers"):
        Config().override({"conversion.losses.sampled_emotion": 1.0})


def test_an_emotion_encoder_without_gradient_is_refused(tiny_run, monkeypatch):
    monkeypatch.setattr("thesis_lib.training.losses.speaker_encoder", lambda _: SmallEncoder(192, 3))
    data = segments_of(tiny_run, "conversion", "train")
    changes = {"conversion.losses.sampled_speaker": 1.0, "conversion.losses.sampled_emotion": 1.0}
    with pytest.raises(TrainingError, match=r"egemaps has no gradient, so losses\.sampled_emotion cannot use it"):
        State.create(tiny_run.config.override(changes), "conversion", data)
