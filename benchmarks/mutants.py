"""Mutation test of the losses and the training step: the share of planted faults that the tests catch.

Each mutant is one textual change of a copy of the package; ``tests/losses`` runs
against that copy and must fail. A mutant that survives is a gap in the tests.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).parents[1]
TESTS = ("tests/losses",)


@dataclass(frozen=True)
class Mutant:
    """In ``file``, ``old`` (which occurs once) becomes ``new``."""

    name: str
    file: str
    old: str
    new: str


EMBED = "return self.distance(self.encoder(wav), target)"
TARGET = "target = self.encoder(self.resample(reference))"
DISTANCE = '{"cosine": cosine_loss, "mse": embedding_mse_loss}[distance]'

MUTANTS = [
    Mutant("no_grad round the encoder", "losses/embedding.py", EMBED, f"with torch.no_grad():\n            {EMBED}"),
    Mutant(
        "detached embedding",
        "losses/embedding.py",
        "self.encoder(wav)",
        "self.encoder(wav).detach()",
    ),
    Mutant(
        "numpy round trip",
        "losses/embedding.py",
        "self.encoder(wav)",
        "self.encoder(torch.from_numpy(wav.detach().numpy()))",
    ),
    Mutant("no resampling", "losses/embedding.py", "Resample(sample_rate, encoder.sample_rate)", "nn.Identity()"),
    Mutant(
        "rates swapped",
        "losses/embedding.py",
        "Resample(sample_rate, encoder.sample_rate)",
        "Resample(encoder.sample_rate, sample_rate)",
    ),
    Mutant("reference not resampled", "losses/embedding.py", TARGET, "target = self.encoder(reference)"),
    Mutant(
        "encoder in train mode",
        "losses/embedding.py",
        "encoder.eval().requires_grad_(False)",
        "encoder.train().requires_grad_(False)",
    ),
    Mutant(
        "train() reaches the encoder",
        "losses/embedding.py",
        'def train(self, mode: bool = True) -> "EmbeddingConsistency":',
        "def frozen(self, mode: bool = True):",
    ),
    Mutant("encoder not frozen", "losses/embedding.py", "encoder.eval().requires_grad_(False)", "encoder.eval()"),
    Mutant(
        "MSE for cosine",
        "losses/embedding.py",
        DISTANCE,
        '{"cosine": embedding_mse_loss, "mse": embedding_mse_loss}[distance]',
    ),
    Mutant("cosine for MSE", "losses/embedding.py", DISTANCE, '{"cosine": cosine_loss, "mse": cosine_loss}[distance]'),
    Mutant(
        "estimate and reference swapped",
        "losses/embedding.py",
        'def forward(self, estimate: Tensor, reference: Tensor) -> Tensor:\n        """(k B, N), (B, N) at',
        'def forward(self, reference: Tensor, estimate: Tensor) -> Tensor:\n        """(k B, N), (B, N) at',
    ),
    Mutant(
        "gradient through the target", "losses/embedding.py", f"with torch.no_grad():\n            {TARGET}", TARGET
    ),
    Mutant("cosine's sign", "losses/embedding.py", "1 - F.cosine_similarity", "1 + F.cosine_similarity"),
    Mutant(
        "cosine across the batch",
        "losses/embedding.py",
        "F.cosine_similarity(estimate, reference, dim=1)",
        "F.cosine_similarity(estimate, reference, dim=0)",
    ),
    Mutant(
        "MSE of vectors that are not unit",
        "losses/embedding.py",
        "F.mse_loss(F.normalize(estimate, dim=1), F.normalize(reference, dim=1))",
        "F.mse_loss(estimate, reference)",
    ),
    Mutant(
        "convergence relative to the estimate",
        "losses/spectral.py",
        "for x in (b - a, b))",
        "for x in (b - a, a))",
    ),
    Mutant("convergence alone", "losses/spectral.py", "return convergence + (", "return convergence + 0 * ("),
    Mutant(
        "log magnitudes detached",
        "losses/spectral.py",
        "(a.clamp(min=MIN_MAGNITUDE).log()",
        "(a.detach().clamp(min=MIN_MAGNITUDE).log()",
    ),
    Mutant(
        "one STFT size for all",
        "losses/spectral.py",
        "stft_loss(estimate, reference, size) for size",
        "stft_loss(estimate, reference, 512) for size",
    ),
    Mutant(
        "mel of the estimate detached",
        "losses/spectral.py",
        "return mel_loss(self.mel(estimate), self.mel(reference))",
        "return mel_loss(self.mel(estimate).detach(), self.mel(reference))",
    ),
    Mutant(
        "squares for absolutes in the mel loss",
        "losses/spectral.py",
        "torch.mean(torch.abs(estimate - reference))",
        "torch.mean((estimate - reference) ** 2)",
    ),
    Mutant("one mel scale of three", "losses/spectral.py", "for mel in self.mels)", "for mel in self.mels[:1])"),
    Mutant(
        "no difference of mel frames",
        "losses/temporal.py",
        "mel_loss(mels[0].diff(dim=-1), mels[1].diff(dim=-1))",
        "mel_loss(mels[0], mels[1])",
    ),
    Mutant(
        "difference across bands",
        "losses/temporal.py",
        "mel_loss(mels[0].diff(dim=-1), mels[1].diff(dim=-1))",
        "mel_loss(mels[0].diff(dim=1), mels[1].diff(dim=1))",
    ),
    Mutant(
        "energy of the reference twice",
        "losses/temporal.py",
        "mel_loss(energies[0].diff(dim=-1), energies[1].diff(dim=-1))",
        "mel_loss(energies[1].diff(dim=-1), energies[1].diff(dim=-1))",
    ),
    Mutant(
        "F0 part of zero weight", "losses/temporal.py", "(voiced * (f0.diff(dim=-1)", "(0 * voiced * (f0.diff(dim=-1)"
    ),
    Mutant("F0 that cannot move", "losses/temporal.py", "SOFTMAX_SCALE = 100.0", "SOFTMAX_SCALE = 0.0"),
    Mutant(
        "F0 by argmax",
        "losses/temporal.py",
        "shares = torch.softmax(self.SOFTMAX_SCALE * tapered, dim=-1)",
        "shares = F.one_hot(tapered.argmax(-1), len(self.lags)).to(tapered)",
    ),
    Mutant(
        "the step's estimate detached",
        "training/step.py",
        "name: loss(own, recording) if",
        "name: loss(own.detach(), recording) if",
    ),
    Mutant(
        "the step compares the estimate with itself",
        "training/step.py",
        "name: loss(own, recording) if",
        "name: loss(own, own) if",
    ),
    Mutant(
        "the step's arguments swapped",
        "training/step.py",
        "name: loss(own, recording) if",
        "name: loss(recording, own) if",
    ),
    Mutant(
        "encoder losses of zero weight",
        "training/step.py",
        "total = sum(getattr(weights, name) * loss",
        "total = sum((first_step(name, training) == 0) * getattr(weights, name) * loss",
    ),
    Mutant(
        "weights left out",
        "training/step.py",
        "total = sum(getattr(weights, name) * loss",
        "total = sum(bool(getattr(weights, name)) * loss",
    ),
    Mutant(
        "encoder losses begin a step late",
        "training/step.py",
        "if state.step >= first_step(name, state.recipe.training)",
        "if state.step > first_step(name, state.recipe.training)",
    ),
    Mutant(
        "encoder losses begin at once",
        "training/step.py",
        "if state.step >= first_step(name, state.recipe.training)",
        "if True",
    ),
    Mutant(
        "the discriminator gets a detached estimate",
        "training/step.py",
        "fake, features = state.discriminator(estimate)",
        "fake, features = state.discriminator(estimate.detach())",
    ),
    Mutant(
        "features matched to nothing",
        "losses/adversarial.py",
        "(f - r).abs().mean() for f, r in pairs",
        "(f - f).abs().mean() for f, r in pairs",
    ),
    Mutant("augmentation left out", "losses/embedding.py", "wav = self.augmentation(wav)", "pass"),
    Mutant(
        "augmented signal detached", "losses/embedding.py", "self.augmentation(wav)", "self.augmentation(wav.detach())"
    ),
    Mutant(
        "quantisation without a gradient",
        "losses/augmentation.py",
        "return wav + (changed - wav).detach()",
        "return changed",
    ),
    Mutant("low-pass of every row", "losses/band_limit.py", "torch.where(cutoff < NYQUIST, filtered, wav)", "filtered"),
    Mutant(
        "low-pass without a gradient", "losses/band_limit.py", "torch.fft.rfft(wav)", "torch.fft.rfft(wav.detach())"
    ),
    Mutant(
        "the recording in full band",
        "training/step.py",
        "[given.batch.band_limited(given.batch.wav) for given in inputs]",
        "[given.batch.wav for given in inputs]",
    ),
]


def run(quick: bool) -> dict:
    """The score, and the mutants that survived. ``quick`` tries every eighth."""
    chosen = MUTANTS[::8] if quick else MUTANTS
    if not passes(None):
        raise SystemExit("the tests fail on the package as it is: mend that first")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        passed = list(tqdm(pool.map(passes, chosen), total=len(chosen)))
    survived = [mutant.name for mutant, survives in zip(chosen, passed, strict=True) if survives]
    caught = len(chosen) - len(survived)
    return {"mutants": len(chosen), "caught": caught, "score": caught / len(chosen), "survived": survived}


def passes(mutant: Mutant | None) -> bool:
    """Whether the tests pass on a copy of the package with that change."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "thesis_lib"
        shutil.copytree(ROOT / "thesis_lib", copy, ignore=shutil.ignore_patterns("mini", "__pycache__"))
        if mutant:
            path = copy / mutant.file
            path.write_text(mutated(path.read_text(), mutant))
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", f"--rootdir={ROOT}"]
        command += ["-m", "not weights", "-k", "not emotion2vec", *(str(ROOT / test) for test in TESTS)]
        # The copy is found before the installed package: -m puts the working folder first.
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": folder, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"the tests did not run: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def mutated(text: str, mutant: Mutant) -> str:
    """The changed source; ValueError when the place is not there exactly once."""
    if text.count(mutant.old) != 1:
        raise ValueError(f"mutant {mutant.name!r}: {mutant.old!r} stands {text.count(mutant.old)} times")
    return text.replace(mutant.old, mutant.new)
