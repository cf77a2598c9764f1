"""Text to speech: Kokoro-82M, which keeps a voice across languages (StyleTTS 2, arXiv:2306.07691)."""

import functools
import os
import re
import tempfile
from pathlib import Path

import numpy as np

from thesis_lib import pretrained
from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.files import replacing


class SpeechError(ThesisError):
    """Text or a voice that gives no speech."""


AT_ONCE = 150  # characters, some ten seconds, up to which a text is spoken as one
SENTENCE_PAUSE = 0.25  # s, Kokoro's own
LANGUAGES = {"es": "es", "en": "en-us"}  # ours -> the phonemizer's


def _widened(path: Path) -> Path:
    """The float16 graph computed in float32, made once and kept beside it.

    With float16 activations some sentences overflow and come out as NaN; CPUs gain no speed from float16.
    """
    target = path.with_name("model_fp16_computed_in_fp32.onnx")
    if target.exists():
        return target
    import onnx
    from onnx import AttributeProto, TensorProto, numpy_helper

    def widen_tensor(tensor: onnx.TensorProto) -> None:
        if tensor.data_type == TensorProto.FLOAT16:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))

    def widen_graph(graph: onnx.GraphProto) -> None:
        for tensor in graph.initializer:
            widen_tensor(tensor)
        for value in (*graph.input, *graph.output, *graph.value_info):
            if value.type.tensor_type.elem_type == TensorProto.FLOAT16:
                value.type.tensor_type.elem_type = TensorProto.FLOAT
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.type == AttributeProto.TENSOR:
                    widen_tensor(attribute.t)
                elif attribute.type == AttributeProto.GRAPH:
                    widen_graph(attribute.g)
                elif node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT16:
                    attribute.i = TensorProto.FLOAT

    model = onnx.load(path)
    widen_graph(model.graph)
    with replacing(target) as partial:
        onnx.save(model, partial)
    return target


@functools.cache
def _session_class() -> type:
    import onnxruntime

    class Session(onnxruntime.InferenceSession):
        """Gives back after each text what it has needed: its arena would grow to a gigabyte within minutes."""

        def run(self, names, inputs, options=None) -> list:
            options = options or onnxruntime.RunOptions()
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
            return super().run(names, inputs, options)

    return Session


class KokoroSynthesizer:
    """(text, voice) -> 24 kHz speech; any of the 54 voices, or a mixture of them, speaks both languages."""

    sample_rate = 24_000  # Hz

    def __init__(self, threads: int | None = None) -> None:
        import onnxruntime
        from kokoro_onnx import Kokoro

        model = _widened(pretrained.fetch("kokoro") / "model_fp16.onnx")
        folder = pretrained.fetch("kokoro-voices")
        self.voices = {
            path.stem: np.fromfile(path, np.float32).reshape(510, 1, 256) for path in sorted(folder.glob("*.bin"))
        }
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or os.cpu_count() or 1
        session = _session_class()(str(model), options, providers=["CPUExecutionProvider"])
        with tempfile.TemporaryDirectory() as scratch:
            # The client insists on a voices file; we hand it voice arrays instead.
            empty = Path(scratch) / "voices.npz"
            np.savez(empty)
            self._client = Kokoro.from_session(session, str(empty))

    def voice(self, name: str) -> np.ndarray:
        """Style table (510, 1, 256) of a voice, or of a mixture written "a+b" (the mean of both)."""
        unknown = [part for part in name.split("+") if part not in self.voices]
        if unknown:
            raise SpeechError(f"no voice {unknown[0]!r}; known: {', '.join(self.voices)} (mix two with +)")
        return np.mean([self.voices[part] for part in name.split("+")], axis=0)

    def __call__(self, text: str, voice: str, language: str = "en", speed: float = 1.0) -> np.ndarray:
        """Speech (N,) float32 at 24 kHz. SpeechError: no text, no such voice, nothing comes out."""
        if not text.strip():
            raise SpeechError("there is no text to speak")
        return np.concatenate(
            [
                part
                for number, portion in enumerate(portions(text))
                for part in (self._pause(number), self._say(portion, voice, language, speed))
            ]
        )

    def _pause(self, number: int) -> np.ndarray:
        return np.zeros(int(self.sample_rate * SENTENCE_PAUSE) if number else 0, np.float32)

    def _say(self, text: str, voice: str, language: str, speed: float) -> np.ndarray:
        wav, _ = self._client.create(text, self.voice(voice), speed=speed, lang=LANGUAGES[language])
        if not len(wav) or not np.isfinite(wav).all():
            raise SpeechError(f"Kokoro gave no speech for {text!r} in voice {voice}; try another voice")
        return np.asarray(wav, np.float32)


def portions(text: str) -> list[str]:
    """What is spoken at once, at most ``AT_ONCE`` characters of it, since memory grows with the longest.

    A long text is cut into sentences, a long sentence after commas, and what has none between words.
    """
    text = text.strip()
    if len(text) <= AT_ONCE:
        return [text]
    sentences = re.split(r"(?<=[.!?])\s+", text)
    if len(sentences) > 1:
        return [portion for sentence in sentences for portion in portions(sentence)]
    place = text.rfind(", ", AT_ONCE // 3, AT_ONCE) + 1 or text.rfind(" ", 0, AT_ONCE) + 1 or AT_ONCE
    return [text[:place].strip(), *portions(text[place:])]
