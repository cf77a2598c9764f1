"""The layers that both generators share, as nodes of an ONNX graph.

Shapes: T frames, C channels, S and E embedding sizes, D condition size.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from thesis_lib.utils.onnx_graph import Network
from thesis_lib.vocoder.content import PHONETIC
from thesis_lib.vocoder.definitions import MAX_DEVIATION_STDS
from thesis_lib.vocoder.description import VocoderDescription

ORIGIN = "origin"  # an input of generators with a harmonic excitation only
END = np.iinfo(np.int64).max  # of a slice


class GeneratorNetwork(Network):
    """A generator's graph: content (1, C, T), speaker (1, S), emotion (1, E), guidance (1,) -> samples (1, N)."""

    def __init__(self, description: VocoderDescription, channels: int, tensors: Mapping[str, np.ndarray]) -> None:
        inputs: dict[str, tuple[Any, list[int | str]]] = {
            "content": (np.float32, [1, channels, "frames"]),
            "speaker": (np.float32, [1, description.speaker_dim]),
            "emotion": (np.float32, [1, description.emotion_dim]),
            "guidance": (np.float32, [1]),
        }
        if getattr(description.generator, "excitation", None) == "harmonic":
            inputs[ORIGIN] = (np.float64, [2])
        super().__init__(inputs, tensors)
        self.description = description

    def samples(self) -> str:
        """The graph of the whole generator; returns the name of its result (1, N)."""
        raise NotImplementedError

    def slice(self, x: str, start: int, end: int, axis: int) -> str:
        """Part of one axis; negative places count from the end."""
        return self.add("Slice", x, *(np.array([value]) for value in (start, end, axis)))

    def linear(self, prefix: str, x: str, scale: np.ndarray | None = None) -> str:
        """(1, T, C) -> (1, T, C'), multiplied by ``scale`` (C',)."""
        weight, bias = self.take(f"{prefix}.weight").T, self.take(f"{prefix}.bias")
        if scale is not None:
            weight, bias = weight * scale, bias * scale
        return self.add("Add", self.add("MatMul", x, weight), bias)

    def dense(self, prefix: str, x: str) -> str:
        """(1, C) -> (1, C')."""
        return self.add("Gemm", x, self.take(f"{prefix}.weight"), self.take(f"{prefix}.bias"), transB=1)

    def gelu(self, x: str) -> str:
        """The exact GELU."""
        return self.add("Gelu", x)

    def film(self, prefix: str, x: str, c: str, dim: int = 1) -> str:
        """(1 + gamma(c)) x + beta(c): (1, C, T), (1, D) -> (1, C, T); with ``dim=2`` channels are last."""
        affine = self.add("Unsqueeze", self.dense(f"{prefix}.affine", c), np.array([3 - dim]))
        gamma, beta = self.add("Split", affine, outputs=2, axis=dim, num_outputs=2)
        return self.add("Add", self.add("Mul", self.add("Add", gamma, np.float32(1)), x), beta)

    def condition(self) -> str:
        """The inputs "speaker", "emotion" and "guidance" -> (1, D), as ``ConditionFusion``."""
        projected = []
        for kind in ("speaker", "emotion"):
            mean, std = (self.take(f"condition.{kind}_statistics.{name}") for name in ("mean", "std"))
            x = self.add("Div", self.add("Sub", kind, mean), std)
            limit = np.float32(MAX_DEVIATION_STDS)
            projected.append(self.dense(f"condition.{kind}", self.add("Clip", x, -limit, limit)))
        hidden = self.gelu(self.dense("condition.fuse.0", self.add("Concat", *projected, axis=1)))
        fused, neutral = self.dense("condition.fuse.2", hidden), self.take("condition.neutral")
        return self.add("Add", neutral, self.add("Mul", "guidance", self.add("Sub", fused, neutral)))

    def reduced(self) -> str:
        """The input "content", its phonetic channels reduced to principal components, as ``PrincipalComponents``."""
        if self.description.content.kind != "phonetic":
            return "content"
        mean, basis = self.take("reduce.mean"), self.take("reduce.basis")
        centred = self.add("Sub", self.slice("content", 0, PHONETIC, 1), mean[:, None])
        return self.add("Concat", self.add("MatMul", basis, centred), self.slice("content", PHONETIC, END, 1), axis=1)
