"""The configuration: typed, frozen, strict. A typo is refused, a contradiction too.

``PROFILES`` names them; each is a short list of differences from ``thesis``. ``Config.override``
applies the same kind of difference from the command line (``--set conversion.training.steps=10``).
"""

import hashlib
import json
import math
from typing import Any, ClassVar, Literal, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator

from thesis_lib.config.profiles import PROFILES
from thesis_lib.config.recipes import (
    CONVERSION,
    GENERATORS,
    ConditionConfig,
    ContentConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    HifiganConfig,
    IstftConfig,
    LossConfig,
    Recipe,
    TrainingConfig,
)
from thesis_lib.config.renamed import current_key, current_tree, current_value
from thesis_lib.config.section import Section
from thesis_lib.utils.errors import ThesisError

__all__ = [
    "GENERATORS",
    "PROFILES",
    "TASKS",
    "AblationConfig",
    "AdaptationConfig",
    "AudioConfig",
    "CloningConfig",
    "CompressionConfig",
    "ConditionConfig",
    "Config",
    "ConfigError",
    "ContentConfig",
    "CorpusConfig",
    "DiscriminatorConfig",
    "EncoderConfig",
    "GeneratorConfig",
    "HifiganConfig",
    "IstftConfig",
    "ListeningConfig",
    "LossConfig",
    "Recipe",
    "SwapConfig",
    "Task",
    "TrainingConfig",
    "ValidationConfig",
    "digest",
    "parse_assignment",
]


class ConfigError(ThesisError):
    """A configuration that cannot be used; the message names the key and the remedy."""


class AudioConfig(Section):
    """One analysis for the whole project: HiFi-GAN's (config_v1.json)."""

    FLOOR: ClassVar[float] = 1e-5  # magnitude below which a mel band counts as empty

    sample_rate: int = Field(22_050, ge=8000, le=192_000)  # Hz
    n_fft: int = Field(1024, ge=2, le=65_536)  # samples
    hop_length: int = Field(256, ge=1, le=65_536)  # samples
    win_length: int = Field(1024, ge=2, le=65_536)  # samples
    n_mels: int = Field(80, ge=1, le=1024)
    fmin: float = 0.0  # Hz
    fmax: float = 8000.0  # Hz


class CorpusConfig(Section):
    """Which corpus, and which pairs of it."""

    name: Literal["mini", "cvss-t", "recordings"] = "cvss-t"  # recordings: of one voice, by ``thesis adapt``
    root: str | None = None  # folder of the unpacked CVSS-T layout; the bundled corpus unpacks itself
    cvss_url: str = "https://storage.googleapis.com/cvss/cvss_t_v1.0/cvss_t_es_en_v1.0.tar.gz"
    covost_url: str = "https://dl.fbaipublicfiles.com/covost/covost_v2.es_en.tsv.tar.gz"
    common_voice_page: str = "https://commonvoice.mozilla.org/es/datasets"  # asks for consent before it gives a link
    min_duration: float = 3.0  # s, each side
    max_duration: float = 10.0  # s, each side
    validation_fraction: float = Field(0.2, gt=0, lt=1)  # of the training release's speakers
    split_seed: int = 7
    limit: int | None = Field(None, ge=1)  # pairs of each part; of the bundled corpus only
    subset: int | None = Field(None, ge=1)  # pairs, of each part, speaker and duration their share; all when left out
    subset_seed: int = 0
    trim: float | None = Field(None, gt=0)  # dB below the loudest moment under which both ends are cut off
    loudness: float | None = Field(None, ge=-40, le=-10)  # LUFS of every recording; as it is when left out
    format: Literal["wav", "flac"] = "wav"  # of the converted recordings, 16-bit


class EncoderConfig(Section):
    """Which encoders make the condition, and which ones judge."""

    speaker: Literal["ecapa", "auto", "tiny-test"] = "ecapa"  # auto: tiny-test unless ECAPA is cached
    emotion: Literal["emotion2vec", "egemaps", "auto"] = "emotion2vec"  # auto: eGeMAPS unless the hub answers
    evaluation: tuple[Literal["resemblyzer", "eres2net"], ...] = ("resemblyzer", "eres2net")  # these never train
    emotion_folder: str | None = None  # the user's own copy of emotion2vec
    batch_size: int = Field(1, ge=1)  # recordings that ECAPA is given at once; on a CPU more of them take longer
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # ECAPA's; auto: bfloat16 where the CPU computes in it
    device: str = "cpu"  # of the encoders that are torch networks; "cuda" with one worker a GPU


Task = Literal["resynthesis", "conversion"]
TASKS: tuple[Task, ...] = get_args(Task)


Metric = Literal[
    "mel_l1", "stft", "mcd", "mcd_dtw", "pesq", "stoi", "pitch",  # against the recording
    "dnsmos", "plcmos", "nisqa",  # predicted opinion; the last where its weights have been fetched
    "asr",  # words
    "speaker", "evaluation", "style", "prosody",  # against the Spanish source
]  # fmt: skip


class ValidationConfig(Section):
    """How many utterances, which metrics, how many resamples."""

    utterances: int = Field(200, ge=2)  # of the test split
    metrics: tuple[Metric, ...] = get_args(Metric)
    resamples: int = Field(2000, ge=100)  # of the bootstrap
    seed: int = 0


class AblationConfig(Section):
    """The grid of ``thesis ablate``: which recipe, how often, for how long, scored_row by what."""

    task: Task = "conversion"
    seeds: int = Field(3, ge=2)  # trainings of each variant
    steps: int | None = Field(None, ge=2)  # of each training; the recipe's own when left out
    late: int | None = Field(None, ge=1)  # last steps, with adversarial and encoder losses; the recipe's own
    losses: dict[str, float] = {}  # weights that differ from the recipe's
    warm_start: str | None = None  # the recipe's own when left out
    utterances: int = Field(50, ge=2)  # of the validation split
    metrics: tuple[Metric, ...] = (
        "mel_l1",
        "stft",
        "mcd",
        "pesq",
        "pitch",
        "dnsmos",
        "plcmos",
        "speaker",
        "evaluation",
    )  # noqa: E501


class ListeningConfig(Section):
    """The listening test: how long, and from which draw."""

    items: int = Field(8, ge=1)  # test utterances; each makes a page of ratings, and the raters' time grows with it
    seed: int = 0


class SwapConfig(Section):
    """The swap test: some content in other voices and styles, on recordings that training never saw."""

    trials: int = Field(200, ge=2)  # of each kind; a V1 resynthesis takes a quarter of them
    seconds: float = Field(4.0, gt=0.5)  # of each content
    human: str | None = None  # a folder of human recordings, one speaker a file
    seed: int = 0


class CompressionConfig(Section):
    """How many utterances and repeats the compression's table rests on."""

    calibration_utterances: int = Field(64, ge=1)
    test_utterances: int = Field(50, ge=1)
    repeats: int = Field(5, ge=2)  # of each timing


class AdaptationConfig(Section):
    """Few-shot adaptation: to how many test voices, and how long each."""

    voices: int = Field(4, ge=1)
    minutes: float = Field(3.0, gt=0)


class CloningConfig(Section):
    """The voice-cloning pipeline."""

    translator: str = "whisper-base"  # or a model's folder, or owner/name[@revision] on the model hub
    voice: str = "nearest"  # Kokoro's voice that speaks the content: a name, a+b, or the nearest to the speaker
    guidance: float = Field(1.0, ge=0)  # strength of the speaker's voice: 0 none, 1 as trained
    follow_rate: bool = True  # speak as fast as the speaker, beside what is usual
    follow_pitch: bool = True  # let the pitch move as far as the speaker's
    fit: bool = False  # make each passage as long as what it translates, as far as that sounds natural
    watermark: bool = True
    examples: int = Field(10, ge=1)  # test utterances that notebook 07 translates


class Config(Section):
    """Everything that determines a run."""

    profile: str = "thesis"
    audio: AudioConfig = AudioConfig()
    corpus: CorpusConfig = CorpusConfig()
    encoders: EncoderConfig = EncoderConfig()
    resynthesis: Recipe = Recipe()
    conversion: Recipe = CONVERSION
    validation: ValidationConfig = ValidationConfig()
    ablation: AblationConfig = AblationConfig()
    listening: ListeningConfig = ListeningConfig()
    swap: SwapConfig = SwapConfig()
    compression: CompressionConfig = CompressionConfig()
    adaptation: AdaptationConfig = AdaptationConfig()
    cloning: CloningConfig = CloningConfig()

    @model_validator(mode="after")
    def _agree(self) -> "Config":
        for task in TASKS:
            generator = self.recipe(task).generator
            if generator.kind != "hifigan":
                continue
            product = math.prod(generator.upsample_rates)
            if product != self.audio.hop_length:
                raise ValueError(
                    f"{task}.generator.upsample_rates multiply to {product}, "
                    f"audio.hop_length is {self.audio.hop_length}"
                )
            if generator.channels % 2 ** len(generator.upsample_rates):
                raise ValueError(f"{task}.generator.channels must be divisible by 2 for every upsampling stage")
            if len(generator.dilations) != len(generator.kernel_sizes):
                raise ValueError(f"{task}.generator.dilations needs one entry for each of kernel_sizes")
        if self.corpus.min_duration >= self.corpus.max_duration:
            raise ValueError("corpus.min_duration must be below corpus.max_duration")
        return self

    def recipe(self, task: str) -> Recipe:
        """The recipe of a task; ConfigError for an unknown one."""
        if task not in TASKS:
            raise ConfigError(f"no task named {task!r}; known: {', '.join(TASKS)}")
        return getattr(self, task)

    def digest(self) -> str:
        """12 hex digits that change when any value does."""
        return digest(self)

    def override(self, changes: dict[str, Any]) -> "Config":
        """A copy with dotted keys replaced: ``{"training.steps": 10}``. ConfigError for an unknown key."""
        tree = self.model_dump()
        for old_key, old_value in changes.items():
            value = current_value(key := current_key(old_key), old_value)
            *path, last = key.split(".")
            node: Any = tree
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
            return _validate(current_tree(json.loads(text)))
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
