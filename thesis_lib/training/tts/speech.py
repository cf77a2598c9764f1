"""Speech by Kokoro, with what its generator was given and what it made, to train the student on.

Shapes: T frames, 80 a second; C content channels (``cloning.tts_student``); N = 300 T samples at 24 kHz.
"""

import functools
import random
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np

from thesis_lib.cloning.tts import KokoroSynthesizer
from thesis_lib.cloning.tts_graph import kokoro_graph
from thesis_lib.cloning.tts_student import add_content
from thesis_lib.cloning.voices import english_voices
from thesis_lib.corpus.sentences import sentence
from thesis_lib.utils.files import replacing
from thesis_lib.utils.onnx_graph import session
from thesis_lib.utils.parallel import map_on_cores
from thesis_lib.utils.progress import Progress, silent

ENGLISH_SHARE = 0.65  # of the utterances: by one English voice; the others by a mixture of two voices of any language
SHORT_SHARE, MAX_SHORT_WORDS = 0.15, 4  # of the utterances: the first words of a sentence
MIN_SPEED, MAX_SPEED = 0.75, 1.35  # of the voice's own


@dataclass(frozen=True)
class TeacherUtterance:
    """What the generator was given, and its output in float32."""

    content: np.ndarray  # (C, T) float16
    style: np.ndarray  # (256,) float32
    wav: np.ndarray  # (N,) float32


class Teacher:
    """Kokoro in float32, with the generator's input beside its output. ModelError where its weights cannot be had."""

    def __init__(self) -> None:
        import onnx
        from onnx import TensorProto, helper

        self.synthesizer = KokoroSynthesizer(1)
        model = onnx.load(kokoro_graph("float32"))
        add_content(model.graph)
        model.graph.output.append(helper.make_tensor_value_info("student_content", TensorProto.FLOAT, None))
        self._session = session(model.SerializeToString(), 1)
        self._phonemizer = Lock()  # eSpeak NG is not safe across threads

    def __call__(self, text: str, voice: str, speed: float) -> TeacherUtterance:
        """Speak one portion of English text."""
        with self._phonemizer:
            given = self.synthesizer.network_input(text, voice, speed=speed)
        content, wav = self._session.run(["student_content", "waveform"], given)
        return TeacherUtterance(content[0].astype(np.float16), given["style"][0], wav[0])


def teacher_utterances(count: int, cache: Path, progress: Progress = silent) -> list[TeacherUtterance]:
    """The first ``count`` utterances, from ``cache`` where they have been spoken before.

    Text, voice and speed depend on the utterance's number alone. ModelError where Kokoro's weights cannot be had.
    """
    made = map_on_cores(functools.partial(_utterance, cache=cache), range(count))
    return list(progress(made, count, "utterances"))


def _utterance(number: int, cache: Path) -> TeacherUtterance:
    path = cache / f"{number:05d}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        spoken = _teacher()(*random_utterance(random.Random(number)))
        with replacing(path) as partial, open(partial, "wb") as file:
            np.savez(file, **vars(spoken))
    with np.load(path, allow_pickle=False) as stored:
        return TeacherUtterance(**stored)


def random_utterance(rng: random.Random) -> tuple[str, str, float]:
    """Draw a text, a voice and a speed."""
    text = sentence(rng)
    if rng.random() < SHORT_SHARE:
        text = " ".join(text.split()[: rng.randint(1, MAX_SHORT_WORDS)]).rstrip(",.?") + rng.choice(".!?")
    if rng.random() < ENGLISH_SHARE:
        voice = rng.choice(english_voices())
    else:
        voice = "+".join(rng.sample(sorted(_teacher().synthesizer.voices), 2))
    return text, voice, rng.uniform(MIN_SPEED, MAX_SPEED)


@functools.cache
def _teacher() -> Teacher:
    return Teacher()
