"""Confidence intervals, on data with a known answer: by published tables, and by how often they hold the truth."""

import numpy as np
import pytest

from thesis_lib.validation import metrics
from thesis_lib.validation.metrics import draws
from thesis_lib.validation.metrics.intervals import ErrorRate

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


def crossed_trials(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values (n,) of voice + content + noise with mean 0, and the voice and content of each."""
    rng = np.random.default_rng(seed)
    voices, contents = (x.ravel() for x in np.indices((VOICES, CONTENTS)))
    values = rng.normal(size=VOICES)[voices] + rng.normal(size=CONTENTS)[contents] + rng.normal(size=len(voices))
    return values, voices, contents


def coverage(by_content: bool, repeats: int = 150) -> float:
    """How often the interval of the mean holds its true value, 0."""
    held = 0
    for seed in range(repeats):
        values, voices, contents = crossed_trials(seed)
        groups = (voices, contents) if by_content else voices
        _, low, high = metrics.bootstrap(len(values), metrics.mean_of(values), 200, seed, groups)
        held += low <= 0 <= high
    return held / repeats


def test_the_crossed_bootstrap_holds_the_mean_of_crossed_trials_and_the_one_over_voices_does_not():
    assert 0.9 < coverage(by_content=True) < 0.99
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


def test_the_draws_of_groups_are_those_of_their_members_and_are_drawn_once():
    groups = [np.array(list("abbac")), np.array([7, 7, 9, 9, 7])]
    for given in (groups[:1], groups):
        members, rng = draws.grouped_members(5, given), np.random.default_rng(3)
        found = draws.bootstrap_draws(members, 5, 40, 3)
        for rows in found:
            times = np.zeros(5, int)
            while not times.any():
                drawn = [[side[n] for n in rng.integers(0, len(side), len(side))] for side in members]
                times = np.prod([np.bincount(np.concatenate(own), minlength=5) for own in drawn], axis=0)
            assert np.array_equal(np.sort(rows), np.repeat(np.arange(5), times))
        assert draws.bootstrap_draws(members, 5, 40, 3) is found
        with pytest.raises(ValueError, match="read-only"):
            found[0][0] = 0
        assert draws.bootstrap_draws(members, 5, 40, 4) is not found


def test_the_crossed_bootstrap_of_trials_that_share_no_voice_and_content_repeats_or_refuses():
    value, low, high = metrics.bootstrap(2, lambda i: float(i.mean()), 200, 0, (np.array([0, 1]), np.array([0, 1])))
    # Draws without any trial are drawn again: percentiles 0 and 1, expanded by t(1) / z sqrt(2).
    assert (value, low, high) == pytest.approx((0.5, 0.5 - 0.5 * 9.168, 0.5 + 0.5 * 9.168), abs=1e-3)
    with pytest.raises(metrics.MetricError, match="1 groups"):
        metrics.bootstrap(2, lambda i: 0.0, 100, 0, (np.array([0, 1]), np.array([0, 0])))


@pytest.mark.parametrize("count", [2, 4, 6, 8, 12])
def test_the_interval_over_few_groups_holds_the_mean_as_often_as_it_says(count):
    """Percentiles alone hold it in 54, 80, 85, 85 and 88 % of the cases."""
    groups, held = np.repeat(np.arange(count), 3), 0
    for seed in range(200):
        values = np.random.default_rng(seed).normal(size=count)[groups]
        _, low, high = metrics.bootstrap(len(values), metrics.mean_of(values), 200, seed, groups)
        held += low <= 0 <= high
    assert 0.9 <= held / 200 <= 0.99


def test_many_utterances_have_the_percentiles_themselves():
    values = np.random.default_rng(0).normal(size=500)
    draws = np.random.default_rng(0).integers(0, 500, (2000, 500))
    expected = np.percentile(values[draws].mean(1), [2.5, 97.5])
    found = metrics.bootstrap(500, metrics.mean_of(values), 2000, 0)
    assert found[2] - found[1] == pytest.approx(expected[1] - expected[0], rel=0.05)


def test_an_interval_stays_within_the_range_of_its_statistic():
    values, groups = np.array([0.1, 0.9, 1.0]), np.arange(3)
    free = metrics.bootstrap(3, metrics.mean_of(values), 200, 0, groups)
    assert free[1] < 0
    assert free[2] > 1
    bounded = metrics.bootstrap(3, metrics.Bounded(metrics.mean_of(values), 0, 1), 200, 0, groups)
    assert bounded == (free[0], 0, 1)


@pytest.mark.parametrize(("groups", "count"), [(None, 40), (np.arange(40) % 10, 10)], ids=["recordings", "speakers"])
def test_an_error_rate_without_an_error_ends_at_the_exact_limit_of_the_share_of_groups_with_one(groups, count):
    errors, words = np.zeros(40), np.full(40, 12)
    rate = ErrorRate(lambda i: 100 * float(errors[i].sum() / words[i].sum()))
    # Clopper & Pearson's limit of 0 of 10 is 0.3085 in every table of the binomial.
    limit = 100 * (1 - 0.025 ** (1 / count))
    assert metrics.bootstrap(40, rate, 100, 0, groups) == pytest.approx((0, 0, limit))
    as_share = metrics.bounded_as(lambda i: 0.0, ErrorRate(rate, scale=1))
    assert metrics.bootstrap(40, as_share, 100, 0, groups) == pytest.approx((0, 0, limit / 100))
    assert metrics.bootstrap(40, metrics.Bounded(rate, low=0), 100, 0, groups) == (0, 0, 0)
    errors[:20] = 6
    assert metrics.bootstrap(40, rate, 500, 0, groups) == metrics.bootstrap(
        40, metrics.Bounded(rate, low=0), 500, 0, groups
    )


def test_groups_of_unequal_size_count_the_same():
    values, groups = np.array([1.0, 1.0, 1.0, 5.0]), np.array(["a", "a", "a", "b"])
    mean = metrics.mean_of(values, groups)
    assert mean(np.arange(4)) == 3
    assert mean(np.array([0, 1, 2, 0, 1, 2, 3])) == pytest.approx(7 / 3), "a group that is drawn twice counts twice"


CROSSED = (np.arange(86) % 8, np.arange(86) % 11)


@pytest.mark.parametrize("groups", [CROSSED, CROSSED[0]], ids=["crossed", "one side"])
def test_one_more_success_never_lowers_the_interval_of_a_share(groups):
    found = np.array([metrics.share_interval(shares(k, 86), groups)[1:] for k in range(87)])
    assert (np.diff(found, axis=0) >= 0).all()
    assert found[85, 0] > 0.9, "one failure of 86 does not take a tenth of the interval's lower end"
    assert found[::-1, 1] == pytest.approx(1 - found[:, 0], abs=0.02), "failures are treated as successes are"


@pytest.mark.parametrize("seed", range(5))
def test_the_share_of_all_trials_has_a_higher_interval_than_all_but_one_whichever_it_is(seed):
    order = np.random.default_rng(seed).permutation(86)
    lows = [metrics.share_interval(order < k, CROSSED)[1] for k in (84, 85, 86)]
    assert lows[0] < lows[1] < lows[2]


def crossed_shares(seed: int, side: float) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Successes (n,) with probability a half, of crossed voices and contents of some standard deviation."""
    rng = np.random.default_rng(seed)
    voices, contents = (x.ravel() for x in np.indices((VOICES, CONTENTS)))
    common = side * (rng.normal(size=VOICES)[voices] + rng.normal(size=CONTENTS)[contents])
    return common + rng.normal(size=len(voices)) > 0, (voices, contents)


def test_independent_crossed_trials_have_hardly_wider_an_interval_than_ungrouped_ones():
    ratios = []
    for seed in range(100):
        successes, groups = crossed_shares(seed, side=0.0)
        grouped, alone = metrics.share_interval(successes, groups), metrics.share_interval(successes)
        ratios.append((grouped[2] - grouped[1]) / (alone[2] - alone[1]))
    # 1.19 of it is Student's t of seven degrees of freedom, t(7) / t(95).
    assert 1.19 < np.mean(ratios) < 1.4


def test_the_interval_of_a_share_of_dependent_trials_holds_it():
    held = 0
    for seed in range(200):
        successes, groups = crossed_shares(seed, side=0.7)
        _, low, high = metrics.share_interval(successes, groups)
        held += low <= 0.5 <= high
    assert 0.9 <= held / 200 <= 0.99


def test_intervals_over_groups_are_wider_where_groups_agree():
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(10), 20)
    values = np.repeat(rng.normal(size=10), 20) + 0.1 * rng.normal(size=200)
    alone = metrics.bootstrap(200, lambda i: values[i].mean(), 500, 0)
    grouped = metrics.bootstrap(200, lambda i: values[i].mean(), 500, 0, groups=speakers)
    assert grouped[0] == alone[0]
    assert grouped[2] - grouped[1] > 3 * (alone[2] - alone[1])
    with pytest.raises(metrics.MetricError, match="1 groups"):
        metrics.bootstrap(200, lambda i: values[i].mean(), 500, 0, groups=np.zeros(200))


def test_rows_and_columns_are_drawn_and_gaps_left_out():
    rng = np.random.default_rng(0)
    rows, columns = rng.normal(size=20), rng.normal(size=50)
    table = rows[:, None] + columns
    value, low, high = metrics.crossed_bootstrap(table, 1000, 0)
    assert value == pytest.approx(table.mean())
    half = 2.093 * np.sqrt(rows.var(ddof=1) / 20 + columns.var(ddof=1) / 50)  # t of 19 degrees of freedom
    assert (high - low) / 2 == pytest.approx(half, rel=0.1), "the variances of both add up"
    once = metrics.crossed_bootstrap(columns[None], 500, 0)
    twice = metrics.crossed_bootstrap(np.repeat(columns, 2)[None], 500, 0, groups=np.repeat(np.arange(50), 2))
    assert twice == pytest.approx(once), "copies in the same group add nothing"
    table[:, 0] = np.nan
    assert metrics.crossed_bootstrap(table, 100, 0)[0] == pytest.approx(table[:, 1:].mean())
    assert np.isfinite(metrics.crossed_bootstrap(table, 100, 0)).all()


def test_bootstrap_of_a_mean():
    values = np.random.default_rng(0).normal(3, 1, 400)
    value, low, high = metrics.bootstrap(len(values), lambda i: values[i].mean(), 2000, 0)
    assert value == pytest.approx(values.mean())
    half = 1.96 * values.std() / 20
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)
    assert metrics.bootstrap(400, lambda i: values[i].mean(), 100, 5) == metrics.bootstrap(
        400, lambda i: values[i].mean(), 100, 5
    )
    with pytest.raises(metrics.MetricError):
        metrics.bootstrap(1, lambda i: 0.0, 100, 0)


def test_a_difference_of_shares_is_paired_by_trials_and_its_interval_over_groups():
    speakers, pieces = 60, 10
    numbers = np.arange(speakers)
    first, second = (np.repeat(numbers < count, pieces) for count in (36, 30))
    paired = metrics.ShareDifference(first, second)
    found = metrics.confidence_interval(len(first), paired, 1000, 0, np.repeat(numbers, pieces))
    half = 2.001 * 0.3 / np.sqrt(speakers - 1)  # t of 59 degrees of freedom, standard deviation of 6 of 60
    # Of unpaired shares it would be 0.18 to each side.
    assert found == pytest.approx((0.1, 0.1 - half, 0.1 + half), abs=0.01)


def test_a_difference_of_shares_that_is_the_same_in_all_trials_has_newcombes_interval():
    every, none = np.ones(10, bool), np.zeros(10, bool)
    equal = metrics.confidence_interval(10, metrics.ShareDifference(every, every), 100, 0)
    assert equal == pytest.approx((0, -0.3085, 0.3085), abs=1e-4), "0.3085 is the limit of 0 of 10"
    opposite = metrics.confidence_interval(10, metrics.ShareDifference(every, none), 100, 0)
    assert opposite == pytest.approx((1, 1 - np.hypot(0.3085, 0.3085), 1), abs=1e-4)
    half = np.arange(10) < 5
    same = metrics.confidence_interval(10, metrics.ShareDifference(half, half), 100, 0)
    assert same == pytest.approx((0, -0.4425, 0.4425), abs=1e-3), "of 5 of 10: 0.3129 to each side; unpaired"
    repeated = metrics.ShareDifference(np.repeat(every, 5), np.repeat(every, 5), distinct=np.arange(0, 50, 5))
    groups = np.repeat(np.arange(10), 5)
    _, low, high = metrics.confidence_interval(50, repeated, 100, 0, groups)
    assert high == pytest.approx(0.3085, abs=1e-4), "the limit of the second's ten recordings"
    assert -0.1 < low < 0, "that of the first's fifty trials"
    with pytest.raises(metrics.MetricError, match="a trial"):
        metrics.confidence_interval(0, metrics.ShareDifference(none[:0], none[:0]), 100, 0)
