"""The configuration: typed, frozen, strict. Unknown keys, unknown names and contradictions are refused.

``PROFILES`` has the named configurations; each is a short list of differences from ``thesis``. ``Config.override``
applies the same kind of difference from the command line (``--set conversion.training.steps=10``).
"""

import hashlib
import json
import math
from typing import Any, ClassVar

from pydantic import BaseModel, ValidationError, model_validator

from thesis_lib.config.generators import (
    GENERATOR_PRESETS,
    ConditionConfig,
    GeneratorConfig,
    GeneratorSettings,
    HifiganConfig,
    IstftConfig,
)
from thesis_lib.config.profiles import PROFILES
from thesis_lib.config.recipes import (
    CONVERSION,
    ContentConfig,
    DiscriminatorConfig,
    LossConfig,
    Recipe,
    TrainingConfig,
)
from thesis_lib.config.registries import CORPORA
from thesis_lib.config.renamed import SMALL_GENERATOR, WARM_STARTS, current_key, current_tree, current_value, digested
from thesis_lib.config.section import Section
from thesis_lib.config.sections import (
    TASKS,
    AblationConfig,
    AdaptationConfig,
    AudioConfig,
    CloningConfig,
    CompressionConfig,
    CorpusConfig,
    EncoderConfig,
    ListeningConfig,
    MemberConfig,
    SwapConfig,
    Task,
    TtsGraph,
    ValidationConfig,
)
from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.plugins import import_plugins

__all__ = [
    "GENERATOR_PRESETS",
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
    "GeneratorSettings",
    "HifiganConfig",
    "IstftConfig",
    "ListeningConfig",
    "LossConfig",
    "MemberConfig",
    "Recipe",
    "SwapConfig",
    "Task",
    "TrainingConfig",
    "TtsGraph",
    "ValidationConfig",
    "digest",
    "parse_assignment",
]


class ConfigError(ThesisError):
    """A configuration that cannot be used; the message names the key and the remedy."""


class Config(Section):
    """Everything that determines a run."""

    ADDED: ClassVar[tuple[str, ...]] = ("plugins",)

    profile: str = "thesis"
    plugins: tuple[str, ...] = ()  # modules that register losses, generators, encoders, corpora or metrics
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

    @model_validator(mode="before")
    @classmethod
    def _import_plugins(cls, tree: Any) -> Any:
        """Import the plugins first: the names that they register may stand in any section."""
        if not isinstance(tree, dict):
            return tree
        names = tree.get("plugins", ())
        if isinstance(names, str):  # one name, or several with commas, as on the command line
            names = tuple(name.strip() for name in names.split(",") if name.strip())
            tree = {**tree, "plugins": names}
        if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
            try:
                import_plugins(names)
            except ThesisError as error:
                raise ValueError(str(error)) from error
        return tree

    @model_validator(mode="after")
    def _agree(self) -> "Config":
        for task in TASKS:
            generator = self.recipe(task).generator
            if not isinstance(generator, HifiganConfig):
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
        self._check_licences()
        return self

    def _check_licences(self) -> None:
        """Refuse a corpus that forbids publishing trained weights, for the profile of the published ones."""
        corpus = self.corpus
        names = {corpus.name, *(member.name for member in corpus.members)} - set(corpus.accepted_licences)
        forbidden = sorted(name for name in names if not CORPORA.details(name)["weights"])
        if self.profile in ("released", "human") and forbidden:
            raise ValueError(
                f"the licence of the corpus {forbidden[0]} forbids publishing weights trained on it: use another "
                f'corpus, or, for weights that stay with you, set corpus.accepted_licences=["{forbidden[0]}"]'
            )

    def recipe(self, task: str) -> Recipe:
        """The recipe of a task; ConfigError for an unknown one."""
        if task not in TASKS:
            raise ConfigError(f"no task named {task!r}; known: {', '.join(TASKS)}")
        return getattr(self, task)

    def digest(self) -> str:
        """12 hex digits of the values; they change when any value does."""
        return digest(self)

    def override(self, changes: dict[str, Any]) -> "Config":
        """A copy with dotted keys replaced: ``{"conversion.training.steps": 10}``. ConfigError for an unknown key."""
        tree = self.model_dump()
        for old_key, old_value in changes.items():
            value = current_tree(current_value(key := current_key(old_key), old_value), f"{key}.")
            *path, last = key.split(".")
            node: Any = tree
            for part in path:
                node = node.get(part) if isinstance(node, dict) else None
            # A weight may be of a loss from outside: its name is checked with the others.
            is_weight = key.split(".")[:-1] in [[task, "losses"] for task in TASKS]
            if not isinstance(node, dict) or (last not in node and not is_weight):
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
            return _validate(current_tree(json.loads(text)))._with_small()
        except json.JSONDecodeError as error:
            raise ConfigError(f"not JSON: {error}") from error

    def _with_small(self) -> "Config":
        """The warm start "default" read as "small" where the conversion generator has the sizes of the small weights.

        The weights with the name "default" today are larger: they cannot start such a generator. A teacher may have
        any size and stays.
        """
        if not SMALL_GENERATOR.items() <= self.conversion.generator.model_dump().items():
            return self
        named = zip(WARM_STARTS, (self.conversion.training.warm_start, self.ablation.warm_start), strict=True)
        earlier = {key: "small" for key, value in named if value == "default"}
        return self.override(earlier) if earlier else self


def digest(section: BaseModel | dict | list) -> str:
    """12 hex digits of a section's canonical JSON."""
    unused = section.unused() if isinstance(section, Section) else None
    tree = section.model_dump(mode="json", exclude=unused) if isinstance(section, BaseModel) else section
    return hashlib.sha256(json.dumps(digested(tree), sort_keys=True).encode()).hexdigest()[:12]


def _validate(tree: dict) -> Config:
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        wrong = [
            f"{'.'.join(map(str, e['loc'])) or 'config'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        ]
        raise ConfigError("; ".join(wrong)) from error


def parse_assignment(text: str) -> tuple[str, Any]:
    """``"training.steps=10"`` -> ("training.steps", 10); a value that is not JSON is a string."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"{text!r} is not of the form section.key=value")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value
