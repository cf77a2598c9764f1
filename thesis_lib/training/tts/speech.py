"""Speech by Kokoro beside the student's input, to train and to test the student on.

Shapes: T frames, 80 a second; C content channels (``cloning.tts_student``); N = 300 T samples at 24 kHz.
"""

import functools
import random
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np

from thesis_lib import pretrained
from thesis_lib.cloning.tts import KokoroSynthesizer, SpeechError, voice_files
from thesis_lib.cloning.tts_graph import GRAPH_VERSION, kokoro_graph
from thesis_lib.cloning.tts_student import add_content
from thesis_lib.cloning.voices import english_voices
from thesis_lib.config import digest
from thesis_lib.corpus.sentences import sentence
from thesis_lib.utils.files import replacing
from thesis_lib.utils.onnx_graph import session
from thesis_lib.utils.parallel import map_on_cores
from thesis_lib.utils.progress import Progress, silent

ENGLISH_SHARE = 0.65  # of the utterances: by one English voice; the others by a mixture of two voices of any language
SHORT_SHARE, MAX_SHORT_WORDS = 0.15, 4  # of the utterances: the first words of a sentence
MIN_SPEED, MAX_SPEED = 0.75, 1.35  # of the voice's own
_loading = Lock()


@dataclass(frozen=True)
class TeacherUtterance:
    """The student's input, and the samples that Kokoro makes in float32."""

    content: np.ndarray  # (C, T) float16
    style: np.ndarray  # (256,) float32
    wav: np.ndarray  # (N,) float32


class Teacher:
    """Kokoro in float32, with the student's input beside its output. ModelError where its weights cannot be had."""

    def __init__(self) -> None:
        import onnx
        from onnx import TensorProto, helper

        self._synthesizer = KokoroSynthesizer(1)
        model = onnx.load(kokoro_graph("float32"))
        add_content(model.graph)
        model.graph.output.append(helper.make_tensor_value_info("student_content", TensorProto.FLOAT, None))
        self._session = session(model.SerializeToString(), 1)

    def __call__(self, text: str, voice: str, speed: float) -> TeacherUtterance:
        """Speak one portion of English text. SpeechError where the input or the samples are not finite in float16."""
        given = self._synthesizer.network_input(text, voice, speed=speed)
        content, wav = self._session.run(["student_content", "waveform"], given)
        with np.errstate(over="ignore"):  # checked below
            found = TeacherUtterance(content[0].astype(np.float16), given["style"][0], wav[0])
        if not (np.isfinite(found.content).all() and np.isfinite(found.wav).all()):
            raise SpeechError(f"{text!r} by {voice} at speed {speed:.2f} gives numbers that are not finite")
        return found


def samples_of(graph: Path, numbers: range) -> list[np.ndarray]:
    """The samples (N,) that a graph of Kokoro makes of the utterances of these numbers."""
    synthesizer, network, found = KokoroSynthesizer(1), session(graph, 1), []
    for number in numbers:
        text, voice, speed = random_utterance(random.Random(number))
        found.append(network.run(None, synthesizer.network_input(text, voice, speed=speed))[0][0])
    return found


def teacher_utterances(numbers: range, cache: Path, progress: Progress = silent) -> list[TeacherUtterance]:
    """The utterances of these numbers, from ``cache`` where they have been spoken before.

    Text, voice and speed depend on the utterance's number alone. ModelError where Kokoro's weights cannot be had.
    """
    made = map_on_cores(functools.partial(_utterance, cache=cache), numbers)
    return list(progress(made, len(numbers), "utterances"))


def _utterance(number: int, cache: Path) -> TeacherUtterance:
    plan = random_utterance(random.Random(number))
    key = digest([pretrained.get("kokoro").revision, pretrained.get("kokoro-voices").revision, GRAPH_VERSION, *plan])
    path = cache / f"{number:05d}-{key}.npz"
    if not path.exists():
        spoken = _teacher()(*plan)
        cache.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial, open(partial, "wb") as file:
            np.savez(file, **vars(spoken))
    with np.load(path, allow_pickle=False) as stored:
        return TeacherUtterance(**stored)


def random_utterance(rng: random.Random) -> tuple[str, str, float]:
    """Draw a text, a voice and a speed. ModelError where Kokoro's voices cannot be had."""
    text = sentence(rng)
    if rng.random() < SHORT_SHARE:
        text = " ".join(text.split()[: rng.randint(1, MAX_SHORT_WORDS)]).rstrip(",.?") + rng.choice(".!?")
    if rng.random() < ENGLISH_SHARE:
        voice = rng.choice(english_voices())
    else:
        voice = "+".join(rng.sample(list(voice_files()), 2))
    return text, voice, rng.uniform(MIN_SPEED, MAX_SPEED)


def _teacher() -> Teacher:
    with _loading:  # several threads ask for it at once
        return _loaded()


@functools.cache
def _loaded() -> Teacher:
    return Teacher()
