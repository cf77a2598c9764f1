"""The speakers of a recording: one for all speech, or those of its diarisation; each has a voice."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from thesis_lib.audio.files import AudioError, header, read_blocks, survey
from thesis_lib.audio.loudness import loudness
from thesis_lib.audio.voice_activity import MAIN_SPEAKER, RATE, Segment, check_has_speech, segments_at, speech_segments
from thesis_lib.cloning.diarisation import AUTO, MAX_SPEAKERS, Diarisation, Turn, diarise
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.pipeline import VoiceCloningPipeline
from thesis_lib.cloning.segments import TranslatedSegment
from thesis_lib.cloning.speaker import MAX_EMBEDDED_SECONDS, Speaker, combined_voice
from thesis_lib.cloning.speaker_windows import windows_of
from thesis_lib.cloning.subtitles import default_names
from thesis_lib.cloning.translation import MAX_ANALYSED_SECONDS, translated_speech
from thesis_lib.utils.progress import Progress, by_seconds, silent

MAX_LISTED_OVERLAPS = 10
MAX_SPEAKER_COUNT_DIGITS = 9  # longer text is not converted to int, and check_speakers refuses it
DIARISED = "speakers"  # label of the diarisation's progress


@dataclass(frozen=True)
class RecordingSpeakers:
    """The speakers of a recording and the turns that it is cut into; without turns there is one speaker."""

    by_label: dict[str, Speaker]
    turns: tuple[Turn, ...] = ()
    notes: tuple[str, ...] = ()  # of the diarisation

    def of(self, translated: TranslatedSegment) -> Speaker:
        """The speaker of a segment."""
        return self.by_label[translated.segment.speaker]

    @property
    def names(self) -> dict[str, str]:
        """Label -> name in subtitles; empty for one speaker."""
        return default_names(self.by_label)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The notes of the diarisation and the warnings of all voices, each once."""
        every = (warning for speaker in self.by_label.values() for warning in speaker.warnings)
        return tuple(dict.fromkeys((*self.notes, *every)))

    def segments(self, source: Path) -> Iterator[Segment]:
        """The segments of speech of the recording, each of one speaker."""
        blocks, rate = read_blocks(source), header(source)[0]
        return segments_of(blocks, rate, self.turns) if self.turns else speech_segments(blocks, rate)


def given_speakers(text: str) -> int | str:
    """Convert the text of ``--speakers``: a few digits to a number; other text stays, and is refused later."""
    return int(text) if text.isdecimal() and len(text) <= MAX_SPEAKER_COUNT_DIGITS else text


def check_speakers(speakers: int | str) -> None:
    """Raise CloningError for a number of speakers that is neither ``AUTO`` nor 1 to ``MAX_SPEAKERS``."""
    if speakers != AUTO and not (isinstance(speakers, int) and 1 <= speakers <= MAX_SPEAKERS):
        raise CloningError(f"--speakers {speakers}: give {AUTO}, or a number from 1 to {MAX_SPEAKERS}")


def speakers_of_recording(
    pipeline: VoiceCloningPipeline,
    source: Path,
    speakers: int | str = 1,
    voice_from: Sequence[Path] = (),
    emotion_from: Path | None = None,
    emotion_mix: float = 1.0,
    progress: Progress = silent,
    is_translated: bool = True,
) -> RecordingSpeakers:
    """Extract the voices of a recording and the speaking style of the output.

    ``speakers`` is their number or ``AUTO``; with 1 the voice is that of the main speaker. Voices are extracted from
    speech that is translated, so that an announcement in English has no part in them; of a single speaker only where
    ``is_translated``. Where none of the examined speech is translated, it is all used. ``voice_from`` replaces the
    voice, ``emotion_from`` the speaking style by the share ``emotion_mix``. ``progress`` shows the diarisation. Raises
    AudioError for a recording without speech, CloningError for speakers that cannot be told apart.
    """
    if speakers == 1:
        found = RecordingSpeakers({MAIN_SPEAKER: speaker_of(pipeline, source, is_translated)})
    else:
        count = None if speakers == AUTO else int(speakers)
        found = speakers_of_diarisation(pipeline, source, diarised(pipeline, source, count, progress))
    others = [speaker_of(pipeline, path) for path in voice_from]
    style = speaker_of(pipeline, emotion_from) if emotion_from else None
    targets = {label: target_speaker(own, others, style, emotion_mix) for label, own in found.by_label.items()}
    return replace(found, by_label=targets)


def target_speaker(own: Speaker, others: Sequence[Speaker], style: Speaker | None, mix: float) -> Speaker:
    """Combine voices and speaking style (``combined_voice``); the warnings are those of all recordings."""
    every = [own, *others, *([style] if style else [])]
    voice = combined_voice(own.voice, [other.voice for other in others], style.voice if style else None, mix)
    warnings = dict.fromkeys(warning for speaker in every for warning in speaker.warnings)  # one recording may be both
    prosody = own.prosody.mixed_with(style.prosody, mix) if style else own.prosody
    followed = 1.0 - mix if style else 1.0
    return replace(own, voice=voice, warnings=tuple(warnings), prosody=prosody, followed=followed)


def speaker_of(pipeline: VoiceCloningPipeline, path: Path, is_translated: bool = False) -> Speaker:
    """Extract the voice of a file, of translated speech only with ``is_translated``. AudioError without speech."""
    segments = speech_segments(read_blocks(path), header(path)[0])
    return pipeline.analyse_speaker(segments, path, is_translated=is_translated)


def diarised(
    pipeline: VoiceCloningPipeline, source: Path, count: int | None, progress: Progress = silent
) -> Diarisation:
    """Who speaks when in a recording; ``count`` is the number of speakers, None: unknown.

    Raises AudioError for a recording without speech, CloningError for speakers that cannot be told apart.
    """
    encoder = pipeline.analyser.speaker_encoder
    embedded = (windows_of(x, encoder) for x in speech_segments(read_blocks(source), header(source)[0]))
    windows = list(by_seconds(embedded, survey(source).seconds, progress, DIARISED, lambda found: found.end))
    check_has_speech(windows, source)
    return diarise(windows, count, source)


def speakers_of_diarisation(pipeline: VoiceCloningPipeline, source: Path, found: Diarisation) -> RecordingSpeakers:
    """Extract the voice of each speaker of a diarisation; of a single one as without a diarisation.

    A speaker with unusable speech gets the voice of the nearest other one, and a note has the reason. Raises
    AudioError where no speaker has usable speech.
    """
    notes = _notes(found, source, pipeline.analyser.speaker_encoder.name)
    if len(found.speakers) == 1:
        return RecordingSpeakers({MAIN_SPEAKER: speaker_of(pipeline, source, is_translated=True)}, notes=notes)
    spoken: dict[str, list[Segment]] = {label: [] for label in found.speakers}
    for segment in segments_of(read_blocks(source), header(source)[0], _longest(found)):
        spoken[segment.speaker].append(segment)
    spoken = {label: _longest_translated(pipeline, own) for label, own in spoken.items()}
    speakers: dict[str, Speaker] = {}
    refused: dict[str, AudioError] = {}
    for label, own in spoken.items():
        try:
            speakers[label] = pipeline.analyse_speaker(own, f"{source}, speaker {label}", alone=True)
        except AudioError as error:
            refused[label] = error
    if not speakers:
        raise next(iter(refused.values()))
    nearest = {label: found.nearest(label, list(speakers)) for label in refused}
    replaced = {label: _in_voice_of(speakers[other], spoken[label]) for label, other in nearest.items()}
    notes += tuple(_replaced_note(refused[label], label, other) for label, other in nearest.items())
    return RecordingSpeakers({label: (speakers | replaced)[label] for label in spoken}, found.turns, notes)


def _in_voice_of(other: Speaker, segments: Sequence[Segment]) -> Speaker:
    """Voice and speaking style of another speaker, with the loudness of the segments; without the other's warnings."""
    own = loudness(np.concatenate([segment.wav for segment in segments]), RATE)
    return replace(other, warnings=(), loudness=own, recorded=None)


def _replaced_note(reason: AudioError, label: str, other: str) -> str:
    return (
        f"{reason}; until then speaker {label} has the voice and the speaking style of speaker {other}, the speaker "
        "with the most similar voice"
    )


def _longest_translated(pipeline: VoiceCloningPipeline, segments: Sequence[Segment]) -> list[Segment]:
    """The longest segments of translated speech up to ``MAX_EMBEDDED_SECONDS``, in their order in the recording."""
    by_length = sorted(segments, key=lambda segment: -segment.duration)
    kept = translated_speech(by_length, pipeline.translator, pipeline.config.language, MAX_EMBEDDED_SECONDS)
    return sorted(kept, key=lambda segment: segment.start)


def _longest(found: Diarisation) -> list[Turn]:
    """The longest turns of each speaker up to ``MAX_ANALYSED_SECONDS``, in their order in the recording."""
    kept = []
    for label in found.speakers:
        seconds = 0.0
        for turn in sorted((x for x in found.turns if x.speaker == label), key=lambda x: -x.duration):
            if seconds < MAX_ANALYSED_SECONDS:
                kept.append(turn)
                seconds += turn.duration
    return sorted(kept, key=lambda turn: turn.start)


def segments_of(blocks: Iterable[np.ndarray], rate: int, turns: Sequence[Turn]) -> Iterator[Segment]:
    """Blocks (n,) of a recording -> the segment of each turn, with its speaker."""
    cut = segments_at(blocks, rate, [(turn.start, turn.end) for turn in turns])
    return (replace(segment, speaker=turn.speaker) for segment, turn in zip(cut, turns, strict=True))


def _notes(found: Diarisation, source: Path, encoder: str) -> tuple[str, ...]:
    """Notes: share of each speaker, times of overlaps, and an encoder for which the thresholds were not chosen."""
    total = sum(turn.duration for turn in found.turns)
    shares = ", ".join(f"{x} ({found.seconds(x) / total:.0%} of the speech)" for x in found.speakers)
    notes = [f"{source}: speakers: {shares}"]
    if found.auto_count != len(found.speakers):
        notes.append(f"{source}: --speakers {AUTO} would find {found.auto_count}, not {len(found.speakers)} speakers")
    if places := [f"{start:.1f}-{end:.1f}" for start, end in found.overlaps]:
        more = f" and {len(places) - MAX_LISTED_OVERLAPS} more" if len(places) > MAX_LISTED_OVERLAPS else ""
        listed = ", ".join(places[:MAX_LISTED_OVERLAPS])
        notes.append(
            f"{source}: two people may speak at once at {listed} s{more}: the voice is that of the louder one, "
            "and the translation may mix both"
        )
    if encoder != "ecapa":
        notes.append(f"{source}: speakers were told apart by {encoder}, with thresholds that were chosen for ecapa")
    return tuple(notes)
