"""The speakers of the swap tests: of the run's corpus, or of a folder of human recordings."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thesis_lib.audio.decoding import READ_SUFFIXES
from thesis_lib.audio.files import read_audio
from thesis_lib.config import Config, digest
from thesis_lib.corpus.manifest import Split, Utterance
from thesis_lib.corpus.split import spread
from thesis_lib.embeddings.encoders import Encoder, emotion_encoder, speaker_encoder
from thesis_lib.runs.embed import load_embeddings, recorded_voice, voice_of
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.prepare import load_manifest
from thesis_lib.utils.files import fingerprint
from thesis_lib.vocoder.rendering import BaseVocoder
from thesis_lib.vocoder.voice import Voice

SPEAKERS_PER_KIND = 8  # content speakers, and target speakers of each kind
CENTROID_RECORDINGS = 3  # of a speaker
OTHER_RECORDINGS, OTHER_HALF = "other recordings", "other half of one recording"


@dataclass(frozen=True)
class SwapSpeaker:
    """A speaker of the test: content to render, a voice as condition, and recordings to compare with."""

    name: str
    kind: str  # "seen", "unseen" (by training), or "human" (unseen too)
    content_id: str
    content: np.ndarray  # (N,)
    voice: Voice
    references: list[np.ndarray]  # each (N,), neither the content nor the condition: the speaker's enrolment
    # The references are recordings other than the condition's, or the other half of it, with its microphone and day.
    enrolment: str = OTHER_RECORDINGS
    sex: str = ""  # "f" or "m", recorded or estimated; "" where it is not known


def corpus_speakers(run: Run) -> list[SwapSpeaker]:
    """Speakers of the training split ("seen") and of the test split ("unseen") with at least two recordings.

    Raises RunError for fewer than two test speakers.
    """
    found = speakers_of_split(run, "unseen", "test") + speakers_of_split(run, "seen", "train")
    if len({s.name for s in found if s.kind == "unseen"}) < 2:
        raise RunError("the swap test needs two test speakers with two recordings each: take a larger corpus.limit")
    return found


def speakers_of_split(
    run: Run, kind: str, split: Split, count: int = SPEAKERS_PER_KIND, but: str | None = None
) -> list[SwapSpeaker]:
    """At most ``count`` speakers of a split with at least two recordings, spread over their names.

    No speaker is enrolled by the recording of the condition: in a corpus of one language that is another target.
    ``but``: names that begin with it are left out.
    """
    manifest, embeddings = load_manifest(run), load_embeddings(run, ("source",))
    by_speaker: dict[str, list[Utterance]] = {}
    for utterance in manifest.split(split):
        if but is None or not utterance.speaker.startswith(but):
            by_speaker.setdefault(utterance.speaker, []).append(utterance)
    others_of = {
        name: [u for u in own[1:] if u.target_audio != own[0].source_audio] for name, own in by_speaker.items()
    }
    names = sorted(name for name, others in others_of.items() if others)
    found = []
    for name in [names[i] for i in spread(len(names), count)]:
        first, others = by_speaker[name][0], others_of[name]
        wavs = [read_audio(manifest.target(u))[0] for u in (first, *others[:CENTROID_RECORDINGS])]
        voice = voice_of(first, manifest, embeddings, run.config.audio)
        found.append(SwapSpeaker(name, kind, first.id, opening(wavs[0], run.config), voice, wavs[1:]))
    return found


def recordings_by_speaker(folder: Path) -> dict[str, list[Path]]:
    """Speaker -> recordings of a folder: a subfolder is a speaker, and so is each file beside the subfolders.

    Both in the order of their names. Raises RunError where there is no such folder, where a recording lies deeper than
    in a subfolder, where two of the names are the same, and for a symbolic link that leads nowhere.
    """
    if not folder.is_dir():
        raise RunError(f"human voices: {folder} is no folder")
    speakers: dict[str, list[Path]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in READ_SUFFIXES and not p.is_dir()):
        if not path.exists():
            raise RunError(f"human voices: {path} is a link to a file that is not there: remove or mend it")
        *folders, file = path.relative_to(folder).parts
        if len(folders) > 1:
            raise RunError(
                f"human voices: {path} lies in a folder of a folder: name {path.parent} itself, or put a folder for "
                f"each speaker directly in {folder}"
            )
        own = speakers.setdefault(folders[0] if folders else path.stem, [])
        if own and (not folders or own[0].parent == folder):
            raise RunError(f"human voices: {own[0]} and {path} are two speakers of one name: rename one of them")
        own.append(path)
    return speakers


def human_speakers(
    folder: Path, config: Config, count: int | None = 2 * SPEAKERS_PER_KIND, vocoders: Iterable[BaseVocoder] = ()
) -> list[SwapSpeaker]:
    """The speakers of a folder (``recordings_by_speaker`` has its layout).

    Of several recordings of a speaker, the first is content and condition, the next ``CENTROID_RECORDINGS`` are the
    references. Of a single one, the first half is content and condition, the second half the reference. At most
    ``count`` speakers, spread over the folder in the order of their names; None: all. ``vocoders`` are those to be
    conditioned on the speakers.

    Raises RunError as ``recordings_by_speaker``, and for fewer than two speakers; EncoderMismatchError where a vocoder
    was trained with other encoders than those of ``config``; AudioError names a file that cannot be used.
    """
    speakers = recordings_by_speaker(folder)
    if len(speakers) < 2:
        count_of = sum(map(len, speakers.values()))
        raise RunError(f"human voices: {folder} holds {count_of} recordings, the test needs two speakers or more")
    encoders = speaker_encoder(config.encoders), emotion_encoder(config.encoders)
    for vocoder in vocoders:
        vocoder.description.check_encoders(*encoders)
    return [_human_speaker(name, paths, config, encoders) for name, paths in _read_of(speakers, count).items()]


def _read_of(speakers: dict[str, list[Path]], count: int | None) -> dict[str, list[Path]]:
    """The recordings that are read: the first ones of at most ``count`` speakers, spread over the speakers."""
    names = list(speakers)
    chosen = spread(len(names), len(names) if count is None else count)
    return {names[i]: speakers[names[i]][: 1 + CENTROID_RECORDINGS] for i in chosen}


def human_fingerprints(human: str | None, count: int = 2 * SPEAKERS_PER_KIND) -> dict[str, str] | None:
    """Fingerprints of what ``human_speakers`` reads from ``swap.human``: of each recording, and of all names.

    None where no folder is given or it is not there: a finished table then stays as it is.
    """
    if not human or not Path(human).is_dir():
        return None
    speakers = recordings_by_speaker(Path(human))
    names = [path.relative_to(human).as_posix() for own in speakers.values() for path in own]
    read = [path for paths in _read_of(speakers, count).values() for path in paths]
    return {str(Path(human)): digest(names)} | {str(path): fingerprint(path) for path in read}


def _human_speaker(name: str, paths: list[Path], config: Config, encoders: tuple[Encoder, Encoder]) -> SwapSpeaker:
    wavs = [read_audio(path, config.audio.sample_rate)[0] for path in paths]
    enrolment = OTHER_RECORDINGS if len(wavs) > 1 else OTHER_HALF
    own, *references = wavs if len(wavs) > 1 else np.array_split(wavs[0], 2)
    voice = recorded_voice(own, config.audio, encoders, paths[0])
    return SwapSpeaker(name, "human", paths[0].stem, opening(own, config), voice, list(references), enrolment)


def opening(wav: np.ndarray, config: Config) -> np.ndarray:
    """The first ``swap.seconds`` of a recording."""
    return wav[: int(config.swap.seconds * config.audio.sample_rate)]
