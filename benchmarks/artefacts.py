"""How far inaudible noise that follows ECAPA's gradient moves each speaker encoder towards a target speaker.

A vocoder that trains on an encoder can learn such noise instead of a voice, so an encoder that it moves cannot be a
headline number. The noise, at 30 dB SNR, is added to speech of the unconditional vocoder (the mean speaker) and
optimised for a bundled test voice, by the plain speaker loss and by the same loss with augmentation before the encoder.
White noise is the control. The bundled voices are synthetic.

The second part degrades the outputs of each system of the speaker test on human voices (THESIS_HUMAN): noise at 20 dB
SNR, MP3 at 64 kbit/s, a low-pass of 4 kHz. Natural recordings are degraded too and give the scale. If a system
keeps a smaller share of its score than they do, the score rests in part on what the degradation removes.
"""

from functools import partial

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from benchmarks.json_rows import interval_columns, records
from benchmarks.options import Option
from benchmarks.speakers import (
    QUICK_RESAMPLES,
    RELEASED,
    RESAMPLES,
    SEED,
    human_set,
    roles_of,
)
from thesis_lib.audio.files import read_audio, resample
from thesis_lib.config import CorpusConfig, EncoderConfig
from thesis_lib.corpus import mini
from thesis_lib.embeddings.encoders import Encoder, embed, evaluation_encoders
from thesis_lib.embeddings.encoders.ecapa import EcapaTdnn
from thesis_lib.losses import EmbeddingConsistency, EncoderAugmentation
from thesis_lib.utils.progress import bar
from thesis_lib.validation import Scorer, System, TestSet, evaluate
from thesis_lib.validation.evaluation import Columns
from thesis_lib.validation.metrics import Calibration, cosine, mean_of
from thesis_lib.validation.speaker_test import (
    about_trials,
    enrol,
    measure_degraded,
    speaker_test_systems,
    summarise_degraded,
)
from thesis_lib.vocoder.synthesis import DEFAULT, Vocoder

OPTIONS = {
    "targets": Option(12, 3, "human target speakers"),
    "contents": Option(6, 2, "sentences, each by another TTS voice", most=9),
}
RATE = 16_000  # Hz
SECONDS = 2.0
NOISE_SNR_DB = 30.0
MAX_SIMILARITY_SHIFT = 0.1  # of the normalised similarity: more disqualifies an encoder as a headline
LOSSES = {"plain loss": 0.0, "augmented loss": 0.5}  # probability of each change before the encoder
FIRST_STEP_SHARE = 0.3  # length of the first step, relative to that of the noise; it falls to zero


def run(quick: bool, targets: int, contents: int) -> dict:
    """The noise by the gradient, the encoders within ``MAX_SIMILARITY_SHIFT`` in every noise, and the degradations."""
    degradations = degraded(quick, targets, contents)  # first: it says at once where there is no folder of recordings
    return moved_by_noise(quick) | {"degradations": degradations}


def degraded(quick: bool, targets: int, contents: int) -> dict:
    """Normalised similarity of each system and encoder before and after each degradation, and what remains."""
    vocoder = Vocoder.from_torch(DEFAULT)
    trials, encoders = human_set(vocoder, targets, contents)
    scorers = enrol(trials, encoders, bar)
    results = measure_degraded(trials, speaker_test_systems(RELEASED, vocoder, encoders[0]), scorers, bar)
    summary = summarise_degraded(results.table, QUICK_RESAMPLES if quick else RESAMPLES, SEED)
    rows = records(roles_of(vocoder).of_encoders(summary))
    return about_trials(trials, scorers) | {"chance": 0.0, "not measured": results.missing, "rows": rows}


def moved_by_noise(quick: bool) -> dict:
    """One row for each encoder and kind of noise, and the encoders within ``MAX_SIMILARITY_SHIFT`` in every noise.

    "differences of the losses": how much further the noise by the augmented loss moves an encoder than that by the
    plain one, in the same trials.
    """
    rows, steps = voices(), 5 if quick else 60
    pairs = noise_trials(len(rows))[: 2 if quick else None]
    spanish, english = ([_read(name, side) for name in rows.id] for side in ("es", "en"))
    ecapa = EcapaTdnn()
    contents = {content: _mean_speaker(rows.id.iloc[content]) for content in {content for content, _ in pairs}}
    speech = [contents[content] for content, _ in pairs]
    prototypes = {target: torch.from_numpy(ecapa.encode(spanish[target])) for target in {target for _, target in pairs}}
    torch.manual_seed(0)
    noises = {"white noise": [_scaled(torch.randn(len(wav)), wav) for wav in speech]}
    for name, probability in LOSSES.items():
        torch.manual_seed(0)
        loss = EmbeddingConsistency(
            ecapa, RATE, augmentation=EncoderAugmentation(RATE, probability) if probability else None
        )
        both = zip(speech, (prototypes[target] for _, target in pairs), strict=True)
        noises[name] = [optimised(wav, target, loss, steps) for wav, target in tqdm(both, name, len(pairs))]
    systems: list[System[int, torch.Tensor]] = [
        System(name, lambda trial, given=given: speech[trial] + given[trial], about={"noise": name})
        for name, given in noises.items()
    ]
    scorers = []
    for encoder in (ecapa, *evaluation_encoders(EncoderConfig())):
        sources, outputs = (np.stack([embed(encoder, wav, RATE) for wav in side]) for side in (spanish, english))
        scale = Calibration.between(sources, outputs, rows.voice.to_numpy())
        enrolled = [sources[target] for _, target in pairs]
        scorers.append(Scorer(partial(_similarities, encoder, scale, enrolled, speech), {"encoder": encoder.name}))
    results = evaluate(TestSet(range(len(pairs)), lambda trial: {"trial": trial}, "noise"), systems, scorers, bar)
    found = [
        about | _moved(own, pairs)
        for scorer in scorers
        for about in (scorer.about | system.about for system in systems)
        if (own := [row for row in results.rows if about.items() <= row.items()])
    ]
    moved = {row["encoder"]: max(x["moved"] for x in found if x["encoder"] == row["encoder"]) for row in found}
    headline = [name for name, most in moved.items() if most <= MAX_SIMILARITY_SHIFT]
    differences = [{"encoder": name} | _loss_difference(results.rows, name, pairs) for name in moved]
    settings = {"trials": len(pairs), "steps": steps, "snr": NOISE_SNR_DB, "seconds": SECONDS, "voices": len(rows)}
    noise = settings | {"rows": found, "differences of the losses": differences}
    return noise | {"may be a headline": headline, "not measured": results.missing}


def voices() -> pd.DataFrame:
    """The first pair of each voice of the test split."""
    rows = mini.table(CorpusConfig(name="mini"))
    return rows[rows.split == "test"].groupby("voice").head(1)


def noise_trials(voices: int) -> list[tuple[int, int]]:
    """(content, target) of each trial: every voice is the content of two trials and the target of two others."""
    return [(voice, (voice + step) % voices) for step in (1, 2) for voice in range(voices)]


def optimised(wav: torch.Tensor, target: torch.Tensor, loss: EmbeddingConsistency, steps: int) -> torch.Tensor:
    """Noise (N,), ``NOISE_SNR_DB`` below ``wav`` (N,), that lowers the loss to ``target`` (S,): normalised gradient."""
    noise = _scaled(torch.randn(len(wav)), wav)
    for step in range(steps):
        noise.requires_grad_()
        value = loss.towards((wav + noise).unsqueeze(0), target.unsqueeze(0))
        (gradient,) = torch.autograd.grad(value, noise)
        size = FIRST_STEP_SHARE * (1 - step / steps) * noise.detach().norm()
        noise = _scaled(noise.detach() - size * gradient / gradient.norm(), wav)
    return noise


def _similarities(
    encoder: Encoder,
    scale: Calibration,
    targets: list[np.ndarray],
    speech: list[torch.Tensor],
    trial: int,
    noisy: torch.Tensor,
) -> Columns:
    """Normalised similarity to the target voice's Spanish recording, before and after the noise."""
    wavs = {"before": speech[trial], "after": noisy}
    return {
        name: float(scale.normalised(cosine(embed(encoder, wav.numpy(), RATE), targets[trial])))
        for name, wav in wavs.items()
    }


def _moved(rows: list[Columns], pairs: list[tuple[int, int]]) -> Columns:
    """Means over the trials, the movement with its interval over contents and targets, the smallest and the largest."""
    before, after = (np.array([row[name] for row in rows]) for name in ("before", "after"))
    moved = after - before
    return {
        "n": len(rows),
        "before": float(before.mean()),
        "after": float(after.mean()),
        **interval_columns(len(rows), mean_of(moved), RESAMPLES, _sides(rows, pairs), "moved"),
        "moved, least": float(moved.min()),
        "moved, most": float(moved.max()),
    }


def _loss_difference(rows: list[Columns], encoder: str, pairs: list[tuple[int, int]]) -> Columns:
    """Similarity after the noise by the augmented loss minus that after the noise by the plain one, in the same trials.

    The interval is over contents and targets.
    """
    first, last = (
        {row["trial"]: row for row in rows if (row["encoder"], row["noise"]) == (encoder, n)} for n in LOSSES
    )
    both = [last[trial] for trial in last if trial in first]
    difference = np.array([row["after"] - first[row["trial"]]["after"] for row in both])
    found = interval_columns(len(both), mean_of(difference), RESAMPLES, _sides(both, pairs), "difference")
    return found | {"n": len(both)}


def _sides(rows: list[Columns], pairs: list[tuple[int, int]]) -> list[np.ndarray]:
    """Content and target of each row, which the bootstrap draws."""
    return list(np.array([pairs[row["trial"]] for row in rows]).T)


def _scaled(noise: torch.Tensor, wav: torch.Tensor) -> torch.Tensor:
    return noise * wav.norm() * 10 ** (-NOISE_SNR_DB / 20) / noise.norm()


def _read(name: str, side: str) -> np.ndarray:
    return read_audio(mini.bundle() / "audio" / f"{name}.{side}.opus", RATE)[0]


def _mean_speaker(name: str) -> torch.Tensor:
    """(N,) the middle of a bundled recording, synthesised without a condition."""
    vocoder = Vocoder.from_torch(DEFAULT)
    wav, rate = read_audio(mini.bundle() / "audio" / f"{name}.en.opus", vocoder.sample_rate)
    first = max(0, (len(wav) - round(SECONDS * rate)) // 2)
    spoken = vocoder.render(wav[first : first + round(SECONDS * rate)], guidance=0.0)
    return torch.from_numpy(resample(spoken, rate, RATE))
