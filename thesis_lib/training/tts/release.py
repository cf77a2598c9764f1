"""Train the student of Kokoro's generator, test it, and write its weights and model card.

Shapes: N samples at 24 kHz.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from thesis_lib import pretrained
from thesis_lib.cloning.tts_graph import kokoro_graph
from thesis_lib.cloning.tts_student import (
    AUDIO,
    CONFIG,
    FOLDER,
    WEIGHTS,
    StudentError,
    read_student,
    student_description,
)
from thesis_lib.losses.spectral import MultiScaleMel
from thesis_lib.runs.provenance import commit, machine
from thesis_lib.training.tts.speech import samples_of, teacher_utterances
from thesis_lib.training.tts.student import SCALES, StudentRecipe, fit_student
from thesis_lib.utils.files import replacing, write_text
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.vocoder.description import VocoderDescription

CARD = "README.md"
TRAINED, TESTED = 480, 24  # utterances: about forty minutes of speech, and two
RECIPE = StudentRecipe()
TRAINING_RECORD = ("teacher", "utterances", "seconds", "steps", "made_by")  # keys of the description


def reproduce_student(
    folder: Path = FOLDER,
    cache: Path = Path("build/tts"),
    trained: int = TRAINED,
    tested: int = TESTED,
    recipe: StudentRecipe = RECIPE,
    progress: Progress = silent,
    say: Callable[[str], None] = print,
) -> VocoderDescription:
    """Train the student on Kokoro's own speech; write weights, description and card to ``folder``.

    The next ``tested`` utterances do not train: ``check_student`` measures the weights on them. Interrupted, the same
    call continues with the utterances in ``cache``; the training itself starts again. Another number of threads of
    torch gives slightly other weights. Raises ModelError where Kokoro's weights cannot be had, TrainingError for a loss
    that is not finite.
    """
    spoken = teacher_utterances(range(trained), cache, progress)
    net, loss = fit_student(spoken, recipe, progress)
    description = student_description(
        recipe.generator,
        steps=recipe.steps,
        teacher=f"Kokoro-82M ({pretrained.get('kokoro').revision})",
        utterances=trained,
        seconds=round(sum(len(one.wav) for one in spoken) / AUDIO.sample_rate, 1),
        training_mel_l1=round(loss, 4),
        made_by={"command": "thesis weights tts", "commit": commit(), "machine": machine()},
    )
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / WEIGHTS) as partial:
        save_file({name: tensor.half().contiguous() for name, tensor in net.state_dict().items()}, partial)
    write_text(folder / CONFIG, json.dumps(description.to_dict(), indent=2) + "\n")
    return check_student(folder, cache, tested, progress, say)


def check_student(
    folder: Path = FOLDER,
    cache: Path = Path("build/tts"),
    tested: int = TESTED,
    progress: Progress = silent,
    say: Callable[[str], None] = print,
) -> VocoderDescription:
    """Measure the mel L1 of the weights in ``folder`` on utterances that did not train; write it to its card.

    Raises StudentError where the folder holds no student of `thesis weights tts`, ModelError where Kokoro's weights
    cannot be had.
    """
    about = read_student(folder)[0].to_dict()
    if absent := [key for key in TRAINING_RECORD if key not in about]:
        raise StudentError(f"{folder / CONFIG}: no {absent[0]}: make one with `thesis weights tts --out {folder}`")
    numbers = range(about["utterances"], about["utterances"] + tested)
    wavs = [one.wav for one in teacher_utterances(numbers, cache, progress)]
    about["test"] = {"utterances": tested}
    for name, graph in (("mel_l1", kokoro_graph("student", folder)), ("mel_l1_int8", kokoro_graph("int8"))):
        made = samples_of(graph, numbers)
        about["test"][name] = _summary([multi_scale_l1(x, wav) for x, wav in zip(made, wavs, strict=True)])
    write_text(folder / CONFIG, json.dumps(about, indent=2) + "\n")
    write_text(folder / CARD, student_card(about))
    say(f"the weights: {folder}")
    return VocoderDescription.of(about)


def _summary(values: Sequence[float]) -> dict[str, float]:
    found = {"mean": sum(values) / len(values), "low": min(values), "high": max(values)}
    return {name: round(value, 4) for name, value in found.items()}


def multi_scale_l1(wav: np.ndarray, reference: np.ndarray) -> float:
    """(N,) each -> mean L1 of the log-mels at the four resolutions, in nepers."""
    return float(MultiScaleMel(AUDIO, SCALES)(*(torch.from_numpy(x)[None] for x in (wav, reference))))


def student_card(about: Mapping[str, Any]) -> str:
    """The model card, from config.json. Markdown."""
    generator, test, made = about["generator"], about["test"], about["made_by"]
    given = "states, energy and F0 of the decoder, 80 a second; the style vector of the voice"
    blocks = f"{generator['blocks']} ConvNeXt blocks of {generator['channels']} channels"
    amount = f"{about['utterances']} utterances, {about['seconds'] / 60:.0f} minutes"
    voices = "by its 28 English voices and by mixtures of two of its 54 voices"
    own, int8 = ("{mean:.2f} ({low:.2f}–{high:.2f})".format(**test[name]) for name in ("mel_l1", "mel_l1_int8"))
    return f"""# Student of Kokoro's generator

| | |
|---|---|
| input | of {about["teacher"]}: {given} |
| output | speech at {about["audio"]["sample_rate"]} Hz with a spectrum similar to that of Kokoro's speech |
| network | {blocks} and an inverse STFT that filter a pulse train and noise |
| trained on | Kokoro's own speech: {amount} of English sentences of a grammar, {voices} |
| training | {about["steps"]} steps; mean L1 of log-mels at four resolutions, no discriminator |
| mel L1 to Kokoro in float32 | {own} nepers, with the decoder in int8 as in `thesis clone`; of Kokoro in int8 {int8} |
| licence of the weights | MIT; Kokoro's weights are Apache-2.0 |
| made by | `{made["command"]}`, commit {made["commit"]} |

The mel L1 is the mean, lowest and highest of {test["utterances"]} utterances that did not train, of the same voices and
grammar. `python -m benchmarks clone_speed` compares the student with Kokoro's own generator in the pipeline.

Not suitable for speech that people listen to: it was trained without a discriminator. Use Kokoro's own generator for
that.
"""
