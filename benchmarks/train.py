"""Training steps a second, HiFi-GAN V1 with all its discriminators: ours against speechbrain's, interleaved.

Same sizes, same batch, random weights; adversarial, feature matching and mel loss in both. The peer's step is that of
its LJSpeech recipe: fake and real through the discriminators one after the other, once for each network's update.
"""

import statistics

import torch

from benchmarks.peers import speechbrain_v1
from thesis_lib.audio.mel import LogMel
from thesis_lib.config import AudioConfig, Config
from thesis_lib.training import State, train_step
from thesis_lib.training.segments import Batch
from thesis_lib.utils.timing import interleaved, ratio

BATCH, FRAMES = 4, 32
SPEAKER, EMOTION = 192, 88  # ECAPA-TDNN and eGeMAPS


def run(quick: bool) -> dict:
    """Seconds a step of each, and the ratio with its lowest and highest over the rounds."""
    audio = AudioConfig()
    torch.manual_seed(0)
    wav = 0.1 * torch.randn(BATCH, 1, FRAMES * audio.hop_length)
    mel = LogMel(audio)(wav[:, 0])
    threads = torch.get_num_threads()
    calls = {"speechbrain": speechbrain_step(wav, mel), "ours": _ours(wav, mel)}
    seconds = interleaved(calls, 2 if quick else 8, threads=threads)
    return {
        "batch": BATCH,
        "samples": wav.shape[-1],
        "threads": threads,
        "rounds": len(seconds["ours"]),
        "seconds_a_step": {name: statistics.median(values) for name, values in seconds.items()},
        "speed / speechbrain": ratio(seconds["speechbrain"], seconds["ours"]),
    }


def _ours(wav: torch.Tensor, mel: torch.Tensor):
    config = Config().override({"resynthesis.training.warm_start": "none"})
    batch = Batch(wav, mel, torch.randn(BATCH, SPEAKER), torch.randn(BATCH, EMOTION), ["noise"] * BATCH)
    state = State.create(config, "resynthesis", batch)
    return lambda: train_step(state, [batch])


def speechbrain_step(wav: torch.Tensor, mel: torch.Tensor):
    """A function that makes one step of speechbrain's recipe, on the device of the batch."""
    from speechbrain.lobes.models.HifiGAN import (
        DiscriminatorLoss,
        GeneratorLoss,
        HifiganDiscriminator,
        L1SpecLoss,
        MelganFeatureLoss,
        MSEDLoss,
        MSEGLoss,
    )

    generator, discriminator = speechbrain_v1().to(wav.device), HifiganDiscriminator().to(wav.device)
    weights = Config().resynthesis.losses
    spectral = L1SpecLoss(sample_rate=22_050, hop_length=256, win_length=1024, n_fft=1024, n_mel_channels=80)
    generator_loss = GeneratorLoss(
        mseg_loss=MSEGLoss(),
        mseg_loss_weight=weights.adversarial,
        feat_match_loss=MelganFeatureLoss(),
        feat_match_loss_weight=weights.feature_matching,
        l1_spec_loss=spectral,
        l1_spec_loss_weight=weights.mel,
    )
    discriminator_loss = DiscriminatorLoss(MSEDLoss())
    optimizers = [torch.optim.AdamW(network.parameters(), 2e-4, (0.8, 0.99)) for network in (generator, discriminator)]

    def step() -> None:
        estimate = generator(mel)
        scores_fake, _ = discriminator(estimate.detach())
        scores_real, _ = discriminator(wav)
        loss = discriminator_loss(scores_fake, scores_real)["D_loss"]
        optimizers[1].zero_grad()
        loss.backward()
        optimizers[1].step()
        scores_fake, fake = discriminator(estimate)
        _, real = discriminator(wav)
        # Its stage is looked at for a duration loss only, which is off.
        loss = generator_loss(None, estimate, wav, scores_fake, fake, real)["G_loss"]
        optimizers[0].zero_grad()
        loss.backward()
        optimizers[0].step()

    return step
