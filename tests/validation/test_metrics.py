import importlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers import voiced
from hypothesis import given
from hypothesis import strategies as st

from thesis_lib.audio.pitch import MIN_F0_HZ
from thesis_lib.validation import describe, metrics
from thesis_lib.validation.metrics import Recording
from thesis_lib.validation.metrics.separation import MEASURES

RATE = 22_050


@pytest.fixture(scope="module")
def pair():
    wav = voiced(2.0)
    return wav, (wav + 0.01 * np.random.default_rng(0).normal(size=len(wav))).astype(np.float32)


def record(wav) -> Recording:
    return Recording(wav, RATE)


def test_mel_l1_of_a_gain_is_its_logarithm():
    wav = voiced(1.0)[: 80 * 256]
    # Every band is far above the floor except where the signal is nearly silent: compare where it is loud.
    assert metrics.mel_l1(record(0.5 * wav), record(wav)) == pytest.approx(np.log(2), abs=0.02)
    assert metrics.mel_l1(record(wav), record(wav)) == 0


DISTANCES = ("mel_l1", "multi_resolution_stft", "mcd", "mcd_dtw")
SIMILARITIES = ("pesq", "stoi")


@pytest.mark.parametrize("metric", [*DISTANCES, *SIMILARITIES])
def test_signal_metrics_order_noise(pair, metric):
    wav, noisy = pair
    noisier = noisy + 0.05 * np.random.default_rng(1).normal(size=len(wav)).astype(np.float32)
    values = [getattr(metrics, metric)(record(x), record(wav)) for x in (wav, noisy, noisier)]
    assert values == sorted(values, reverse=metric in SIMILARITIES)
    assert len(set(values)) == 3


@pytest.mark.parametrize("metric", DISTANCES)
def test_a_signal_has_no_distance_from_itself(pair, metric):
    assert getattr(metrics, metric)(record(pair[0]), record(pair[0])) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("mode", ["plain", "dtw"])
def test_mcd_is_the_package_s_own_from_files(pair, mode, tmp_path):
    import soundfile
    from pymcd.mcd import Calculate_MCD

    wav, noisy = pair
    paths = [str(tmp_path / name) for name in ("reference.wav", "estimate.wav")]
    for path, samples in zip(paths, (wav, noisy), strict=True):
        soundfile.write(path, samples, RATE, subtype="FLOAT")
    ours = {"plain": metrics.mcd, "dtw": metrics.mcd_dtw}[mode](record(noisy), record(wav))
    assert ours == pytest.approx(Calculate_MCD(MCD_mode=mode).calculate_mcd(*paths), rel=1e-6)


def test_warped_time_costs_mcd_but_hardly_its_dtw(pair):
    wav = pair[0]
    late = np.concatenate([np.zeros(2205, np.float32), wav[:-2205]])
    assert metrics.mcd_dtw(record(late), record(wav)) < 0.7 * metrics.mcd(record(late), record(wav))
    assert metrics.mcd_dtw(record(wav[:-2205]), record(wav)) >= 0, "lengths may differ"


def test_pesq_is_directional(pair):
    wav, noisy = map(record, pair)
    assert metrics.pesq(noisy, wav) != metrics.pesq(wav, noisy)


@pytest.mark.parametrize("metric", ["pesq", "stoi"])
def test_too_little_speech_is_not_measured(metric):
    with pytest.raises(metrics.MetricError, match=metric.upper()):
        getattr(metrics, metric)(record(voiced(0.1)), record(voiced(0.1)))


@pytest.mark.parametrize("metric", ["mel_l1", "multi_resolution_stft", "mcd", "pesq", "stoi", "pitch_errors"])
def test_unequal_lengths_are_not_measured(metric):
    wav = voiced(1.0)
    with pytest.raises(metrics.MetricError, match="aligned"):
        getattr(metrics, metric)(record(wav[:-1]), record(wav))


def test_pitch_errors_of_a_semitone():
    low, high = (record(voiced(2.0, f0=140 * 2 ** (step / 12))) for step in (0, 1))
    found = metrics.pitch_errors(high, low)
    assert found["f0_cents"] == pytest.approx(100, abs=8)
    assert found["voicing_f1"] > 0.95
    assert metrics.pitch_errors(low, low) == {"voicing_f1": 1, "f0_cents": 0, "periodicity": 0}
    hiss = record(0.05 * np.random.default_rng(0).normal(size=2 * RATE).astype(np.float32))
    with pytest.raises(metrics.PartlyMeasured, match="voiced in both") as error:
        metrics.pitch_errors(hiss, low)
    assert error.value.columns["voicing_f1"] == 0
    assert 0 < error.value.columns["periodicity"] < 1
    with pytest.raises(metrics.PartlyMeasured, match="voiced in either") as error:
        metrics.pitch_errors(hiss, hiss)
    assert error.value.columns == {"periodicity": 0}


def test_the_f0_of_the_evaluation_lies_on_the_grid_that_its_footnote_names():
    f0 = record(voiced(1.0, f0=141.7)).f0
    steps = 1200 * np.log2(f0[f0 > 0] / MIN_F0_HZ) / 20
    assert steps == pytest.approx(np.round(steps), abs=1e-6)
    assert "F0 in steps of 20 cents, 50 thresholds" in describe("voicing_f1").settings
    assert "20 cents" in describe("f0_cents").settings


def test_the_f0_of_the_evaluation_is_measured_without_the_tracker_of_the_content(monkeypatch):
    monkeypatch.setattr("thesis_lib.validation.metrics.recording.track", None)
    for f0 in (70.0, 140.0, 420.0):
        found = record(voiced(1.0, f0=f0)).f0
        assert np.median(found[found > 0]) == pytest.approx(f0, rel=0.01)
        assert metrics.prosody(record(voiced(1.0, f0=f0)))["f0_median"] == pytest.approx(
            12 * np.log2(f0 / 100), abs=0.2
        )
    silent = record(np.zeros(RATE, np.float32))
    assert not silent.f0.any()
    with pytest.raises(metrics.MetricError, match="0 voiced frames"):
        metrics.prosody(silent)
    with pytest.raises(metrics.MetricError):
        metrics.prosody(record(voiced(0.01)))


def test_f0_of_recordings_that_threads_measure_side_by_side_is_that_of_one_after_the_other():
    wavs = [voiced(0.5 + 0.1 * i, f0=100.0 + 20 * i) for i in range(8)]
    alone = [record(wav).f0 for wav in wavs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda wav: record(wav).f0, wavs * 4))
    assert all(np.array_equal(a, b) for a, b in zip(alone * 4, together, strict=True))


def test_predictors_prefer_clean(pair):
    wav, _ = pair
    noisy = np.clip(wav + 0.3 * np.random.default_rng(2).normal(size=len(wav)), -1, 1).astype(np.float32)
    for predict, name in ((metrics.dnsmos, "dnsmos_ovrl"), (metrics.plcmos, "plcmos")):
        assert predict(record(wav))[name] > predict(record(noisy))[name]


@pytest.mark.parametrize(("seconds", "windows"), [(3.0, 3), (5.2, 1), (12.4, 3)])
def test_dnsmos_of_shared_windows_is_the_package_s_own(pair, monkeypatch, seconds, windows):
    from speechmos import dnsmos

    module = importlib.import_module("thesis_lib.validation.metrics.dnsmos")
    monkeypatch.setattr(module, "MAX_SHARED_WINDOWS", 2)  # so that a group of one is left over
    wav = record(np.tile(pair[0], 7)[: int(seconds * RATE)])
    assert len(module._windows(wav.wideband)) == windows
    ours, theirs = metrics.dnsmos(wav), dnsmos.run(wav.wideband, metrics.WIDEBAND)
    assert ours["dnsmos_ovrl"] == pytest.approx(theirs["ovrl_mos"], abs=1e-4)
    assert ours["dnsmos_p808"] == pytest.approx(theirs["p808_mos"], abs=1e-4)


def test_plcmos_on_one_thread_is_the_package_s_own(pair):
    from speechmos import plcmos

    wav = record(pair[0])
    np.random.seed(0)
    assert metrics.plcmos(wav)["plcmos"] == pytest.approx(
        plcmos.run(wav.wideband, metrics.WIDEBAND)["plcmos"], abs=1e-4
    )


@pytest.mark.weights("nisqa-tts")
def test_nisqa_is_the_published_package_s(pair):
    # nisqa 2.0.post2 (PyPI) with the same weights gave these.
    assert metrics.nisqa(record(voiced(2.0)))["nisqa"] == pytest.approx(2.147400, abs=1e-4)
    assert metrics.nisqa(record(voiced(3.3, f0=200.0)))["nisqa"] == pytest.approx(2.483710, abs=1e-4)
    for wav, says in ((np.zeros(22_050, np.float32), "silent"), (voiced(0.1), "too short")):
        with pytest.raises(metrics.MetricError, match=says):
            metrics.nisqa(record(wav))


def test_plcmos_is_the_same_each_time_and_leaves_the_caller_s_generator(pair):
    np.random.seed(3)
    first = metrics.plcmos(record(pair[0]))
    drawn = np.random.rand()
    assert metrics.plcmos(record(pair[0])) == first
    np.random.seed(3)
    assert np.random.rand() == drawn


def test_a_feature_is_computed_once_however_many_ask(pair, monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    from thesis_lib.validation.metrics import recording

    calls = []
    track = recording.track
    monkeypatch.setattr(recording, "track", lambda *given: calls.append(1) or track(*given))
    wav = record(pair[0])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: wav.pitch, range(8)))
    assert len(calls) == 1
    assert all(pitch is found[0] for pitch in found)


def test_another_rate_is_resampled_once_for_all():
    wav = voiced(1.0, rate=44_100)
    assert len(Recording(wav, 44_100).wav) == pytest.approx(22_050, abs=1)
    assert len(Recording(wav, 44_100).wideband) == pytest.approx(16_000, abs=1)


def test_prosody_of_what_was_made():
    quiet = np.zeros(RATE // 2, np.float32)
    said = record(np.concatenate([voiced(1.0, f0=200.0), quiet, voiced(1.0, f0=200.0, seed=1)]))
    found = metrics.prosody(said)
    assert set(found) == set(metrics.PROSODY)
    assert found["f0_median"] == pytest.approx(12, abs=0.5), "200 Hz is an octave above 100 Hz"
    assert found["pauses"] == pytest.approx(0.2, abs=0.06)
    steady = metrics.prosody(record(voiced(2.0)))
    assert steady["pauses"] < found["pauses"]
    softer = metrics.prosody(record(0.1 * voiced(2.0)))
    assert softer["energy_std"] == pytest.approx(steady["energy_std"], abs=0.7), "level is not style"


def test_cosine_by_hand():
    assert metrics.cosine(np.array([1.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(np.sqrt(0.5))
    with pytest.raises(metrics.MetricError):
        metrics.cosine(np.zeros(2), np.ones(2))


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Hello, World!", "en", "hello world"),
        ("It's 32 floors.", "en", "it's thirty two floors"),
        ("1,200 people", "en", "one thousand two hundred people"),
        ("¿Tiene 7 gatos?", "es", "tiene siete gatos"),
        ("26" + "0" * 400, "en", "two six" + " zero" * 400),
    ],
)
def test_normalise_text(text, language, expected):
    assert metrics.normalise_text(text, language).replace(" and ", " ") == expected


def test_word_errors_by_hand():
    # one substitution (b -> x), one deletion (f), one insertion (e)
    assert metrics.word_errors("a x c d e", "a b c f d") == (3, 5)
    assert metrics.word_errors("Hello world", "hello, world!") == (0, 2)
    with pytest.raises(metrics.MetricError):
        metrics.word_errors("a", "!?")


def test_bleu_needs_both_sides_normalised():
    references = ["The quick brown fox, he said, jumps over 2 lazy dogs!"] * 3
    recognised = ["the quick brown fox he said jumps over two lazy dogs"] * 3
    import sacrebleu

    assert metrics.corpus_bleu(recognised, references) == pytest.approx(100)
    assert sacrebleu.corpus_bleu(recognised, [references]).score < 40


def test_a_corpus_of_some_sentences_is_scored_as_sacrebleu_does():
    from sacrebleu.metrics import BLEU, CHRF, TER

    recognised = ["the cat sat on the mat", "there is a dog in the garden", "we went home", "it rains again today"]
    said = ["the cat sat on a mat", "there was a dog in the garden", "we all went home early", "it rains again"]
    for name, theirs in (("BLEU", BLEU()), ("CHRF", CHRF()), ("TER", TER())):
        score = metrics.corpus_scorer(name, recognised, said)
        for some in ([0, 1, 2, 3], [1, 1, 3], [2, 0]):
            expected = theirs.corpus_score([recognised[i] for i in some], [[said[i] for i in some]]).score
            assert score(some) == pytest.approx(expected)
    assert metrics.corpus_chrf(recognised, recognised) == pytest.approx(100)
    assert "tok:13a" in metrics.signature("BLEU")
    assert "nc:6" in metrics.signature("CHRF")
    assert "tok:tercom" in metrics.signature("TER")


@pytest.mark.parametrize(
    ("recognised", "references", "percent"),
    [
        (["the cat sat on the mat"], ["the cat sat on the mat"], 0),
        (["The cat, SAT on 2 mats!"], ["the cat sat on two mats"], 0),  # both sides normalised
        (["the cat sat on the mat"], ["the cat sat on a mat"], 100 / 6),  # one substitution of six words
        (["on the mat the cat sat"], ["the cat sat on the mat"], 100 / 6),  # three words moved at once: one edit
        ([""], ["a b"], 100),  # two insertions
        (["a b c"], ["d"], 300),  # two deletions and a substitution: more edits than words
        # One edit of six words and two of three: not the mean of the sentences' 16.7 and 66.7.
        (["the cat sat on the mat", "a dog"], ["the cat sat on a mat", "the dog barks"], 300 / 9),
    ],
)  # fmt: skip
def test_ter_by_hand(recognised, references, percent):
    assert metrics.corpus_ter(recognised, references) == pytest.approx(percent)


def test_a_moved_phrase_costs_more_word_errors_than_edits():
    said = "the cat sat on the mat"
    errors, words = metrics.word_errors("on the mat the cat sat", said)
    assert 100 * errors / words > metrics.corpus_ter(["on the mat the cat sat"], [said])


def test_character_errors_by_hand():
    assert metrics.character_errors("cat", "cart") == (1, 4)
    assert metrics.character_errors("A cat!", "a cat") == (0, 5)


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


def angles(*degrees):
    return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], 1)


def test_triplets_by_hand():
    labels, apart = np.array([0, 0, 1]), np.arange(3)
    vectors = angles(0, 30, 40)  # 0 is nearer to its like than to the other, 30 is not; 40 has no like
    assert metrics.paired_triplet_accuracy(vectors, vectors, labels, apart) == 0.5
    vectors = angles(0, 30, -30)  # a tie, and a triplet won
    assert metrics.paired_triplet_accuracy(vectors, vectors, labels, apart) == pytest.approx(0.75)
    with pytest.raises(metrics.MetricError, match="triplets"):
        metrics.paired_triplet_accuracy(vectors, vectors, np.arange(3), apart)


@pytest.mark.parametrize("measure", MEASURES)
def test_separation_of_planted_speakers(measure):
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(20), 4)
    centres = rng.normal(size=(20, 8))
    spanish, english = (centres[speakers] + 0.7 * rng.normal(size=(80, 8)) for _ in range(2))
    found = metrics.separation(measure, spanish, english, speakers, speakers)
    same, different = metrics.labelled_cosines(spanish, english, speakers)
    value, low, high = found
    assert low < value < high
    assert high - low < 0.25
    expected = {
        "AUC": metrics.auc(same, different),
        "EER": metrics.equal_error_rate(same, different),
        "triplet accuracy": metrics.paired_triplet_accuracy(spanish, english, speakers),
        "one label": same.mean(),
        "two labels": different.mean(),
    }
    assert value == pytest.approx(expected[measure])
    assert found == metrics.separation(measure, spanish, english, speakers, speakers)
    chance = metrics.separation(measure, *rng.normal(size=(2, 80, 8)), speakers, speakers)
    means = {"AUC": 0.5, "EER": 0.5, "triplet accuracy": 0.5, "one label": 0.0, "two labels": 0.0}
    assert chance[1] - 0.05 < means[measure] < chance[2] + 0.05


def test_separations_say_why_there_is_none():
    vectors, one_each = np.random.default_rng(0).normal(size=(6, 8)), np.arange(6)
    rows = {row["measure"]: row for row in metrics.separations(vectors, vectors, one_each, one_each, one_each)}
    assert set(rows) == set(MEASURES)
    assert np.isnan(rows["AUC"]["value"])
    assert "pairs" in rows["AUC"]["reason"]
    assert "triplets" in rows["triplet accuracy"]["reason"]
    assert "no such pairs" in rows["one label"]["reason"]
    assert rows["two labels"]["reason"] == ""
    good = metrics.separations(vectors, vectors, one_each, one_each, measures=["AUC"])
    assert [(row["measure"], row["value"], row["reason"]) for row in good] == [("AUC", 1.0, "")]


def test_paired_test_by_hand():
    p, effect = metrics.paired_test(np.array([2.0, 3, 4, 5, 6, 7]), np.array([1.0, 1, 1, 1, 1, 1]))
    assert effect == 1
    assert p == pytest.approx(2 / 2**6), "the most extreme of all signs"
    p, effect = metrics.paired_test(np.array([0.0, 0, 3]), np.array([1.0, 2, 0]))
    assert effect == pytest.approx(0)
    assert metrics.paired_test(np.ones(4), np.ones(4)) == (1.0, 0.0)
    with pytest.raises(metrics.MetricError, match="paired"):
        metrics.paired_test(np.ones(3), np.ones(4))


def test_holm_by_hand():
    assert list(metrics.holm(np.array([0.01, 0.04, 0.03]))) == pytest.approx([0.03, 0.06, 0.06])
    assert list(metrics.holm(np.array([0.9, 0.8]))) == [1, 1]


def test_agreement_and_correlation_by_hand():
    a = np.array([1.0, 2, 3, 4])
    assert metrics.agreement(a, a**3) == 1
    assert metrics.agreement(a, -a) == -1
    assert metrics.agreement(a, np.array([1.0, 2, 4, 3])) == pytest.approx(4 / 6)
    assert metrics.correlation(a, np.exp(a)) == pytest.approx(1)
    assert metrics.correlation(a, np.array([1.0, 2, 4, 3])) == pytest.approx(0.8)
    for measure in (metrics.agreement, metrics.correlation):
        with pytest.raises(metrics.MetricError):
            measure(a, np.ones(4))


@given(st.integers(0, 1000))
def test_correlation_is_scipy_s(seed):
    from scipy.stats import spearmanr

    a, b = np.random.default_rng(seed).integers(0, 6, (2, 12)).astype(float)
    assert metrics.correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)


def test_calibration_puts_a_cosine_between_floor_and_ceiling():
    found = metrics.Calibration(same=np.array([0.6, 0.8]), different=np.array([0.0, 0.2]))
    assert (found.floor, found.ceiling) == pytest.approx((0.1, 0.7))
    assert found.normalised(0.4) == pytest.approx(0.5)
    assert (found.percentile(0.5), found.percentile(0.7), found.percentile(0.9)) == (0, 50, 100)
    assert found.equal_error_rate == 0
    for same, different in (([], [0.1]), ([0.1], []), ([0.1], [0.2])):
        with pytest.raises(metrics.MetricError):
            metrics.Calibration(np.array(same), np.array(different))


def test_calibration_of_planted_speakers():
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(6), 4)
    centres = rng.normal(size=(6, 16))
    spanish, english = (centres[speakers] + 0.2 * rng.normal(size=(24, 16)) for _ in range(2))
    found = metrics.Calibration.between(spanish, english, speakers)
    assert len(found.same) == 24 * 4
    assert len(found.different) == 24 * 20
    assert found.ceiling > 0.9


def test_whitening_shows_what_a_common_offset_hides():
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 100)
    offset, axis, noise = 20 * rng.normal(size=32), rng.normal(size=32), rng.normal(size=(200, 32))
    vectors = offset + noise + np.outer(np.where(labels, 1.0, -1.0), axis)
    raw = metrics.labelled_cosines(vectors, vectors, labels)
    assert min(map(np.min, raw)) > 0.9, "as emotion2vec's: everything resembles everything"
    white = metrics.Whitening.fit(vectors)(vectors)
    assert white.mean(0) == pytest.approx(0, abs=1e-9)
    assert white.std(0) == pytest.approx(1, abs=0.15)
    assert np.abs(np.corrcoef(white.T) - np.eye(32)).max() < 0.25
    with pytest.raises(metrics.MetricError):
        metrics.Whitening.fit(vectors[:1])


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


def test_auc_and_eer_by_hand():
    same, different = np.array([0.9, 0.8, 0.3]), np.array([0.4, 0.2, 0.1])
    assert metrics.auc(same, different) == pytest.approx(8 / 9)
    assert metrics.equal_error_rate(same, different) == pytest.approx(1 / 3)
    assert metrics.equal_error_rate(same + 1, different) == 0
    with pytest.raises(metrics.MetricError):
        metrics.auc(same, np.array([]))


@given(st.integers(0, 1000))
def test_auc_is_symmetric(seed):
    a, b = np.random.default_rng(seed).normal(size=(2, 20))
    assert metrics.auc(a, b) == pytest.approx(1 - metrics.auc(b, a))


def test_labelled_cosines_by_hand():
    a = np.array([[1.0, 0.0], [0.0, 2.0]])
    labels, apart = np.array(["x", "y"]), np.array([1, 2])
    same, different = metrics.labelled_cosines(a, a, labels)
    assert list(same) == [1, 1]
    assert list(different) == [0, 0]
    same, different = metrics.labelled_cosines(a, a, labels, apart)
    assert not len(same)
    assert len(different) == 2
