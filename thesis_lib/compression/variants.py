"""Variants of one vocoder (float16 weights, ONNX, int8 ONNX), each evaluated on held-out speech."""

import functools
import shutil
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from torch import nn

from thesis_lib.audio.files import read_audio
from thesis_lib.compression.export import export_onnx
from thesis_lib.compression.quantization import CONVOLUTIONS, MATRIX_PRODUCTS, quantize, quantize_weights
from thesis_lib.config import AudioConfig, ValidationConfig
from thesis_lib.corpus.manifest import Manifest, Split, Utterance
from thesis_lib.runs.embed import Embeddings, load_embeddings
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import load_manifest
from thesis_lib.runs.vocoders import load_trained_vocoder, vocoder_folder
from thesis_lib.utils.files import fingerprint, replacing, write_text
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.utils.timing import interleaved, ratio
from thesis_lib.validation import Results, Scorer, System, TestSet, evaluate, select
from thesis_lib.validation.evaluation import OfRows, mean_of_present, save_results, summarise_groups
from thesis_lib.validation.metrics import Recording, mel_l1
from thesis_lib.vocoder.checkpoints import WEIGHTS
from thesis_lib.vocoder.generators import HifiganGenerator, IstftGenerator
from thesis_lib.vocoder.graphs.dft import INVERSE_DFT_PRODUCTS
from thesis_lib.vocoder.onnx_vocoder import ORIGIN, OnnxVocoder
from thesis_lib.vocoder.runtimes import Runtime
from thesis_lib.vocoder.streaming import beginning
from thesis_lib.vocoder.synthesis import Vocoder
from thesis_lib.vocoder.voice import Voice

ABOUT = ("id", "speaker", "variant")
TIMED_SECONDS = 2.0  # of a recording, on which the variants are timed


@dataclass(frozen=True)
class ModelVariant:
    """One export format of the vocoder, or its weights of another precision: its size and its call."""

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


def build_variants(vocoder: Vocoder, folder: Path, calibration: list[dict[str, np.ndarray]]) -> list[ModelVariant]:
    """Build all variants of one vocoder (OpenVINO's of HiFi-GAN only); files already in ``folder`` are kept."""
    names = ("float32", "int8", "int8-partly", "int8-weights")
    float32, int8, partly, weights = (folder / f"{name}.onnx" for name in names)
    exports: dict[Path, Callable[[Path], None]] = {
        float32: lambda partial: export_onnx(vocoder, partial),
        int8: lambda partial: quantize(float32, partial, calibration, operators=()),
        partly: lambda partial: quantize(float32, partial, calibration, layers_of(vocoder), last_stages(vocoder)),
    }
    if isinstance(vocoder.generator, HifiganGenerator):
        exports[weights] = lambda partial: quantize_weights(float32, partial, calibration)
    for path, make in exports.items():
        if not path.exists():
            with replacing(path) as partial:
                make(partial)
    half = float16_copy(vocoder)
    size = vocoder.parameters()
    found = [
        ModelVariant("torch float32", 4 * size / 1e6, torch_caller(vocoder)),
        ModelVariant("float16 weights, computed in float32", 2 * size / 1e6, torch_caller(half)),
        ModelVariant("ONNX float32", float32.stat().st_size / 1e6, onnx_caller(float32)),
        ModelVariant("ONNX int8, all layers", int8.stat().st_size / 1e6, onnx_caller(int8)),
        ModelVariant("ONNX int8, but the last stage", partly.stat().st_size / 1e6, onnx_caller(partly)),
    ]
    if weights in exports:
        call = onnx_caller(weights, runtime="openvino-bf16")
        found.append(ModelVariant("OpenVINO int8 weights", weights.stat().st_size / 1e6, call))
    return found


def layers_of(vocoder: Vocoder) -> tuple[str, ...]:
    """The operators that are a generator's layers: with an inverse STFT matrix products, else convolutions."""
    return MATRIX_PRODUCTS if isinstance(vocoder.generator, IstftGenerator) else CONVOLUTIONS


def last_stages(vocoder: Vocoder, count: int = 1) -> int:
    """Number of ``layers_of`` in a HiFi-GAN's last stages, with the output layer.

    With an inverse STFT, the head and the products of the inverse DFT, whatever ``count``; 0 for other generators.
    """
    if isinstance(vocoder.generator, IstftGenerator):
        return 1 + INVERSE_DFT_PRODUCTS
    if not isinstance(vocoder.generator, HifiganGenerator):
        return 0
    kinds = (nn.Conv1d, nn.ConvTranspose1d)
    stages = vocoder.generator.stages[-count:]
    return 1 + sum(isinstance(module, kinds) for module in stages.modules())


def float16_copy(vocoder: Vocoder) -> Vocoder:
    """A copy with weights rounded to float16: half the bytes in a file, computed in float32."""
    with tempfile.TemporaryDirectory() as work:
        vocoder.save_pretrained(Path(work) / "copy")
        copy = Vocoder.from_torch(Path(work) / "copy")
    for tensor in (*copy.generator.parameters(), *copy.generator.buffers()):
        tensor.data = tensor.data.half().float()
    return copy


def inputs_of(utterance: Utterance, manifest: Manifest, embeddings: Embeddings, vocoder: Vocoder) -> dict:
    """The vocoder's inputs for one English recording, with its own F0 (``voice_inputs``)."""
    wav, _ = read_audio(manifest.target(utterance))
    return voice_inputs(wav, Voice(*embeddings.condition(utterance)), vocoder)


def voice_inputs(wav: np.ndarray, voice: Voice, vocoder: Vocoder) -> dict[str, np.ndarray]:
    """The vocoder's inputs for the content of a recording (N,) in a voice, float32.

    "content" (1, C, T), "speaker" (1, S), "emotion" (1, E), "guidance" (1,) and, where the generator has one, the
    beginning of the pulse train.
    """
    content = vocoder.features(wav, voice.log_f0_median, voice.log_f0_std, voice.movement)
    # Copies, because torch warns of arrays that are read-only.
    speaker, emotion = (np.array(vector)[None] for vector in voice.vectors())
    given = {"content": content, "speaker": speaker, "emotion": emotion, "guidance": np.ones(1, np.float32)}
    return given | ({ORIGIN: beginning(content, vocoder.audio)} if vocoder.generator.excited else {})


@dataclass
class TestUtterance:
    """A held-out English recording, and the vocoder's inputs for it."""

    __test__: ClassVar[bool] = False  # pytest collects classes of this name otherwise

    utterance: Utterance
    wav: np.ndarray  # (N,)
    inputs: dict[str, np.ndarray]

    def estimate(self, variant: ModelVariant) -> np.ndarray:
        """(N,) what a variant makes of the inputs."""
        return variant.call(self.inputs)[: len(self.wav)]


def compress(run: Run, progress: Progress = silent) -> pd.DataFrame:
    """Build and evaluate all variants: MB, speed on one thread as a ratio to torch float32, mel L1 to the recording.

    Returns the summary, a row for each variant. Timings are of the first ``TIMED_SECONDS`` of one recording,
    interleaved in one process; the lowest and highest ratio of the repeats are beside the median. mel_l1 has its 95 %
    interval over the speakers, n, the number of outputs that were measured, and the reason where it has no value. Also
    written: the table of outputs, and those that were not measured. Raises RunError without a trained resynthesis
    vocoder.
    """
    if run.has("compression") and run.has("compression_summary"):  # an earlier version wrote the first one alone
        table = run.load_table("compression_summary")
        return table.assign(reason=table.reason.astype(object).fillna(""))  # an empty cell is read as NaN
    config = run.config.compression
    vocoder = load_trained_vocoder(run, "resynthesis")
    manifest, embeddings = load_manifest(run), load_embeddings(run, ("source",))
    made_of = fingerprint(vocoder_folder(run, "resynthesis") / WEIGHTS)
    mark = run.path / "compressed" / "vocoder.txt"
    if not mark.exists() or mark.read_text() != made_of:
        shutil.rmtree(mark.parent, ignore_errors=True)  # variants of another vocoder
        write_text(mark, made_of)

    def items(split: Split, count: int) -> list[TestUtterance]:
        chosen = select(manifest.split(split), count)
        wavs = [read_audio(manifest.target(u))[0] for u in chosen]
        return [
            TestUtterance(u, wav, inputs_of(u, manifest, embeddings, vocoder))
            for u, wav in zip(chosen, wavs, strict=True)
        ]

    calibration = [item.inputs for item in items("train", config.calibration_utterances)]
    variants = build_variants(vocoder, run.path / "compressed", calibration)
    tests = items("test", config.test_utterances)
    results = quality(variants, tests, vocoder, progress)
    timed = _first_seconds(tests[0].inputs, vocoder.audio)
    seconds = _seconds(variants, timed, config.repeats, progress)
    audio = len(variants[0].call(timed)) / vocoder.sample_rate
    speed = pd.DataFrame([_row(variant, variants[0], seconds, audio) for variant in variants])
    summary = speed.merge(_distances(results, list(speed.variant), run.config.validation), on="variant")
    save_results(run, "compression", results, ABOUT, summary, run.provenance_of("resynthesis"))
    return summary


def quality(
    variants: list[ModelVariant], tests: list[TestUtterance], vocoder: Vocoder, progress: Progress = silent
) -> Results:
    """The mel L1 of every variant to every recording: columns ``ABOUT`` and mel_l1."""

    def measure(item: TestUtterance, wav: np.ndarray) -> dict[str, float]:
        estimate, reference = (Recording(x, vocoder.sample_rate, vocoder.audio) for x in (wav, item.wav))
        return {"mel_l1": mel_l1(estimate, reference)}

    systems: list[System[TestUtterance, np.ndarray]] = [
        System(
            variant.name, functools.partial(TestUtterance.estimate, variant=variant), about={"variant": variant.name}
        )
        for variant in variants
    ]
    test_set = TestSet(tests, lambda item: {"id": item.utterance.id, "speaker": item.utterance.speaker}, "quality")
    return evaluate(test_set, systems, [Scorer(measure)], progress)


def _distances(results: Results, names: list[str], config: ValidationConfig) -> pd.DataFrame:
    """A row for each variant: mel_l1 with its 95 % interval, n, reason; the first reason where none was measured.

    One utterance has a mean and no interval.
    """

    def mean(part: pd.DataFrame) -> dict[str, OfRows]:
        return {"mel_l1": mean_of_present(part.mel_l1.to_numpy(float))}

    found = summarise_groups(results.table, ["variant"], mean, ["speaker"], config.resamples, config.seed)
    found = found.drop(columns="metric").set_index("variant").reindex(names)
    if not results.table.empty:
        found["value"] = results.table.groupby("variant").mel_l1.mean().reindex(names)
    for row in reversed(results.missing):
        if np.isnan(found.n[row["variant"]]):
            found.loc[row["variant"], "reason"] = row["reason"]
    found["n"] = found.n.fillna(0).astype(int)
    return found.rename(columns={"value": "mel_l1", "low": "mel_l1_low", "high": "mel_l1_high"}).reset_index()


def _first_seconds(inputs: dict[str, np.ndarray], audio: AudioConfig) -> dict[str, np.ndarray]:
    """The inputs with the first ``TIMED_SECONDS`` of the content."""
    frames = round(TIMED_SECONDS * audio.sample_rate / audio.hop_length)
    return inputs | {"content": np.ascontiguousarray(inputs["content"][..., :frames])}


def _seconds(
    variants: list[ModelVariant], inputs: dict[str, np.ndarray], repeats: int, progress: Progress
) -> dict[str, list[float]]:
    """Variant -> seconds of each call, interleaved."""
    calls = {variant.name: functools.partial(variant.call, inputs) for variant in variants}
    return interleaved(calls, repeats, progress)


def _row(variant: ModelVariant, reference: ModelVariant, seconds: dict[str, list[float]], audio: float) -> dict:
    """Size and speed of a variant, relative to the reference."""
    speed = ratio(seconds[reference.name], seconds[variant.name])
    return {
        "variant": variant.name,
        "megabytes": variant.megabytes,
        "times_real_time": audio / statistics.median(seconds[variant.name]),
        "speed_ratio": speed["median"],
        "speed_ratio_low": speed["low"],
        "speed_ratio_high": speed["high"],
    }
