"""The description of a vocoder: one typed, frozen model, read from config.json or from an ONNX file's metadata.

It needs no torch. ``VocoderDescription.model_dump`` writes what ``VocoderDescription.of`` reads; vocoders of earlier
releases, which lack the optional keys, are read too.
"""

import re
from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_serializer, model_validator

from thesis_lib.config import AudioConfig, ContentConfig, EncoderConfig, GeneratorConfig, Task
from thesis_lib.config.section import Section
from thesis_lib.embeddings.encoders.base import PRECISION_SUFFIX
from thesis_lib.utils.errors import ThesisError
from thesis_lib.vocoder.streaming import ReceptiveField

# The setting of ``EncoderConfig`` that loads an encoder, where it is not the encoder's own name.
ENCODER_SETTINGS = {"tiny-test-encoder": "tiny-test"}
_TITLE = re.compile(r"(?P<name>\S+)(?: \((?P<revision>.+)\))?")  # "ecapa (02c039113289)"


class DescriptionError(ThesisError):
    """A description with a missing, unknown or contradictory value; the message names its key."""


class EncoderMismatchError(ThesisError):
    """An encoder of another name, revision or size than the vocoder was trained with."""


class NamedEncoder(Protocol):
    """An encoder, as far as it is compared with a description."""

    name: str
    revision: str
    dim: int


class EncoderId(Section):
    """An encoder by name and revision, written as "name (revision)"."""

    name: str
    revision: str | None = None  # None: any; "hifigan-universal" uses no embedding

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        match = _TITLE.fullmatch(value)
        if not match:
            raise ValueError(f"{value!r} is not an encoder's NAME (REVISION)")
        return match.groupdict()

    @model_serializer
    def _title(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return f"{self.name} ({self.revision})" if self.revision else self.name

    def is_of(self, encoder: NamedEncoder) -> bool:
        """Whether the encoder has this name and this revision; its arithmetic precision may differ."""
        return self.matches(EncoderId(name=encoder.name, revision=encoder.revision))

    def matches(self, other: "EncoderId") -> bool:
        """Whether the other has this name and this revision; the arithmetic precision may differ."""
        known, revision = (x.revision and x.revision.removesuffix(PRECISION_SUFFIX) for x in (self, other))
        return other.name == self.name and known in (None, revision)


class VocoderDescription(BaseModel):
    """Everything about a vocoder except its weights: inputs, sizes, encoders, receptive field and training record.

    Frozen. A key that this release does not know is kept, not refused: a later release may have written it.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    task: Task
    audio: AudioConfig
    content: ContentConfig
    generator: GeneratorConfig
    speaker_dim: int = Field(ge=1)  # S, size of the speaker embedding
    emotion_dim: int = Field(ge=1)  # E, size of the emotion embedding
    speaker_encoder: EncoderId
    emotion_encoder: EncoderId
    receptive_field: ReceptiveField | None = None  # input frames; None in vocoders of earlier releases

    # The training record; None where nothing was trained.
    steps: int | None = None
    minutes: float | None = None  # of training
    device: str | None = None  # the machine that it was trained on
    stopped_by: str | None = None  # steps, max_minutes or patience
    skipped_steps: int | None = None  # steps without an update because a value was not finite
    warnings: tuple[str, ...] | None = None
    stamp: dict[str, Any] | None = None  # profile, digest of the configuration, commit, versions, machine

    @classmethod
    def of(cls, value: "VocoderDescription | Mapping[str, Any]") -> "VocoderDescription":
        """Validate a mapping, such as a parsed config.json. DescriptionError names the first wrong key."""
        if isinstance(value, cls):
            return value
        try:
            return cls.model_validate(dict(value))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"])) or "description"
            raise DescriptionError(f"{key}: {first['msg'].removeprefix('Value error, ')}") from error

    @property
    def converts(self) -> bool:
        """Whether the content carries no speaker, so that the speaker embedding determines the output voice."""
        return self.content.kind != "mel"

    def to_dict(self) -> dict[str, Any]:
        """The description as JSON types, without the keys that have no value: the content of config.json."""
        return {name: value for name, value in self.model_dump(mode="json").items() if value is not None}

    def with_changes(self, **changes: Any) -> "VocoderDescription":
        """A validated copy with some keys changed. DescriptionError names a wrong one."""
        return self.of(self.to_dict() | changes)

    def encoder_config(self, given: EncoderConfig | None = None) -> EncoderConfig:
        """The settings that load the encoders that this vocoder was trained with.

        ``given`` has the user's own settings: the device, the precision and the folder of emotion2vec are taken from
        it. Raises EncoderMismatchError where it explicitly names another encoder than the vocoder's, or where the
        vocoder's encoder is not known here.
        """
        given = given or EncoderConfig()
        kinds: dict[str, str] = {}
        for kind in ("speaker", "emotion"):
            encoder: EncoderId = getattr(self, f"{kind}_encoder")
            kinds[kind] = ENCODER_SETTINGS.get(encoder.name, encoder.name)
            asked = getattr(given, kind)
            if kind in given.model_fields_set and asked not in ("auto", kinds[kind]):
                raise EncoderMismatchError(
                    f"encoders.{kind}={asked}: the vocoder was trained with {encoder}; leave this setting out, or name "
                    f"a vocoder that was trained with {asked}"
                )
        if given.emotion_folder and kinds["emotion"] != "emotion2vec":
            raise EncoderMismatchError(
                f"encoders.emotion_folder={given.emotion_folder}: the vocoder was trained with {self.emotion_encoder}, "
                "not with emotion2vec; leave this setting out, or name a vocoder that was trained with emotion2vec"
            )
        try:
            return EncoderConfig.model_validate(given.model_dump() | kinds)
        except ValidationError as error:
            kind = str(error.errors()[0]["loc"][0])
            raise EncoderMismatchError(
                f"the vocoder was trained with the {kind} encoder {getattr(self, f'{kind}_encoder')}, which is not "
                "known here: name the module that registers it in `plugins` or install its package, or name a vocoder "
                "that was trained with a known encoder"
            ) from error

    def check_embeddings(self, speaker: str, emotion: str, remedy: str) -> None:
        """Refuse embeddings by other encoders, each a "name (revision)": EncoderMismatchError names both."""
        for kind, title in (("speaker", speaker), ("emotion", emotion)):
            wanted = getattr(self, f"{kind}_encoder")
            if not wanted.matches(EncoderId.model_validate(title)):
                raise EncoderMismatchError(
                    f"the vocoder was trained with the {kind} encoder {wanted}, the embeddings are by {title}: {remedy}"
                )

    def check_encoders(self, speaker: NamedEncoder, emotion: NamedEncoder) -> None:
        """Refuse encoders that this vocoder was not trained with: EncoderMismatchError names both."""
        for kind, encoder in (("speaker", speaker), ("emotion", emotion)):
            wanted, dim = getattr(self, f"{kind}_encoder"), getattr(self, f"{kind}_dim")
            found = f"{encoder.name} ({encoder.revision})"
            if not wanted.is_of(encoder):
                remedy = "load the vocoder's, or name a vocoder that was trained with this one"
                if wanted.name == encoder.name == "emotion2vec":
                    remedy = "give the folder of the vocoder's with --set encoders.emotion_folder=PATH"
                raise EncoderMismatchError(
                    f"the vocoder was trained with the {kind} encoder {wanted}, this one is {found}: {remedy}"
                )
            if encoder.dim != dim:
                raise EncoderMismatchError(
                    f"the vocoder was trained with {kind} embeddings of size {dim}, {found} gives {encoder.dim}: name "
                    "a vocoder that was trained with this encoder"
                )
