"""One vocoder as float16 weights, as ONNX and as int8 ONNX, each measured on held-out speech."""

import functools
import shutil
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from thesis_lib.audio.files import read_audio
from thesis_lib.compression.export import export_onnx
from thesis_lib.compression.quantization import quantize, quantize_weights
from thesis_lib.corpus.manifest import Manifest, Split, Utterance
from thesis_lib.runs.embed import Embeddings, embedded
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import prepared
from thesis_lib.runs.vocoders import load_vocoder
from thesis_lib.utils.files import replacing
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.utils.timing import interleaved, ratio
from thesis_lib.validation import select
from thesis_lib.validation.metrics import Recording, mel_l1
from thesis_lib.vocoder.generators import HifiganGenerator
from thesis_lib.vocoder.onnx_vocoder import ORIGIN, OnnxVocoder, Runtime
from thesis_lib.vocoder.streaming import beginning
from thesis_lib.vocoder.synthesis import Vocoder


@dataclass(frozen=True)
class Variant:
    """One variant of the vocoder: how large it is and how to call it."""

    name: str
    megabytes: float  # 10^6 bytes on disk
    call: Callable[[dict[str, np.ndarray]], np.ndarray]  # inputs by name -> (N,)


def onnx_caller(
    path: Path, threads: int = 1, runtime: Runtime = "onnxruntime"
) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    """An exported vocoder as a function of the inputs by name."""
    vocoder = OnnxVocoder(path, threads, runtime)

    def call(inputs: dict[str, np.ndarray]) -> np.ndarray:
        content, speaker, emotion = (inputs[name] for name in ("content", "speaker", "emotion"))
        return vocoder(content, speaker, emotion, float(inputs["guidance"][0]), inputs.get(ORIGIN)).reshape(-1)

    return call


def torch_caller(vocoder: Vocoder) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    """The vocoder as a function of the inputs by name."""

    def call(inputs: dict[str, np.ndarray]) -> np.ndarray:
        content, speaker, emotion = (torch.from_numpy(inputs[name]) for name in ("content", "speaker", "emotion"))
        return vocoder(content, speaker, emotion, float(inputs["guidance"][0])).numpy().reshape(-1)

    return call


def build_variants(vocoder: Vocoder, folder: Path, calibration: list[dict[str, np.ndarray]]) -> list[Variant]:
    """All variants of one vocoder, OpenVINO's for HiFi-GAN only; files in ``folder``, finished ones are kept."""
    names = ("float32", "int8", "int8-partly", "int8-weights")
    float32, int8, partly, weights = (folder / f"{name}.onnx" for name in names)
    ways: dict[Path, Callable[[Path], None]] = {
        float32: lambda partial: export_onnx(vocoder, partial),
        int8: lambda partial: quantize(float32, partial, calibration, operators=()),
        partly: lambda partial: quantize(float32, partial, calibration, spared=last_stages(vocoder)),
    }
    if isinstance(vocoder.generator, HifiganGenerator):
        ways[weights] = lambda partial: quantize_weights(float32, partial, calibration)
    for path, make in ways.items():
        if not path.exists():
            with replacing(path) as partial:
                make(partial)
    half = float16_copy(vocoder)
    size = vocoder.parameters()
    found = [
        Variant("torch float32", 4 * size / 1e6, torch_caller(vocoder)),
        Variant("float16 weights, computed in float32", 2 * size / 1e6, torch_caller(half)),
        Variant("ONNX float32", float32.stat().st_size / 1e6, onnx_caller(float32)),
        Variant("ONNX int8, all layers", int8.stat().st_size / 1e6, onnx_caller(int8)),
        Variant("ONNX int8, but the last stage", partly.stat().st_size / 1e6, onnx_caller(partly)),
    ]
    if weights in ways:
        call = onnx_caller(weights, runtime="openvino-bf16")
        found.append(Variant("OpenVINO int8 weights", weights.stat().st_size / 1e6, call))
    return found


def last_stages(vocoder: Vocoder, count: int = 1) -> int:
    """How many convolutions a HiFi-GAN's last stages have, the last of all included; 0 for other generators."""
    if not isinstance(vocoder.generator, HifiganGenerator):
        return 0
    kinds = (nn.Conv1d, nn.ConvTranspose1d)
    stages = vocoder.generator.stages[-count:]
    return 1 + sum(isinstance(module, kinds) for module in stages.modules())


def float16_copy(vocoder: Vocoder) -> Vocoder:
    """The vocoder after a trip through float16 storage: half the bytes, computed in float32."""
    with tempfile.TemporaryDirectory() as work:
        vocoder.save_pretrained(Path(work) / "copy")
        copy = Vocoder.from_torch(Path(work) / "copy")
    for tensor in (*copy.generator.parameters(), *copy.generator.buffers()):
        tensor.data = tensor.data.half().float()
    return copy


def inputs_of(utterance: Utterance, manifest: Manifest, embeddings: Embeddings, vocoder: Vocoder) -> dict:
    """The vocoder's inputs for one English recording, batch of one, float32."""
    wav, _ = read_audio(manifest.target(utterance))
    speaker, emotion = embeddings.condition(utterance)
    content = vocoder.content(wav).numpy()
    given = {"content": content, "speaker": speaker[None], "emotion": emotion[None], "guidance": np.ones(1, np.float32)}
    return given | ({ORIGIN: beginning(content, vocoder.audio)} if vocoder.generator.excited else {})


def compress(run: Run, progress: Progress = silent) -> pd.DataFrame:
    """The table of variants: MB, speed on one thread as a ratio to torch float32, mel L1 to the recording.

    Timings are interleaved in this one process; the ratio's spread over the repeats stands beside it.
    """
    if run.has("compression"):
        return run.load_table("compression")
    if run.staleness("compression"):
        shutil.rmtree(run.path / "compressed", ignore_errors=True)  # variants of another vocoder
    config = run.config.compression
    vocoder = load_vocoder(run, "resynthesis")
    manifest, embeddings = prepared(run, progress), embedded(run, progress)

    def inputs(split: Split, count: int) -> list[dict]:
        chosen = select(manifest.split(split), count)
        return [inputs_of(u, manifest, embeddings, vocoder) for u in chosen]

    variants = build_variants(vocoder, run.path / "compressed", inputs("train", config.calibration_utterances))
    tests = select(manifest.split("test"), config.test_utterances)
    quality: dict[str, list[float]] = {variant.name: [] for variant in variants}
    for utterance in progress(tests, len(tests), "quality"):
        wav, _ = read_audio(manifest.target(utterance))
        given = inputs_of(utterance, manifest, embeddings, vocoder)
        reference = Recording(wav, vocoder.sample_rate, vocoder.audio)
        for variant in variants:
            estimate = Recording(variant.call(given)[: len(wav)], vocoder.sample_rate, vocoder.audio)
            quality[variant.name].append(mel_l1(estimate, reference))
    given = inputs("test", 1)[0]
    audio = len(variants[0].call(given)) / vocoder.sample_rate
    calls = {variant.name: functools.partial(variant.call, given) for variant in variants}
    seconds = interleaved(calls, config.repeats, progress)
    rows = []
    for variant in variants:
        speed = ratio(seconds[variants[0].name], seconds[variant.name])
        rows.append(
            {
                "variant": variant.name,
                "megabytes": variant.megabytes,
                "times_real_time": audio / statistics.median(seconds[variant.name]),
                "speed_ratio": speed["median"],
                "speed_ratio_low": speed["low"],
                "speed_ratio_high": speed["high"],
                "mel_l1": float(np.mean(quality[variant.name])),
                "utterances": len(tests),
            }
        )
    table = pd.DataFrame(rows)
    run.save_table("compression", table, run.provenance_of("resynthesis"))
    return table
