"""Settings of the generators and of their condition; presets by name."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from thesis_lib.config.registries import GENERATORS
from thesis_lib.config.section import Section


class ConditionConfig(Section):
    """Sizes of the fused condition, and how often training replaces it by the neutral one."""

    speaker_projection: int = 256
    emotion_projection: int = 256  # learned; the thesis proposal's "256-d emotion", not the encoder's size
    fusion_dim: int = 3332  # makes the whole generator 85.31 MB in float32 with emotion2vec
    condition_dim: int = 1024
    condition_dropout: float = Field(0.0, ge=0, lt=1)  # share of training items with the neutral condition


class GeneratorSettings(ConditionConfig):
    """Base of every generator's settings; one from outside the package derives from it.

    ``kind`` is the name under which the generator is registered.
    """

    kind: str


class HifiganConfig(GeneratorSettings):
    """HiFi-GAN; the defaults are V1 (arXiv:2010.05646, table 4)."""

    kind: Literal["hifigan"] = "hifigan"
    channels: int = 512
    upsample_rates: tuple[int, ...] = (8, 8, 2, 2)
    kernel_sizes: tuple[int, ...] = (3, 7, 11)
    dilations: tuple[tuple[int, ...], ...] = ((1, 3, 5),) * 3  # of each kernel size
    plain_convolutions: bool = True  # one after each dilated one (V1, V2); V3 has none
    inner: float = Field(1.0, gt=0, le=1)  # share of the channels between these two; below 1 after pruning

    @model_validator(mode="after")
    def _check_inner(self) -> "HifiganConfig":
        if self.inner < 1 and not self.plain_convolutions:
            raise ValueError("generator.inner below 1 needs plain_convolutions: it is the channels between the two")
        return self


class IstftConfig(GeneratorSettings):
    """ConvNeXt blocks and an inverse STFT (Vocos, arXiv:2306.00814), modulated like HiFi-GAN."""

    kind: Literal["istft"] = "istft"
    channels: int = 192
    blocks: int = Field(6, ge=1, le=100)
    expansion: int = Field(3, ge=1)  # hidden channels of a block, per channel
    excitation: Literal["none", "harmonic"] = "none"  # harmonic: filter a pulse train of the given F0, and noise
    lookahead: int | None = Field(None, ge=0)  # frames, right context of all convolutions together; None: as the left
    speaker_projection: int = 64
    emotion_projection: int = 32
    fusion_dim: int = 128
    condition_dim: int = 64

    @model_validator(mode="after")
    def _check_lookahead(self) -> "IstftConfig":
        most = 3 * (1 + self.blocks)
        if self.lookahead is not None and self.lookahead > most:
            raise ValueError(
                f"generator.lookahead is {self.lookahead}: {self.blocks} blocks have {most} frames of right context "
                "at most"
            )
        return self


BUILTIN_SETTINGS: dict[str, type[GeneratorSettings]] = {"hifigan": HifiganConfig, "istft": IstftConfig}

# A preset's name may stand wherever a generator's settings are expected.
GENERATOR_PRESETS: dict[str, dict[str, Any]] = {
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
    # A look-ahead of five frames, below 60 ms: three of the convolutions, two of the inverse STFT's overlap.
    "istft-live": {"kind": "istft", "lookahead": 3},
}


def settings_class(kind: str) -> type[GeneratorSettings]:
    """The class of a generator's settings. ValueError with the known kinds for an unknown one."""
    if kind in BUILTIN_SETTINGS:
        return BUILTIN_SETTINGS[kind]
    if kind not in GENERATORS:
        raise ValueError(GENERATORS.refusal(kind))
    return GENERATORS.details(kind)["config"]


def _by_kind(value: Any) -> Any:
    """A preset, a registered kind or a tree of settings -> settings of the kind's own class."""
    if isinstance(value, str):
        if value not in GENERATOR_PRESETS and value not in GENERATORS:
            raise ValueError(GENERATORS.refusal(value, (*GENERATOR_PRESETS, *GENERATORS.added())))
        value = GENERATOR_PRESETS.get(value, {"kind": value})
    if not isinstance(value, dict):
        return value
    if "kind" not in value:
        raise ValueError(f"generator.kind is missing; known: {', '.join(GENERATORS)}")
    return settings_class(str(value["kind"])).model_validate(value)


GeneratorConfig = Annotated[SerializeAsAny[GeneratorSettings], BeforeValidator(_by_kind)]
