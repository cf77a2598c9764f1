"""In which part of acted speech the probes find the emotion: phonetic features, timing, or contours of F0 and energy.

EmoDB has the same sentences by the same actors in several emotions. A recording is aligned with the actor's neutral
recording of the same sentence, by dynamic time warping (Sakoe & Chiba 1978, doi:10.1109/TASSP.1978.1163055) of the
phonetic features. Then the vocoder renders content with some parts from the recording and the others from the neutral
one. Where the contours are the neutral ones, they have the recording's F0 median and F0 standard deviation, as in the
pipeline. Every output has the recording's duration and its speaker and emotion embeddings, except that of
``MEAN_EMOTION``.

THESIS_EMOTIONS names the folder, with a table utterances.tsv and its column "sentence", as for ``emotion``, which has
the measures. Only rows marked "train" are used: the result serves the choice of what the pipeline should follow.

Shapes: C content channels, T and U frames.
"""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import emotion
from benchmarks.acted import Acted, evaluated
from benchmarks.emotion_statistics import SOURCE, comparison
from benchmarks.prosody_model import pitch_of
from benchmarks.prosody_ways import F0_SLOPE, FINAL_MOVEMENT, ContourMeasures
from benchmarks.together import Sound, made_together
from thesis_lib.audio.files import read_audio, resample
from thesis_lib.audio.pitch import PITCH_CENTRE, PITCH_CHANNEL, PITCH_SCALE
from thesis_lib.audio.voice_activity import RATE, Segment, speech_segments
from thesis_lib.cloning import VoiceCloningPipeline, build
from thesis_lib.utils.load_librosa import load_librosa
from thesis_lib.vocoder.content import PHONETIC, stretched
from thesis_lib.vocoder.voice import Voice

ALL, NOTHING = "all", "nothing but level and duration"
PHONETIC_ONLY, TIMING, CONTOURS = "phonetic features", "timing", "contours"
PHONETIC_AND_TIMING, TIMING_AND_CONTOURS = "phonetic features and timing", "timing and contours"
MEAN_EMOTION = "timing and contours, mean emotion embedding"
PARTS = (ALL, TIMING_AND_CONTOURS, MEAN_EMOTION, PHONETIC_AND_TIMING, CONTOURS, TIMING, PHONETIC_ONLY, NOTHING)
NEUTRAL = "neutral"
CORRELATED = (emotion.WORLD_F0_STD, F0_SLOPE, FINAL_MOVEMENT, "loudness variation")


def run(quick: bool) -> dict:
    """The statistics of the outputs with each part of the recording, and their differences to ``NOTHING``."""
    warnings.filterwarnings("ignore", category=UserWarning)
    table, neutral = with_neutral(emotion.acted_recordings(train=True))
    pipeline = build()
    systems = made_together((SOURCE, *PARTS), (SOURCE, *PARTS), partial(rendered_parts, pipeline, neutral))
    items = emotion.items_of(emotion.chosen_recordings(quick, table), RATE)
    measured, missing = evaluated(items, systems, ContourMeasures())
    return comparison(measured, PARTS, NOTHING, CORRELATED) | {"not measured": missing}


def with_neutral(table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Path]]:
    """The rows with another emotion of which the speaker said the sentence neutrally too.

    And the name of each of these recordings -> the path of the neutral one.
    """
    is_neutral = table.emotion == NEUTRAL
    said = {(row.speaker, row.sentence): row.path for row in table[is_neutral].itertuples()}
    paths = {row.path.name: said.get((row.speaker, row.sentence)) for row in table[~is_neutral].itertuples()}
    found = {name: path for name, path in paths.items() if path is not None}
    return table[table.path.map(lambda path: path.name in found)].reset_index(drop=True), found


def rendered_parts(pipeline: VoiceCloningPipeline, neutral: dict[str, Path], item: Acted) -> dict[str, Sound]:
    """System -> its (N,) and sample rate. AudioError if there is no speech."""
    vocoder, segments = pipeline.vocoder, _segments(item.read())
    voice = pipeline.analyse_speaker(segments, item.recording, alone=True).voice
    speech, other = (_speech(found) for found in (segments, _segments(read_audio(neutral[item.recording], RATE))))
    own, plain = (vocoder.features(resample(wav, RATE, vocoder.sample_rate))[0] for wav in (speech, other))
    found: dict[str, Sound] = {SOURCE: (speech, RATE)}
    for part, content in contents(own, plain, voice).items():
        given = replace(voice, emotion=vocoder.mean_emotion) if part == MEAN_EMOTION else voice
        found[part] = vocoder.samples(content[None], given), vocoder.sample_rate
    return found


def contents(own: np.ndarray, plain: np.ndarray, voice: Voice) -> dict[str, np.ndarray]:
    """Content (C, T) of a recording and (C, U) of the neutral one -> part of the recording -> content (C, T)."""
    to_plain, to_own = aligned(own[:PHONETIC], plain[:PHONETIC])
    plain_in_time, own_in_plain_time = plain[:, to_plain], own[:, to_own]
    frames = own.shape[1]
    return {
        ALL: own,
        TIMING_AND_CONTOURS: _joined(plain_in_time, own),
        MEAN_EMOTION: _joined(plain_in_time, own),
        PHONETIC_AND_TIMING: _levelled(_joined(own, plain_in_time), voice),
        CONTOURS: stretched(_joined(plain, own_in_plain_time), frames),
        TIMING: _levelled(plain_in_time, voice),
        PHONETIC_ONLY: stretched(_levelled(_joined(own_in_plain_time, plain), voice), frames),
        NOTHING: stretched(_levelled(plain, voice), frames),
    }


def aligned(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(C, T), (C, U) -> the frame of the other for each frame of the one (T,), and the reverse (U,)."""
    path = load_librosa().sequence.dtw(one, other, metric="cosine")[1]

    def mean_place(side: int, frames: int) -> np.ndarray:
        places = pd.Series(path[:, 1 - side]).groupby(path[:, side]).mean()
        return places.loc[range(frames)].round().to_numpy(int)

    return mean_place(0, one.shape[1]), mean_place(1, other.shape[1])


def _joined(phonetic: np.ndarray, contours: np.ndarray) -> np.ndarray:
    """Phonetic features of one content (C, T), and energy, F0 and voicing of another."""
    return np.concatenate([phonetic[:PHONETIC], contours[PHONETIC:]])


def _levelled(content: np.ndarray, voice: Voice) -> np.ndarray:
    """Content (C, T) at the voice's log-F0 median and standard deviation."""
    moved = content.copy()
    pitch = pitch_of(content).moved(voice.log_f0_median, voice.log_f0_std)
    moved[PITCH_CHANNEL] = (pitch.log_f0 - PITCH_CENTRE) / PITCH_SCALE
    return moved


def _segments(sound: Sound) -> list[Segment]:
    return list(speech_segments([sound[0]], sound[1]))


def _speech(segments: Sequence[Segment]) -> np.ndarray:
    return np.concatenate([segment.wav for segment in segments])
