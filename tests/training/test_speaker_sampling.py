"""Speaker sampling in training."""

import math

import pytest
import torch
from helpers import beside
from torch.nn import functional as F

from thesis_lib.audio.pitch import MAX_F0_HZ, PITCH_CENTRE, PITCH_CHANNEL, PITCH_SCALE
from thesis_lib.config import Config, ConfigError
from thesis_lib.training import State, TrainingError, speaker_sampling, train_step
from thesis_lib.training.segments import Segments
from thesis_lib.training.speaker_sampling import SpeakerSampler, moved


def level_of(content: torch.Tensor) -> torch.Tensor:
    contour, voicing = content[:, PITCH_CHANNEL], content[:, PITCH_CHANNEL + 1]
    return (contour * voicing).sum(1) / voicing.sum(1) * PITCH_SCALE + PITCH_CENTRE


def contents() -> torch.Tensor:
    content = torch.randn(3, 7, 50)
    content[:, PITCH_CHANNEL] = 0.2 * torch.randn(3, 50)
    content[:, PITCH_CHANNEL + 1] = (torch.rand(3, 50) > 0.4).float()
    content[2, PITCH_CHANNEL + 1] = 0.0
    return content


def test_the_pitch_moves_to_the_level_and_nothing_else_does():
    content = contents()
    levels = torch.tensor([math.log(110.0), math.log(220.0), math.log(220.0)])
    found = moved(content, levels)
    assert torch.allclose(level_of(found[:2]), levels[:2], atol=1e-5)
    assert torch.equal(found[2], content[2]), "whispered speech has no pitch to move"
    others = [c for c in range(7) if c != 7 + PITCH_CHANNEL]
    assert torch.equal(found[:, others], content[:, others])
    shape = found[:2, PITCH_CHANNEL] - content[:2, PITCH_CHANNEL]
    assert shape.std(1).max() < 1e-5, "the melody is the same"


def test_no_pitch_leaves_the_range_of_speech():
    found = moved(contents(), torch.full((3,), math.log(MAX_F0_HZ)))
    assert found[:2, PITCH_CHANNEL].max() <= (math.log(MAX_F0_HZ) - PITCH_CENTRE) / PITCH_SCALE + 1e-6


@pytest.fixture
def sampling(tiny_run, monkeypatch) -> tuple[SpeakerSampler, Segments]:
    """A SpeakerSampler with prototypes from training recordings, so that the most similar recording is known."""
    data = Segments(tiny_run, "conversion", "train")
    prototypes = F.normalize(data.speaker[:4], dim=1)
    monkeypatch.setattr(speaker_sampling, "known_speakers", lambda: prototypes)
    return SpeakerSampler(data, None), data


def test_a_prototype_has_the_pitch_of_the_most_similar_recording(sampling):
    sampler, data = sampling
    assert torch.equal(sampler.log_f0_medians, data.log_f0_medians()[:4])
    assert data.log_f0_medians().isfinite().all()


def test_speaker_and_pitch_are_sampled_and_the_emotion_is_another_item_s(sampling):
    sampler, data = sampling
    batch = data.batch(0)
    torch.manual_seed(3)
    sampled, asked = sampler.sample(batch)
    torch.manual_seed(3)
    again, _ = sampler.sample(batch)
    assert torch.equal(sampled.speaker, again.speaker), "a step's draws depend on its seed alone"
    assert torch.allclose(asked.norm(dim=1), torch.ones(len(asked)))
    assert torch.allclose(sampled.speaker.norm(dim=1), torch.tensor(sampler.embedding_norm)), (
        "as long as a recording's embedding"
    )
    near = F.cosine_similarity(sampled.speaker, asked)
    assert near.sub(0.8).abs().max() < 0.35, "a recording's embedding is near its prototype, not at it"
    assert torch.equal(sampled.emotion, batch.emotion.roll(1, 0))
    assert torch.equal(sampled.wav, batch.wav), "the recording stays the reference of the content loss"
    assert torch.equal(sampled.content[:, :PITCH_CHANNEL], batch.content[:, :PITCH_CHANNEL])


@pytest.mark.weights("ecapa", "ecapa-speakers", "whisper-tiny.en")
def test_speaker_sampling_begins_when_configured_and_gives_the_generator_a_gradient(tiny_run, tmp_path):
    changes = {
        "encoders__speaker": "ecapa",
        "conversion__losses__sampled_speaker": 5.0,
        "conversion__losses__content": 5.0,
        "conversion__training__adversarial_from": 1,
        "conversion__training__auxiliary_from": 1,
    }
    run = beside(tiny_run, tmp_path / "run", **changes)
    (run.path / "embeddings").rename(run.path / "of-another-encoder")
    data = Segments(run, "conversion", "train")
    state = State.create(run.config, "conversion", data)
    encoder = {name: value.clone() for name, value in state.speaker_sampler.loss.encoder.state_dict().items()}
    seen = []
    state.discriminator.register_forward_hook(lambda module, given, found: seen.append(len(given[0])))
    rows = [train_step(state, [data.batch(number)]) for number in range(2)]
    assert not {"sampled_speaker", "content"} & rows[0].keys()
    assert 0 < rows[1]["sampled_speaker"] < 2
    assert 0 < rows[1]["content"] < 2
    size = len(data.batch(0).ids)
    assert seen == [3 * size, 2 * size], "recordings, then estimates for own and for sampled speakers"
    assert all(
        torch.equal(encoder[name], value) for name, value in state.speaker_sampler.loss.encoder.state_dict().items()
    )

    def swapped(weight: float) -> dict[str, torch.Tensor]:
        config = run.config.override({"conversion.losses.sampled_speaker": weight, "conversion.losses.content": 0.0})
        other = State.create(config, "conversion", data)
        other.step = 1
        torch.manual_seed(0)
        train_step(other, [data.batch(0)])
        return {name: p.grad.clone() for name, p in other.generator.named_parameters() if p.grad is not None}

    weak, strong = swapped(1e-6), swapped(1.0)
    # At the start modulations do not depend on the condition yet: it is their own weights that the loss reaches.
    assert (weak["post_film.affine.weight"] - strong["post_film.affine.weight"]).abs().max() > 1e-6


def test_speakers_are_sampled_only_where_the_content_has_no_voice():
    for change in ({"content.kind": "mel", "generator": "v3"}, {"content.pitch": "normalised"}):
        changes = {f"conversion.{key}": value for key, value in change.items()}
        with pytest.raises(ConfigError, match="losses.sampled_speaker needs a content without the speaker"):
            Config().override(
                {"conversion.losses.sampled_speaker": 1.0, "conversion.generator.excitation": "none", **changes}
            )


def test_an_encoder_without_gradient_is_refused_for_sampled_speakers(tiny_run, monkeypatch):
    data = Segments(tiny_run, "conversion", "train")
    monkeypatch.setattr(speaker_sampling, "known_speakers", lambda: F.normalize(data.speaker[:4], dim=1))
    with pytest.raises(TrainingError, match="losses.sampled_speaker cannot use it"):
        State.create(tiny_run.config.override({"conversion.losses.sampled_speaker": 1.0}), "conversion", data)
