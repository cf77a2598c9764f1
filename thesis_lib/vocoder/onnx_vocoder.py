"""The ONNX vocoder: one file, run by ONNX Runtime or by OpenVINO; torch is not imported.

The file holds the generator, the conditioning and the inverse STFT, and in its metadata the vocoder's description, its
receptive field and the mean embeddings. ``graphs`` builds it from the weights, ``thesis export`` writes it.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.onnx_graph import freeing_session
from thesis_lib.utils.onnx_graph import session as onnx_session
from thesis_lib.vocoder.description import DescriptionError, VocoderDescription
from thesis_lib.vocoder.devices import DeviceError
from thesis_lib.vocoder.graphs import CARD, META, ORIGIN
from thesis_lib.vocoder.rendering import BaseVocoder
from thesis_lib.vocoder.runtimes import Runtime, openvino_caller
from thesis_lib.vocoder.streaming import ReceptiveField, Stream, beginning, streamed
from thesis_lib.vocoder.voice import MEAN_VOICE, Voice


class OnnxError(ThesisError):
    """A file that is not a vocoder of this project, or a request that an ONNX vocoder cannot fulfil."""


def _row(vector: np.ndarray | None) -> np.ndarray | None:
    """(D,) -> (1, D); None stays None."""
    return None if vector is None else np.asarray(vector)[None]


def _receptive_field(meta: dict, path: Path) -> ReceptiveField:
    """The receptive field in a file's metadata, also of files that an earlier version exported."""
    earlier = meta.get("reach") or {}
    field = meta.get("receptive_field") or {"left": earlier.get("before"), "right": earlier.get("after")}
    if None in field.values():
        raise OnnxError(f"{path}: its metadata have no receptive field: export the vocoder again with `thesis export`")
    return ReceptiveField(**field)


class OnnxVocoder(BaseVocoder):
    """A vocoder in an ONNX file, with the interface of ``synthesis.Vocoder`` for arrays."""

    device = "cpu"

    def __init__(
        self,
        path: Path,
        threads: int = 0,
        runtime: Runtime = "onnxruntime",
        name: str | None = None,
        frees_memory: bool = False,
    ) -> None:
        """Load a file. ``threads`` of the runtime, 0 for its default; ``name`` is by default the path.

        ``frees_memory``: ONNX Runtime frees the memory of a call after it, and a call takes longer. Otherwise it keeps
        the memory of the longest input. No effect on OpenVINO. OnnxError when the file cannot be used.
        """
        try:
            session = (freeing_session if frees_memory else onnx_session)(path, threads)
            about = session.get_modelmeta().custom_metadata_map
            meta = json.loads(about[META])
            self.description = VocoderDescription.of(meta["vocoder"])
        except DescriptionError as error:
            raise OnnxError(f"{path}: not a vocoder of this project ({error})") from error
        except KeyError as error:
            raise OnnxError(f"{path}: not a vocoder of this project: `thesis export` writes one") from error
        except Exception as error:  # its errors have no common class
            raise OnnxError(f"{path}: not an ONNX file that can be run ({str(error).splitlines()[0]})") from error
        self.card = about[CARD]  # the model card
        self._run: Callable[[dict], np.ndarray]
        if runtime == "onnxruntime":
            self._run = lambda given: session.run(None, given)[0]
        elif self.description.generator.kind == "hifigan":
            self._run = openvino_caller(path, threads, runtime)
        else:
            # Inverse-STFT generators are faster in ONNX Runtime; OpenVINO cannot read a harmonic excitation.
            raise OnnxError(f"{path}: OpenVINO can run HiFi-GAN only: use --runtime onnxruntime")
        self.name = name or str(path)
        self._field = _receptive_field(meta, path)
        self._means = {name: np.array(mean, np.float32) for name, mean in meta["means"].items()}
        self._excited = any(given.name == ORIGIN for given in session.get_inputs())

    @classmethod
    def from_pretrained(cls, path: str | Path) -> "OnnxVocoder":
        """Load a file. OnnxError when it cannot be used."""
        return cls(Path(path))

    def __call__(
        self,
        content: np.ndarray,
        speaker: np.ndarray | None = None,
        emotion: np.ndarray | None = None,
        guidance: float = 1.0,
        origin: np.ndarray | None = None,
    ) -> np.ndarray:
        """(1, C, T), (1, S), (1, E) -> (1, N). An embedding left out is the training set's mean.

        ``origin`` (2,) is the phase and the number of samples before a piece of a stream, as
        ``Generator.synthesise`` defines it. OnnxError for an embedding of another size.
        """
        given = {"content": np.asarray(content, np.float32), "guidance": np.array([guidance], np.float32)}
        for name, vector in (("speaker", speaker), ("emotion", emotion)):
            mean = self._means[name]
            given[name] = mean[None] if vector is None else np.asarray(vector, np.float32)
            if (shape := given[name].shape) != (1, len(mean)):
                raise OnnxError(f"{self.name}: a {name} embedding of shape (1, {len(mean)}) is needed, not {shape}")
        if self._excited:
            given[ORIGIN] = beginning(given["content"], self.audio) if origin is None else origin
        return self._run(given).reshape(1, -1)

    @property
    def receptive_field(self) -> ReceptiveField:
        """Input frames before and after an output frame that it depends on, from the file."""
        return self._field

    @property
    def mean_emotion(self) -> np.ndarray:
        """The training set's mean emotion embedding (E,)."""
        return self._means["emotion"]

    def to(self, device: Any) -> "OnnxVocoder":
        """Return itself for the CPU. DeviceError for another device."""
        if str(device) != self.device:
            raise DeviceError(f"{self.name} runs in ONNX Runtime, on the CPU: use cpu, not {device}")
        return self

    def samples(self, content: np.ndarray, voice: Voice = MEAN_VOICE, guidance: float = 1.0) -> np.ndarray:
        """Content (1, C, T) -> (N,) float32, with the voice's embeddings."""
        return self(content, _row(voice.speaker), _row(voice.emotion), guidance)[0]

    def stream(
        self, pieces: Iterable[np.ndarray], voice: Voice = MEAN_VOICE, guidance: float = 1.0
    ) -> Iterator[np.ndarray]:
        """Content (C, T) in pieces of any length -> samples (n,), as ``BaseVocoder.stream``."""
        stream = Stream(
            lambda content, origin: self(content, _row(voice.speaker), _row(voice.emotion), guidance, origin)[0],
            self._field,
            self.audio,
            self._excited,
        )
        yield from streamed(stream, pieces)
