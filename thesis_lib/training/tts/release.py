"""Reproduce the weights of the student of Kokoro's generator: speech by Kokoro, training, a test, the model card."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from thesis_lib import pretrained
from thesis_lib.cloning.tts_student import AUDIO, CONFIG, CONTENT, FOLDER, STYLE_HALF, WEIGHTS
from thesis_lib.losses.spectral import MultiScaleMel
from thesis_lib.runs.provenance import commit, machine
from thesis_lib.training.tts.speech import TeacherUtterance, teacher_utterances
from thesis_lib.training.tts.student import SCALES, StudentRecipe, fit_student, synthesised
from thesis_lib.utils.files import replacing, write_text
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.vocoder.description import VocoderDescription
from thesis_lib.vocoder.generators.istft import IstftGenerator

CARD = "README.md"
TRAINED, TESTED = 480, 24  # utterances: about forty minutes of speech, and two
RECIPE = StudentRecipe()


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

    The last ``tested`` utterances do not train: the card has their mel L1. Interrupted, the same call continues with
    the utterances in ``cache``; the training itself starts again. Raises ModelError where Kokoro's weights cannot be
    had.
    """
    spoken = teacher_utterances(trained + tested, cache, progress)
    net, loss = fit_student(spoken[:trained], recipe, progress)
    description = VocoderDescription.of(
        {
            "task": "conversion",
            "audio": AUDIO,
            "content": CONTENT,
            "generator": recipe.generator,
            "speaker_dim": STYLE_HALF,
            "emotion_dim": STYLE_HALF,
            "speaker_encoder": "kokoro-decoder-style",
            "emotion_encoder": "kokoro-prosody-style",
            "steps": recipe.steps,
            "teacher": f"Kokoro-82M ({pretrained.get('kokoro').revision})",
            "utterances": trained,
            "seconds": round(sum(len(one.wav) for one in spoken[:trained]) / AUDIO.sample_rate, 1),
            "training_mel_l1": round(loss, 4),
            "test": {"utterances": tested, "mel_l1": round(student_mel_l1(net, spoken[trained:]), 4)},
            "made_by": {"command": "thesis weights tts", "commit": commit(), "machine": machine()},
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / WEIGHTS) as partial:
        save_file({name: tensor.half().contiguous() for name, tensor in net.state_dict().items()}, partial)
    write_text(folder / CONFIG, json.dumps(description.to_dict(), indent=2) + "\n")
    write_text(folder / CARD, student_card(description.to_dict()))
    say(f"the weights: {folder}")
    return description


def student_mel_l1(net: IstftGenerator, spoken: Sequence[TeacherUtterance]) -> float:
    """Mean over the utterances of the mel L1 to Kokoro's own speech at the four resolutions, in nepers."""
    loss_of, found = MultiScaleMel(AUDIO, SCALES), []
    for one in spoken:
        content, style = (torch.from_numpy(x.astype(np.float32))[None] for x in (one.content, one.style))
        found.append(float(loss_of(synthesised(net, content, style), torch.from_numpy(one.wav)[None])))
    return float(np.mean(found))


def student_card(about: Mapping) -> str:
    """The model card, from config.json. Markdown."""
    generator, test, made = about["generator"], about["test"], about["made_by"]
    given = "the states of its decoder, 80 a second, energy, F0, the style of the voice"
    blocks = f"{generator['blocks']} ConvNeXt blocks of {generator['channels']} channels"
    amount = f"{about['utterances']} utterances, {about['seconds'] / 60:.0f} minutes"
    voices = "by the 28 English voices and mixtures of two of all 54"
    return f"""# Student of Kokoro's generator

| | |
|---|---|
| input | what the generator of {about["teacher"]} is given: {given} |
| output | speech at {about["audio"]["sample_rate"]} Hz with the spectrum of Kokoro's; to be rendered in another voice |
| network | {blocks} and an inverse STFT that filter a pulse train and noise |
| trained on | Kokoro's own speech: {amount} of English sentences of a grammar, {voices} |
| training | {about["steps"]} steps; mean L1 of log-mels at four resolutions, no discriminator |
| held-out mel L1 | {test["mel_l1"]:.2f} nepers ({test["utterances"]} utterances of other sentences) |
| licence of the weights | MIT; Kokoro's, on whose speech it was trained, are Apache-2.0 |
| made by | `{made["command"]}`, commit {made["commit"]} |

`python -m benchmarks clone_speed` compares it with Kokoro's own generator inside the pipeline.

Not suitable for speech that is heard: it was trained without a discriminator. Use Kokoro's own generator for that.
"""
