"""Compression and streaming: size, speed, latency, memory and quality of every variant of the vocoder.

Distilled vocoders and those to compare them with are trained here first, each for the same minutes of one core on the
bundled corpus, by spectral losses alone; vocoders in runs/compress are not trained again. Quality is measured on the
bundled test voices, which are held out. ONNX Runtime's float32 has torch's quality: they agree to 1e-4.
"""

import copy
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.compress_training import FOLDER, STUDENT, V1, V2, WITHOUT_TEACHER, file_name, trained_vocoders
from benchmarks.json_rows import interval_columns
from benchmarks.nearness import nearness
from benchmarks.vocoder import SPEECHBRAIN, VOCOS, peers
from thesis_lib.compression import (
    export_onnx,
    float16_copy,
    inputs_of,
    last_stages,
    onnx_caller,
    quantize,
    quantize_weights,
    torch_caller,
)
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import prepared
from thesis_lib.utils.files import replacing
from thesis_lib.utils.progress import bar
from thesis_lib.utils.timing import interleaved, ratio
from thesis_lib.validation import System, select
from thesis_lib.validation.evaluation import Columns
from thesis_lib.vocoder.onnx_vocoder import OnnxVocoder
from thesis_lib.vocoder.runtimes import Runtime
from thesis_lib.vocoder.synthesis import Vocoder

MINUTES = 8.0  # of one core, for each training
UTTERANCES, CALIBRATION = 8, 16
FRAMES = 172  # 2 s, of a timed call
STREAMED_FRAMES = 344  # 4 s, of what is streamed and of what memory is measured on
CHUNK = 9  # frames, 104 ms, of a stream
RESAMPLES = 2000
METRICS = ("mel_l1", "stft", "mcd", "pesq", "dnsmos", "asr", "speaker", "evaluation")
SHOWN = ("mel_l1", "stft", "mcd", "pesq", "dnsmos_ovrl", "ecapa", "resemblyzer")


@dataclass(frozen=True)
class MeasuredVariant:
    """One variant of a vocoder: its parameters, its file and its call."""

    parameters: int
    file: Path
    load: Callable[[int], Callable[[dict[str, np.ndarray]], np.ndarray]]  # threads -> inputs -> (N,)
    quality: bool = True  # or it has another variant's
    runtime: Runtime | None = None  # of an .onnx file


def run(quick: bool) -> dict:
    """One row for each variant, the comparisons with V1 and V2, and streams."""
    minutes = 0.05 if quick else MINUTES
    corpus, vocoders = trained_vocoders(minutes)
    manifest, embeddings = prepared(corpus), embedded(corpus)

    def inputs(split: str, count: int) -> list[tuple]:
        chosen = select(manifest.split(split), count)
        return [(u, inputs_of(u, manifest, embeddings, vocoders[V1])) for u in chosen]

    calibration = [_cut(given) for _, given in inputs("train", 4 if quick else CALIBRATION)]
    variants = _variants(vocoders, calibration, FOLDER / f"variants-{minutes:g}")
    tests = inputs("test", 2 if quick else UTTERANCES)
    given = _cut(tests[0][1])
    seconds = {threads: _seconds(variants, given, threads, 2 if quick else 5) for threads in (1, 2)}
    values, missing = _quality(variants, tests, corpus)
    rows = []
    for name, variant in variants.items():
        row = {"variant": name, "parameters": variant.parameters, "megabytes": variant.file.stat().st_size / 1e6}
        for threads, timed in seconds.items():
            row[f"x real time, {threads} thread{'s' * (threads > 1)}"] = _audio() / statistics.median(timed[name])
        for peer in (SPEECHBRAIN, VOCOS):
            row[f"speed / {peer}"] = ratio(seconds[1][peer], seconds[1][name])
        row["speed / HiFi-GAN V1"] = ratio(seconds[1][V1], seconds[1][name])
        row["peak MB"] = _peak(variant)
        row["quality"] = _intervals(values[name]) if name in values else "as in torch"
        rows.append(row)
    return {
        "corpus": "bundled",
        "utterances": len(values[V1][SHOWN[0]]),
        "minutes of one core": minutes,
        "steps": {name: vocoder.meta["steps"] for name, vocoder in vocoders.items() if "steps" in vocoder.meta},
        "variants": rows,
        "against": _differences(values),
        "traps": _traps(vocoders[V1], variants[f"{V1}, ONNX"].file, given, 2 if quick else 5),
        "streams": [
            _stream(name, variant.file) for name, variant in variants.items() if variant.runtime == "onnxruntime"
        ],
        "not measured": missing,
    }


def _variants(
    vocoders: dict[str, Vocoder], calibration: list[dict[str, np.ndarray]], folder: Path
) -> dict[str, MeasuredVariant]:
    found = {}
    folder.mkdir(exist_ok=True)

    def written(name: str, make: Callable[[Path], None]) -> Path:
        path = folder / f"{file_name(name)}.onnx"
        if not path.exists():
            with replacing(path) as partial:
                make(partial)
        return path

    def torch_variant(name: str, vocoder: Vocoder, half: bool = False) -> MeasuredVariant:
        vocoder.save_pretrained(folder / file_name(name), half=half)
        return MeasuredVariant(
            vocoder.parameters(), folder / file_name(name) / "model.safetensors", lambda _: torch_caller(vocoder)
        )

    def onnx_variant(path: Path, parameters: int, quality: bool, runtime: Runtime = "onnxruntime") -> MeasuredVariant:
        return MeasuredVariant(parameters, path, partial(onnx_caller, path, runtime=runtime), quality, runtime)

    for name, vocoder in vocoders.items():
        found[name] = torch_variant(name, vocoder)
        path = written(name, partial(export_onnx, vocoder))
        found[f"{name}, ONNX"] = onnx_variant(path, vocoder.parameters(), False)
    found[f"{V1}, float16 storage"] = torch_variant(f"{V1}, float16 storage", float16_copy(vocoders[V1]), half=True)
    large, whole = vocoders[V1], found[f"{V1}, ONNX"].file
    options = {
        "all layers": {"operators": ()},
        "convolutions": {},
        "but the last stage": {"spared": last_stages(vocoders[V1])},
        "but the last two stages": {"spared": last_stages(vocoders[V1], 2)},
    }
    for name, option in options.items():
        path = written(f"{V1}, int8, {name}", partial(_int8, whole, calibration, option))
        found[f"{V1}, int8, {name}"] = onnx_variant(path, large.parameters(), True)
    found[f"{V1}, bfloat16, OpenVINO"] = onnx_variant(whole, large.parameters(), True, "openvino-bf16")
    path = written(f"{V1}, int8 weights", lambda partial: quantize_weights(whole, partial, calibration))
    found[f"{V1}, int8 weights and bfloat16, OpenVINO"] = onnx_variant(path, large.parameters(), True, "openvino-bf16")
    return found


def _int8(source: Path, calibration: list[dict[str, np.ndarray]], options: dict, target: Path) -> None:
    quantize(source, target, calibration, **options)


def _traps(vocoder: Vocoder, whole: Path, given: dict, rounds: int) -> list[dict]:
    """Other int8 methods: how many convolutions they change, and their speed."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    kinds = (torch.nn.Conv1d, torch.nn.ConvTranspose1d)
    other, path = copy.deepcopy(vocoder), whole.with_name("dynamic.onnx")
    quantize_(other.generator, Int8DynamicActivationInt8WeightConfig())
    layers = [module for module in other.generator.modules() if isinstance(module, kinds)]
    quantize_dynamic(whole, path, op_types_to_quantize=["Conv"], weight_type=QuantType.QUInt8)
    changed = {
        "ONNX Runtime, dynamic": sum(node.op_type == "ConvInteger" for node in onnx.load(path).graph.node),
        "torchao, dynamic": sum(type(layer.weight.data) is not torch.Tensor for layer in layers),
    }
    calls = {
        V1: partial(torch_caller(vocoder), given),
        "ONNX Runtime, dynamic": partial(onnx_caller(path), given),
        "torchao, dynamic": partial(torch_caller(other), given),
    }
    with torch.inference_mode():
        seconds = interleaved(calls, rounds, bar)
    return [
        {
            "method": name,
            "convolutions": len(layers),
            "changed": count,
            "speed / HiFi-GAN V1": ratio(seconds[V1], seconds[name]),
        }
        for name, count in changed.items()
    ]


def _quality(
    variants: dict[str, MeasuredVariant], tests: list[tuple], corpus: Run
) -> tuple[dict[str, dict[str, np.ndarray]], list[Columns]]:
    """The result of ``nearness`` for each variant; words wrong and words said as "wer"."""
    given = {utterance.id: inputs for utterance, inputs in tests}

    def system(name: str, call: Callable) -> System:
        return System(name, lambda item: call(given[item.utterance.id])[: len(item.wav)])

    systems = {name: system(name, variant.load(2)) for name, variant in variants.items() if variant.quality}
    found, missing = nearness(corpus, len(tests), systems, METRICS)
    shown = {
        name: {metric: values[metric] for metric in SHOWN}
        | {"wer": np.stack([values["word_errors"], values["words"]], axis=1)}
        for name, values in found.items()
    }
    return shown, missing


def _intervals(values: dict[str, np.ndarray]) -> dict[str, Columns]:
    found = {}
    for metric, numbers in values.items():

        def statistic(chosen: np.ndarray, numbers=numbers, metric=metric) -> float:
            part = numbers[chosen]
            return float(part[:, 0].sum() / part[:, 1].sum() if metric == "wer" else part.mean())

        found[metric] = interval_columns(len(numbers), statistic, RESAMPLES)
    return found


def _differences(values: dict[str, dict[str, np.ndarray]]) -> list[dict]:
    """Paired differences to V1 and to V2, and of the student to the one without a teacher, with 95 % intervals."""
    pairs = [(name, rival) for name in values for rival in (V1, V2) if name != rival]
    rows = []
    for (name, rival), metric in itertools.product([*pairs, (STUDENT, WITHOUT_TEACHER)], ("mel_l1", "stft")):
        first, second = (values[variant][metric] for variant in (name, rival))
        share = partial(lambda a, b, chosen: float(a[chosen].mean() / b[chosen].mean() - 1), first, second)
        row = {"variant": name, "rival": rival, "metric": metric}
        rows.append(row | interval_columns(len(first), share, RESAMPLES, name="more"))
    return rows


def _cut(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return given | {"content": np.ascontiguousarray(given["content"][:, :, :FRAMES])}


def _audio() -> float:
    return FRAMES * 256 / 22_050


def _seconds(variants: dict[str, MeasuredVariant], given: dict, threads: int, rounds: int) -> dict[str, list[float]]:
    calls = {name: partial(variant.load(threads), given) for name, variant in variants.items()}
    with torch.inference_mode():
        return interleaved(calls | {name: make()[0] for name, make in peers().items()}, rounds, bar, threads)


def _peak(variant: MeasuredVariant) -> float:
    """Peak MB of a process that loads the variant and renders some seconds."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.compress",
        str(variant.file),
        *([variant.runtime] if variant.runtime else []),
    ]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def _stream(name: str, file: Path) -> dict[str, object]:
    """Look-ahead and seconds of work of a stream in pieces of 104 ms, on one thread."""
    vocoder = OnnxVocoder(file, 1)
    mel = np.random.default_rng(0).normal(-5, 1, (80, STREAMED_FRAMES)).astype(np.float32)
    pieces = [mel[:, start : start + CHUNK] for start in range(0, mel.shape[1], CHUNK)]
    for _ in range(2):  # the first warms up
        spent, started = [], time.perf_counter()
        for _ in vocoder.stream(pieces):
            spent.append(time.perf_counter() - started)
            started = time.perf_counter()
    full = spent[6:-1]  # pieces with all of their past before them
    hop = vocoder.audio.hop_length / vocoder.sample_rate
    return {
        "variant": name,
        "left context (frames)": vocoder.receptive_field.left,
        "look-ahead ms": 1000 * hop * vocoder.receptive_field.right,
        "work for a second": sum(spent) / (hop * mel.shape[1]),
        "ms of work for a piece": {"median": 1000 * statistics.median(full), "highest": 1000 * max(full)},
    }


def _render(file: Path, *runtime: Runtime) -> None:
    """The body of the process that ``_peak`` measures."""
    if runtime:
        vocoder, mel = OnnxVocoder(file, 1, *runtime), np.zeros((1, 80, STREAMED_FRAMES), np.float32)
    else:
        vocoder, mel = Vocoder.from_pretrained(file.parent), torch.zeros(1, 80, STREAMED_FRAMES)
        torch.set_num_threads(1)
    vocoder(mel)
    # Not getrusage: its maximum is inherited from the process that started this one.
    print(next(int(x.split()[1]) for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x) / 1000)


if __name__ == "__main__":
    _render(Path(sys.argv[1]), *sys.argv[2:])
