"""Live speech is measured while it is translated; what is left out has no part in the voice."""

import time
from dataclasses import replace
from threading import Event, Thread

import numpy as np
import pytest
from cloning_stages import Translator, before_analysis, pipeline
from helpers import spoken

from thesis_lib.audio.voice_activity import RATE, Segment
from thesis_lib.cloning.live_voice import SETTLED_SECONDS, LiveVoice, SegmentVoice
from thesis_lib.cloning.segments import Style, TranslatedSegment
from thesis_lib.cloning.speaker import Speaker
from thesis_lib.vocoder.voice import Voice

SEGMENTS = [Segment(start, start + 4.0, np.zeros(4 * RATE, np.float32)) for start in (0.0, 5.0, 10.0, 15.0, 20.0)]


def measured(left_out: set[float]) -> dict[float, tuple[list[float], float | None]]:
    """Start of each translated segment -> starts of those that its voice is from, and the start of the voice before."""
    found = {}

    def measure(voices: list[Segment], before: Speaker | None, segment: Segment) -> SegmentVoice:
        found[segment.start] = [one.start for one in voices], before and before.loudness
        voice = Speaker(Voice(), loudness=segment.start) if voices else before
        return SegmentVoice(voice, voice, Style(1.0, 1.0))

    with LiveVoice(measure) as live:
        segments = (segment for segment in live.measured(SEGMENTS) if segment.start not in left_out)
        for translated in live.kept(TranslatedSegment(segment, "", "hello") for segment in segments):
            assert live.of(translated.segment) is live.of(translated.segment), "for every clause of the segment"
    return found


def test_the_voice_is_that_of_the_first_ten_seconds():
    assert SETTLED_SECONDS == 10
    assert measured(set()) == {
        0.0: ([0.0], None),
        5.0: ([0.0, 5.0], 0.0),
        10.0: ([0.0, 5.0, 10.0], 5.0),
        15.0: ([], 10.0),
        20.0: ([], 10.0),
    }


def test_a_segment_that_is_left_out_has_no_part_in_the_voice_of_later_ones():
    found = measured({0.0, 10.0})
    assert found[5.0] == ([5.0], None)
    assert found[15.0] == ([5.0, 15.0], 5.0)
    assert found[20.0] == ([5.0, 15.0, 20.0], 15.0)


def test_the_measurement_does_not_wait_for_the_translation(stages):
    made, begun = pipeline(stages), Event()
    translate = made.translator
    before_analysis(made, begun.set)

    def slow(*given):
        assert begun.wait(20), "the translation has begun, and the voice is not measured"
        return translate(*given)

    made.translator = slow
    (one, *_) = made.live([spoken(0, RATE)], RATE)
    assert len(one.wav)


def test_an_error_of_the_measurement_reaches_the_caller(stages):
    made = pipeline(stages)

    def fail():
        raise ValueError("not measured")

    before_analysis(made, fail)
    with pytest.raises(ValueError, match="not measured"):
        list(made.live([spoken(0, RATE)], RATE))


def test_nothing_is_kept_of_segments_that_are_left_out():
    measure = lambda voices, before, segment: SegmentVoice(Speaker(Voice()), Speaker(Voice()), Style(1.0))  # noqa: E731
    with LiveVoice(measure) as live:
        translated = live.kept(TranslatedSegment(segment, "", "hello") for segment in live.measured(SEGMENTS[:1]))
        live.of(next(translated).segment)
        (noise,) = live.measured(SEGMENTS[1:2])
        with pytest.raises(KeyError):
            live.of(noise)


def tried(expected: list[Segment], given: list[Segment]) -> tuple[list[float], list[float]]:
    """Ends of the segments that are measured, and of those that are prepared; each is expected before it is given."""
    measured, prepared = list[float](), list[float]()

    def measure(voices: list[Segment], before: Speaker | None, segment: Segment) -> SegmentVoice:
        measured.append(segment.end)
        return SegmentVoice(Speaker(Voice(), loudness=segment.end), Speaker(Voice()), Style(1.0))

    def prepare(segment: Segment) -> None:
        time.sleep(0.1)
        prepared.append(segment.end)
        raise ValueError("of no consequence: the translation raises it again")

    with LiveVoice(measure, prepare) as live:

        def segments():
            for early, segment in zip(expected, given, strict=True):
                live.expect(early)
                yield segment

        for segment in live.measured(segments()):
            if segment.end in {one.end for one in expected}:
                assert segment.end in prepared, "the translation does not begin before"
            (found,) = live.kept([TranslatedSegment(segment, "", "hello")])
            assert live.of(found.segment).voice.loudness == segment.end
    return measured, prepared


def test_an_expected_segment_is_measured_and_prepared_once():
    ends = [segment.end for segment in SEGMENTS[:2]]
    assert tried(SEGMENTS[:2], SEGMENTS[:2]) == (ends, ends)


def test_a_segment_that_ends_elsewhere_than_expected_is_measured_again():
    early = replace(SEGMENTS[0], end=2.0)
    measured, _ = tried([early, SEGMENTS[1]], SEGMENTS[:2])
    assert [end for end in measured if end != early.end] == [segment.end for segment in SEGMENTS[:2]]


def test_the_end_of_the_context_does_not_leave_the_translation_waiting():
    begun, waiting, may_end, found = Event(), Event(), Event(), []

    def prepare(segment: Segment) -> None:
        begun.set()
        assert may_end.wait(20)

    measure = lambda voices, before, segment: SegmentVoice(Speaker(Voice()), Speaker(Voice()), Style(1.0))  # noqa: E731
    live = LiveVoice(measure, prepare)

    def translate() -> None:
        live.expect(replace(SEGMENTS[0], end=2.0))
        assert begun.wait(20)
        live.expect(SEGMENTS[0])  # waits for the first preparation
        waiting.set()
        found.extend(live.measured(SEGMENTS[:1]))

    translating = Thread(target=translate)
    translating.start()
    assert waiting.wait(20)
    ending = Thread(target=live.__exit__)
    ending.start()
    translating.join(10)
    may_end.set()
    ending.join(20)
    assert found == SEGMENTS[:1], "not left waiting for a preparation that was cancelled"


def test_live_speech_is_analysed_and_its_language_identified_in_the_pause_that_ends_it(stages):
    made, identified, analysed, given = pipeline(stages), [], [], [0]
    wav = np.concatenate([spoken(0, RATE), np.zeros(2 * RATE, np.float32)])

    class Identifying(Translator):
        def language(self, wav, sample_rate):
            identified.append(given[0])
            return "es", 0.9

    def microphone():
        for block in np.split(wav, range(RATE // 10, len(wav), RATE // 10)):
            given[0] += len(block)
            yield block
            time.sleep(0.02 if block.any() else 0.1)  # the other threads see where the stream is

    made.translator = Identifying()
    before_analysis(made, lambda: analysed.append(given[0]))
    (*_, last) = made.live(microphone(), RATE)
    end = last.translated.segment.end * RATE - 0.1 * RATE  # of the speech
    assert len(identified) == len(analysed) == 1
    for at in (identified[0], analysed[0]):
        assert 0 < at - end < 0.4 * RATE, "before the pause of 0.4 s has ended the segment"


def test_a_measurement_that_waits_is_cancelled_where_its_segment_is_left_out():
    measured, may_end = [], Event()

    def measure(voices: list[Segment], before: Speaker | None, segment: Segment) -> SegmentVoice:
        measured.append(segment.start)
        assert may_end.wait(20)
        return SegmentVoice(Speaker(Voice()), Speaker(Voice()), Style(1.0))

    with LiveVoice(measure) as live:
        kept = (SEGMENTS[0].start, SEGMENTS[-1].start)
        segments = (segment for segment in live.measured(SEGMENTS) if segment.start in kept)
        found = list(live.kept(TranslatedSegment(segment, "", "hello") for segment in segments))
        may_end.set()
        live.of(found[-1].segment)
    assert measured == list(kept)


def test_a_caller_that_stops_does_not_wait_for_measurements_that_have_not_begun():
    measured = []

    def measure(voices: list[Segment], before: Speaker | None, segment: Segment) -> SegmentVoice:
        measured.append(segment.start)
        time.sleep(0.2)
        return SegmentVoice(Speaker(Voice()), Speaker(Voice()), Style(1.0))

    with LiveVoice(measure) as live:
        list(live.measured(SEGMENTS))
    assert len(measured) < len(SEGMENTS)
