"""How much of the voice each kind of content leaves: speaker identification from pieces of it.

A linear classifier hears the mean, the spread and the spread of the frame differences of 0.74 s pieces, and names
the speaker. It learns on all recordings of a speaker but the last and is tested on that one. Chance is one in the
number of speakers; content without a voice comes near it. F0 and energy are left out: they are moved or shared.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from thesis_lib.audio import read_audio, whole_frames
from thesis_lib.conditioning import PrincipalComponents
from thesis_lib.config import Config, ContentConfig
from thesis_lib.content import Content, analyse
from thesis_lib.dataset import prepared
from thesis_lib.mel import LogMel
from thesis_lib.reporting import bar
from thesis_lib.runs import Run

PIECE, STRIDE = 64, 32  # frames

KINDS = {
    "mel": {"kind": "mel"},
    "envelope, 24 cepstra with their mean": {"kind": "envelope", "remove_mean": False},
    "envelope, 24 cepstra": {"kind": "envelope"},
    "envelope, 12 cepstra": {"kind": "envelope", "cepstra": 12},
    "envelope, 8 cepstra": {"kind": "envelope", "cepstra": 8},
    "phonetic, all channels": {"kind": "phonetic"},
    "phonetic, 64 components": {"kind": "phonetic", "components": 64},
    "phonetic, 32 components": {"kind": "phonetic", "components": 32},
}


def run(quick: bool) -> dict:
    """Accuracy of the speaker's name for each kind of content, on the bundled corpus."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        changes = {"corpus.limit": 40} if quick else {}
        base = Run(Path(folder) / "run", Config.from_profile("demo").override(changes))
        manifest = prepared(base, bar)
        by_speaker: dict[str, list] = {}
        for utterance in manifest:
            by_speaker.setdefault(utterance.speaker, []).append(utterance)
        speakers = {name: own for name, own in by_speaker.items() if len(own) >= 3}
        labels = {name: number for number, name in enumerate(speakers)}
        log_mel = LogMel(base.config.audio)
        wavs = {u.id: whole_frames(read_audio(manifest.target(u))[0], 256) for own in speakers.values() for u in own}
        mels = {id: log_mel(torch.from_numpy(wav)[None]) for id, wav in wavs.items()}
        # The phonetic analysis holds what every kind needs, and is the slow part: once for all.
        richest = ContentConfig(kind="phonetic")
        found = {id: analyse(w, log_mel, richest) for id, w in bar(wavs.items(), len(wavs), "analyse")}
        rows = []
        for name, config in KINDS.items():
            content = Content(base.config.audio, ContentConfig(**config))
            said = {id: content(mel, [found[id]], [0], None)[0] for id, mel in mels.items()}
            if config["kind"] != "mel":
                said = {id: x[:-3] for id, x in said.items()}
            if "components" in config:
                training = torch.cat([said[u.id].T for own in speakers.values() for u in own[:-1]])
                reduce = PrincipalComponents(training.shape[1], config["components"])
                reduce.fit(training[:: max(1, len(training) // 20_000)])
                said = {id: reduce(x[None])[0] for id, x in said.items()}
            parts = [
                _pieces([(said[u.id], labels[n]) for n, own in speakers.items() for u in own[cut]])
                for cut in (slice(None, -1), slice(-1, None))
            ]
            accuracy, count = _accuracy(*parts, len(speakers))
            rows.append({"content": name, "accuracy": accuracy, "pieces": count})
    return {"speakers": len(speakers), "chance": 1 / len(speakers), "contents": rows}


def _pieces(items: list[tuple[torch.Tensor, int]]) -> tuple[torch.Tensor, torch.Tensor]:
    rows, names = [], []
    for content, label in items:
        for start in range(0, content.shape[1] - PIECE + 1, STRIDE):
            piece = content[:, start : start + PIECE]
            rows.append(torch.cat([piece.mean(1), piece.std(1), piece.diff(dim=1).std(1)]))
            names.append(label)
    return torch.stack(rows), torch.tensor(names)


def _accuracy(train: tuple, test: tuple, speakers: int) -> tuple[float, int]:
    mean, std = train[0].mean(0), train[0].std(0).clamp(min=1e-6)
    (x, y), (z, truth) = (((rows - mean) / std, names) for rows, names in (train, test))
    network = torch.nn.Linear(x.shape[1], speakers)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2, weight_decay=0.3)
    for _ in range(300):
        optimizer.zero_grad()
        F.cross_entropy(network(x), y).backward()
        optimizer.step()
    return float(np.mean((network(z).argmax(1) == truth).numpy())), len(truth)
