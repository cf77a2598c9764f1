"""From Spanish speech to English text: Whisper, or any speech-to-text model of the transformers library."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from thesis_lib import pretrained
from thesis_lib.audio.files import resample
from thesis_lib.pretrained.whisper import RATE, Whisper
from thesis_lib.utils.errors import ThesisError
from thesis_lib.vocoder import hub

SPANISH = "es"
QUICK: dict[str, Any] = {"brief": True, "no_repeat": 6}  # how Whisper is asked for a translation
SURE = 0.5  # language probability from which speech counts as another language's
FILES = ("*.json", "*.txt", "*.model", "model*.safetensors", "model.bin")  # of a repository; nothing that is code


class TranslationError(ThesisError):
    """A translation model that is not there, or is not one."""


@dataclass(frozen=True)
class Translated:
    """What was said, in Spanish and in English, in which language it sounded, and how sure that is (0..1).

    ``transcript`` is empty where the model does not transcribe.
    """

    transcript: str
    english: str
    language: str = SPANISH
    language_probability: float = 1.0

    @property
    def is_foreign(self) -> bool:
        """Whether it is surely not Spanish."""
        return self.language != SPANISH and self.language_probability >= SURE


class Translator(Protocol):
    """``name`` goes into reports."""

    name: str

    def __call__(self, wav: np.ndarray, sample_rate: int, context: str = "", transcribe: bool = True) -> Translated:
        """(N,) speech of at most 30 s -> Translated; ``context`` is the English so far of a sentence that goes on.

        Where nobody needs the transcript, a model may spare it.
        """


def unfinished(text: str) -> str:
    """What has been said since the last full stop, which the next segment goes on with; an ellipsis is none.

    More context does harm: told of a finished sentence, Whisper says it again, or goes on with it, whatever it hears
    (`python -m benchmarks context`).
    """
    return re.split(r"(?<![.…])[.!?](?:\s+|$)", text)[-1].strip()


class WhisperTranslator:
    """Language, transcript and translation, from one pass of Whisper's encoder (arXiv:2212.04356)."""

    def __init__(self, whisper: Whisper | None = None) -> None:
        self._whisper = whisper or Whisper(**QUICK)
        self.name = self._whisper.name

    def __call__(self, wav: np.ndarray, sample_rate: int, context: str = "", transcribe: bool = True) -> Translated:
        """(N,) -> Translated."""
        text = ""
        if transcribe:
            guess = self._whisper(wav, sample_rate, beams=1)
            language, certainty = guess.language, guess.language_probability
            recognised = guess if language == SPANISH else self._whisper(wav, sample_rate, language=SPANISH, beams=1)
            text = recognised.text
        else:
            language, certainty = self._whisper.language(wav, sample_rate)
        english = self._whisper(wav, sample_rate, language=SPANISH, task="translate", context=context).text
        return Translated(text, english, language, certainty)


class TransformersTranslator:
    """A speech-to-text model by its folder: Whisper, Speech2Text, SeamlessM4T and their like.

    Only safetensors weights are read, and no code from the folder runs.
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
                f"{folder}: not a speech-to-text model with safetensors weights ({reason})"
            ) from error
        wants = getattr(self._model.generation_config, "lang_to_id", None)
        self._options = {"language": SPANISH, "task": "translate"} if wants else {}

    def __call__(self, wav: np.ndarray, sample_rate: int, context: str = "", transcribe: bool = True) -> Translated:
        """(N,) -> Translated, always without a transcript; the language is taken for Spanish."""
        import torch

        inputs = self._processor(resample(wav, sample_rate, RATE), sampling_rate=RATE, return_tensors="pt")
        with torch.inference_mode():
            tokens = self._model.generate(**inputs, **self._options)
        return Translated("", self._processor.batch_decode(tokens, skip_special_tokens=True)[0].strip())


def translator(name: str, threads: int | None = None) -> Translator:
    """A pinned Whisper of ``thesis models list``, a folder, or owner/name[@revision] on the model hub.

    What holds a model.bin is CTranslate2's, the rest transformers'. TranslationError where there is no such model.
    """
    if name in pretrained.REGISTRY:
        if not name.startswith("whisper") or name.endswith(".en"):
            raise TranslationError(f"{name} does not translate: name whisper-base, a folder or owner/name")
        return WhisperTranslator(Whisper(name, threads, **QUICK))
    folder = Path(name)
    if not folder.is_dir():
        repository, _, revision = name.partition("@")
        if not hub.is_repository(repository):
            raise TranslationError(f"no translator named {name}: name whisper-base, a folder or owner/name")
        folder = hub.snapshot(repository, revision or None, FILES)
    if (folder / "model.bin").is_file():
        return WhisperTranslator(Whisper(name, threads, folder, **QUICK))
    return TransformersTranslator(folder, name)
