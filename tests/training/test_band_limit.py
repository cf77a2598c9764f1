"""Band-limited recordings in training: every loss and every discriminator gets both signals in the recording's band."""

from types import SimpleNamespace

import pytest
import torch
from helpers import segments_of, trained_beside

from thesis_lib.corpus.manifest import Manifest
from thesis_lib.losses import MelLoss, low_pass
from thesis_lib.losses.band_limit import NYQUIST
from thesis_lib.runs.prepare import prepared
from thesis_lib.training import State, gradient_norms, loop, speaker_sampling, train_step
from thesis_lib.training.log import Log
from thesis_lib.training.segments import CUTOFF_RANGE, Segments
from thesis_lib.training.speaker_sampling import SpeakerSampler

BANDWIDTH = 6000.0  # Hz


def with_bandwidths(tiny_run, folder, bandwidth):
    """The tiny run with the bandwidth of each recording in its manifest; None: full band."""
    run = trained_beside(tiny_run, folder)
    manifest = prepared(run)
    rows = [u.model_copy(update={"target_bandwidth": bandwidth(u)}) for u in manifest]
    Manifest(run.path / "corpus", rows, manifest.rejects).save()
    return run


@pytest.fixture
def limited(tiny_run, tmp_path):
    """A run where every second recording, by the last digit of its id, is band-limited."""
    return with_bandwidths(tiny_run, tmp_path / "limited", lambda u: None if int(u.id[-1]) % 2 else BANDWIDTH)


def mixed(data) -> tuple[int, torch.Tensor]:
    """The number of a batch with items of both kinds, and which of its items are limited."""
    for number in range(50):
        cutoff = data.batch(number).cutoff
        if cutoff is not None and 0 < (cutoff < NYQUIST).sum() < len(cutoff):
            return number, cutoff < NYQUIST
    raise AssertionError("the bundled ids have no even and odd ones")


def test_cutoffs_lie_just_inside_each_bandwidth_and_depend_on_the_draw(limited):
    data, again = (Segments(limited, "resynthesis", "train") for _ in range(2))
    found = []
    for number in range(20):
        batch = data.batch(number)
        if batch.cutoff is None:
            assert all(int(name[-1]) % 2 for name in batch.ids)
            continue
        assert torch.equal(batch.cutoff, again.batch(number).cutoff)
        for name, cutoff in zip(batch.ids, batch.cutoff.tolist(), strict=True):
            if int(name[-1]) % 2:
                assert cutoff == NYQUIST
            else:
                found.append(cutoff * data.sample_rate / BANDWIDTH)
    assert CUTOFF_RANGE[0] <= min(found) < max(found) <= CUTOFF_RANGE[1]
    assert len(set(found)) == len(found)


def test_full_band_recordings_have_no_cutoff(tiny_run, tmp_path):
    data = Segments(tiny_run, "resynthesis", "train")
    assert data.batch(0).cutoff is None
    run = with_bandwidths(tiny_run, tmp_path / "run", lambda _: 12_000.0)
    beyond = Segments(run, "resynthesis", "train").batch(0)
    assert torch.equal(beyond.cutoff, torch.full((2,), NYQUIST)), "a band that ends above Nyquist is no limit"
    assert torch.equal(beyond.band_limited(beyond.wav), beyond.wav)


def high_share(wav: torch.Tensor, rate: int) -> torch.Tensor:
    """(B,) share of the power above the bandwidth."""
    power = torch.fft.rfft(wav.detach()).abs().square()
    edge = round(BANDWIDTH / rate * wav.shape[-1])
    return power[:, edge:].sum(1) / power.sum(1)


@pytest.mark.parametrize("sampled", [False, True])
def test_every_loss_and_the_discriminator_get_both_signals_in_the_recording_s_band(limited, monkeypatch, sampled):
    task = "conversion"
    data = segments_of(limited, task, "train")
    state = State.create(limited.config, task, data)
    state.step = state.recipe.training.adversarial_from
    given: dict[str, list[torch.Tensor]] = {name: [] for name in (*state.losses, "discriminator", "sampled")}
    if sampled:
        monkeypatch.setattr(speaker_sampling, "speaker_prototypes", lambda: torch.eye(4, data.speaker.shape[1]))

        def towards(wav, targets):
            given["sampled"].append(wav)
            return wav.square().mean()

        state.speaker_sampler = SpeakerSampler(data, {"sampled_speaker": SimpleNamespace(towards=towards)})
        training = state.recipe.training.model_copy(update={"auxiliary_from": 0})
        losses = state.recipe.losses.model_copy(update={"sampled_speaker": 1.0})
        state.recipe = state.recipe.model_copy(update={"training": training, "losses": losses})
    for name, loss in dict(state.losses).items():

        def record(estimate, recording, name=name, loss=loss):
            given[name] += [estimate, recording]
            return loss(estimate, recording)

        state.losses[name] = record
    state.discriminator.register_forward_hook(lambda _, x, __: given["discriminator"].append(x[0].squeeze(1)))
    number, low = mixed(data)
    whole = []
    state.generator.register_forward_hook(lambda _, x, found: whole.append(found.detach().squeeze(1)))
    train_step(state, [data.batch(number)])
    assert high_share(whole[0], data.sample_rate).min() > 1e-3, "the generator's output has a full band"
    assert all(given[name] for name in (*state.losses, "discriminator")), "every loss was computed"
    assert bool(given.pop("sampled")) == sampled
    wavs = [wav for found in given.values() for wav in found]
    assert len(wavs) == 2 * len(state.losses) + 2
    for wav in wavs:
        shares = high_share(wav, data.sample_rate).unflatten(0, (-1, len(low)))
        assert shares[:, low].max() < 1e-8
    discriminated = given["discriminator"][0].unflatten(0, (-1, len(low)))
    assert torch.equal(discriminated[0][~low], data.batch(number).wav.squeeze(1)[~low]), "the others are untouched"
    assert torch.equal(discriminated[1][~low], whole[0][: len(low)][~low])


class Copy(torch.nn.Module):
    """A generator with the recording of its content as output, with noise above the bandwidth."""

    def __init__(self, data) -> None:
        super().__init__()
        self.batches = [data.batch(number) for number in range(loop.VALIDATION_BATCHES)]
        self.cutoff = 1.05 * BANDWIDTH / data.sample_rate

    def forward(self, content, speaker, emotion):
        wav = next(batch.wav for batch in self.batches if torch.equal(batch.content, content))
        noise = 0.1 * torch.randn_like(wav)
        return wav + noise - low_pass(noise.squeeze(1), torch.full((len(wav),), self.cutoff)).unsqueeze(1)


def test_validation_compares_in_the_band(tiny_run, tmp_path):
    run = with_bandwidths(tiny_run, tmp_path / "run", lambda _: BANDWIDTH)
    data = Segments(run, "resynthesis", "validation")
    state = State.create(tiny_run.config, "resynthesis", data)
    state.generator = Copy(data)
    loss, found = MelLoss(tiny_run.config.audio), []
    with Log(tmp_path, 0, tensorboard=False) as log:
        for bandwidths in (data._bandwidths, [None] * len(data.utterances)):
            data._bandwidths = bandwidths
            found.append(loop.validate_on(state, data, loss, log))
    inside, everywhere = found
    assert all(inside[name] < 0.1 * everywhere[name] for name in inside), "rounding in empty bands is left"


def test_gradient_norms_are_of_the_band(tiny_run, tmp_path):
    before = gradient_norms(tiny_run, "resynthesis")
    run = with_bandwidths(tiny_run, tmp_path / "run", lambda _: 2000.0)
    assert gradient_norms(run, "resynthesis")["stft"] != pytest.approx(before["stft"], rel=1e-3)
