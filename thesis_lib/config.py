"""The configuration: typed, frozen, strict. A typo is refused, a contradiction too.

``PROFILES`` names three; each is a short list of differences from ``thesis``. ``Config.override``
applies the same kind of difference from the command line (``--set training.steps=10``).
"""

import hashlib
import json
import math
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from thesis_lib.errors import ThesisError


class ConfigError(ThesisError):
    """A configuration that cannot be used; the message names the key and the remedy."""


class Section(BaseModel):
    """Frozen; an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AudioConfig(Section):
    """One analysis for the whole project: HiFi-GAN's (config_v1.json)."""

    sample_rate: int = 22_050  # Hz
    n_fft: int = 1024  # samples
    hop_length: int = 256  # samples
    win_length: int = 1024  # samples
    n_mels: int = 80
    fmin: float = 0.0  # Hz
    fmax: float = 8000.0  # Hz


class CorpusConfig(Section):
    """Which corpus, and which pairs of it."""

    name: Literal["mini", "cvss-t"] = "cvss-t"
    root: str | None = None  # folder of the unpacked CVSS-T layout; the bundled corpus unpacks itself
    min_duration: float = 3.0  # s, each side
    max_duration: float = 10.0  # s, each side
    validation_fraction: float = Field(0.2, gt=0, lt=1)  # of the training release's speakers
    split_seed: int = 7
    limit: int | None = Field(None, ge=1)  # pairs of each part; of the bundled corpus only


class EncoderConfig(Section):
    """Which encoders make the condition, and which one judges."""

    speaker: Literal["ecapa", "auto", "tiny-test"] = "ecapa"  # auto: tiny-test unless ECAPA is cached
    emotion: Literal["emotion2vec", "egemaps", "auto"] = "emotion2vec"  # auto: eGeMAPS unless the hub answers
    judge: Literal["resemblyzer", "none"] = "resemblyzer"  # a speaker encoder that never trains
    emotion_folder: str | None = None  # the user's own copy of emotion2vec


class GeneratorConfig(Section):
    """HiFi-GAN V1 (arXiv:2010.05646, table 4) and the condition's sizes."""

    channels: int = 512
    upsample_rates: tuple[int, ...] = (8, 8, 2, 2)
    kernel_sizes: tuple[int, ...] = (3, 7, 11)
    dilations: tuple[int, ...] = (1, 3, 5)
    speaker_projection: int = 256
    emotion_projection: int = 256  # the first plan's "256-d emotion": learned, not the encoder's size
    fusion_dim: int = 3332  # makes the whole 85.31 MB in float32 with emotion2vec
    condition_dim: int = 1024


class DiscriminatorConfig(Section):
    """Multi-period and multi-scale discriminators (arXiv:2010.05646, sec. 2.3)."""

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    scales: int = 3
    width: float = Field(1.0, gt=0)  # of the paper's channel counts


class LossConfig(Section):
    """Weights of the named losses; 0 switches one off, so an ablation is a number."""

    adversarial: float = Field(1.0, ge=0)
    feature_matching: float = Field(2.0, ge=0)
    mel: float = Field(45.0, ge=0)


class TrainingConfig(Section):
    """Steps, segments, optimizers; a budget is steps or minutes, whichever ends first."""

    steps: int = Field(500_000, ge=0)
    adversarial_from: int = Field(0, ge=0)  # first step that uses the discriminators
    batch_size: int = Field(16, ge=1)
    segment_frames: int = Field(32, ge=8)
    learning_rate: float = Field(2e-4, gt=0)
    betas: tuple[float, float] = (0.8, 0.99)
    lr_decay: float = Field(0.999, gt=0, le=1)  # per decay_every steps
    decay_every: int = Field(1000, ge=1)  # steps
    clip_norm: float = Field(10.0, gt=0)
    warm_start: Literal["hifigan-universal", "none"] = "hifigan-universal"
    checkpoint_every: int = Field(1000, ge=1)  # steps
    max_minutes: float | None = Field(None, gt=0)  # stop there and say so
    seed: int = 0


class ValidationConfig(Section):
    """How many utterances, which metrics, how many resamples."""

    utterances: int = Field(200, ge=2)  # of the test split
    metrics: tuple[str, ...] = ("mel_l1", "mcd", "pesq", "dnsmos", "asr", "speaker", "judge")
    resamples: int = Field(2000, ge=100)  # of the bootstrap
    seed: int = 0


class CompressionConfig(Section):
    """How many utterances and repeats the compression's table rests on."""

    calibration_utterances: int = Field(64, ge=1)
    test_utterances: int = Field(50, ge=1)
    repeats: int = Field(5, ge=2)  # of each timing


class CascadeConfig(Section):
    """The voice-cloning pipeline."""

    voice: str = "af_heart"  # the voice that speaks the English content
    examples: int = Field(10, ge=1)  # test utterances that notebook 07 translates


class Config(Section):
    """Everything that determines a run."""

    profile: str = "thesis"
    audio: AudioConfig = AudioConfig()
    corpus: CorpusConfig = CorpusConfig()
    encoders: EncoderConfig = EncoderConfig()
    generator: GeneratorConfig = GeneratorConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    losses: LossConfig = LossConfig()
    training: TrainingConfig = TrainingConfig()
    validation: ValidationConfig = ValidationConfig()
    compression: CompressionConfig = CompressionConfig()
    cascade: CascadeConfig = CascadeConfig()

    @model_validator(mode="after")
    def _agree(self) -> "Config":
        product = math.prod(self.generator.upsample_rates)
        if product != self.audio.hop_length:
            raise ValueError(
                f"generator.upsample_rates multiply to {product}, audio.hop_length is {self.audio.hop_length}"
            )
        if self.generator.channels % 2 ** len(self.generator.upsample_rates):
            raise ValueError("generator.channels must be divisible by 2 for every upsampling stage")
        if self.corpus.min_duration >= self.corpus.max_duration:
            raise ValueError("corpus.min_duration must be below corpus.max_duration")
        return self

    def digest(self) -> str:
        """12 hex digits that change when any value does."""
        return digest(self)

    def override(self, changes: dict[str, Any]) -> "Config":
        """A copy with dotted keys replaced: ``{"training.steps": 10}``. ConfigError for an unknown key."""
        tree = self.model_dump()
        for key, value in changes.items():
            *path, last = key.split(".")
            node = tree
            for part in path:
                node = node.get(part) if isinstance(node, dict) else None
            if not isinstance(node, dict) or last not in node:
                raise ConfigError(f"no setting named {key!r}; `thesis config` lists them all")
            node[last] = value
        return _validate(tree)

    @classmethod
    def from_profile(cls, name: str) -> "Config":
        """One of PROFILES; ConfigError with the known names otherwise."""
        if name not in PROFILES:
            raise ConfigError(f"no profile named {name!r}; known: {', '.join(PROFILES)}")
        return cls().override({"profile": name, **PROFILES[name]})

    @classmethod
    def from_json(cls, text: str) -> "Config":
        """Inverse of ``model_dump_json``; ConfigError names what is wrong."""
        try:
            return _validate(json.loads(text))
        except json.JSONDecodeError as error:
            raise ConfigError(f"not JSON: {error}") from error


def digest(section: BaseModel | dict | list) -> str:
    """12 hex digits of a section's canonical JSON."""
    tree = section.model_dump(mode="json") if isinstance(section, BaseModel) else section
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:12]


def _validate(tree: dict) -> Config:
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, e['loc'])) or 'config'}: {e['msg']}" for e in error.errors()]
        raise ConfigError("; ".join(wrong)) from error


def parse_assignment(text: str) -> tuple[str, Any]:
    """``"training.steps=10"`` -> ("training.steps", 10); a value that is no JSON is a string."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"{text!r} is not of the form section.key=value")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


PROFILES: dict[str, dict[str, Any]] = {
    "thesis": {},
    # Real sizes and real weights on two CPU cores; the budget is minutes.
    "demo": {
        "corpus.name": "mini",
        "encoders.emotion": "auto",
        "discriminator.width": 0.25,
        "training.steps": 90,
        "training.adversarial_from": 75,
        "training.batch_size": 4,
        # Measured from the published weights: at 1e-4 the mel loss of unseen speakers rises from 0.27 to 0.41
        # within 40 steps (condition alone at that rate: 0.41 in 15, backbone alone: 0.31 in 10); at 1e-5 it falls.
        "training.learning_rate": 1e-5,
        "training.lr_decay": 0.9,
        "training.decay_every": 10,
        "training.checkpoint_every": 10,
        "training.max_minutes": 6,
        "validation.utterances": 14,
        "validation.resamples": 1000,
        "compression.calibration_utterances": 6,
        "compression.test_utterances": 6,
        "compression.repeats": 3,
        "cascade.examples": 4,
    },
    # Every line of code, as little data as it takes.
    "smoke": {
        "corpus.name": "mini",
        "corpus.limit": 6,
        "encoders.speaker": "auto",
        "encoders.emotion": "egemaps",
        "encoders.judge": "none",
        "generator.channels": 32,
        "generator.kernel_sizes": (3, 7),
        "generator.dilations": (1, 3),
        "generator.speaker_projection": 16,
        "generator.emotion_projection": 16,
        "generator.fusion_dim": 32,
        "generator.condition_dim": 32,
        "discriminator.periods": (2, 3),
        "discriminator.scales": 1,
        "discriminator.width": 0.0625,
        "training.steps": 12,
        "training.adversarial_from": 8,
        "training.batch_size": 2,
        "training.checkpoint_every": 4,
        "training.warm_start": "none",
        "validation.utterances": 3,
        "validation.metrics": ("mel_l1", "pesq", "speaker"),
        "validation.resamples": 200,
        "compression.calibration_utterances": 2,
        "compression.test_utterances": 2,
        "compression.repeats": 2,
        "cascade.examples": 1,
    },
}
