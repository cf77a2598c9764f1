"""Compression of the released conversion vocoders: size, speed on one thread, and quality of each variant's outputs.

Contents are bundled English sentences, targets are other bundled voices; all are of the test split. A target's Spanish
recording is the condition, and other English recordings of that voice enrol it. Every variant renders the same inputs,
and is compared with torch in float32 in pairs. The matrices of the released files are in float16 already.
"""

import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.quality import CONVERSION, differences_of_systems, summarise_systems
from benchmarks.together import complete_rows
from thesis_lib.compression import BundledInputs, build_variants, onnx_caller
from thesis_lib.compression.variants import ModelVariant
from thesis_lib.config import Config, CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.embeddings.encoders import evaluation_encoders
from thesis_lib.pretrained.whisper import Whisper
from thesis_lib.utils.progress import bar
from thesis_lib.utils.timing import interleaved, ratio
from thesis_lib.validation import Results, Scorer, System, TestSet, evaluate, metrics
from thesis_lib.validation.evaluation import Columns
from thesis_lib.validation.released.scores import CONTENT_SECONDS, MAX_REPEATED_TOKENS, OPINION, RECOGNISER
from thesis_lib.validation.speaker_test.trials import bundled_contents
from thesis_lib.validation.swap import SpeakerScorer, SwapSpeaker
from thesis_lib.vocoder.onnx_vocoder import OnnxError
from thesis_lib.vocoder.runtimes import Runtime
from thesis_lib.vocoder.synthesis import DEFAULT, SMALL, Vocoder

WEIGHTS = (DEFAULT, SMALL)
REFERENCE = "torch float32"  # of ``build_variants``
OPENVINO: dict[str, Runtime] = {"OpenVINO float32": "openvino", "OpenVINO bfloat16": "openvino-bf16"}
CONTENTS, TARGETS, CALIBRATION, ROUNDS, QUICK = 6, 9, 16, 15, 2  # all of them are ``QUICK`` with --quick
COMPARED = "mel_l1"  # to the output in float32, not to a recording


@dataclass(frozen=True)
class Conversion:
    """A content in a target's voice: a vocoder's inputs, and its output in float32 (N,)."""

    target: SwapSpeaker
    content: SwapSpeaker
    inputs: dict[str, np.ndarray]
    reference: np.ndarray

    @property
    def about(self) -> Columns:
        """The columns that identify it."""
        return dict(zip(CONVERSION, (self.target.name, self.content.name), strict=True))


@dataclass(frozen=True)
class Released:
    """One variant of some weights, and the inputs of a call that is timed."""

    vocoder: Vocoder
    variant: ModelVariant
    inputs: dict[str, np.ndarray]

    @property
    def seconds(self) -> float:
        """Seconds of speech that the call renders."""
        audio = self.vocoder.audio
        return self.inputs["content"].shape[-1] * audio.hop_length / audio.sample_rate


def run(quick: bool) -> dict:
    """Size and speed of each variant; quality with intervals; paired differences to torch in float32."""
    contents, targets, calibration, rounds = [QUICK] * 4 if quick else (CONTENTS, TARGETS, CALIBRATION, ROUNDS)
    config = Config.from_profile("demo").override({"swap.seconds": CONTENT_SECONDS})
    speakers = bundled_contents(config)
    scores, results = Scores(speakers, config), Results()
    released: dict[str, Released] = {}
    refused: list[Columns] = []
    with tempfile.TemporaryDirectory() as work:
        for weights in WEIGHTS:
            vocoder, folder = Vocoder.from_torch(weights), Path(work) / weights
            folder.mkdir()
            bundled = BundledInputs(vocoder)
            variants = build_variants(vocoder, folder, bundled.calibration(calibration))
            items = conversions(bundled, variants[0], speakers[:contents], speakers[-targets:])
            own = {f"{weights}, {variant.name}": Released(vocoder, variant, items[0].inputs) for variant in variants}
            results += measure_variants(own, items, scores)
            refused.extend(refusals(weights, folder / "float32.onnx"))
            released |= own
        timed = speed_rows(released, rounds)
    rows, missing = summarise_systems(results, CONVERSION)
    compared = [(name, reference_of(name)) for name in released if reference_of(name) != name]
    return {
        "corpus": "bundled, test split",
        "targets": targets,
        "contents": contents,
        "conversions": max((row["n"] for row in rows), default=0),
        "calibration utterances": calibration,
        "rounds": rounds,
        "variants": timed,
        "rows": rows,
        "differences": differences_of_systems(complete_rows(results, CONVERSION), CONVERSION, compared),
        "natural recordings": scores.natural,
        "not measured": [*refused, *missing],
    }


def conversions(
    bundled: BundledInputs, reference: ModelVariant, contents: Sequence[SwapSpeaker], targets: Sequence[SwapSpeaker]
) -> list[Conversion]:
    """Every content in the voice of the Spanish recording of every target, except the content's own voice."""
    found = []
    for target in targets:
        voice = bundled.voice(target.content_id)
        for content in (content for content in contents if content.name != target.name):
            inputs = bundled.inputs(content.content_id, voice)
            found.append(Conversion(target, content, inputs, reference.call(inputs)))
    return found


class Scores:
    """The scores of one output: cosines to the target voice, predicted opinion, word errors, and mel L1 to float32."""

    def __init__(self, speakers: Sequence[SwapSpeaker], config: Config) -> None:
        """All ``speakers``, contents and targets, are enrolled."""
        self.audio = config.audio
        rate = config.audio.sample_rate
        self.encoders = [SpeakerScorer(encoder, speakers, rate) for encoder in evaluation_encoders(config.encoders)]
        self.whisper = Whisper(RECOGNISER, threads=1, no_repeat=MAX_REPEATED_TOKENS)
        self.texts = mini.table(CorpusConfig(name="mini")).set_index("id").en

    @property
    def natural(self) -> dict[str, dict[str, float]]:
        """Encoder -> mean cosine of the voices' natural recordings to their own enrolment, and to other voices'."""
        return {s.encoder.name: {"own voice": s.ceiling, "other voices": s.floor} for s in self.encoders}

    def of_output(self, item: Conversion, wav: np.ndarray) -> Columns:
        """The columns of an output by itself; word errors as (errors, words)."""
        output = self._recording(wav)
        found = {
            f"to_target, {scorer.encoder.name}": scorer.score(wav, item.target, item.content)["to_target"]
            for scorer in self.encoders
        }
        recognised = self.whisper(output.wideband, metrics.WIDEBAND, language="en").text
        errors = metrics.word_errors(recognised, self.texts[item.content.content_id], "en")
        return found | {OPINION: metrics.dnsmos(output)[OPINION], "wer": errors}

    def compared(self, item: Conversion, wav: np.ndarray) -> Columns:
        """``of_output``, and the mel L1 to the output in float32."""
        distance = metrics.mel_l1(self._recording(wav), self._recording(item.reference))
        return self.of_output(item, wav) | {COMPARED: distance}

    def _recording(self, wav: np.ndarray) -> metrics.Recording:
        return metrics.Recording(wav, self.audio.sample_rate, self.audio)


def measure_variants(released: Mapping[str, Released], items: Sequence[Conversion], scores: Scores) -> Results:
    """A row for each conversion and variant; variants are compared with the reference, which has no ``COMPARED``."""
    systems = [
        System(name, lambda item, call=own.variant.call: call(item.inputs), about={"system": name})
        for name, own in released.items()
    ]
    scorers = [
        Scorer(scores.of_output, takes=lambda system: system.name == reference_of(system.name)),
        Scorer(scores.compared, takes=lambda system: system.name != reference_of(system.name)),
    ]
    return evaluate(TestSet(items, lambda item: item.about, "released variants"), systems, scorers, bar)


def refusals(weights: str, path: Path) -> Iterator[Columns]:
    """A row with the reason for each runtime of ``OPENVINO`` that refuses a vocoder's file."""
    for name, runtime in OPENVINO.items():
        try:
            onnx_caller(path, runtime=runtime)
        except OnnxError as error:
            yield {"system": f"{weights}, {name}", "reason": str(error).removeprefix(f"{path}: ")}


def speed_rows(released: Mapping[str, Released], rounds: int) -> list[Columns]:
    """A row for each variant: parameters, size, and speed, with the median, lowest and highest of the rounds."""
    calls = {name: partial(own.variant.call, own.inputs) for name, own in released.items()}
    seconds, rows = interleaved(calls, rounds, bar), []
    for name, own in released.items():
        fast = sorted(own.seconds / x for x in seconds[name])
        rows.append(
            {
                "system": name,
                "parameters": own.vocoder.parameters(),
                "megabytes": own.variant.megabytes,
                "x real time, 1 thread": {"median": statistics.median(fast), "low": fast[0], "high": fast[-1]},
                f"speed / {REFERENCE}": ratio(seconds[reference_of(name)], seconds[name]),
            }
        )
    return rows


def reference_of(name: str) -> str:
    """The name of the variant that a variant is compared with: of the same weights, in torch in float32."""
    return f"{name.partition(', ')[0]}, {REFERENCE}"
