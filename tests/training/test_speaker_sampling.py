"""Speaker sampling in training."""

import math

import pytest
import torch
from helpers import beside, segments_of
from torch.nn import functional as F

from thesis_lib.audio.pitch import MAX_F0_HZ, PITCH_CENTRE, PITCH_CHANNEL, PITCH_SCALE
from thesis_lib.config import Config, ConfigError
from thesis_lib.training import State, TrainingError, speaker_sampling, train_step
from thesis_lib.training.segments import Segments
from thesis_lib.training.speaker_sampling import SpeakerSampler, moved


def mean_log_f0_of(content: torch.Tensor) -> torch.Tensor:
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
    medians = torch.tensor([math.log(110.0), math.log(220.0), math.log(220.0)])
    found = moved(content, medians)
    assert torch.allclose(mean_log_f0_of(found[:2]), medians[:2], atol=1e-5)
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
    monkeypatch.setattr(speaker_sampling, "speaker_prototypes", lambda: prototypes)
    return SpeakerSampler(data, {}), data


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
    data = segments_of(run, "conversion", "train")
    state = State.create(run.config, "conversion", data)
    encoder = {
        name: value.clone()
        for name, value in state.speaker_sampler.losses["sampled_speaker"].encoder.state_dict().items()
    }
    seen = []
    state.discriminator.register_forward_hook(lambda module, given, found: seen.append(len(given[0])))
    rows = [train_step(state, [data.batch(number)]) for number in range(2)]
    assert not {"sampled_speaker", "content"} & rows[0].keys()
    assert 0 < rows[1]["sampled_speaker"] < 2
    assert 0 < rows[1]["content"] < 2
    size = len(data.batch(0).ids)
    assert seen == [3 * size, 2 * size], "recordings, then estimates for own and for sampled speakers"
    assert all(
        torch.equal(encoder[name], value)
        for name, value in state.speaker_sampler.losses["sampled_speaker"].encoder.state_dict().items()
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


def test_without_recorded_speakers_a_step_draws_as_the_released_weights_did(sampling):
    """From torch's generator: which prototypes, then the offsets, and no more."""
    sampler, data = sampling
    batch = data.batch(0)
    torch.manual_seed(3)
    chosen, offset = torch.randint(4, (len(batch.ids),)), torch.randn(len(batch.ids), data.speaker.shape[1])
    following = torch.rand(1)
    torch.manual_seed(3)
    sampled, asked = sampler.sample(batch)
    assert torch.equal(torch.rand(1), following)
    assert torch.equal(asked, sampler.prototypes[chosen])
    expected = sampler.prototypes[chosen] + speaker_sampling.SESSION_OFFSET * F.normalize(offset, dim=1)
    assert torch.equal(sampled.speaker, sampler.embedding_norm * F.normalize(expected, dim=1))


def recorded(tiny_run, tmp_path, monkeypatch, share: float) -> tuple[SpeakerSampler, Segments]:
    """A SpeakerSampler of some recorded speakers, with prototypes that no recording has."""
    changes = {"losses__sampled_speaker": 1.0, "training__recorded_share": share, "training__batch_size": 4}
    run = beside(tiny_run, tmp_path / "run", **{f"conversion__{key}": value for key, value in changes.items()})
    data = segments_of(run, "conversion", "train")
    monkeypatch.setattr(speaker_sampling, "speaker_prototypes", lambda: torch.eye(5, data.speaker.shape[1]))
    return SpeakerSampler(data, {}), data


def test_a_recorded_target_speaker_is_another_one_given_by_one_recording(tiny_run, tmp_path, monkeypatch):
    sampler, data = recorded(tiny_run, tmp_path, monkeypatch, 1.0)
    medians, unit, seen = data.log_f0_medians(), F.normalize(data.speaker, dim=1), set()
    for number in range(20):
        batch = data.batch(number)
        sampled, asked = sampler.sample(batch)
        assert torch.equal(sampled.wav, batch.wav)
        for item, name in enumerate(batch.ids):
            (row,) = (data.speaker == sampled.speaker[item]).all(1).nonzero()[0].tolist()
            target = data.utterances[row].speaker
            assert target != next(u.speaker for u in data.utterances if u.id == name)
            assert torch.equal(sampled.emotion[item], data.emotion[row]), "the style is that of the recording"
            own = [i for i, u in enumerate(data.utterances) if u.speaker == target]
            assert torch.allclose(asked[item], F.normalize(unit[own].mean(0), dim=0), atol=1e-6)
            if batch.content[item, PITCH_CHANNEL + 1].sum() > 10:
                assert float(mean_log_f0_of(sampled.content[item : item + 1])) == pytest.approx(
                    float(medians[row]), abs=0.02
                )
            seen.add(row)
    assert seen == set(range(len(data.utterances))), "every recording is drawn"


def test_the_share_of_recorded_speakers_is_the_configured_one(tiny_run, tmp_path, monkeypatch):
    sampler, data = recorded(tiny_run, tmp_path, monkeypatch, 0.25)
    batch, taken = data.batch(0), []
    for _ in range(200):
        sampled, asked = sampler.sample(batch)
        by_recording = (sampled.speaker.unsqueeze(1) == data.speaker).all(2).any(1)
        assert torch.equal(by_recording, asked.amax(1) < 1 - 1e-6), "the prototype is of the same kind"
        taken.append(by_recording)
    assert float(torch.stack(taken).float().mean()) == pytest.approx(0.25, abs=0.05)
    torch.manual_seed(5)
    first = sampler.sample(batch)[0].speaker
    torch.manual_seed(5)
    assert torch.equal(sampler.sample(batch)[0].speaker, first)


def test_one_speaker_cannot_be_the_target_of_another(tiny_run, tmp_path, monkeypatch):
    _, data = recorded(tiny_run, tmp_path, monkeypatch, 0.5)
    data.speakers = [list(range(len(data.utterances)))]
    with pytest.raises(TrainingError, match="recorded_share needs two speakers"):
        SpeakerSampler(data, {})


def test_a_share_of_no_sampled_speakers_is_refused():
    with pytest.raises(ConfigError, match=r"set losses\.sampled_speaker"):
        Config().override({"conversion.training.recorded_share": 0.5})
    with pytest.raises(ConfigError, match=r"set losses\.speaker or losses\.sampled_speaker"):
        Config().override({"conversion.losses.speaker": 0.0, "conversion.training.encoder_augmentation": 0.5})


class SmallEncoder(torch.nn.Module):
    """An encoder with a gradient, as wide as the tiny test encoder."""

    name, sample_rate, dim = "small", 16_000, 192

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv, self.out = torch.nn.Conv1d(1, 16, 64, 32), torch.nn.Linear(16, self.dim, bias=False)

    def forward(self, wav):
        return self.out(torch.log(self.conv(wav.unsqueeze(1)).pow(2).mean(-1) + 1e-6))


@pytest.mark.parametrize("loss", ["speaker", "sampled_speaker"])
def test_the_augmented_losses_move_the_generator_and_are_seeded(tiny_run, tmp_path, monkeypatch, loss):
    """Towards recorded target speakers where they are sampled."""
    monkeypatch.setattr("thesis_lib.training.losses.speaker_encoder", lambda _: SmallEncoder())
    changes = {f"losses__{name}": 0.0 for name in ("multi_scale_mel", "stft", "temporal", "adversarial")}
    changes |= {"losses__feature_matching": 0.0, f"losses__{loss}": 1.0, "training__auxiliary_from": 0}
    changes |= {"training__encoder_augmentation": 0.5, "training__recorded_share": float(loss != "speaker")}
    run = beside(tiny_run, tmp_path / "run", **{f"conversion__{key}": value for key, value in changes.items()})
    data = segments_of(run, "conversion", "train")
    monkeypatch.setattr(speaker_sampling, "speaker_prototypes", lambda: torch.eye(5, 192))

    def step(seed: int, **training) -> tuple[float, torch.Tensor]:
        config = run.config.override({f"conversion.training.{key}": value for key, value in training.items()})
        state = State.create(config, "conversion", data)
        torch.manual_seed(seed)
        row = train_step(state, [data.batch(0)])
        return row[loss], state.generator.head.weight.grad.clone()

    value, gradient = step(1)
    assert gradient.abs().max() > 0
    again, same = step(1)
    assert (again, True) == (value, torch.equal(same, gradient))
    plain, other = step(1, encoder_augmentation=0.0)
    assert plain != value
    assert not torch.equal(other, gradient)


def test_speakers_are_sampled_only_where_the_content_has_no_voice():
    for change in ({"content.kind": "mel", "generator": "v3"}, {"content.pitch": "normalised"}):
        changes = {f"conversion.{key}": value for key, value in change.items()}
        with pytest.raises(ConfigError, match="losses.sampled_speaker needs a content without the speaker"):
            Config().override(
                {"conversion.losses.sampled_speaker": 1.0, "conversion.generator.excitation": "none", **changes}
            )


def test_an_encoder_without_gradient_is_refused_for_sampled_speakers(tiny_run, monkeypatch):
    data = Segments(tiny_run, "conversion", "train")
    monkeypatch.setattr(speaker_sampling, "speaker_prototypes", lambda: F.normalize(data.speaker[:4], dim=1))
    with pytest.raises(TrainingError, match="losses.sampled_speaker cannot use it"):
        State.create(tiny_run.config.override({"conversion.losses.sampled_speaker": 1.0}), "conversion", data)


def test_a_batch_of_one_gets_the_emotion_of_another_recording(tiny_run, tmp_path, monkeypatch):
    run = beside(tiny_run, tmp_path / "run", conversion__training__batch_size=1)
    data = segments_of(run, "conversion", "train")
    monkeypatch.setattr(speaker_sampling, "speaker_prototypes", lambda: F.normalize(data.speaker[:4], dim=1))
    batch = data.batch(0)
    sampled, _ = SpeakerSampler(data, {}).sample(batch)
    assert not torch.equal(sampled.emotion, batch.emotion)
    assert (data.emotion == sampled.emotion).all(1).any()
