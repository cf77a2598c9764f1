"""Text to speech: Kokoro-82M; a voice is the same in every language (StyleTTS 2, Li et al. 2023, arXiv:2306.07691)."""

import tempfile
from pathlib import Path
from typing import Protocol

import numpy as np

from thesis_lib import pretrained
from thesis_lib.cloning.quantities import money_as_read
from thesis_lib.cloning.readings import as_read, has_words, in_latin, sentences
from thesis_lib.cloning.tts_graph import kokoro_graph
from thesis_lib.config import TtsGraph
from thesis_lib.utils.errors import ThesisError, one_line
from thesis_lib.utils.onnx_graph import freeing_session


class SpeechError(ThesisError):
    """A text or a voice from which no speech can be synthesised; the message names the remedy."""


MAX_CHARS_AT_ONCE = 150  # of text synthesised in one call, about ten seconds of speech
SENTENCE_PAUSE_SECONDS = 0.25  # as Kokoro's client uses
STYLE_SHAPE = (510, 1, 256)  # of a voice: a style for each number of phonemes
LANGUAGES = {"es": "es", "en": "en-us"}  # this library's code -> the phonemizer's


class Synthesizer(Protocol):
    """Text to speech: English text -> (N,) at ``sample_rate``, in a named voice."""

    sample_rate: int  # Hz

    def __call__(self, text: str, voice: str, language: str = "en", speed: float = 1.0) -> np.ndarray:
        """Synthesise (N,) speech. Raises SpeechError for text that gives no speech."""


def voice_files() -> dict[str, Path]:
    """Name and file of each of Kokoro's voices, sorted. ModelError where they cannot be had."""
    return {path.stem: path for path in sorted(pretrained.fetch("kokoro-voices").glob("*.bin"))}


class KokoroSynthesizer:
    """Kokoro-82M: (text, voice) -> 24 kHz speech in Spanish or English, in one of 54 voices or a mixture of them.

    ``graph``: see ``tts_graph``. "student" is fast, for the pipeline, which renders the speech in another voice; with
    the other two the speech is Kokoro's. Raises ModelError where the weights cannot be had.
    """

    sample_rate = 24_000  # Hz

    def __init__(self, threads: int | None = None, graph: TtsGraph = "int8") -> None:
        from kokoro_onnx import Kokoro

        model = kokoro_graph(graph)
        self.graph, self.key = graph, model.stem  # the key names everything that determines the samples
        files = voice_files()
        self.voices = {name: np.memmap(path, np.float32, "r", shape=STYLE_SHAPE) for name, path in files.items()}
        with tempfile.TemporaryDirectory() as scratch:
            # The client requires a voices file; the voices are passed as arrays with each call instead.
            empty = Path(scratch) / "voices.npz"
            np.savez(empty)
            self._client = Kokoro.from_session(freeing_session(model, threads), str(empty))

    def voice(self, name: str) -> np.ndarray:
        """Return the style table, ``STYLE_SHAPE``, of a voice, or of a mixture written "a+b" (the mean).

        Raises SpeechError for an unknown voice.
        """
        unknown = [voice for voice in name.split("+") if voice not in self.voices]
        if unknown:
            raise SpeechError(
                f"no voice named {unknown[0]!r}: use one of {', '.join(self.voices)}, or a mixture such as a+b"
            )
        return np.mean([self.voices[voice] for voice in name.split("+")], axis=0)

    def network_input(self, text: str, voice: str, language: str = "en", speed: float = 1.0) -> dict[str, np.ndarray]:
        """The input of the network for one portion of text: phonemes (1, P), style (1, 256), speed (1,).

        Raises SpeechError for an unknown voice.
        """
        tokenizer, table = self._client.tokenizer, self.voice(voice)
        phonemes = tokenizer.tokenize(tokenizer.phonemize(text, LANGUAGES[language]))
        style = table[min(len(phonemes), len(table)) - 1]
        ids = np.array([[0, *phonemes, 0]], np.int64)
        return {"input_ids": ids, "style": style.astype(np.float32), "speed": np.array([speed], np.float32)}

    def __call__(self, text: str, voice: str, language: str = "en", speed: float = 1.0) -> np.ndarray:
        """Synthesise (N,) float32 speech at 24 kHz. Raises SpeechError: empty text, unknown voice, no output."""
        if not has_words(text):
            raise SpeechError(f"the text to synthesise is empty, {text!r}: give at least one word")
        read = money_as_read(as_read(text)) if language == "en" else in_latin(text)
        pause = np.zeros(int(self.sample_rate * SENTENCE_PAUSE_SECONDS), np.float32)
        found: list[np.ndarray] = []
        for portion in portions(read):
            found += [pause] if found else []
            # Without a word, as "...", the network makes one up.
            found.append(self._say(portion, voice, language, speed) if has_words(portion) else pause)
        return np.concatenate(found)

    def _say(self, text: str, voice: str, language: str, speed: float) -> np.ndarray:
        table = self.voice(voice)
        try:
            wav, _ = self._client.create(text, table, speed=speed, lang=LANGUAGES[language])
        except (ValueError, IndexError, RuntimeError) as error:  # letters for which the phonemizer has no sound
            raise SpeechError(f"{text!r} cannot be spoken ({one_line(error)}): write it in English words") from error
        if not len(wav) or not np.isfinite(wav).all():
            raise SpeechError(f"Kokoro synthesised no speech for {text!r} in the voice {voice}: use another voice")
        return np.asarray(wav, np.float32)


def portions(text: str) -> list[str]:
    """Split a text into portions of at most ``MAX_CHARS_AT_ONCE`` characters; memory grows with the longest portion.

    A long text is split into sentences, a long sentence after commas, and one without commas between words.
    """
    text = text.strip()
    if len(text) <= MAX_CHARS_AT_ONCE:
        return [text]
    found = [sentence for sentence in sentences(text) if sentence.strip()]
    if len(found) > 1:
        return [portion for sentence in found for portion in portions(sentence)]
    size = MAX_CHARS_AT_ONCE
    place = text.rfind(", ", size // 3, size) + 1 or text.rfind(" ", 0, size) + 1 or size
    return [text[:place].strip(), *portions(text[place:])]
