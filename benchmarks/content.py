"""Speaker identification from each kind of content: how much of the voice remains in it.

A linear classifier of the speaker is given the mean, the standard deviation and that of the frame differences of
0.74 s pieces. It is trained on all recordings of a speaker except the last, and is tested on that one. Chance is one
in the number of speakers; content without the voice comes near it. F0 and energy are left out, as they are moved or
shared. Pieces overlap, so the intervals are over speakers, each with one test recording.

Also the word error rate of phonetic content: Whisper's own decoder on its first components.
"""

import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ctranslate2 import StorageView
from torch.nn import functional as F

from benchmarks.json_rows import interval_columns
from benchmarks.quality import error_rate
from thesis_lib.audio.files import read_audio, resample, whole_frames
from thesis_lib.audio.mel import LogMel
from thesis_lib.config import AudioConfig, Config, ContentConfig
from thesis_lib.pretrained.whisper import FRAME, RATE, WINDOW, Whisper
from thesis_lib.reporting import bar
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import prepared
from thesis_lib.validation.metrics import Share, ShareDifference, word_errors
from thesis_lib.vocoder.conditioning import PrincipalComponents
from thesis_lib.vocoder.content import PHONETIC_MODEL, analyse
from thesis_lib.vocoder.content_batch import Content

PIECE, STRIDE = 64, 32  # frames
COMPARED = ("phonetic, 192 components", "phonetic, 64 components")
RESAMPLES = 1000

KINDS = {
    "mel": {"kind": "mel"},
    "envelope, 24 cepstra with their mean": {"kind": "envelope", "remove_mean": False},
    "envelope, 24 cepstra": {"kind": "envelope"},
    "envelope, 12 cepstra": {"kind": "envelope", "cepstra": 12},
    "envelope, 8 cepstra": {"kind": "envelope", "cepstra": 8},
    "phonetic, all channels": {"kind": "phonetic"},
    "phonetic, 192 components": {"kind": "phonetic", "components": 192},
    "phonetic, 64 components": {"kind": "phonetic", "components": 64},
    "phonetic, 32 components": {"kind": "phonetic", "components": 32},
}


def run(quick: bool) -> dict:
    """Speaker identification and word error rate for each kind of content, on the bundled corpus.

    "differences" are paired: the pieces with the speaker identified, the first of ``COMPARED`` minus the second.
    """
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        base = Run(Path(folder) / "run", Config.from_profile("demo"))
        manifest = prepared(base, bar)
        by_speaker: dict[str, list] = {}
        for utterance in manifest:
            by_speaker.setdefault(utterance.speaker, []).append(utterance)
        many = [name for name, own in by_speaker.items() if len(own) >= 3]
        speakers = {name: by_speaker[name] for name in many[: 6 if quick else None]}
        labels = {name: number for number, name in enumerate(speakers)}
        log_mel = LogMel(base.config.audio)
        wavs = {u.id: whole_frames(read_audio(manifest.target(u))[0], 256) for own in speakers.values() for u in own}
        mels = {id: log_mel(torch.from_numpy(wav)[None]) for id, wav in wavs.items()}
        # The phonetic analysis holds what every kind needs, and is the slow part: once for all.
        richest = ContentConfig(kind="phonetic")
        found = {id: analyse(w, base.config.audio, richest) for id, w in bar(wavs.items(), len(wavs), "analyse")}
        recognised = {u.id: DecoderInput.of(wavs[u.id], u.target_text) for own in speakers.values() for u in own}
        rows, hits = [], {}
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
            hits[name], tested = _identified(*parts, len(speakers))
            rows.append({"content": name} | identification(hits[name], tested))
            if config["kind"] == "phonetic":
                errors = _word_errors(recognised, config.get("components"), list(speakers.values()))
                rows[-1] |= word_error_rate(errors)
    recordings = {"training": sum(len(own) - 1 for own in speakers.values()), "test": len(speakers)}
    about = {"speakers": len(speakers), "recordings": recordings, "chance": 1 / len(speakers)}
    first, second = COMPARED
    statistic = ShareDifference(hits[first], hits[second])
    difference = interval_columns(len(tested), statistic, RESAMPLES, tested, "difference") | {"n": len(tested)}
    differences = [{"content": first, "against": second} | difference]
    return about | {"contents": rows, "differences": differences}


def identification(identified: np.ndarray, speakers: np.ndarray) -> dict:
    """The share of pieces (n,) with the speaker ``identified``, and its row with an interval over ``speakers`` (n,).

    "n" of the row is the number of pieces, and "recordings" that of the test recordings with a piece.
    """
    row = interval_columns(len(identified), Share(identified), 0, speakers)
    row |= {"n": len(identified), "recordings": len(set(speakers.tolist()))}
    return {"accuracy": float(identified.mean()), "pieces": len(identified), "speaker identified": row}


def word_error_rate(errors: np.ndarray) -> dict:
    """(n, 2) errors and words of each recording -> WER of every word, and its row with an interval over recordings."""
    rate = error_rate(errors)
    row = interval_columns(len(errors), rate, RESAMPLES) | {"n": len(errors)}
    return {"wer": rate(np.arange(len(errors))), "word error rate": row}


@dataclass(frozen=True)
class DecoderInput:
    """A recording as input of Whisper's decoder."""

    encoded: np.ndarray  # (T, D), as if silence followed
    frames: int  # of them, that hold the recording
    text: str

    @classmethod
    def of(cls, wav: np.ndarray, text: str) -> "DecoderInput":
        """(N,) at the project's rate."""
        audio = resample(wav, AudioConfig().sample_rate, RATE)
        silence = np.zeros(WINDOW * FRAME - len(audio), np.float32)
        return cls(_whisper().encode(np.concatenate([audio, silence]), RATE), -(-len(audio) // FRAME), text)


def _word_errors(recognised: dict[str, DecoderInput], components: int | None, speakers: list[list]) -> np.ndarray:
    """Errors and words (n, 2) of the held-out recordings; the components are those of the others' frames."""
    cut = None
    if components:
        rows = np.concatenate([_centred(recognised[u.id])[0] for own in speakers for u in own[:-1]])
        _, _, directions = np.linalg.svd(rows[:: max(1, len(rows) // 20_000)], full_matrices=False)
        cut = directions[:components].T @ directions[:components]
    errors = []
    for utterance in (own[-1] for own in speakers):
        item = recognised[utterance.id]
        spoken, mean = _centred(item)
        encoded = item.encoded.copy()
        encoded[: item.frames] = (spoken if cut is None else spoken @ cut) + mean
        errors.append(word_errors(_decoded(encoded), item.text, "en"))
    return np.array(errors)


def _centred(item: DecoderInput) -> tuple[np.ndarray, np.ndarray]:
    spoken = item.encoded[: item.frames]
    return spoken - spoken.mean(0), spoken.mean(0)


def _decoded(encoded: np.ndarray) -> str:
    model = _whisper()._model
    prompt = [model.hf_tokenizer.token_to_id(f"<|{name}|>") for name in ("startoftranscript", "notimestamps")]
    view = StorageView.from_array(np.ascontiguousarray(encoded[None], np.float32))
    (found,) = model.model.generate(view, [prompt], beam_size=1)
    return model.hf_tokenizer.decode(found.sequences_ids[0])


@functools.cache
def _whisper() -> Whisper:
    return Whisper(PHONETIC_MODEL)


def _pieces(items: list[tuple[torch.Tensor, int]]) -> tuple[torch.Tensor, torch.Tensor]:
    rows, names = [], []
    for content, label in items:
        for start in range(0, content.shape[1] - PIECE + 1, STRIDE):
            piece = content[:, start : start + PIECE]
            rows.append(torch.cat([piece.mean(1), piece.std(1), piece.diff(dim=1).std(1)]))
            names.append(label)
    return torch.stack(rows), torch.tensor(names)


def _identified(train: tuple, test: tuple, speakers: int) -> tuple[np.ndarray, np.ndarray]:
    """For each test piece (n,): whether the classifier predicts its speaker, and the speaker's number."""
    mean, std = train[0].mean(0), train[0].std(0).clamp(min=1e-6)
    (x, y), (z, truth) = (((rows - mean) / std, names) for rows, names in (train, test))
    network = torch.nn.Linear(x.shape[1], speakers)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2, weight_decay=0.3)
    for _ in range(300):
        optimizer.zero_grad()
        F.cross_entropy(network(x), y).backward()
        optimizer.step()
    return (network(z).argmax(1) == truth).numpy(), truth.numpy()
