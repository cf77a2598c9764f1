"""The stage "embed": speaker and emotion embeddings of every recording of the prepared corpus.

Shapes: n recordings, S and E embedding sizes.
"""

import json
from dataclasses import dataclass
from functools import partial

import numpy as np

from thesis_lib.audio.files import read_audio
from thesis_lib.audio.pitch import track
from thesis_lib.config import AudioConfig, EncoderConfig
from thesis_lib.corpus.manifest import Manifest, Utterance
from thesis_lib.embeddings.encoders import Encoder, emotion_encoder, evaluation_encoders, speaker_encoder
from thesis_lib.embeddings.store import embed_files, loaded, title
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.prepare import prepared
from thesis_lib.utils.files import replacing, write_text
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.vocoder.voice import Voice

SIDES = ("source", "target")  # the Spanish recording of a pair, and the English one


@dataclass(frozen=True)
class Embeddings:
    """Both embeddings of every pair, of both sides or one, in the manifest's order."""

    ids: list[str]
    speaker_encoder: str  # name and revision: what every table cites
    emotion_encoder: str
    speaker: dict[str, np.ndarray]  # side -> (n, S)
    emotion: dict[str, np.ndarray]  # side -> (n, E)

    def rows(self, utterances: list[Utterance]) -> np.ndarray:
        """Their row numbers."""
        place = {id: i for i, id in enumerate(self.ids)}
        return np.array([place[u.id] for u in utterances])

    def condition(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        """(S,), (E,) of the Spanish side: what the vocoder is given."""
        row = self.rows([utterance])[0]
        return self.speaker["source"][row], self.emotion["source"][row]


def embedded(
    run: Run, progress: Progress = silent, scheduler: str | None = None, sides: tuple[str, ...] = SIDES
) -> Embeddings:
    """The run's embeddings; what is missing is computed, here or on a Dask cluster, and kept in the store.

    Training needs the source's alone. Raises RunError when the rest would come from another encoder than what is
    there, because "auto" has changed its meaning since.
    """
    manifest = prepared(run, progress)
    folder = run.path / "embeddings"
    summary = folder / "embeddings.json"
    paths = {(kind, side): folder / f"{kind}_{side}.npy" for kind in ("speaker", "emotion") for side in sides}
    if not summary.exists() or not all(path.exists() for path in paths.values()):
        loaders = {"speaker": speaker_encoder, "emotion": emotion_encoder}
        names = {kind: title(loaded(load, run.config.encoders)) for kind, load in loaders.items()}
        found = {"ids": [u.id for u in manifest], **names}
        if summary.exists() and (before := json.loads(summary.read_text())) != found:
            there, here = (f"{x['speaker']} and {x['emotion']}" for x in (before, found))
            raise RunError(f"{folder} holds embeddings by {there}, today's encoders are {here}: remove that folder")
        write_text(summary, json.dumps(found))
        for (kind, side), path in paths.items():
            if not path.exists():
                files = map(manifest.source if side == "source" else manifest.target, manifest)
                source = (files, loaders[kind], run.config.encoders, folder / "store")
                rows = embed_files(*source, progress, f"{names[kind].split()[0]}, {side}", scheduler)
                with replacing(path) as partial:
                    np.save(partial, rows)
    read = json.loads(summary.read_text())
    speaker, emotion = (
        {side: np.load(paths[kind, side], allow_pickle=False) for side in sides} for kind in ("speaker", "emotion")
    )
    return Embeddings(read["ids"], read["speaker"], read["emotion"], speaker, emotion)


def speaker_vectors(
    run: Run, utterances: list[Utterance], progress: Progress = silent
) -> dict[str, dict[str, np.ndarray]]:
    """{encoder: {"source" and "target": (n, S)}} of some utterances: the condition's encoder, then every encoder."""
    manifest, embeddings, config = prepared(run, progress), embedded(run, progress), run.config.encoders
    rows = embeddings.rows(utterances)
    found = {embeddings.speaker_encoder.split()[0]: {side: x[rows] for side, x in embeddings.speaker.items()}}
    for encoder in evaluation_encoders(config):
        found[encoder.name] = {
            side: embed_files(
                map(path, utterances),
                partial(_given, encoder),
                config,
                run.path / "embeddings" / "store",
                progress,
                f"{encoder.name}, {side}",
            )
            for side, path in (("source", manifest.source), ("target", manifest.target))
        }
    return found


def _given(encoder: Encoder, config: EncoderConfig) -> Encoder:
    return encoder


def voice_of(utterance: Utterance, manifest: Manifest, embeddings: Embeddings, audio: AudioConfig) -> Voice:
    """The Spanish recording's embeddings and pitch range: what the vocoder is given of a speaker."""
    pitch = track(read_audio(manifest.source(utterance))[0], audio)
    return Voice(*embeddings.condition(utterance), pitch.level)
