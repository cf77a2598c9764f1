"""Reproduce the emotion encoder's weights: statistics, selection on held-out speakers, training, model card."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from thesis_lib.embeddings.encoders.emotion import EmotionEncoder
from thesis_lib.embeddings.encoders.emotion_numpy import CONFIG, DEFAULT_FOLDER, WEIGHTS
from thesis_lib.runs.provenance import commit, machine
from thesis_lib.training.emotion.features import VERSIONS, Features, features
from thesis_lib.training.emotion.head import HeadRecipe, fit
from thesis_lib.training.emotion.recordings import acted, read_aloud
from thesis_lib.training.emotion.selection import CANDIDATES, DISTRACTORS, RANK_1, divided, folds, select_candidate
from thesis_lib.utils.files import replacing, write_text
from thesis_lib.utils.progress import Progress, silent

CARD = "README.md"
READING_CORPUS, READING_SPEAKERS, READING_PER_SPEAKER = "speechocean762", 80, 8
RANK_1_MEANING = """
Rank-1: a recording's nearest other one is of the same speaker, among the readers that give no speaker offsets; lower is
better."""
# Corpora with a known licence; for another one the card says that its licence is not known.
LICENCES = {
    "emodb": "CC0-1.0 (Burkhardt et al. 2005, Berlin Database of Emotional Speech, published by audEERING)",
    "speechocean762": "CC BY 4.0 (Zhang et al. 2021, arXiv:2104.01378, OpenSLR 101)",
}


def reproduce(
    recordings: Path,
    reading: Path | None = None,
    folder: Path = DEFAULT_FOLDER,
    cache: Path = Path("build/emotion"),
    candidates: Mapping[str, HeadRecipe] = CANDIDATES,
    versions: int = VERSIONS,
    progress: Progress = silent,
    say: Callable[[str], None] = print,
) -> EmotionEncoder:
    """Select among ``candidates`` and train the best on all of ``recordings``; write weights and card to ``folder``.

    ``reading`` is a folder of read speech, for the speaker offsets and for identification in the selection; without it
    both are left out. Interrupted, the same call continues with the statistics in ``cache``. Raises RecordingsError for
    a folder without a usable table, AudioError for an unreadable recording, ModelError without Whisper's weights.
    """
    threads = torch.get_num_threads()
    clips = acted(recordings)
    data = features(clips, versions, cache, progress)
    others = None
    if reading is not None:
        chosen = read_aloud(reading, READING_CORPUS, READING_SPEAKERS, READING_PER_SPEAKER)
        others = features(chosen, 1, cache, progress)
    try:
        torch.set_num_threads(1)  # sums in another order give other weights
        best, rows = select_candidate(data, others, candidates, progress)
        head = fit(data, candidates[best], divided(others)[0])
    finally:
        torch.set_num_threads(threads)
    say(f"the best of {len(rows)} candidates: {best}")
    about = _about(best, candidates[best], rows, data, others, sorted({clip.corpus for clip in clips}))
    with replacing(folder / WEIGHTS) as partial:
        save_file({name: tensor.half().contiguous() for name, tensor in head.state_dict().items()}, partial)
    write_text(folder / CONFIG, json.dumps(about, indent=2) + "\n")
    write_text(folder / CARD, encoder_card(about))
    say(f"the weights: {folder}")
    return EmotionEncoder(folder)


def _about(
    best: str, recipe: HeadRecipe, rows: list[dict], data: Features, others: Features | None, corpora: list[str]
) -> dict:
    own = data.version == 0
    return {
        "name": EmotionEncoder.name,
        "layers": list(recipe.layers),
        "hidden": recipe.hidden,
        "dim": recipe.dim,
        "candidate": best,
        "recipe": asdict(recipe),
        "corpora": {name: LICENCES.get(name, "licence not known: see its archive") for name in corpora},
        "recordings": int(own.sum()),
        "versions": int(data.version.max()) + 1,
        "speakers": len(np.unique(data.speaker)),
        "emotions": sorted(set(data.emotion.tolist())),
        "reading": None
        if others is None
        else f"{len(others.speaker)} recordings of {len(set(others.speaker))} speakers of {READING_CORPUS}",
        "folds": len(list(folds(data))),
        "selection": rows,
        "made by": {"command": "thesis weights emotion", "commit": commit(), "machine": machine()},
    }


def encoder_card(about: Mapping) -> str:
    """The model card of an emotion encoder, from its config.json. Markdown."""
    measured = [name for name in (*DISTRACTORS, "recall", RANK_1) if name in about["selection"][0]]
    titles = [f"triplets, {name}" if name in DISTRACTORS else name for name in measured]
    lines = [f"| candidate | {' | '.join(titles)} |", f"|---{'|---' * len(measured)}|"]
    for row in about["selection"]:
        name = f"**{row['candidate']}**" if row["candidate"] == about["candidate"] else row["candidate"]
        lines.append(f"| {name} | {' | '.join(f'{row[column]:.3f}' for column in measured)} |")
    table, layers = "\n".join(lines), ", ".join(map(str, about["layers"]))
    reading = f"{about['reading']}, every second speaker: {LICENCES[READING_CORPUS]}" if about["reading"] else "none"
    corpora = "; ".join(f"{name}, {licence}" for name, licence in about["corpora"].items())
    rank = RANK_1_MEANING if RANK_1 in measured else ""
    return f"""# Emotion encoder on the layers of Whisper tiny.en

| | |
|---|---|
| input | speech at 16 kHz; its loudness is normalised, silence at both ends is cut |
| output | {about["dim"]} numbers, unit length |
| frozen part | the encoder of Whisper tiny.en (MIT), layers {layers}; 0 are the convolutions |
| head | one hidden layer of {about["hidden"]}, on mean and standard deviation of each layer over the speech frames |
| trained on | {corpora} |
| recordings | {about["recordings"]} of {about["speakers"]} actors, each in {about["versions"]} versions |
| emotions | {", ".join(about["emotions"])} |
| speaker offsets | {reading} |
| licence of the weights | MIT |
| made by | `{about["made by"]["command"]}`, commit {about["made by"]["commit"]} |

Selected by cross-validation in {about["folds"]} folds; speakers and sentences of the test are both held out. Triplet
accuracy: the cosine to a recording of the same emotion by another speaker is higher than to a recording of another
emotion that shares the distractor with the anchor (0.5 is chance). Recall: unweighted, by the nearest centroid of the
training recordings (chance {1 / len(about["emotions"]):.2f}).{rank}

{table}

Not suitable for decisions about persons: acted emotions of a few actors are no measure of what somebody feels.
"""
