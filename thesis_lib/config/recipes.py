"""One vocoder and how it is trained: content, generator, discriminator, losses, training."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from thesis_lib.config.section import Section


class ContentConfig(Section):
    """What the generator is given of the signal; ``thesis_lib.vocoder.content`` says what each kind is."""

    kind: Literal["mel", "envelope", "phonetic"] = "mel"
    cepstra: int = Field(24, ge=1)  # envelope: of 80 mel bands
    remove_mean: bool = True  # envelope: of the utterance's cepstra
    warp: float = Field(0.2, ge=0, lt=1)  # envelope, training only: the frequency axis is stretched by up to 1 + warp
    components: int = Field(192, ge=1, le=384)  # phonetic: principal components that the generator sees
    pitch: Literal["level", "normalised"] = "level"  # log-F0 at the target's level, or z-scored by utterance


class ConditionConfig(Section):
    """Sizes of the fused condition, and how often training leaves it out."""

    speaker_projection: int = 256
    emotion_projection: int = 256  # the first plan's "256-d emotion": learned, not the encoder's size
    fusion_dim: int = 3332  # makes the whole 85.31 MB in float32 with emotion2vec
    condition_dim: int = 1024
    condition_dropout: float = Field(0.0, ge=0, lt=1)  # share of training items that see the neutral condition


class HifiganConfig(ConditionConfig):
    """HiFi-GAN; the defaults are V1 (arXiv:2010.05646, table 4)."""

    kind: Literal["hifigan"] = "hifigan"
    channels: int = 512
    upsample_rates: tuple[int, ...] = (8, 8, 2, 2)
    kernel_sizes: tuple[int, ...] = (3, 7, 11)
    dilations: tuple[tuple[int, ...], ...] = ((1, 3, 5),) * 3  # of each kernel size
    plain_convolutions: bool = True  # one after each dilated one (V1, V2); V3 has none
    inner: float = Field(1.0, gt=0, le=1)  # share of the channels between these two; below 1 after pruning

    @model_validator(mode="after")
    def _has_pairs(self) -> "HifiganConfig":
        if self.inner < 1 and not self.plain_convolutions:
            raise ValueError("generator.inner below 1 needs plain_convolutions: it is the channels between the two")
        return self


class IstftConfig(ConditionConfig):
    """ConvNeXt blocks and an inverse STFT (Vocos, arXiv:2306.00814), modulated like HiFi-GAN."""

    kind: Literal["istft"] = "istft"
    channels: int = 192
    blocks: int = Field(6, ge=1, le=100)
    expansion: int = Field(3, ge=1)  # hidden channels of a block, per channel
    excitation: Literal["none", "harmonic"] = "none"  # harmonic: filter a pulse train of the given F0, and noise
    lookahead: int | None = Field(None, ge=0)  # frames ahead that all convolutions together see; None: as behind
    speaker_projection: int = 64
    emotion_projection: int = 32
    fusion_dim: int = 128
    condition_dim: int = 64

    @model_validator(mode="after")
    def _sees_no_more_than_it_can(self) -> "IstftConfig":
        most = 3 * (1 + self.blocks)
        if self.lookahead is not None and self.lookahead > most:
            raise ValueError(f"generator.lookahead is {self.lookahead}: {self.blocks} blocks see {most} frames at most")
        return self


GeneratorConfig = Annotated[HifiganConfig | IstftConfig, Field(discriminator="kind")]

# Wherever a generator's section is asked for, one of these names will do.
GENERATORS: dict[str, dict[str, Any]] = {
    "v1": {"kind": "hifigan"},
    "v2": {"kind": "hifigan", "channels": 128},
    "v3": {
        "kind": "hifigan",
        "channels": 256,
        "upsample_rates": (8, 8, 4),
        "kernel_sizes": (3, 5, 7),
        "dilations": ((1, 2), (2, 6), (3, 12)),
        "plain_convolutions": False,
    },
    "istft": {"kind": "istft"},
    "istft-small": {"kind": "istft", "channels": 128, "condition_dim": 64},
    "istft-large": {"kind": "istft", "channels": 256, "condition_dim": 128},
    # Within 60 ms of what is said: three frames, and two of the inverse STFT's overlap.
    "istft-live": {"kind": "istft", "lookahead": 3},
}


class DiscriminatorConfig(Section):
    """Multi-period, multi-scale (arXiv:2010.05646, sec. 2.3) and multi-resolution (arXiv:2106.07889) parts."""

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    scales: int = 3
    resolutions: tuple[int, ...] = ()  # FFT sizes, samples
    width: float = Field(1.0, gt=0)  # of the papers' channel counts


class LossConfig(Section):
    """Weights of the named losses; 0 switches one off, so an ablation is a number."""

    adversarial: float = Field(1.0, ge=0)
    feature_matching: float = Field(2.0, ge=0)
    mel: float = Field(45.0, ge=0)
    multi_scale_mel: float = Field(0.0, ge=0)
    stft: float = Field(0.0, ge=0)
    temporal: float = Field(0.0, ge=0)
    speaker: float = Field(0.0, ge=0)
    emotion: float = Field(0.0, ge=0)
    content: float = Field(0.0, ge=0)  # what Whisper's encoder makes of it
    sampled_speaker: float = Field(0.0, ge=0)  # the speaker loss of the same speech in the voice of somebody else
    embedding_distance: Literal["cosine", "mse"] = "cosine"  # mse: the first plan's, for the ablation


class TrainingConfig(Section):
    """Steps, segments, optimizers; a budget is steps or minutes, whichever ends first."""

    steps: int = Field(500_000, ge=0)
    adversarial_from: int = Field(0, ge=0)  # first step that uses the discriminators
    auxiliary_from: int = Field(0, ge=0)  # first step of the losses that need an encoder
    batch_size: int = Field(16, ge=1)  # of all devices together
    segment_frames: int = Field(32, ge=8)
    learning_rate: float = Field(2e-4, gt=0)
    betas: tuple[float, float] = (0.8, 0.99)
    schedule: Literal["step", "exponential", "cosine", "constant"] = "step"  # of the rate, after the warm-up
    warmup_steps: int = Field(0, ge=0)
    lr_decay: float = Field(0.999, gt=0, le=1)  # step and exponential: per decay_every steps
    decay_every: int = Field(1000, ge=1)  # steps
    clip_norm: float = Field(10.0, gt=0)
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    accumulate: int = Field(1, ge=1)  # batches a step
    ema_decay: float = Field(0.0, ge=0, lt=1)  # a step, of the generator's average, which is then kept; 0: none
    non_finite: Literal["stop", "skip"] = "stop"  # what becomes of a step whose loss or gradient is no number
    teacher: str | None = None  # a vocoder, a name or a folder, whose sound is the target instead of the recording
    warm_start: str = "hifigan-universal"  # or none, or any vocoder of the recipe's own kind: a name or a folder
    checkpoint_every: int = Field(1000, ge=1)  # steps
    keep: int = Field(2, ge=1)  # newest checkpoints, beside the best one
    export: Literal["last", "best"] = "last"  # which becomes the vocoder
    best_by: Literal["validation_mel", "conditioning_sensitivity"] = "validation_mel"  # measured on held-out speakers
    patience: int | None = Field(None, ge=1)  # checkpoints without a new best, after which training stops
    tensorboard: bool = True
    workers: int = Field(0, ge=0)  # processes that prepare batches; 0: the training's own
    max_minutes: float | None = Field(None, gt=0)  # stop there and say so
    seed: int = 0


class Recipe(Section):
    """One vocoder and how it is trained."""

    content: ContentConfig = ContentConfig()
    generator: GeneratorConfig = HifiganConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    losses: LossConfig = LossConfig()
    training: TrainingConfig = TrainingConfig()

    @field_validator("generator", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value not in GENERATORS:
            raise ValueError(f"no generator named {value!r}; known: {', '.join(GENERATORS)}")
        return GENERATORS[value]

    @model_validator(mode="after")
    def _agree(self) -> "Recipe":
        harmonic = self.generator.kind == "istft" and self.generator.excitation == "harmonic"
        if harmonic and (self.content.kind == "mel" or self.content.pitch != "level"):
            raise ValueError(
                "generator.excitation = harmonic needs an F0: content.kind other than mel, content.pitch = level"
            )
        if self.losses.sampled_speaker and (self.content.kind == "mel" or self.content.pitch != "level"):
            raise ValueError(
                "losses.sampled_speaker needs a content without the voice: content.kind other than mel, pitch = level"
            )
        published = self.training.warm_start == "hifigan-universal"
        if published and (self.generator.kind, self.content.kind) != ("hifigan", "mel"):
            raise ValueError(
                "training.warm_start = hifigan-universal is for the hifigan generator on a mel only: set it to none"
            )
        return self


# The recipe of the vocoder that must listen: the voice is taken out of its content, so the condition has to bring it.
CONVERSION = Recipe(
    content=ContentConfig(kind="phonetic"),
    generator=IstftConfig(
        channels=256, condition_dim=128, speaker_projection=128, excitation="harmonic", condition_dropout=0.1
    ),
    discriminator=DiscriminatorConfig(scales=0, resolutions=(512, 1024, 2048)),
    losses=LossConfig(mel=0.0, multi_scale_mel=15.0, stft=1.0, temporal=1.0, speaker=5.0),
    training=TrainingConfig(
        adversarial_from=20_000,
        auxiliary_from=20_000,
        segment_frames=64,
        learning_rate=5e-4,
        warm_start="none",
    ),
)
