"""From Spanish speech to English text: Whisper, or any speech-to-text model of the transformers library."""

from collections.abc import Iterable
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from thesis_lib import pretrained
from thesis_lib.audio.files import resample
from thesis_lib.audio.voice_activity import Segment
from thesis_lib.cloning.plausibility import MIN_LOG_PROBABILITY, improbable, is_in_spanish, is_other_language
from thesis_lib.cloning.readings import has_words
from thesis_lib.cloning.translated import SPANISH, Translated
from thesis_lib.pretrained.whisper import RATE, Recognised, Whisper
from thesis_lib.utils.cache import ResultCache
from thesis_lib.utils.errors import ThesisError
from thesis_lib.vocoder import hub

MAX_ANALYSED_SECONDS = 60.0  # of speech that the voice of a recording is extracted from
WHISPER_OPTIONS: dict[str, Any] = {"brief": True, "no_repeat": 6}  # of the translator, see pretrained.whisper
MAX_CACHED_LANGUAGES = 64  # segments; the voice is extracted from the first ones, which are translated afterwards
RETRY_NO_REPEAT = 3  # tokens; of the second attempt at a text that repeats itself
HUB_FILES = ("*.json", "*.txt", "*.model", "model*.safetensors", "model.bin")  # downloaded from a repository; no code


class TranslationError(ThesisError):
    """A translation model that is missing or cannot be used; the message names the remedy."""


class Translator(Protocol):
    """Speech translation, Spanish to English; reports show ``name``.

    The pipeline calls it from a thread of its own, beside the analysis of the speaker and the synthesis.
    """

    name: str

    def __call__(self, wav: np.ndarray, sample_rate: int, context: str = "", transcribe: bool = True) -> Translated:
        """Translate (N,) speech of at most 30 s.

        ``context`` is the beginning, in English, of a sentence that continues in this segment. With
        ``transcribe=False`` the model may leave out the transcript to save time.
        """


@runtime_checkable
class LanguageIdentifier(Protocol):
    """A translator that can also identify a language, without translating.

    In live speech another thread calls it, also for a segment that is then not translated, and possibly while the
    translator translates another segment. It should cache what its translation of the same samples needs again;
    otherwise this only costs time.
    """

    def language(self, wav: np.ndarray, sample_rate: int) -> tuple[str, float]:
        """Identify the language of (N,) speech of at most 30 s: its code and probability (0..1)."""


def translated_speech(
    segments: Iterable[Segment], translator: Translator, language: str, seconds: float | None = None
) -> list[Segment]:
    """The first segments that ``plausibility`` keeps by their language, up to ``seconds`` (MAX_ANALYSED_SECONDS).

    Where it leaves out every segment, the first ones; so the language of a single segment is not identified.
    ``language`` is ``cloning.language``: with "es", and with a translator that identifies no language, no segment is
    left out.
    """
    kept, first, wanted = list[Segment](), list[Segment](), seconds or MAX_ANALYSED_SECONDS
    segments = iter(segments)
    begun = list(islice(segments, 2))
    if len(begun) == 1:
        return begun
    for segment in chain(begun, segments):
        found = (SPANISH, 1.0)
        if language != SPANISH and isinstance(translator, LanguageIdentifier):
            found = translator.language(segment.wav, RATE)
        if not is_other_language(*found, segment.duration):
            kept.append(segment)
        if _total(first) < wanted:
            first.append(segment)
        if _total(kept) >= wanted:
            break
    return kept or first


def _total(segments: Iterable[Segment]) -> float:
    return sum(segment.duration for segment in segments)


def begin_translation(translator: Translator, segment: Segment) -> None:
    """Identify the language of a segment, which computes and caches what its translation begins with."""
    if isinstance(translator, LanguageIdentifier):
        translator.language(segment.wav, RATE)


class WhisperTranslator:
    """Language, transcript and translation from one encoder pass of Whisper (Radford et al. 2022, arXiv:2212.04356)."""

    def __init__(self, whisper: Whisper | None = None) -> None:
        self._whisper = whisper or Whisper(**WHISPER_OPTIONS)
        self._languages = ResultCache[tuple[str, float]](MAX_CACHED_LANGUAGES)
        self.name = self._whisper.name

    def __call__(self, wav: np.ndarray, sample_rate: int, context: str = "", transcribe: bool = True) -> Translated:
        """Translate (N,) speech.

        An improbable transcript (it repeats itself, or has too many letters for its time) is made again with beam
        search, and left out where the second is improbable too.
        """
        text, (language, certainty) = "", self.language(wav, sample_rate)
        if transcribe:
            recognised = self._whisper(wav, sample_rate, language=SPANISH, beams=1)
            text = self._plausible(recognised.text, wav, sample_rate)
        english = self._english(wav, sample_rate, context)
        quality = english.log_probability, english.no_speech_probability
        return Translated(text, english.text, language, certainty, *quality)

    def language(self, wav: np.ndarray, sample_rate: int) -> tuple[str, float]:
        """Identify the language of (N,) speech of at most 30 s: its code and probability (0..1)."""
        wav = resample(wav, sample_rate, RATE)
        return self._languages.of(wav, lambda: self._whisper.language(wav, RATE))

    def _plausible(self, text: str, wav: np.ndarray, sample_rate: int) -> str:
        """Transcribe an improbable text again with beam search, which repeats less; "" where that is improbable too."""
        seconds = len(wav) / sample_rate
        if improbable(text, seconds):
            text = self._whisper(wav, sample_rate, language=SPANISH).text
        return "" if improbable(text, seconds) else text

    def _english(self, wav: np.ndarray, sample_rate: int, context: str) -> Recognised:
        """Translate; a second time without context and repetitions where the first text is not what was said.

        A text that is left in Spanish is translated again without beam search.
        """
        seconds = len(wav) / sample_rate
        options: dict[str, Any] = {"language": SPANISH, "task": "translate"}
        first = self._whisper(wav, sample_rate, context=context, **options)
        if is_in_spanish(first.text):
            greedy = self._whisper(wav, sample_rate, context=context, beams=1, **options)
            if has_words(greedy.text) and not is_in_spanish(greedy.text) and not improbable(greedy.text, seconds):
                return greedy
        is_made_up = bool(improbable(first.text, seconds))
        if not is_made_up and not (context and first.log_probability < MIN_LOG_PROBABILITY):
            return first
        second = self._whisper(wav, sample_rate, no_repeat=RETRY_NO_REPEAT, **options)
        if (
            is_in_spanish(second.text)
            or improbable(second.text, seconds)
            or (not is_made_up and second.log_probability <= first.log_probability)
        ):
            return first
        return second


class TransformersTranslator:
    """Speech-to-text model of the transformers library, read from a folder: Whisper, Speech2Text, SeamlessM4T.

    Only safetensors weights are read, and no code from the folder is run. Raises TranslationError for a folder that
    holds no such model.
    """

    def __init__(self, folder: Path, name: str | None = None) -> None:
        from transformers import AutoModelForSpeechSeq2Seq, AutoProcessor

        self.name = name or Path(folder).name
        options = {"local_files_only": True, "trust_remote_code": False}
        try:
            self._processor = AutoProcessor.from_pretrained(folder, **options)
            self._model = AutoModelForSpeechSeq2Seq.from_pretrained(folder, use_safetensors=True, **options).eval()
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise TranslationError(
                f"{folder}: not a speech-to-text model with safetensors weights ({reason}): "
                "name another folder, or save the model with save_pretrained(..., safe_serialization=True)"
            ) from error
        wants = getattr(self._model.generation_config, "lang_to_id", None)
        self._options = {"language": SPANISH, "task": "translate"} if wants else {}

    def __call__(self, wav: np.ndarray, sample_rate: int, context: str = "", transcribe: bool = True) -> Translated:
        """Translate (N,) speech, without a transcript; the language is assumed to be Spanish."""
        import torch

        inputs = self._processor(resample(wav, sample_rate, RATE), sampling_rate=RATE, return_tensors="pt")
        with torch.inference_mode():
            tokens = self._model.generate(**inputs, **self._options)
        return Translated("", self._processor.batch_decode(tokens, skip_special_tokens=True)[0].strip())


def translator(name: str, threads: int | None = None) -> Translator:
    """Load a translator by name: a Whisper of ``thesis models list``, a folder, or owner/name[@revision] on the hub.

    A folder with a model.bin is read by CTranslate2, any other by transformers. Raises TranslationError for an
    unknown name and for a model that does not translate.
    """
    if name in pretrained.REGISTRY:
        if not name.startswith("whisper") or name.endswith(".en"):
            raise TranslationError(f"{name} does not translate: name whisper-base, a folder or owner/name")
        return WhisperTranslator(Whisper(name, threads, **WHISPER_OPTIONS))
    folder = Path(name)
    if not folder.is_dir():
        repository, _, revision = name.partition("@")
        if not hub.is_repository(repository):
            raise TranslationError(f"no translator named {name}: name whisper-base, a folder or owner/name")
        folder = hub.snapshot(repository, revision or None, HUB_FILES)
    if (folder / "model.bin").is_file():
        return WhisperTranslator(Whisper(name, threads, folder, **WHISPER_OPTIONS))
    return TransformersTranslator(folder, name)
