"""One vocoder and how it is trained: content, generator, discriminator, losses, training."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from thesis_lib.config.generators import GeneratorConfig, HifiganConfig, IstftConfig
from thesis_lib.config.registries import LOSSES
from thesis_lib.config.renamed import current_value
from thesis_lib.config.section import Section

COLD = "none"  # value of training.warm_start: random weights
Decay = Annotated[float, Field(ge=0, lt=1)]  # of a running mean, per step


class ContentConfig(Section):
    """Content features, the generator's first input; ``thesis_lib.vocoder.content`` defines each kind."""

    kind: Literal["mel", "envelope", "phonetic"] = "mel"
    cepstra: int = Field(24, ge=1)  # envelope: of 80 mel bands
    remove_mean: bool = True  # envelope: of the utterance's cepstra
    warp: float = Field(
        0.2, ge=0, lt=1
    )  # envelope, training only: the frequency axis is stretched by a factor of at most 1 + warp
    components: int = Field(192, ge=1, le=384)  # phonetic: principal components of Whisper's features
    # target_median: log-F0, moved to the target's median; normalised: z-scored by utterance
    pitch: Literal["target_median", "normalised"] = "target_median"

    @field_validator("pitch", mode="before")
    @classmethod
    def _current_pitch(cls, value: Any) -> Any:
        """Read the earlier name, also in the description of a vocoder."""
        return current_value("content.pitch", value)


class DiscriminatorConfig(Section):
    """Multi-period, multi-scale (arXiv:2010.05646, sec. 2.3) and multi-resolution (arXiv:2106.07889) discriminators."""

    ADDED: ClassVar[tuple[str, ...]] = ("crop_frames",)

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)  # samples
    scales: int = 3  # sub-discriminators, each at half the previous one's sample rate
    resolutions: tuple[int, ...] = ()  # FFT sizes, samples
    width: float = Field(1.0, gt=0)  # factor of the papers' channel counts
    crop_frames: int | None = Field(None, ge=8)  # of each segment, at random, that the discriminator receives


class LossConfig(Section):
    """Weights of the losses by name; 0 switches a loss off.

    A loss that is registered in ``LOSSES`` has a weight of its name here, also one from outside the package.
    """

    ADDED: ClassVar[tuple[str, ...]] = ("sampled_emotion",)

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[float, Field(ge=0)]]

    adversarial: float = Field(1.0, ge=0)
    feature_matching: float = Field(2.0, ge=0)
    mel: float = Field(45.0, ge=0)
    multi_scale_mel: float = Field(0.0, ge=0)
    stft: float = Field(0.0, ge=0)
    temporal: float = Field(0.0, ge=0)
    speaker: float = Field(0.0, ge=0)
    emotion: float = Field(0.0, ge=0)
    content: float = Field(0.0, ge=0)  # distance of the features of Whisper's encoder
    sampled_speaker: float = Field(0.0, ge=0)  # the speaker loss of the same content with a sampled target speaker
    sampled_emotion: float = Field(0.0, ge=0)  # the emotion loss of that output, to the emotion embedding it was given
    embedding_distance: Literal["cosine", "mse"] = "cosine"  # mse: the thesis proposal's, for the ablation

    @model_validator(mode="after")
    def _check_names(self) -> "LossConfig":
        for name in self.model_extra or {}:
            if name not in LOSSES:
                raise ValueError(LOSSES.refusal(name, (*LossConfig.model_fields, *LOSSES.added())))
        return self

    def signal_weights(self) -> dict[str, float]:
        """Weights of the losses between two waveforms, by name: the built-in ones, then those from outside."""
        return {name: getattr(self, name) for name in (*LOSSES.builtin, *(self.model_extra or {}))}


class TrainingConfig(Section):
    """Steps, segments, optimizers. Training ends at ``steps`` or ``max_minutes``, whichever comes first.

    ``max_minutes`` is wall-clock time, all sessions together: reading the data, steps, validation and saving. What
    the stages before training compute and store (embeddings, analyses, distillation targets) is no part of it.
    """

    # Settings that change no weight: a run may go on with other ones.
    OPERATIONAL: ClassVar[tuple[str, ...]] = (
        *("workers", "tensorboard", "checkpoint_every", "keep", "data_on_device", "cuda_graph"),
    )
    ADDED: ClassVar[tuple[str, ...]] = (
        *("recorded_share", "condition_from", "encoder_augmentation", "data_on_device", "cuda_graph", "trainable"),
    )

    steps: int = Field(500_000, ge=0)
    adversarial_from: int = Field(0, ge=0)  # step at which the adversarial and feature matching losses begin
    auxiliary_from: int = Field(0, ge=0)  # step at which the losses that need an encoder begin
    batch_size: int = Field(16, ge=1)  # segments of one batch, over all devices
    segment_frames: int = Field(32, ge=8)  # frames of hop_length samples
    learning_rate: float = Field(2e-4, gt=0)
    betas: tuple[Decay, Decay] = (0.8, 0.99)  # of AdamW
    schedule: Literal["step", "exponential", "cosine", "constant"] = "step"  # of the learning rate, after the warm-up
    warmup_steps: int = Field(0, ge=0)  # steps in which the learning rate rises linearly
    lr_decay: float = Field(0.999, gt=0, le=1)  # schedules step and exponential: factor per decay_every steps
    decay_every: int = Field(1000, ge=1)  # steps
    clip_norm: float = Field(10.0, gt=0)  # largest gradient norm of each network
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    accumulate: int = Field(1, ge=1)  # batches of one optimizer step
    ema_decay: float = Field(0.0, ge=0, lt=1)  # per step; the averaged weights become the vocoder; 0: no average
    non_finite: Literal["stop", "skip"] = "stop"  # at a loss or gradient that is not finite
    teacher: str | None = None  # name or folder of a vocoder; its output replaces the recording as target
    warm_start: str = "hifigan-universal"  # or none, or name or folder of a vocoder of the same generator
    checkpoint_every: int = Field(1000, ge=1)  # steps
    keep: int = Field(2, ge=1)  # newest checkpoints that stay, besides the best one
    export: Literal["last", "best"] = "last"  # checkpoint that becomes the vocoder
    best_by: Literal["validation_mel", "conditioning_sensitivity"] = "validation_mel"  # on the validation split
    patience: int | None = Field(None, ge=1)  # checkpoints without a new best, after which training stops
    tensorboard: bool = True
    workers: int = Field(0, ge=0)  # processes that prepare batches; 0: the training process itself
    max_minutes: float | None = Field(None, gt=0)  # minutes of training, without the stages before it
    seed: int = 0
    recorded_share: float = Field(0.0, ge=0, le=1)  # of the sampled target speakers: speakers of training recordings
    condition_from: Literal["own", "another"] = "own"  # the recording with a training segment's speaker embedding
    encoder_augmentation: float = Field(0.0, ge=0, le=1)  # probability of each change before an encoder
    trainable: Literal["all", "condition"] = "all"  # weights of the generator; condition: the fusion and FiLM layers
    data_on_device: Literal["auto", "on", "off"] = "off"  # auto: on a GPU with enough free memory
    cuda_graph: bool = False  # on one GPU, the operations of a step are recorded once and then launched together


class Recipe(Section):
    """One vocoder and how it is trained."""

    content: ContentConfig = ContentConfig()
    generator: GeneratorConfig = HifiganConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    losses: LossConfig = LossConfig()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _agree(self) -> "Recipe":
        harmonic = isinstance(self.generator, IstftConfig) and self.generator.excitation == "harmonic"
        if harmonic and (self.content.kind == "mel" or self.content.pitch != "target_median"):
            raise ValueError(
                "generator.excitation = harmonic needs an F0: content.kind other than mel, "
                "content.pitch = target_median"
            )
        if self.losses.sampled_speaker and (self.content.kind == "mel" or self.content.pitch != "target_median"):
            raise ValueError(
                "losses.sampled_speaker needs a content without the speaker: content.kind other than mel, "
                "content.pitch = target_median"
            )
        if self.losses.sampled_emotion and not self.losses.sampled_speaker:
            raise ValueError("losses.sampled_emotion is of the sampled target speakers: set losses.sampled_speaker")
        if self.training.recorded_share and not self.losses.sampled_speaker:
            raise ValueError("training.recorded_share is of the sampled target speakers: set losses.sampled_speaker")
        if self.training.encoder_augmentation and not self.losses.sampled_speaker + self.losses.speaker:
            raise ValueError(
                "training.encoder_augmentation is of the speaker encoder: set losses.speaker or losses.sampled_speaker"
            )
        if self.training.trainable == "condition" and self.training.warm_start == COLD:
            raise ValueError(
                "training.trainable = condition leaves the other weights as they are, and training.warm_start = none "
                "makes them random: set training.warm_start to a vocoder"
            )
        crop, segment = self.discriminator.crop_frames, self.training.segment_frames
        if crop is not None and crop >= segment:
            raise ValueError(
                f"discriminator.crop_frames = {crop} is not below training.segment_frames = {segment}: "
                "set a smaller one, or null for whole segments"
            )
        if self.training.cuda_graph and self.training.precision == "16-mixed":
            raise ValueError(
                "training.cuda_graph is not for training.precision = 16-mixed: its loss scaler decides on the host; "
                "set the precision to bf16-mixed or 32-true, or cuda_graph to false"
            )
        published = self.training.warm_start == "hifigan-universal"
        if published and (self.generator.kind, self.content.kind) != ("hifigan", "mel"):
            raise ValueError(
                "training.warm_start = hifigan-universal is for the hifigan generator on a mel only: set it to none"
            )
        return self


# The recipe of voice conversion: the content features lack the speaker, so the condition has to supply it.
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
