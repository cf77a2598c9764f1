"""Confidence intervals, on data whose answer is known: by published tables, and by how often they hold the truth."""

import numpy as np
import pytest

from thesis_lib.validation import metrics

VOICES, CONTENTS = 12, 8


def shares(successes: int, count: int) -> np.ndarray:
    return np.arange(count) < successes


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    # Clopper & Pearson's intervals of 0 of 10, 1 of 10 and 5 of 10 stand in every table of the binomial.
    [(0, 10, 0.0, 0.3085), (1, 10, 0.0025, 0.4450), (5, 10, 0.1871, 0.8129), (86, 86, 0.9580, 1.0)],
)
def test_the_exact_interval_of_a_share(successes, count, low, high):
    found = metrics.share_interval(shares(successes, count))
    assert found == pytest.approx((successes / count, low, high), abs=1e-4)


def test_a_share_of_every_trial_leaves_room_below_and_fewer_groups_leave_more():
    every = np.ones(86, bool)
    alone = metrics.share_interval(every)
    by_voice = metrics.share_interval(every, groups=np.arange(86) % 8)
    assert by_voice[1] < alone[1] < 1 == alone[2] == by_voice[2]
    # Korn & Graubard: 86 (t(85) / t(7))^2 = 86 (1.9883 / 2.3646)^2 = 60.8 trials, of which 0.025^(1 / 60.8).
    assert by_voice[1] == pytest.approx(0.025 ** (1 / 60.8), abs=1e-3)


def test_a_share_of_trials_that_agree_within_their_voice_has_the_interval_of_the_voices():
    voices = np.repeat(np.arange(10), 40)
    found = metrics.share_interval(voices < 5, groups=voices)
    alone = metrics.share_interval(voices < 5)
    assert found[2] - found[1] > 4 * (alone[2] - alone[1])
    assert found[2] - found[1] > metrics.share_interval(shares(5, 10))[2] - 0.19  # not narrower than that of ten


@pytest.mark.parametrize("groups", [None, np.zeros(5)])
def test_a_share_without_two_trials_or_groups_has_no_interval(groups):
    with pytest.raises(metrics.MetricError):
        metrics.share_interval(np.ones(0 if groups is None else 5, bool), groups=groups)


def trials(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values (n,) of voice + content + noise with mean 0, and the voice and content of each."""
    rng = np.random.default_rng(seed)
    voices, contents = (x.ravel() for x in np.indices((VOICES, CONTENTS)))
    values = rng.normal(size=VOICES)[voices] + rng.normal(size=CONTENTS)[contents] + rng.normal(size=len(voices))
    return values, voices, contents


def coverage(by_content: bool, repeats: int = 150) -> float:
    """How often the interval of the mean holds its true value, 0."""
    held = 0
    for seed in range(repeats):
        values, voices, contents = trials(seed)
        groups = (voices, contents) if by_content else voices
        _, low, high = metrics.bootstrap(len(values), metrics.mean_of(values), 200, seed, groups)
        held += low <= 0 <= high
    return held / repeats


def test_the_crossed_bootstrap_holds_the_mean_of_crossed_trials_and_the_one_over_voices_does_not():
    assert coverage(by_content=True) > 0.9
    assert coverage(by_content=False) < 0.85


def test_the_crossed_bootstrap_draws_a_trial_as_often_as_its_voice_times_its_content():
    drawn = []

    def counts(rows: np.ndarray) -> float:
        drawn.append(np.bincount(rows, minlength=6).reshape(2, 3))
        return 0.0

    metrics.bootstrap(6, counts, 50, 0, (np.repeat([0, 1], 3), np.tile([0, 1, 2], 2)))
    for table in drawn[:-1]:
        assert np.linalg.matrix_rank(table) == 1
        assert table.sum() == 2 * 3
    assert any(table.max() > 1 for table in drawn)


def test_the_crossed_bootstrap_of_trials_that_share_no_voice_and_content_repeats_or_refuses():
    value, low, high = metrics.bootstrap(2, lambda i: float(i.mean()), 200, 0, (np.array([0, 1]), np.array([0, 1])))
    assert (value, low, high) == (0.5, 0.0, 1.0)  # draws without any trial are drawn again
    with pytest.raises(metrics.MetricError, match="1 groups"):
        metrics.bootstrap(2, lambda i: 0.0, 100, 0, (np.array([0, 1]), np.array([0, 0])))
