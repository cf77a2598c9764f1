"""The stage "embed": speaker and emotion embeddings of every recording of the prepared corpus.

Shapes: n recordings, S and E embedding sizes.
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thesis_lib.audio.files import read_audio
from thesis_lib.audio.pitch import track
from thesis_lib.config import AudioConfig
from thesis_lib.corpus.manifest import Manifest, Utterance
from thesis_lib.embeddings.encoders import Encoder, EvaluationEncoder, embed, emotion_encoder, speaker_encoder
from thesis_lib.embeddings.encoders.declared import changed_revision
from thesis_lib.embeddings.store import embed_files, loaded, title
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.prepare import load_manifest, prepared
from thesis_lib.runs.stages import EMBED, check_inputs, corpus_inputs, record_inputs
from thesis_lib.utils.files import replacing, write_text
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.vocoder.voice import Voice

SIDES = ("source", "target")  # the Spanish recording of a pair, and the English one
KINDS = ("speaker", "emotion")
SUMMARY = "embeddings.json"  # the pairs' ids, and name and revision of both encoders


@dataclass(frozen=True)
class Embeddings:
    """Speaker and emotion embeddings of every pair, of both sides or one, in the manifest's order."""

    ids: list[str]
    speaker_encoder: str  # name and revision
    emotion_encoder: str
    speaker: dict[str, np.ndarray]  # side -> (n, S)
    emotion: dict[str, np.ndarray]  # side -> (n, E)

    @functools.cached_property
    def _row_of(self) -> dict[str, int]:
        return {id: row for row, id in enumerate(self.ids)}

    def rows(self, utterances: list[Utterance]) -> np.ndarray:
        """The row numbers of some utterances, (n,). RunError for one without an embedding."""
        try:
            return np.array([self._row_of[u.id] for u in utterances])
        except KeyError as error:
            raise RunError(
                f"utterance {error} has no embedding: remove the embeddings and run `thesis embed`"
            ) from None

    def condition(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        """The vocoder's condition: (S,) and (E,) of the Spanish recording."""
        row = self.rows([utterance])[0]
        return self.speaker["source"][row], self.emotion["source"][row]


def embedded(
    run: Run, progress: Progress = silent, scheduler: str | None = None, sides: tuple[str, ...] = SIDES
) -> Embeddings:
    """The run's embeddings; missing ones are computed on every core, or on a Dask cluster, and stored.

    Training needs the source side only. Raises StaleError when the stored ones are of another corpus, and RunError
    when they are by another encoder, or by another revision of it, than today's.
    """
    manifest = prepared(run, progress, scheduler)
    if _missing(run, manifest, sides):
        _embed(run, manifest, _paths(run, sides), progress, scheduler)
    return _read(run, sides)


def load_embeddings(run: Run, sides: tuple[str, ...] = SIDES) -> Embeddings:
    """The run's stored embeddings.

    Raises RunError with the command that computes them where some are missing, and what ``embedded`` raises for stored
    ones of another corpus or encoder.
    """
    if missing := _missing(run, load_manifest(run), sides):
        command = EMBED.command_for(run)
        raise RunError(f"{EMBED.folder(run)} lacks {' and '.join(missing)}: run `{command}` first")
    return _read(run, sides)


def _missing(run: Run, manifest: Manifest, sides: tuple[str, ...]) -> list[str]:
    """The names of the files that are missing. StaleError and RunError as ``embedded``."""
    check_inputs(run, EMBED, corpus_inputs(run, manifest))
    _check_revisions(run)
    return [path.name for path in (EMBED.folder(run) / SUMMARY, *_paths(run, sides).values()) if not path.exists()]


def _paths(run: Run, sides: tuple[str, ...]) -> dict[tuple[str, str], Path]:
    return {(kind, side): EMBED.folder(run) / f"{kind}_{side}.npy" for kind in KINDS for side in sides}


def _read(run: Run, sides: tuple[str, ...]) -> Embeddings:
    read, paths = json.loads((EMBED.folder(run) / SUMMARY).read_text()), _paths(run, sides)
    speaker, emotion = ({side: np.load(paths[kind, side], allow_pickle=False) for side in sides} for kind in KINDS)
    return Embeddings(read["ids"], read["speaker"], read["emotion"], speaker, emotion)


def _embed(
    run: Run, manifest: Manifest, paths: dict[tuple[str, str], Path], progress: Progress, scheduler: str | None
) -> None:
    """Compute the files that are missing, all by the same two encoders."""
    folder, config = EMBED.folder(run), run.config.encoders
    summary = folder / SUMMARY
    loaders = {"speaker": speaker_encoder, "emotion": emotion_encoder}
    names = {kind: title(loaded(load, config)) for kind, load in loaders.items()}
    found = {"ids": [u.id for u in manifest], **names}
    if summary.exists() and (before := json.loads(summary.read_text())) != found:
        there, here = (f"{x['speaker']} and {x['emotion']}" for x in (before, found))
        raise RunError(
            f"{folder} holds embeddings by {there} of {len(before['ids'])} pairs, today's encoders are {here}, and the "
            f"corpus has {len(manifest)} pairs: remove that folder and run `{EMBED.command_for(run)}`"
        )
    record_inputs(run, EMBED, corpus_inputs(run, manifest))
    write_text(summary, json.dumps(found))
    for (kind, side), path in paths.items():
        if not path.exists():
            files = map(manifest.source if side == "source" else manifest.target, manifest)
            source = (files, loaders[kind], config, folder / "store")
            rows = embed_files(*source, progress, f"{names[kind].split()[0]}, {side}", scheduler)
            with replacing(path) as partial:
                np.save(partial, rows)


def embedding_titles(run: Run) -> dict[str, str]:
    """Name and revision of the encoders of the stored embeddings; empty where there are none."""
    summary = EMBED.folder(run) / SUMMARY
    if not summary.exists():
        return {}
    found = json.loads(summary.read_text())
    return {f"{kind} encoder": found[kind] for kind in KINDS}


def _check_revisions(run: Run) -> None:
    """RunError when a stored embedding is by another revision of an encoder than today's."""
    for kind, before in embedding_titles(run).items():
        name, _, stored = before.partition(" (")
        if present := changed_revision(name, stored.removesuffix(")"), run.config.encoders):
            raise RunError(
                f"{EMBED.folder(run)} holds embeddings by the {kind} {before}, this version has {name} "
                f"({present}): remove that folder and run `{EMBED.command_for(run)}`"
            )


def speaker_vectors(
    run: Run, utterances: list[Utterance], progress: Progress = silent
) -> dict[str, dict[str, np.ndarray]]:
    """Speaker embeddings of some utterances, {encoder: {"source" and "target": (n, S)}}.

    The encoder of the vocoder's condition first, then the evaluation encoders. RunError as ``load_embeddings``.
    """
    manifest, embeddings, config = load_manifest(run), load_embeddings(run), run.config.encoders
    rows = embeddings.rows(utterances)
    found = {embeddings.speaker_encoder.split()[0]: {side: x[rows] for side, x in embeddings.speaker.items()}}
    for load in map(EvaluationEncoder, config.evaluation):
        name = loaded(load, config).name
        found[name] = {
            side: embed_files(
                map(path, utterances), load, config, run.path / "embeddings" / "store", progress, f"{name}, {side}"
            )
            for side, path in (("source", manifest.source), ("target", manifest.target))
        }
    return found


def voice_of(utterance: Utterance, manifest: Manifest, embeddings: Embeddings, audio: AudioConfig) -> Voice:
    """The speaker as the vocoder needs it: embeddings and log-F0 median of the Spanish recording."""
    pitch = track(read_audio(manifest.source(utterance))[0], audio)
    return Voice(*embeddings.condition(utterance), pitch.log_f0_median)


def recorded_voice(
    wav: np.ndarray, audio: AudioConfig, encoders: tuple[Encoder, Encoder], source: object = "audio"
) -> Voice:
    """The voice of a recording (N,) at ``audio.sample_rate``: its embeddings, and its log-F0 median.

    ``encoders``: of the speaker and of the emotion. An error names the ``source``.
    """
    speaker, emotion = (embed(encoder, wav, audio.sample_rate, source) for encoder in encoders)
    return Voice(speaker, emotion, track(wav, audio).log_f0_median)
