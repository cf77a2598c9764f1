"""Live speech is measured while it is translated; what is left out has no part in the voice."""

import time
from dataclasses import replace
from threading import Event, Thread

import numpy as np
import pytest
from cloning_stages import Translator, before_analysis, pipeline
from helpers import spoken

from thesis_lib.audio.files import AudioError
from thesis_lib.audio.voice_activity import RATE, Segment
from thesis_lib.cloning.live_voice import MIN_EARLIER_SECONDS, SETTLED_SECONDS, LiveVoice, SegmentVoice
from thesis_lib.cloning.segments import Style, TranslatedSegment
from thesis_lib.cloning.speaker import Speaker
from thesis_lib.vocoder.voice import Voice

SEGMENTS = [Segment(start, start + 4.0, np.zeros(4 * RATE, np.float32)) for start in (0.0, 5.0, 10.0, 15.0, 20.0)]
CLIPPED = AudioError("clipping", "live speech", "lower the level")


def voice_of(segments: list[Segment]) -> Speaker:
    """A substitute of the analysis: the loudness is the number of the segments."""
    return Speaker(Voice(), loudness=float(len(segments)))


def in_style(voice: Speaker, segment: Segment) -> SegmentVoice:
    """A substitute of the measurement of a segment's style: there is none."""
    return SegmentVoice(voice, Style(1.0, 1.0))


def voices(
    left_out: set[float], segments: list[Segment] = SEGMENTS, updates: bool = True, ahead: bool = False
) -> dict[float, list[float]]:
    """Start of each translated segment -> starts of those that its voice is extracted from.

    ``updates``: the voice of later segments is extracted as soon as a segment is synthesised, else when the next one
    begins. ``ahead``: all segments are translated before the first is synthesised.
    """
    extracted = list[list[float]]()

    def extract(spoken: list[Segment]) -> Speaker:
        extracted.append([one.start for one in spoken])
        return Speaker(Voice(), loudness=len(extracted) - 1)

    found = {}
    with LiveVoice(extract, in_style) as live:
        given = (segment for segment in live.measured(segments) if segment.start not in left_out)
        translated = live.kept(TranslatedSegment(segment, "", "hello") for segment in given)
        for one in list(translated) if ahead else translated:
            assert live.of(one.segment) is live.of(one.segment), "for every clause of the segment"
            found[one.segment.start] = live.of(one.segment).styled.loudness
            if updates:
                live.update(one)
    assert len({tuple(one) for one in extracted}) == len(extracted), "each voice is extracted once"
    return {start: extracted[number] for start, number in found.items()}


PACES = pytest.mark.parametrize(("updates", "ahead"), [(True, False), (False, False), (True, True)])


@PACES
def test_the_voice_is_that_of_the_speech_before_and_of_the_first_ten_seconds(updates, ahead):
    assert (MIN_EARLIER_SECONDS, SETTLED_SECONDS) == (3, 10)
    assert voices(set(), updates=updates, ahead=ahead) == {
        0.0: [0.0],
        5.0: [0.0],
        10.0: [0.0, 5.0],
        15.0: [0.0, 5.0, 10.0],
        20.0: [0.0, 5.0, 10.0],
    }


def test_where_little_was_said_before_the_voice_is_that_of_the_segment_too():
    brief = [replace(SEGMENTS[0], end=2.0), *SEGMENTS[1:3]]
    assert voices(set(), brief) == {0.0: [0.0], 5.0: [0.0, 5.0], 10.0: [0.0, 5.0]}


@PACES
def test_a_segment_that_is_left_out_has_no_part_in_the_voice_of_later_ones(updates, ahead):
    assert voices({0.0, 10.0}, updates=updates, ahead=ahead) == {5.0: [5.0], 15.0: [5.0], 20.0: [5.0, 15.0]}


def test_an_update_extracts_the_voice_of_later_segments_unless_one_is_translated_already():
    extracted, known = [], [Event(), Event(), Event()]

    def extract(spoken: list[Segment]) -> Speaker:
        extracted.append([one.start for one in spoken])
        known[len(spoken)].set()
        return voice_of(spoken)

    with LiveVoice(extract, in_style) as live:
        kept = live.kept(TranslatedSegment(segment, "", "hello") for segment in live.measured(SEGMENTS[:2]))
        first, second = list(kept)
        live.update(first)
        live.update(replace(second, part=(0.0, 0.5)))
        assert not known[2].wait(0.2), "while the second one is synthesised"
        live.update(second)
        assert known[2].wait(20)
        live.update(second)
    assert extracted == [[0.0], [0.0, 5.0]], "once each"


@pytest.mark.parametrize("end", [4.0, 2.0])
def test_the_voice_before_is_kept_where_later_speech_cannot_be_used(end):
    segments = [replace(SEGMENTS[0], end=end), *SEGMENTS[1:3]]

    def extract(spoken: list[Segment]) -> Speaker:
        if len(spoken) > 1:
            raise CLIPPED
        return voice_of(spoken)

    with LiveVoice(extract, in_style) as live:
        kept = list(live.kept(TranslatedSegment(segment, "", "hello") for segment in live.measured(segments)))
        assert [live.of(one.segment).styled.loudness for one in kept] == [1, 1, 1]


def test_speech_that_cannot_be_used_is_an_error_of_the_first_segment():
    def extract(spoken: list[Segment]) -> Speaker:
        raise CLIPPED

    with LiveVoice(extract, in_style) as live, pytest.raises(AudioError, match="clipping"):
        live.of(next(live.kept(TranslatedSegment(s, "", "hello") for s in live.measured(SEGMENTS[:1]))).segment)


def test_a_voice_of_earlier_speech_that_waits_is_not_cancelled_with_a_segment_that_ends_elsewhere():
    begun, may_end = Event(), Event()

    def measure(voice: Speaker, segment: Segment) -> SegmentVoice:
        if segment is SEGMENTS[1]:
            begun.set()
            assert may_end.wait(20)
        return in_style(voice, segment)

    with LiveVoice(voice_of, measure) as live:

        def segments():
            yield from SEGMENTS[:2]
            assert begun.wait(20)
            live.expect(replace(SEGMENTS[2], end=12.0))  # its voice waits for the measurement that runs
            live.expect(SEGMENTS[2])
            may_end.set()
            yield SEGMENTS[2]

        *_, last = live.kept(TranslatedSegment(segment, "", "hello") for segment in live.measured(segments()))
        assert live.of(last.segment).styled.loudness == 2


def test_a_voice_that_waits_is_cancelled_with_its_segment():
    begun, may_end, extracted = Event(), Event(), []

    def measure(voice: Speaker, segment: Segment) -> SegmentVoice:
        begun.set()
        assert may_end.wait(20)
        return in_style(voice, segment)

    def extract(spoken: list[Segment]) -> Speaker:
        extracted.append(spoken[-1].end)
        return voice_of(spoken)

    with LiveVoice(extract, measure) as live:
        live.expect(replace(SEGMENTS[0], end=1.0))
        assert begun.wait(20)
        live.expect(replace(SEGMENTS[0], end=2.0))
        live.expect(SEGMENTS[0])
        may_end.set()
        (found,) = live.kept(TranslatedSegment(segment, "", "hello") for segment in live.measured(SEGMENTS[:1]))
        live.of(found.segment)
    assert extracted == [1.0, SEGMENTS[0].end]


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
    with LiveVoice(voice_of, in_style) as live:
        translated = live.kept(TranslatedSegment(segment, "", "hello") for segment in live.measured(SEGMENTS[:1]))
        live.of(next(translated).segment)
        (noise,) = live.measured(SEGMENTS[1:2])
        with pytest.raises(KeyError):
            live.of(noise)


def tried(expected: list[Segment], given: list[Segment]) -> tuple[list[float], list[float]]:
    """Ends of the segments that are measured, and of those that are prepared; each is expected before it is given."""
    measured, prepared = list[float](), list[float]()

    def measure(voice: Speaker, segment: Segment) -> SegmentVoice:
        measured.append(segment.end)
        return SegmentVoice(replace(voice, loudness=segment.end), Style(1.0))

    def prepare(segment: Segment) -> None:
        time.sleep(0.1)
        prepared.append(segment.end)
        raise ValueError("of no consequence: the translation raises it again")

    with LiveVoice(voice_of, measure, prepare) as live:

        def segments():
            for early, segment in zip(expected, given, strict=True):
                live.expect(early)
                yield segment

        for segment in live.measured(segments()):
            if segment.end in {one.end for one in expected}:
                assert segment.end in prepared, "the translation does not begin before"
            (found,) = live.kept([TranslatedSegment(segment, "", "hello")])
            assert live.of(found.segment).styled.loudness == segment.end
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

    live = LiveVoice(voice_of, in_style, prepare)

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


def test_the_voice_is_extracted_again_after_the_last_clause_and_before_the_next_segment_begins(stages):
    made, begun, again = pipeline(stages, english="hello my dear friend, how are you doing today?"), [], Event()
    sentence = np.concatenate([spoken(0, RATE), np.zeros(RATE, np.float32)])

    def count() -> None:
        begun.append(1)
        if len(begun) == 2:
            again.set()

    def microphone():
        yield from np.split(np.tile(sentence, 2), range(RATE // 10, 2 * len(sentence), RATE // 10))
        assert again.wait(20), "the voice of the first two segments, while no third one is spoken"
        yield np.zeros(RATE, np.float32)

    before_analysis(made, count)
    clauses = []
    for clause in made.live(microphone(), RATE):
        clauses.append(clause.translated)
        if len(clauses) == 3:  # the first clause of the second segment
            assert not again.wait(0.2), "while the other clause waits"
    assert [clause.is_last_clause for clause in clauses] == [False, True] * 2
    assert len(begun) == 2


def test_a_measurement_that_waits_is_cancelled_where_its_segment_is_left_out():
    measured, may_end = [], Event()

    def measure(voice: Speaker, segment: Segment) -> SegmentVoice:
        measured.append(segment.start)
        assert may_end.wait(20)
        return in_style(voice, segment)

    with LiveVoice(voice_of, measure) as live:
        kept = (SEGMENTS[0].start, SEGMENTS[-1].start)
        segments = (segment for segment in live.measured(SEGMENTS) if segment.start in kept)
        found = list(live.kept(TranslatedSegment(segment, "", "hello") for segment in segments))
        may_end.set()
        live.of(found[-1].segment)
    assert measured == list(kept)


def test_a_caller_that_stops_does_not_wait_for_measurements_that_have_not_begun():
    measured = []

    def measure(voice: Speaker, segment: Segment) -> SegmentVoice:
        measured.append(segment.start)
        time.sleep(0.2)
        return in_style(voice, segment)

    with LiveVoice(voice_of, measure) as live:
        list(live.kept(TranslatedSegment(segment, "", "hello") for segment in live.measured(SEGMENTS)))
    assert len(measured) < len(SEGMENTS)
