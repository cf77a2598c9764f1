"""Who speaks when: on synthetic embeddings with a known answer, and on real voices."""

import itertools

import numpy as np
import pytest
from helpers import spoken

from benchmarks.conversations import conversation_of
from benchmarks.diarisation import errors
from thesis_lib.audio.files import AudioError
from thesis_lib.audio.voice_activity import RATE, Segment, speech_segments
from thesis_lib.cloning import speaker_clusters
from thesis_lib.cloning.diarisation import MAX_SPEAKERS, diarise, overlap_scores, quietest
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.speaker_clusters import IndistinctError, best_path, found_means, given_means
from thesis_lib.cloning.speaker_windows import (
    FRAME,
    HOP_SECONDS,
    WINDOW_SECONDS,
    Windows,
    unit,
    windows_of,
    without_clear_pitch,
)
from thesis_lib.config import CorpusConfig, EncoderConfig
from thesis_lib.corpus import mini
from thesis_lib.embeddings.encoders import speaker_encoder

DIM = 64


def voices(speakers, noise=0.05, seed=0):
    """A unit vector near an axis of its own for each window's speaker."""
    rng = np.random.default_rng(seed)
    return unit(np.eye(DIM)[list(speakers)] + noise * rng.normal(size=(len(speakers), DIM)))


def talk(speakers, start=0.0, vectors=None, quiet=(), unclear=None):
    """A segment with one window every HOP_SECONDS; ``quiet``: s after its start, of a silent frame."""
    starts = HOP_SECONDS * np.arange(len(speakers))
    seconds = starts[-1] + WINDOW_SECONDS
    levels = np.ones(int(seconds * RATE / FRAME))
    for place in quiet:
        levels[int(place * RATE / FRAME)] = 0
    vectors = voices(speakers) if vectors is None else vectors
    unclear = np.zeros(len(starts)) if unclear is None else unclear
    return Windows(start, start + seconds, starts, WINDOW_SECONDS, vectors, levels, unclear)


def test_the_path_is_the_best_of_all_paths():
    rng = np.random.default_rng(1)
    for cost in (0.0, 0.3, 1.0):
        scores = rng.normal(size=(6, 3))

        def total(path, scores=scores, cost=cost):
            return scores[range(6), path].sum() - cost * np.count_nonzero(np.diff(path))

        best = max(itertools.product(range(3), repeat=6), key=total)
        assert best_path(scores, cost).tolist() == list(best)


def test_the_quietest_place_is_near():
    levels = np.ones(200)
    levels[[50, 90]] = 0.0, 0.1  # 1.01 s and 1.81 s
    assert quietest(levels, 1.9) == pytest.approx(1.81, abs=0.05)
    assert quietest(levels, 0.8) == pytest.approx(1.01, abs=0.05)
    assert quietest(levels, 5.0) == 5.0


def similar(vectors, cosine=0.5):
    """The same vectors with an axis in common, so that any two voices have about the given cosine."""
    return unit(np.sqrt(1 - cosine) * vectors + np.sqrt(cosine) * np.eye(DIM)[-1])


def voices_of(means):
    """The axis that each mean is nearest to."""
    return sorted(np.argmax(means[:, :-1], 1).tolist())


def test_clusters_are_the_voices_and_a_rare_one_is_in_none():
    windows = [talk([0] * 9 + [1] * 7 + [2] * 6 + [3])]
    assert voices_of(found_means(windows)) == [0, 1, 2]
    with pytest.raises(IndistinctError, match="no 12 groups of similar sound with 2 s and 3 windows each"):
        next(given_means(windows, 12))
    assert found_means([talk([0])]).shape == (1, DIM)
    assert next(given_means([talk([0] * 9)], 1)).shape == (1, DIM)


def test_a_given_number_of_speakers_is_first_sought_among_large_clusters():
    """Of 100 s, 3 s are of noise; two similar voices are told apart before the noise is taken for a speaker."""
    vectors = voices([0] * 100 + [1] * 94 + [2] * 6, noise=0.02)
    vectors[:194] = similar(vectors[:194], 0.4)
    assert voices_of(next(given_means([talk([0] * 200, vectors=vectors)], 2))) == [0, 1]
    few = np.r_[0:100, 194:200]
    assert voices_of(next(given_means([talk([0] * 106, vectors=vectors[few])], 2))) == [0, 2]


def test_a_rare_speaker_is_found_before_two_voices_are_merged():
    """Of 1,000 windows the third speaker has 3 %, and 1 % have sound unlike all voices, as of laughter."""
    who = [0] * 560 + [1] * 400 + [2] * 30 + [9] * 10
    vectors = voices(who, noise=0.02)
    vectors[:960] = similar(vectors[:960])
    assert voices_of(next(given_means([talk(who, vectors=vectors)], 3))) == [0, 1, 2]


def test_one_clustered_window_is_no_speaker(monkeypatch):
    """Of a long recording a window stands for several seconds of speech."""
    who = [0] * 590 + [1] * 9 + [9]
    vectors = voices(who, noise=0.02)
    vectors[:599] = similar(vectors[:599])
    monkeypatch.setattr(speaker_clusters, "MIN_SPEAKER_SECONDS", 0.4)  # less than one window stands for
    assert voices_of(next(given_means([talk(who, vectors=vectors)], 2))) == [0, 1]


def conversation(minutes, unlike=0.02, seed=0):
    """Segments of two speakers in turn; in a share of the segments the windows are unlike all voices."""
    rng = np.random.default_rng(seed)
    segments, length = [], 5
    for number in range(int(60 * minutes / 4)):
        who = 7 if number % int(1 / unlike) == 10 else number % 2
        vectors = voices([who] * length, seed=int(rng.integers(2**31)))
        segments.append(talk([who] * length, 4.0 * number, vectors=vectors))
    return segments


@pytest.mark.parametrize("minutes", [10, 30, 120])
def test_a_long_conversation_has_no_more_speakers_than_a_short_one(minutes):
    """One in 50 segments is unlike the voices, and all of them together are 10 s to 2 minutes long."""
    assert len(diarise(conversation(minutes)).speakers) == 2


def test_a_third_speaker_of_a_long_conversation_is_found():
    """One in 12 segments is of a third speaker."""
    assert len(diarise(conversation(10, unlike=1 / 12)).speakers) == 3


def test_many_speakers_of_equal_shares_are_refused_and_not_merged():
    with pytest.raises(CloningError, match="50 speakers were found"):
        diarise([talk([speaker] * 8, 10.0 * speaker) for speaker in range(50)])


def test_turns_are_split_at_the_quiet_place_and_named_by_their_order():
    """Windows 0-5 are of speaker 7, 6-13 of speaker 3; the centres around the change are at 3.25 and 3.75 s."""
    found = diarise([talk([7] * 6 + [3] * 8, 10.0, quiet=[3.3]), talk([7] * 6, 30.0)])
    assert [(turn.speaker, turn.start, turn.end) for turn in found.turns] == [
        ("1", 10.0, pytest.approx(13.3, abs=0.06)),
        ("2", pytest.approx(13.3, abs=0.06), 18.0),
        ("1", 30.0, 34.0),
    ]
    assert found.turns[0].end == found.turns[1].start
    assert found.speakers == ("1", "2")
    assert found.seconds("1") == pytest.approx(7.3, abs=0.06)
    given = diarise([talk([7] * 6 + [3] * 8, 10.0, quiet=[3.3])], 2)
    assert (given.speakers, given.auto_count) == (("1", "2"), 2)


def test_one_window_of_another_voice_is_no_turn():
    found = diarise([talk([0] * 8 + [1] + [0] * 8)])
    assert [turn.speaker for turn in found.turns] == ["1"]


def test_a_speaker_without_a_turn_is_not_counted():
    """Five single windows of another voice, each with the quietest place at its centre, so that its turn has 0 s."""
    who = ([0] * 6 + [1]) * 5 + [0] * 6
    windows = [talk(who, quiet=[HOP_SECONDS * n + WINDOW_SECONDS / 2 for n in np.flatnonzero(who)])]
    found = diarise(windows)
    assert (found.speakers, found.auto_count, found.cosines) == (("1",), 1, ((pytest.approx(1),),))
    with pytest.raises(CloningError, match=r"a\.wav: 2 speakers cannot be told apart: .* no turn of 0\.5 s; .*1 would"):
        diarise(windows, 2, "a.wav")


def test_a_speaker_who_loses_the_windows_to_another_is_refused_with_that_reason():
    """The third group is a mixture of both voices: the Viterbi path gives its single windows to them."""
    one, two = np.eye(DIM)[:2]
    mixture = unit(one + two)
    vectors = np.stack([*[one] * 8, mixture, *[two] * 8, mixture] * 5)
    with pytest.raises(CloningError, match=r"3 speakers .*: one of them would have 0\.0 s of speech, less than 1 s; "):
        diarise([talk([0] * len(vectors), vectors=vectors)], 3)


def test_no_segment_is_refused():
    with pytest.raises(AudioError, match=r"talk\.wav: no speech"):
        diarise([], 2, "talk.wav")


def test_the_nearest_speaker_has_the_most_similar_voice():
    near = unit(np.eye(DIM)[:1] + np.eye(DIM)[1:2])[0] * 0.28 + np.eye(DIM)[5] * 0.96
    vectors = unit(np.stack([np.eye(DIM)[2]] * 8 + [near] * 8 + [np.eye(DIM)[0]] * 8))
    found = diarise([talk([0] * 24, vectors=vectors)])
    assert found.nearest("3", ["1", "2"]) == "2"
    assert found.nearest("3", ["1"]) == "1"
    assert found.cosines[1][2] == pytest.approx(0.28 * np.sqrt(0.5))


def test_two_parts_of_one_voice_are_merged():
    """Two clusters with means at a cosine of 0.8 are one speaker, where no number of speakers is given."""
    near = np.eye(DIM)[0] * 0.8 + np.eye(DIM)[5] * 0.6
    vectors = unit(np.stack([np.eye(DIM)[0]] * 8 + [near] * 8 + [np.eye(DIM)[2]] * 8))
    assert diarise([talk([0] * 24, vectors=vectors)]).speakers == ("1", "2")
    with pytest.raises(
        CloningError,
        match=r"talk\.wav: 3 speakers cannot be told apart: two of them would have nearly one voice \(cosine 0\.80, "
        r"above 0\.7\); without a number 2 would be found: give --speakers 2 or auto",
    ):
        diarise([talk([0] * 24, vectors=vectors)], 3, "talk.wav")


def test_more_speakers_than_there_are_or_than_are_allowed():
    with pytest.raises(CloningError, match="5 speakers cannot be told apart: the speech has no 5 groups of similar"):
        diarise([talk([0] * 6 + [1] * 6)], 5)
    with pytest.raises(CloningError, match=f"30 speakers were found, and at most {MAX_SPEAKERS}"):
        diarise([talk([speaker] * 8, 10.0 * speaker) for speaker in range(30)])
    short = talk([0])
    assert diarise([short]).speakers == ("1",)
    with pytest.raises(CloningError, match="2 speakers cannot be told apart"):
        diarise([short], 2)


def test_only_some_windows_of_a_long_recording_are_clustered(monkeypatch):
    segments = [talk([n % 2] * 10, 10.0 * n) for n in range(40)]
    whole, seen, tree = diarise(segments), [], speaker_clusters._tree
    monkeypatch.setattr(speaker_clusters, "MAX_CLUSTERED_WINDOWS", 50)
    monkeypatch.setattr(
        speaker_clusters,
        "_tree",
        lambda *given: seen.append(tree(*given)) or seen[-1],
    )
    assert diarise(segments) == whole
    assert [turn.speaker for turn in whole.turns] == ["1", "2"] * 20
    assert (len(seen[0][1]), seen[0][2].sum()) == (50, pytest.approx(240))


def test_a_mixture_of_two_voices_is_an_overlap_and_a_change_is_none():
    one, two = np.eye(DIM)[:2]
    mixture = unit(0.4 * one + 0.38 * two + 0.9 * np.eye(DIM)[9])
    vectors = np.stack([one] * 12 + [mixture] * 2 + [one] * 12 + [mixture] + [two] * 12)
    unclear = np.full(39, 0.5)
    found = diarise([talk([0] * 39, vectors=vectors, unclear=unclear)])
    # Windows 12 and 13 have their centres at 6.75 and 7.25 s; that of window 26 is at the change.
    assert found.overlaps == ((6.25, 7.75),)
    assert diarise([talk([0] * 39, vectors=vectors)]).overlaps == (), "the pitch is clear"
    assert diarise([talk([0] * 8, unclear=np.ones(8))]).overlaps == ()


def test_the_score_of_an_overlap_is_that_of_least_squares():
    rng = np.random.default_rng(2)
    means = unit(rng.normal(size=(3, 8)))
    vectors = unit(rng.normal(size=(5, 8)))
    for vector, score in zip(vectors, overlap_scores(vectors, means), strict=True):
        nearest = means[np.argsort(-means @ vector)[:2]]
        first, second = np.linalg.lstsq(nearest.T, vector, rcond=None)[0]
        share = max(second, 0) / max(first + second, 1e-9)
        assert score == pytest.approx(share - np.linalg.norm(first * nearest[0] + second * nearest[1]))


class Level:
    """Substitute encoder: the RMS."""

    def encode(self, wav):
        return np.array([np.sqrt(np.mean(wav**2)), 1.0], np.float32)


def test_the_pitch_of_two_voices_at_once_is_less_clear():
    one, two = (spoken(n, RATE)[RATE : 5 * RATE] / np.abs(spoken(n, RATE)).max() for n in (0, 9))
    length = min(len(one), len(two))
    shares = []
    for wav in (one[:length], two[:length], one[:length] + two[:length]):
        levels = np.square(wav[: len(wav) // FRAME * FRAME].reshape(-1, FRAME)).mean(1)
        shares.append(without_clear_pitch(wav, levels, np.arange(0.5, length / RATE - 0.5, 0.5)))
    assert shares[2].mean() > 2 * max(shares[0].mean(), shares[1].mean())
    assert all(((share >= 0) & (share <= 1)).all() for share in shares)


def test_windows_cover_a_segment():
    found = windows_of(Segment(2.0, 6.2, np.ones(int(4.2 * RATE), np.float32)), Level())
    assert found.starts == pytest.approx([0, 0.5, 1.0, 1.5, 2.0, 2.5, 2.7])
    assert (found.seconds, found.weight) == (1.5, pytest.approx(4.2 / 7))
    assert np.linalg.norm(found.vectors, axis=1) == pytest.approx(1)
    assert len(found.levels) == int(4.2 * RATE / FRAME)
    short = windows_of(Segment(2.0, 2.4, np.ones(int(0.4 * RATE), np.float32)), Level())
    assert (short.starts.tolist(), short.seconds) == ([0], 0.4)


@pytest.mark.weights("ecapa")
def test_real_voices_are_told_apart():
    """Two bundled voices in a conversation with known turns; and one of them alone is one speaker."""
    encoder = speaker_encoder(EncoderConfig(speaker="ecapa", precision="float32"))
    rows = mini.table(CorpusConfig(name="mini")).reset_index(drop=True)
    rows = rows[rows.split == "test"].groupby("voice").head(1)
    recordings = [[spoken(int(n), RATE) for n in group.index] for _, group in list(rows.groupby("voice"))[:2]]
    mixture = conversation_of(recordings, np.random.default_rng(0), overlap=False)
    windows = [windows_of(segment, encoder) for segment in speech_segments([mixture.wav], RATE)]
    for count in (None, 2):
        found = diarise(windows, count)
        seconds = errors(mixture, found)
        assert len(found.speakers) == 2
        assert seconds["speech"] > 6
        assert seconds["confusion"] < 0.1 * seconds["speech"]
    alone = [windows_of(segment, encoder) for segment in speech_segments(recordings[0], RATE)]
    assert diarise(alone).speakers == ("1",)
