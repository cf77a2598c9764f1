"""A run that trains without weights and encoder packages: noise, with random embeddings and pitch contours.

Shapes: B batch, N samples, S speaker embedding.
"""

import json
from pathlib import Path

import numpy as np
import torch
from helpers import TINY
from torch import Tensor, nn
from torch.nn import functional as F

from thesis_lib.audio.files import write_audio
from thesis_lib.config import Config
from thesis_lib.corpus.manifest import NOT_TRANSCRIBED, Manifest, Utterance
from thesis_lib.runs.analyse import analysis_path
from thesis_lib.runs.folder import Run

SPEAKER_DIM, EMOTION_DIM, PROTOTYPES = 8, 6, 50
FRAMES = 60  # of a recording
BANDWIDTH_HZ = 8_000.0  # of every second recording
SPLITS = ("train",) * 6 + ("validation",) * 2
# Everything of a training step that is drawn at random or begins later.
EVERYTHING = {
    "conversion.losses.speaker": 5.0,
    "conversion.losses.sampled_speaker": 5.0,
    "conversion.generator.condition_dropout": 0.3,
    "conversion.discriminator.crop_frames": 8,
    "conversion.training.recorded_share": 0.5,
    "conversion.training.encoder_augmentation": 0.5,
    "conversion.training.ema_decay": 0.9,
    "conversion.training.decay_every": 2,
    "conversion.training.lr_decay": 0.5,
    "conversion.training.tensorboard": False,
}


class BandEnergies(nn.Module):
    """A substitute speaker encoder with a gradient: log energies of fixed random filters."""

    sample_rate = 16_000  # Hz

    def __init__(self) -> None:
        super().__init__()
        filters = torch.randn(256, SPEAKER_DIM, generator=torch.Generator().manual_seed(1))
        self.register_buffer("filters", filters)

    def forward(self, wav: Tensor) -> Tensor:
        """(B, N) -> (B, S), unit length."""
        energies = (wav.unfold(1, 256, 128) @ self.filters).square().mean(1)
        return F.normalize(torch.log(energies + 1e-4), dim=1)


def prototypes() -> Tensor:
    """(PROTOTYPES, S) of target speakers, unit length."""
    found = torch.randn(PROTOTYPES, SPEAKER_DIM, generator=torch.Generator().manual_seed(2))
    return F.normalize(found, dim=1)


def synthetic_run(folder: Path, start: int = 0, **training) -> Run:
    """A run with corpus, embeddings and analyses of the content "envelope"; ``training`` changes the conversion's.

    The adversarial and encoder losses begin at the step ``start``.
    """
    named = {"adversarial_from": start, "auxiliary_from": start} | training
    changes = {f"conversion.training.{key}": value for key, value in named.items()}
    run = Run(folder, Config.from_profile("smoke").override(TINY | EVERYTHING | changes))
    rng, audio, utterances = np.random.default_rng(0), run.config.audio, []
    for number, split in enumerate(SPLITS):
        name = f"u{number}.wav"
        wav = 0.1 * rng.normal(size=FRAMES * audio.hop_length)
        write_audio(run.path / "corpus" / name, wav.astype(np.float32), audio.sample_rate)
        seconds = len(wav) / audio.sample_rate
        utterances.append(
            Utterance(
                id=f"u{number}",
                split=split,
                speaker=f"{split}-{number // 2}",
                source_audio=name,
                target_audio=name,
                source_text=NOT_TRANSCRIBED,
                target_text=NOT_TRANSCRIBED,
                source_duration=seconds,
                target_duration=seconds,
                source_kind="same recording",
                target_bandwidth=BANDWIDTH_HZ if number % 2 else None,
            )
        )
    Manifest(run.path / "corpus", utterances).save()
    _embed(run, utterances, rng)
    _analyse(run, utterances, rng)
    return run


def _embed(run: Run, utterances: list[Utterance], rng: np.random.Generator) -> None:
    folder = run.path / "embeddings"
    folder.mkdir()
    titles = {"speaker": "tiny-test-encoder (1)", "emotion": "random-numbers (1)"}
    (folder / "embeddings.json").write_text(json.dumps({"ids": [u.id for u in utterances], **titles}))
    for kind, dim in (("speaker", SPEAKER_DIM), ("emotion", EMOTION_DIM)):
        np.save(folder / f"{kind}_source.npy", rng.normal(size=(len(utterances), dim)).astype(np.float32))


def _analyse(run: Run, utterances: list[Utterance], rng: np.random.Generator) -> None:
    for utterance in utterances:
        path = analysis_path(run, utterance, run.config.conversion.content)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            path,
            mel_mean=np.full(run.config.audio.n_mels, -5.0, np.float32),
            phonetic=np.zeros((0, FRAMES), np.float16),
            log_f0=(np.log(150) + 0.2 * rng.normal(size=FRAMES)).astype(np.float32),
            voicing=(rng.random(FRAMES) > 0.3).astype(np.float32),
        )
