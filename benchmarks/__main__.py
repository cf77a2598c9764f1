"""``python -m benchmarks NAME``: run one benchmark and print its result as JSON."""

import argparse
import contextlib
import importlib
import json
import sys
from pathlib import Path

from benchmarks.folders import folder_fingerprints
from benchmarks.json_rows import without_nan
from benchmarks.options import Option, add_options, chosen
from thesis_lib.runs.provenance import CHANGED, commit, machine
from thesis_lib.utils.files import write_text

NAMES = {
    "data": "the join of a release of full size, and recordings per second against the plain librosa loop",
    "compress": "size, speed, latency, memory and quality of every variant of the vocoder (an hour of training first)",
    "compress_released": "size, speed and quality of every variant of the released conversion vocoders",
    "budget": "quality against minutes of training, three systems, three seeds each (90 minutes)",
    "vocoder": "speed of the generators on one thread, against speechbrain's HiFi-GAN and the vocos package",
    "embed": "utterances a second of ECAPA-TDNN against speechbrain's loop, and how exact batches are",
    "emotion_encoder": "triplets, speaker identification and centroids of the emotion encoders (THESIS_EMOTIONS)",
    "calibration": "floor, ceiling and error rate of the speaker encoders on human speech (THESIS_HUMAN)",
    "speakers": "similarity, rank-1 identification and acceptance of the default weights beside trivial systems "
    "(THESIS_HUMAN)",
    "speakers_small": "the same test of the small weights (THESIS_HUMAN)",
    "artefacts": "how far noise by ECAPA's gradient moves each speaker encoder; speaker scores of degraded outputs "
    "(THESIS_HUMAN)",
    "content": "speaker identification from each kind of content: how much of the voice remains in it",
    "recipes": "recipes compared for the small weights, 1,200 steps each (THESIS_HUMAN)",
    "adaptation": "150 steps of adaptation to four seconds of a human voice, before and after (THESIS_HUMAN)",
    "coverage": "variance of the small weights' training voices, compared with human voices (THESIS_HUMAN)",
    "released": "the default weights on human speech beside references (THESIS_HUMAN)",
    "clone": "the pipeline on human Spanish beside its stages and published systems (THESIS_PAIRS, THESIS_SPANISH)",
    "context": "translation with and without the previous sentences as context (ten minutes)",
    "diarisation": "who speaks when, and which speaker's voice the output has, on conversations with known turns "
    "(THESIS_HUMAN)",
    "interpret": "seconds from the end of a sentence to its first English word, and errors of the speaker check",
    "light": "size and start of cloning without torch, and each network against its original in torch",
    "clone_speed": "seconds of each stage of cloning, on two cores and on one, with each graph of the TTS",
    "memory": "resident memory and speed over an hour of speech, with one voice and with a voice for every speaker",
    "background": "how much of the speech remains in the kept background, its level, and the watermark in the mixture",
    "watermark": "detection rate and false alarms of the watermark, and its effect on quality (THESIS_HUMAN)",
    "emotion": "how much of a source's emotion and prosody the output carries, on acted speech (THESIS_EMOTIONS)",
    "segment_style": "whether the style follows from segment to segment, on joined acted speech (THESIS_EMOTIONS)",
    "speaking_rate": "how exactly the speaking rate is measured: by letters or the phonetic change (THESIS_EMOTIONS)",
    "emotion_parts": "in which part of acted speech the probes find the emotion (THESIS_EMOTIONS)",
    "emotion_loss": "what the emotion loss of sampled target speakers adds (THESIS_EMOTIONS, THESIS_HUMAN)",
    "f0_movement": "what following the slow F0 movement of each segment changes (THESIS_EMOTIONS)",
    "prosody_ways": "three ways to give the output the source's prosody, compared (THESIS_EMOTIONS, THESIS_HUMAN)",
    "pairs": "human Spanish and published English beside our conversion (THESIS_PAIRS names a folder of it)",
    "ablation": "contribution of each loss: one off at a time, three seeds each, at the demo's budget (an hour)",
    "full_mel": "use of the speaker embedding: from the full mel, with a speaker loss, and from content without voice",
    "swap": "speaker swap of the demo's vocoders: whether each uses its speaker embedding (a quarter of an hour)",
    "released_ablation": "contribution of each part of the released recipe: data, losses, size (hours on one GPU)",
    "validate": "CPU seconds of scoring an utterance in one pass, against each metric's package on files",
    "train": "training steps per second, against speechbrain's HiFi-GAN generator, discriminators and losses",
    "train_gpu": "training steps per second on a GPU: CUDA graphs and bfloat16 against speechbrain's step in float32",
    "kills": "SIGKILL at 200 random moments of a training: steps lost, and whether every checkpoint loads",
    "mutants": "the losses and the training step, broken in many ways: how many the tests catch",
}

PENDING = {"released_ablation", "train_gpu"}  # benchmarks without a saved result so far: they need a GPU


def main() -> None:
    """Parse the name, pass the rest to the benchmark's own ``run``; its ``OPTIONS`` are {name: Option}."""
    name = next((word for word in sys.argv[1:] if word in NAMES), None)
    if name is None:
        _all_benchmarks().parse_args()
        return
    rest = sys.argv[1:]
    rest.remove(name)
    with contextlib.redirect_stdout(sys.stderr):  # Some packages print at import; stdout must hold only JSON.
        module = importlib.import_module(f"benchmarks.{name}")
    options: dict[str, Option] = getattr(module, "OPTIONS", {})
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {name}", description=f"Print as JSON: {NAMES[name]}.")
    _add_common(parser)
    add_options(parser, options)
    given = vars(parser.parse_args(rest))
    quick, save = given.pop("quick"), given.pop("save")
    made_at = commit()  # before the run: files may change during it
    if save and made_at.endswith(CHANGED):
        parser.error("--save: tracked files differ from the commit that the result would name: commit them first")
    with contextlib.redirect_stdout(sys.stderr):
        result = module.run(quick, **chosen(parser, options, given, quick))
    words = [f"--{option} {value}" for option, value in given.items() if value is not None]
    command = " ".join(["python -m benchmarks", name, *["--quick"] * quick, *words])
    result["made by"] = {"command": command, "commit": made_at, "machine": machine(), "folders": folder_fingerprints()}
    text = json.dumps(without_nan(result), indent=2, allow_nan=False) + "\n"
    sys.stdout.write(text)
    if save:
        write_text(Path(__file__).parent / "results" / f"{name}.json", text)


def _all_benchmarks() -> argparse.ArgumentParser:
    """The parser of a command without a benchmark's name: its help, or the error."""
    listing = "\n".join(f"  {name:12} {what}" for name, what in NAMES.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"Print one benchmark's result as JSON.\n\n{listing}\n\n"
        "Options of one benchmark: python -m benchmarks speakers --help\nExample: python -m benchmarks vocoder\n"
        "Example: python -m benchmarks speakers --targets 12 --contents 4",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=NAMES, metavar="NAME")
    _add_common(parser)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="a few repeats or minutes only, to see that it works")
    parser.add_argument(
        "--save", action="store_true", help="also write benchmarks/results/NAME.json, which the book shows"
    )


if __name__ == "__main__":
    main()
