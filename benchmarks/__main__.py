"""``python -m benchmarks NAME``: run one benchmark and print its result as JSON."""

import argparse
import contextlib
import importlib
import json
import sys
from pathlib import Path

from thesis_lib.runs.provenance import commit, machine
from thesis_lib.utils.files import write_text

NAMES = {
    "data": "the join of a release of full size, and recordings a second against the plain librosa loop",
    "compress": "size, speed, latency, memory and quality of every form of the vocoder (an hour of training first)",
    "budget": "quality against minutes of training, three ways to a vocoder, three seeds each (90 minutes)",
    "vocoder": "speed of the generators on one thread, against speechbrain's HiFi-GAN and the vocos package",
    "embed": "utterances a second of ECAPA-TDNN against speechbrain's loop, and how exact batches are",
    "calibration": "what the speaker encoders' cosines mean on human speech (THESIS_HUMAN names a folder of it)",
    "content": "how much of the voice each kind of content leaves: speaker identification from it",
    "recipes": "which recipe trains best for the released weights, three minutes each (THESIS_HUMAN)",
    "adaptation": "what a minute of training on four seconds of a human voice adds (THESIS_HUMAN)",
    "coverage": "how much of human speakers' variety the released weights' training voices have (THESIS_HUMAN)",
    "released": "the released weights on human speech beside their references (THESIS_HUMAN)",
    "clone": "the pipeline on human Spanish beside its parts and published systems (THESIS_PAIRS, THESIS_SPANISH)",
    "context": "whether the translator should be told what was said before (ten minutes)",
    "interpret": "seconds from the end of a sentence to its first English word, and how speakers are told apart",
    "memory": "resident memory of the pipeline over an hour of speech",
    "watermark": "what the watermark survives, what it costs, and false alarms (THESIS_HUMAN)",
    "pairs": "human Spanish and published English beside our conversion (THESIS_PAIRS names a folder of it)",
    "ablation": "what each loss is worth: one off at a time, three seeds each, at the demo's budget (an hour)",
    "validate": "CPU seconds of scoring an utterance in one pass, against each metric's package on files",
    "train": "training steps a second, against speechbrain's HiFi-GAN generator, discriminators and losses",
    "kills": "SIGKILL at 200 random moments of a training: what is lost, and is every checkpoint whole",
    "mutants": "the losses and the training step, broken in many ways: how many the tests catch",
}


def main() -> None:
    """Parse the name, pass the rest to the benchmark's own ``run``."""
    listing = "\n".join(f"  {name:12} {what}" for name, what in NAMES.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"Print one benchmark's result as JSON.\n\n{listing}\n\nExample: python -m benchmarks vocoder",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=NAMES, metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="a few repeats or minutes only, to see that it works")
    parser.add_argument(
        "--save", action="store_true", help="also write benchmarks/results/NAME.json, which the book shows"
    )
    given = parser.parse_args()
    with contextlib.redirect_stdout(sys.stderr):  # some packages greet, and the output is JSON
        result = importlib.import_module(f"benchmarks.{given.name}").run(given.quick)
    result["made by"] = {"command": f"python -m benchmarks {given.name}", "commit": commit(), "machine": machine()}
    text = json.dumps(result, indent=2) + "\n"
    sys.stdout.write(text)
    if given.save:
        write_text(Path(__file__).parent / "results" / f"{given.name}.json", text)


if __name__ == "__main__":
    main()
