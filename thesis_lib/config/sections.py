"""The sections of the configuration, except the vocoders' recipes: audio, corpus, encoders, evaluation, cloning."""

from typing import ClassVar, Literal, Self, get_args

from pydantic import Field, ValidationInfo, field_validator, model_validator

from thesis_lib.config.registries import CORPORA, ENCODERS, METRICS
from thesis_lib.config.section import Section

Task = Literal["resynthesis", "conversion"]
TASKS: tuple[Task, ...] = get_args(Task)

MAX_HYPOTHESES = 5  # of one table: the correction for many tests leaves few speakers or seeds no power
AUTO = "auto"  # encoders.speaker and encoders.emotion: the one with weights that can be had


class AudioConfig(Section):
    """Sample rate and mel analysis of the whole project: HiFi-GAN's (config_v1.json)."""

    FLOOR: ClassVar[float] = 1e-5  # magnitude below which a mel band counts as empty

    sample_rate: int = Field(22_050, ge=8000, le=192_000)  # Hz
    n_fft: int = Field(1024, ge=2, le=65_536)  # samples
    hop_length: int = Field(256, ge=1, le=65_536)  # samples
    win_length: int = Field(1024, ge=2, le=65_536)  # samples
    n_mels: int = Field(80, ge=1, le=1024)
    fmin: float = Field(0.0, ge=0)  # Hz
    fmax: float = Field(8000.0, gt=0)  # Hz

    @model_validator(mode="after")
    def _check_bands(self) -> Self:
        if not self.fmin < self.fmax <= self.sample_rate / 2:
            raise ValueError(
                f"fmin {self.fmin:g} and fmax {self.fmax:g} Hz: fmin must be below fmax, and fmax at most half the "
                f"sample rate ({self.sample_rate / 2:g} Hz)"
            )
        return self


def _known_corpus(name: str) -> str:
    """The name, where it is a corpus's; ValueError otherwise."""
    if name not in CORPORA:
        raise ValueError(CORPORA.refusal(name))
    return name


class MemberConfig(Section):
    """One corpus of the corpus "combined"."""

    name: str
    root: str | None = None  # as ``corpus.root``
    utterances: str | None = None  # as ``corpus.utterances``
    label: str | None = None  # prefix of its ids and speakers; needed where two members have the same name
    speed: float = Field(1.0, ge=0.8, le=1.25)  # as ``corpus.speed``; a label is needed where it is not 1

    _check_name = field_validator("name")(_known_corpus)

    @property
    def title(self) -> str:
        """Its label, or the corpus's name: of its folder, and in errors."""
        return self.label or self.name


class CorpusConfig(Section):
    """The corpus, and which of its utterances are used."""

    ADDED: ClassVar[tuple[str, ...]] = ("members", "utterances", "min_recordings", "accepted_licences", "speed")
    # Settings that change neither a recording nor the choice of recordings: a run may go on with other ones.
    OPERATIONAL: ClassVar[tuple[str, ...]] = (
        *("root", "cvss_url", "covost_url", "common_voice_page", "accepted_licences"),
    )

    name: str = "cvss-t"  # a name of ``CORPORA``; ``thesis adapt`` makes "recordings", of one speaker
    root: str | None = None  # folder of the unpacked archives or recordings; manifest: table of pairs, or its folder
    members: tuple[MemberConfig, ...] = ()  # combined: its corpora
    utterances: str | None = None  # text file of utterance ids, one a line: only these are used; None: all
    min_recordings: int = Field(1, ge=1)  # corpora of one language: usable ones of each speaker
    accepted_licences: tuple[str, ...] = ()  # corpora that the profiles released and human refuse otherwise
    speed: float = Field(1.0, ge=0.8, le=1.25)  # corpora of one language: factor of tempo, pitch and formants
    cvss_url: str = "https://storage.googleapis.com/cvss/cvss_t_v1.0/cvss_t_es_en_v1.0.tar.gz"
    covost_url: str = "https://dl.fbaipublicfiles.com/covost/covost_v2.es_en.tsv.tar.gz"
    common_voice_page: str = "https://commonvoice.mozilla.org/es/datasets"  # asks for consent before it gives a link
    min_duration: float = 3.0  # s, of each recording of a pair
    max_duration: float = 10.0  # s, of each recording of a pair
    validation_fraction: float = Field(0.2, gt=0, lt=1)  # share of the training speakers in the validation split
    split_seed: int = 7
    limit: int | None = Field(None, ge=1)  # utterances of each split; not of cvss-t
    subset: int | None = Field(None, ge=1)  # utterances, stratified by split, speaker and duration; not of manifest
    subset_seed: int = 0
    trim: float | None = Field(None, gt=0)  # dB below the peak; quieter ends are cut off; None: no trimming
    loudness: float | None = Field(None, ge=-40, le=-10)  # LUFS of every recording; None: unchanged
    format: Literal["wav", "flac"] = "wav"  # of the converted recordings, 16-bit

    _check_name = field_validator("name")(_known_corpus)

    @model_validator(mode="after")
    def _check_members(self) -> "CorpusConfig":
        if self.speed != 1 and self.name == "combined":
            raise ValueError("corpus.speed is not of corpus.name=combined: set it to 1, and give members a speed")
        if self.speed != 1 and CORPORA.details(self.name)["pairs"]:
            raise ValueError(f"corpus.speed is of corpora of one language, {self.name} has pairs: set it to 1")
        for member in self.members:
            if member.speed != 1 and CORPORA.details(member.name)["pairs"]:
                raise ValueError(
                    f"corpus.members: {member.name} has pairs, at their own speed only: leave out its speed"
                )
            if member.speed != 1 and not member.label:
                raise ValueError(f"corpus.members: {member.name} has a speed: its speakers need a label, as other ones")
        labels = [member.title for member in self.members]
        repeated = [label for label in labels if labels.count(label) > 1]
        if (self.name == "combined") != bool(self.members):
            raise ValueError("corpus.members belongs to corpus.name=combined: set both, or neither")
        if repeated:
            raise ValueError(f"two members of the corpus are named {repeated[0]!r}: give each its own label")
        if self.members and (self.utterances or self.root or self.subset):
            raise ValueError("for corpus.name=combined, give root and utterances at each member, and no subset")
        if self.utterances and self.limit:
            raise ValueError("corpus.utterances already says which utterances are used: set corpus.limit=null")
        if self.utterances and self.subset:
            raise ValueError("corpus.utterances already says which utterances are used: set corpus.subset=null")
        if self.limit and (listing := [member.name for member in self.members if member.utterances]):
            raise ValueError(f"the list of the member {listing[0]} says which utterances are used: corpus.limit=null")
        if any(member.name in ("combined", "recordings") for member in self.members):
            raise ValueError("a member of a combined corpus is neither combined nor recordings: name the corpus itself")
        return self


class EncoderConfig(Section):
    """Encoders of the condition, and held-out speaker encoders for evaluation. Each is a name of ``ENCODERS``."""

    OPERATIONAL: ClassVar[tuple[str, ...]] = ("batch_size", "device")  # a run may go on with another one

    speaker: str = "ecapa"  # auto: ecapa where its weights are cached, otherwise tiny-test
    emotion: str = "emotion2vec"  # auto: emotion2vec where its weights can be had, otherwise egemaps
    evaluation: tuple[str, ...] = ("resemblyzer", "eres2net")  # no loss and no condition uses them
    emotion_folder: str | None = None  # a local copy of emotion2vec
    batch_size: int = Field(1, ge=1)  # recordings in one forward pass of ECAPA; on a CPU more take longer
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # ECAPA's; auto: bfloat16 where the CPU computes in it
    device: str = "cpu"  # of the encoders that are torch networks; "cuda" with one worker a GPU

    @field_validator("speaker", "emotion", "evaluation")
    @classmethod
    def _check_names(cls, value: str | tuple[str, ...], info: ValidationInfo) -> str | tuple[str, ...]:
        role = str(info.field_name)
        for name in (value,) if isinstance(value, str) else value:
            if name == AUTO and role != "evaluation":
                continue
            if name not in ENCODERS or role not in ENCODERS.details(name)["roles"]:
                known = [other for other in ENCODERS if role in ENCODERS.details(other)["roles"]]
                auto = () if role == "evaluation" else (AUTO,)
                raise ValueError(ENCODERS.refusal(name, (*known, *auto)))
        return value


def _known_metrics(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, where each is a metric's; ValueError for the first one that is not."""
    for name in names:
        if name not in METRICS.reserved and name not in METRICS:
            raise ValueError(METRICS.refusal(name, (*METRICS.names(), *METRICS.reserved)))
    return names


class ValidationConfig(Section):
    """How many utterances are measured, by which metrics, with how many bootstrap samples."""

    ADDED: ClassVar[tuple[str, ...]] = ("hypotheses",)

    utterances: int = Field(200, ge=2)  # of the test split
    metrics: tuple[str, ...] = (
        "mel_l1", "stft", "mcd", "mcd_dtw", "pesq", "stoi", "pitch",  # compared with the recording
        "dnsmos", "plcmos", "nisqa",  # predicted opinion; nisqa only where its weights have been fetched
        "asr",  # word errors
        "speaker", "evaluation", "style", "prosody",  # compared with the Spanish source
    )  # fmt: skip
    resamples: int = Field(2000, ge=100)  # of the bootstrap
    seed: int = 0
    # (metric, first system, second system): the comparisons that are tested. All others are described by an interval.
    hypotheses: tuple[tuple[str, str, str], ...] = Field(
        (
            ("mel_l1", "ours, resynthesis", "HiFi-GAN universal"),
            ("pesq", "ours, resynthesis", "HiFi-GAN universal"),
            ("dnsmos_ovrl", "ours, resynthesis", "HiFi-GAN universal"),
            ("dnsmos_ovrl", "ours, conversion", "ground truth"),
            ("resemblyzer", "ours, conversion", "ours, resynthesis"),
        ),
        max_length=MAX_HYPOTHESES,
    )

    _check_metrics = field_validator("metrics")(_known_metrics)


class AblationConfig(Section):
    """The grid of ``thesis ablate``: recipe, seeds, budget, metrics."""

    ADDED: ClassVar[tuple[str, ...]] = ("hypotheses", "grid", "human", "human_limit", "targets", "contents", "compared")

    # losses: one loss off at a time, scored on the validation split. released: parts of the released recipe, scored by
    # the speaker test, word errors and predicted opinion on speakers of the human corpora's test split.
    grid: Literal["losses", "released"] = "losses"
    task: Task = "conversion"
    seeds: int = Field(3, ge=2)  # trainings of each variant
    steps: int | None = Field(None, ge=2)  # of each training; None: the recipe's
    late: int | None = Field(None, ge=1)  # last steps, with adversarial and encoder losses; None: the recipe's
    losses: dict[str, float] = {}  # weights that differ from the recipe's
    warm_start: str | None = None  # None: the recipe's
    utterances: int = Field(50, ge=2)  # of the validation split
    metrics: tuple[str, ...] = (
        "mel_l1", "stft", "mcd", "pesq", "pitch", "dnsmos", "plcmos", "speaker", "evaluation",
    )  # fmt: skip

    # (row of the table, metric): the differences from the full recipe that are tested, each over the seeds.
    hypotheses: tuple[tuple[str, str], ...] = Field(
        (
            ("no speaker sampling", "resemblyzer"),
            ("no speaker consistency", "resemblyzer"),
            ("MSE for cosine", "resemblyzer"),
            ("no temporal consistency", "f0_cents"),
            ("no adversarial loss", "dnsmos_ovrl"),
        ),
        max_length=MAX_HYPOTHESES,
    )

    human: tuple[MemberConfig, ...] = ()  # grid released: corpora of human speech beside the profile's own corpus
    # Utterances of each corpus and split, spread over its speakers; not used with corpus.limit or a list of utterances.
    human_limit: int = Field(3000, ge=1)
    targets: int = Field(24, ge=2)  # grid released: target speakers of the speaker test
    contents: int = Field(6, ge=1, le=9)  # grid released: bundled English sentences, each by another TTS voice
    # A text file with names of speakers of swap.human on whom the recipe was chosen: none of them is a target.
    compared: str | None = None

    _check_metrics = field_validator("metrics")(_known_metrics)

    @model_validator(mode="after")
    def _check_grid(self) -> "AblationConfig":
        if self.grid == "released" and self.task != "conversion":
            raise ValueError("ablation.grid=released is of the conversion vocoder: set ablation.task=conversion")
        if self.human and self.grid != "released":
            raise ValueError("ablation.human belongs to ablation.grid=released: set both, or neither")
        if self.compared and self.grid != "released":
            raise ValueError("ablation.compared belongs to ablation.grid=released: set both, or neither")
        return self


class ListeningConfig(Section):
    """Size and seed of the listening test."""

    items: int = Field(8, ge=1)  # test utterances; each is a page of ratings, and raters need more time with each
    seed: int = 0


class SwapConfig(Section):
    """The swap test: content with other speaker and emotion embeddings, on recordings outside the training split."""

    trials: int = Field(200, ge=2)  # of each kind; a V1 resynthesis takes a quarter of them
    seconds: float = Field(4.0, gt=0.5)  # s, of each content
    human: str | None = None  # a folder of human recordings: a subfolder is a speaker, and so is a file beside them
    seed: int = 0


class CompressionConfig(Section):
    """How many utterances and repeats the tables of compression have."""

    calibration_utterances: int = Field(64, ge=1)
    test_utterances: int = Field(50, ge=1)
    repeats: int = Field(5, ge=2)  # of each timing


class AdaptationConfig(Section):
    """Speaker adaptation: to how many test speakers, and how long each."""

    voices: int = Field(4, ge=1)
    minutes: float = Field(3.0, gt=0)  # of training


TtsGraph = Literal["student", "int8", "float32"]


class CloningConfig(Section):
    """The voice-cloning pipeline."""

    ADDED: ClassVar[tuple[str, ...]] = ("language", "background", "follow_segments", "tts")

    translator: str = "whisper-base"  # or a model's folder, or owner/name[@revision] on the model hub
    # Kokoro's generator: a student of it, fast, for vocoders that convert; its own in int8, or in float32.
    tts: TtsGraph = "student"
    voice: str = "nearest"  # Kokoro's voice that speaks the content: a name, a+b, or the nearest to the speaker
    guidance: float = Field(1.0, ge=0)  # strength of the speaker embedding: 0 none, 1 as trained
    follow_rate: bool = True  # match the speaker's speaking rate, relative to the average rate
    follow_pitch: bool = True  # match the speaker's log-F0 standard deviation
    follow_movement: bool = True  # match the slow F0 movement of each segment; it needs follow_segments
    follow_dynamics: bool = True  # match how much the speaker's loudness varies
    follow_segments: bool = True  # match F0 and emotion of each segment; false: the average of the recording
    style_strength: float = Field(1.0, ge=0, le=2)  # of the speaking style: 0 neutral, 1 as the source, 2 exaggerated
    fit: bool = False  # match the duration of each translated segment, as far as that sounds natural
    language: Literal["auto", "es"] = "auto"  # es: all speech counts as Spanish, whatever language is detected
    background: Literal["drop", "keep"] = "drop"  # keep: what is not speech in the source is mixed with the English
    watermark: bool = True
    examples: int = Field(10, ge=1)  # test utterances that notebook 07 translates
