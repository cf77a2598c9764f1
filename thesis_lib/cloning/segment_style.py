"""Speaking style of one segment, so that the output follows the style from segment to segment.

The style of a whole recording is an average over its segments: a shout between calm sentences would become as calm as
they are. The difference of a segment's style from the recording's is therefore added to the target's. A short segment
measures its style with an error, so that the difference counts by n / (n + n0) for n seconds of voiced speech, with
n0 = variance between recordings of one emotion / variance between emotions, for one second of voiced speech (empirical
Bayes shrinkage, Efron & Morris 1973, doi:10.1080/01621459.1973.10481350). `python -m benchmarks segment_style` measures
n0 on EmoDB. The loudness variation is that of the whole recording: its n0 is above 10 s.
"""

from dataclasses import replace

import numpy as np

from thesis_lib.audio.files import AudioError
from thesis_lib.audio.pitch import MIN_LOG_F0_STD
from thesis_lib.audio.voice_activity import RATE, Segment
from thesis_lib.cloning.speaker import MAX_EMBEDDED_SECONDS, MIN_STYLE_SECONDS, Speaker, SpeakerAnalyser

MEDIAN_PRIOR_SECONDS = 0.2  # n0 of the log-F0 median
STYLE_PRIOR_SECONDS = 1.2  # n0 of the log-F0 standard deviation; used for the emotion embedding too
MIN_MOVEMENT_SECONDS = 0.25  # of voiced speech; the movement of less is that of one syllable
MAX_LOG_F0_DIFFERENCE = float(np.log(2))  # an octave, of a segment's median from the recording's


class SegmentStyles:
    """Speaker and segment -> the speaker with the speaking style of that segment of the recording."""

    def __init__(self, analyser: SpeakerAnalyser) -> None:
        self._analyser = analyser
        self._last: tuple[Speaker, Segment, float, Speaker] | None = None  # live speech has several clauses a segment

    def __call__(self, speaker: Speaker, segment: Segment, strength: float = 1.0) -> Speaker:
        """Return the speaker in the style of the segment, measured on its first ``MAX_EMBEDDED_SECONDS``.

        ``strength`` scales the difference of the log-F0 median; the other statistics are scaled with the voice's. A
        segment of less than ``MIN_STYLE_SECONDS``, without voiced speech, or that is clipped or silent, has the
        recording's style. The voice gets the F0 movement of a segment that is measured whole and has at least
        ``MIN_MOVEMENT_SECONDS`` of voiced speech.
        """
        last = self._last
        if last and last[0] is speaker and last[1] is segment and last[2] == strength:
            return last[3]
        found = in_segment(self._analyser, speaker, segment, strength)
        self._last = speaker, segment, strength, found
        return found


def in_segment(analyser: SpeakerAnalyser, speaker: Speaker, segment: Segment, strength: float) -> Speaker:
    """As ``SegmentStyles``, without its memory of the last segment."""
    recorded, audio, wav = speaker.recorded, analyser.audio, segment.wav[: int(MAX_EMBEDDED_SECONDS * RATE)]
    if recorded is None or not speaker.followed or len(wav) < MIN_STYLE_SECONDS * RATE:
        return speaker
    try:
        emotion = analyser.emotion(wav)
    except AudioError:
        return speaker
    pitch = analyser.pitch(wav)
    if not pitch.is_voiced:
        return speaker
    seconds = float(pitch.voiced.sum()) * audio.hop_length / audio.sample_rate
    style, median = (speaker.followed * seconds / (seconds + n0) for n0 in (STYLE_PRIOR_SECONDS, MEDIAN_PRIOR_SECONDS))
    voice = speaker.voice
    if voice.emotion is not None and recorded.emotion is not None:
        voice = replace(voice, emotion=(voice.emotion + style * (emotion - recorded.emotion)).astype(np.float32))
    if voice.log_f0_median is not None and recorded.log_f0_median is not None:
        difference = strength * median * (pitch.range.log_f0_median - recorded.log_f0_median)
        limited = float(np.clip(difference, -MAX_LOG_F0_DIFFERENCE, MAX_LOG_F0_DIFFERENCE))
        voice = replace(voice, log_f0_median=voice.log_f0_median + limited)
    if voice.log_f0_std is not None and recorded.log_f0_std is not None:
        own, usual = (max(x, MIN_LOG_F0_STD) for x in (pitch.range.log_f0_std, recorded.log_f0_std))
        voice = replace(voice, log_f0_std=voice.log_f0_std * (own / usual) ** style)
    if len(wav) == len(segment.wav) and seconds >= MIN_MOVEMENT_SECONDS:
        voice = replace(voice, movement=pitch.movement().scaled(speaker.followed))
    return replace(speaker, voice=voice)
