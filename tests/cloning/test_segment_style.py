"""The style of each segment: known pitches and embeddings, by hand, and through the pipeline."""

import json
from dataclasses import replace

import numpy as np
import pytest
from cloning_stages import HZ, PLAIN, pipeline
from helpers import spoken, voiced

from thesis_lib.audio.files import resample
from thesis_lib.audio.pitch import PITCH_CHANNEL, Movement, track
from thesis_lib.audio.voice_activity import RATE, Segment
from thesis_lib.cloning import speaker as module
from thesis_lib.cloning import target_speaker
from thesis_lib.cloning.prosody import followed
from thesis_lib.cloning.recording_speakers import RecordingSpeakers
from thesis_lib.cloning.segment_cache import SegmentCache
from thesis_lib.cloning.segment_style import MEDIAN_PRIOR_SECONDS, STYLE_PRIOR_SECONDS, SegmentStyles, in_segment
from thesis_lib.cloning.segments import TranslatedSegment
from thesis_lib.cloning.speaker import Speaker
from thesis_lib.config import CloningConfig
from thesis_lib.embeddings.encoders import embed
from thesis_lib.vocoder.synthesis import Vocoder
from thesis_lib.vocoder.voice import Voice

LOW, HIGH = 120.0, 180.0  # Hz
SECONDS = 3.0


def segment(f0: float, start: float = 0.0, seconds: float = SECONDS) -> Segment:
    return Segment(start, start + seconds, voiced(seconds, RATE, f0))


@pytest.fixture
def analysed(stages):
    """A pipeline, the voice of a recording of two segments, and the segments."""
    made, segments = pipeline(stages), [segment(LOW), segment(HIGH, SECONDS + 1)]
    return made, made.analyse_speaker(segments, alone=True), segments


def test_each_segment_has_its_own_pitch(analysed):
    """Nearly all of a segment's 3 s are voiced: the difference of the medians counts by n / (n + n0)."""
    made, speaker, segments = analysed
    recorded = speaker.recorded.log_f0_median
    share = SECONDS / (SECONDS + MEDIAN_PRIOR_SECONDS)
    for one, f0 in zip(segments, (LOW, HIGH), strict=True):
        found = in_segment(made.analyser, speaker, one, 1.0).voice.log_f0_median
        assert found == pytest.approx(recorded + share * (np.log(f0) - recorded), abs=0.02)


def test_each_segment_has_its_own_embedding_and_log_f0_std(analysed):
    made, speaker, (first, _) = analysed
    recorded, found = speaker.recorded, in_segment(made.analyser, speaker, first, 1.0).voice
    share = SECONDS / (SECONDS + STYLE_PRIOR_SECONDS)
    own = embed(made.analyser.emotion_encoder, first.wav, RATE)
    assert found.emotion == pytest.approx(recorded.emotion + share * (own - recorded.emotion), rel=0.1, abs=0.02)
    assert found.log_f0_std < 0.7 * recorded.log_f0_std  # the recording's has the difference of both segments
    assert found.speaker is speaker.voice.speaker


def test_a_recording_of_one_segment_stays_as_it_is(stages):
    made, one = pipeline(stages), segment(LOW)
    speaker = made.analyse_speaker([one], alone=True)
    found = in_segment(made.analyser, speaker, one, 1.0).voice
    assert found.log_f0_median == speaker.voice.log_f0_median
    assert found.log_f0_std == speaker.voice.log_f0_std
    assert (found.emotion == speaker.voice.emotion).all()


def glide(low: float, high: float, seconds: float = SECONDS) -> Segment:
    """F0 moves evenly from one frequency to the other, in octaves."""
    f0 = np.geomspace(low, high, int(seconds * RATE))
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    wav = 0.1 * sum(np.sin(k * phase) / k for k in range(1, 10))
    return Segment(0.0, seconds, wav.astype(np.float32))


def test_each_segment_has_its_own_movement(analysed):
    made, speaker, _ = analysed
    rise, fall = (in_segment(made.analyser, speaker, glide(*ends), 1.0).voice for ends in ((120, 180), (180, 120)))
    # The cosine series of a straight line from 0 to h: -4 h / pi^2 for the first cosine, 0 for the second.
    first = -4 * np.log(1.5) / np.pi**2
    assert rise.movement.coefficients[:2] == pytest.approx((first, 0), abs=0.01)
    assert fall.movement.coefficients[:2] == pytest.approx((-first, 0), abs=0.01)
    assert rise.movement.share == 1.0
    assert speaker.voice.movement is None
    half = in_segment(made.analyser, replace(speaker, followed=0.5), glide(120, 180), 1.0).voice
    assert half.movement == rise.movement.scaled(0.5)
    assert in_segment(made.analyser, speaker, glide(120, 180, 20.1), 1.0).voice.movement is None, "not measured whole"
    whispered = replace(segment(LOW), wav=segment(LOW).wav * (np.arange(int(SECONDS * RATE)) < 0.15 * RATE))
    assert in_segment(made.analyser, speaker, whispered, 1.0).voice.movement is None, "0.15 s are voiced"


@pytest.mark.parametrize(("changes", "rises"), [({}, True), ({"follow_movement": False}, False)])
def test_the_output_rises_as_the_segment_does(stages, monkeypatch, changes, rises):
    """The synthesizer's speech is replaced by one that falls."""
    seen = []
    monkeypatch.setattr(Vocoder, "samples", lambda self, content, *given: seen.append(content[0]) or np.zeros(HZ))
    made = pipeline(stages, PLAIN.model_copy(update=changes))
    falling = resample(glide(180, 120).wav, RATE, HZ)
    monkeypatch.setattr(type(made), "content", lambda *given: falling)
    rise = glide(120, 180)
    made.synthesise_one(TranslatedSegment(rise, "", "hello my friend"), made.analyse_speaker([rise], alone=True))
    log_f0 = seen[0][PITCH_CHANNEL]
    assert (log_f0[-30] > log_f0[30]) == rises


def test_a_clause_has_its_part_of_the_movement(analysed):
    _, speaker, _ = analysed
    voice, config = replace(speaker.voice, movement=Movement((0.1, 0.2, 0.3))), CloningConfig()
    assert followed(voice, (0.5, 1.0), config).movement == voice.movement.part(0.5, 1.0)
    assert followed(voice, (0.0, 1.0), config.model_copy(update={"follow_movement": False})).movement is None
    assert followed(voice, (0.0, 1.0), config.model_copy(update={"follow_pitch": False})).log_f0_std is None
    assert followed(speaker.voice, (0.0, 0.5), config) == speaker.voice


def test_the_difference_is_limited_to_an_octave(analysed):
    made, speaker, (first, _) = analysed
    far = replace(speaker, recorded=replace(speaker.recorded, log_f0_median=np.log(LOW) - 2))
    assert in_segment(made.analyser, far, first, 1.0).voice.log_f0_median == speaker.voice.log_f0_median + np.log(2)


def test_the_strength_scales_the_difference(analysed):
    made, speaker, (first, _) = analysed
    levels = [in_segment(made.analyser, speaker, first, x).voice.log_f0_median for x in (0.0, 1.0, 2.0)]
    assert levels[0] == speaker.voice.log_f0_median
    assert levels[2] - levels[0] == pytest.approx(2 * (levels[1] - levels[0]))


@pytest.mark.parametrize("mix", [0.0, 0.5, 1.0])
def test_the_style_of_another_recording_replaces_that_of_the_segments(analysed, mix):
    made, speaker, (first, _) = analysed
    target = target_speaker(speaker, [], replace(speaker, voice=speaker.voice), mix)
    moved = in_segment(made.analyser, target, first, 1.0).voice.log_f0_median - speaker.voice.log_f0_median
    whole = in_segment(made.analyser, speaker, first, 1.0).voice.log_f0_median - speaker.voice.log_f0_median
    assert moved == pytest.approx((1 - mix) * whole)


def test_short_or_unvoiced_segments_and_unknown_recordings_have_the_style_of_the_voice(analysed):
    made, speaker, (first, _) = analysed
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    assert in_segment(made.analyser, speaker, segment(LOW, seconds=0.9), 1.0) is speaker
    assert in_segment(made.analyser, speaker, Segment(0.0, 2.0, noise), 1.0) is speaker
    assert in_segment(made.analyser, speaker, Segment(0.0, 2.0, np.zeros(0, np.float32)), 1.0) is speaker
    unknown = Speaker(speaker.voice)
    assert in_segment(made.analyser, unknown, first, 1.0) is unknown


def test_a_voice_without_f0_statistics_keeps_none(analysed):
    made, speaker, (first, _) = analysed
    plain = replace(speaker, voice=Voice(speaker.voice.speaker))
    found = in_segment(made.analyser, plain, first, 1.0).voice
    assert found == replace(plain.voice, movement=found.movement)


@pytest.mark.parametrize("follow", [True, False])
def test_the_pipeline_follows_each_segment(stages, monkeypatch, follow):
    seen = []
    monkeypatch.setattr(Vocoder, "render", lambda self, wav, voice, *given: seen.append(voice) or wav)
    made = pipeline(stages, PLAIN.model_copy(update={"follow_segments": follow}))
    segments = [segment(LOW), segment(HIGH, SECONDS + 1)]
    speaker = made.analyse_speaker(segments, alone=True)
    list(made.synthesise([TranslatedSegment(one, "hola", "hello my friend") for one in segments], speaker))
    first, second = (np.exp(voice.log_f0_median) for voice in seen)
    if follow:
        assert (first, second) == (pytest.approx(LOW, rel=0.05), pytest.approx(HIGH, rel=0.05))
    else:
        assert first == second


def test_a_clipped_segment_has_the_style_of_the_recording(analysed):
    """A shout may be clipped in a recording with a beginning that is not."""
    made, speaker, (first, _) = analysed
    clipped = replace(first, wav=np.clip(40 * first.wav, -1, 1).astype(np.float32))
    assert in_segment(made.analyser, speaker, clipped, 1.0) is speaker


def test_content_from_a_recording_keeps_the_style_of_the_source(stages, monkeypatch):
    """The segment is then the English recording, of another person."""
    seen = []
    monkeypatch.setattr(Vocoder, "render", lambda self, wav, voice, *given: seen.append(voice) or wav)
    made = pipeline(stages)
    speaker = made.analyse_speaker([segment(LOW)], alone=True)
    english = segment(HIGH)
    made.synthesise_one(TranslatedSegment(english, "", "", spoken=english.wav), speaker)
    assert seen[0].log_f0_median == speaker.voice.log_f0_median


def test_a_given_speaker_keeps_the_own_pitch(stages, monkeypatch):
    """The difference of a segment is that from its own recording, not from the recording of the given speaker."""
    seen = []
    monkeypatch.setattr(Vocoder, "render", lambda self, wav, voice, *given: seen.append(voice) or wav)
    made = pipeline(stages)
    other = made.analyse_speaker([segment(HIGH)], alone=True)
    made(resample(spoken(0), HZ, RATE), RATE, text="hello my friend", speaker=other)
    assert seen[0].log_f0_median == pytest.approx(other.voice.log_f0_median, abs=1e-6)


def test_a_recording_with_other_speakers_has_one_style(stages, monkeypatch):
    """A segment may be of somebody else, and only one voice is extracted."""
    made, two = pipeline(stages), [segment(LOW), segment(HIGH, SECONDS + 1)]
    monkeypatch.setattr(module, "dominant", lambda segments, *given: module.MainSpeaker([segments[0].wav], 0.5))
    assert made.analyse_speaker(two).recorded is None
    monkeypatch.setattr(module, "dominant", lambda segments, *given: module.MainSpeaker([segments[0].wav], 0.1))
    assert made.analyse_speaker(two).recorded is not None


def test_clauses_of_one_segment_are_measured_once(analysed, monkeypatch):
    made, speaker, (first, second) = analysed
    styles, calls = SegmentStyles(made.analyser), []
    emotion = made.analyser.emotion
    monkeypatch.setattr(made.analyser, "emotion", lambda wav: calls.append(1) or emotion(wav))
    assert styles(speaker, first) is styles(speaker, first)
    assert len(calls) == 1
    styles(speaker, second)
    styles(speaker, first)
    assert len(calls) == 3


def test_the_only_segment_of_a_recording_is_analysed_once(stages, monkeypatch):
    made, encoded, tracked = pipeline(stages), [], []
    monkeypatch.setattr(module, "embed", lambda encoder, *given: encoded.append(encoder.name) or embed(encoder, *given))
    monkeypatch.setattr(module, "track", lambda *given: tracked.append(1) or track(*given))
    one, other = segment(LOW), segment(HIGH)
    speaker = made.analyse_speaker([one], alone=True)
    copy = replace(one, wav=one.wav.copy())  # a recording is read once for its voice and again for its segments
    found = in_segment(made.analyser, speaker, copy, 1.0)
    emotion = made.analyser.emotion_encoder.name
    assert (encoded.count(emotion), len(tracked)) == (1, 1)
    assert np.array_equal(found.voice.emotion, speaker.voice.emotion)
    assert found.voice.log_f0_median == speaker.voice.log_f0_median
    fresh = pipeline(stages).analyser
    assert np.array_equal(made.analyser.emotion(other.wav), fresh.emotion(other.wav))
    assert made.analyser.pitch(other.wav).range == fresh.pitch(other.wav).range
    assert encoded.count(emotion) == 3, "other speech is not taken for the speech before"


def test_the_recorded_voice_is_kept_in_the_cache(analysed, tmp_path):
    _, speaker, _ = analysed
    cache = SegmentCache(tmp_path, "0" * 12, "")
    for share in (1.0, 0.25):
        cache.put_speakers(RecordingSpeakers({"1": replace(speaker, followed=share)}))
        found = cache.get_speakers().by_label["1"]
        assert found.followed == share
        assert found.recorded.log_f0_median == speaker.recorded.log_f0_median
        assert (found.recorded.emotion == speaker.recorded.emotion).all()
    cache.put_speakers(RecordingSpeakers({"1": replace(speaker, recorded=None)}))
    stored = json.loads((tmp_path / "speaker-000000000000.json").read_text())
    assert set(stored) == {"speakers", "turns", "notes"}, "as earlier versions wrote it"
    assert cache.get_speakers().by_label["1"].recorded is None
