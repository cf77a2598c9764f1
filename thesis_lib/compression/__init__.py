"""Compression: variants of a vocoder (ONNX, int8, float16, pruned), each evaluated on held-out speech."""

from thesis_lib.compression.bundled import BundledInputs
from thesis_lib.compression.export import export_onnx
from thesis_lib.compression.pruning import prune
from thesis_lib.compression.quantization import quantize, quantize_weights
from thesis_lib.compression.variants import (
    build_variants,
    compress,
    float16_copy,
    inputs_of,
    last_stages,
    onnx_caller,
    torch_caller,
    voice_inputs,
)

__all__ = [
    "BundledInputs",
    "compress",
    "export_onnx",
    "float16_copy",
    "inputs_of",
    "last_stages",
    "onnx_caller",
    "prune",
    "quantize",
    "quantize_weights",
    "torch_caller",
    "build_variants",
    "voice_inputs",
]
