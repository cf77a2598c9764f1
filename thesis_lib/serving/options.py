"""Options of one recording that the dubbing page offers: those of ``thesis clone``."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from thesis_lib.config import CloningConfig

# Of CloningConfig; None: the server's.
SETTINGS = ("style_strength", "guidance", "voice", "language", "fit", "background")


class Options(BaseModel):
    """What ``thesis clone`` calls by the same names; an unknown one is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    consent: str = Field("", max_length=500)
    text: str | None = Field(None, max_length=20_000)
    emotion_mix: float = Field(1.0, ge=0, le=1)
    adapt: float = Field(0.0, ge=0, le=60)  # minutes
    style_strength: float | None = Field(None, ge=0, le=2)
    guidance: float | None = Field(None, ge=0, le=10)
    voice: str | None = Field(None, max_length=200)
    language: Literal["auto", "es"] | None = None
    fit: bool | None = None
    background: Literal["drop", "keep"] | None = None
    speakers: str = Field("1", max_length=20)  # their number or "auto", as the command's option

    def config(self, base: CloningConfig) -> CloningConfig:
        """The server's configuration with the settings that are given."""
        given = {name: value for name in SETTINGS if (value := getattr(self, name)) is not None}
        return CloningConfig(**(base.model_dump() | given))
