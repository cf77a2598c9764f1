import numpy as np
import pytest
from conftest import voiced
from hypothesis import given
from hypothesis import strategies as st

from thesis_lib import metrics
from thesis_lib.audio import LogMel
from thesis_lib.config import AudioConfig

RATE = 22_050


@pytest.fixture(scope="module")
def pair():
    wav = voiced(2.0)
    return wav, (wav + 0.01 * np.random.default_rng(0).normal(size=len(wav))).astype(np.float32)


def test_mel_l1_of_a_gain_is_its_logarithm():
    wav = voiced(1.0)[: 80 * 256]
    # Every band is far above the floor except where the signal is nearly silent: compare where it is loud.
    value = metrics.mel_l1(0.5 * wav, wav, LogMel(AudioConfig()))
    assert value == pytest.approx(np.log(2), abs=0.02)
    assert metrics.mel_l1(wav, wav, LogMel(AudioConfig())) == 0


@pytest.mark.parametrize("metric", ["mcd", "pesq"])
def test_signal_metrics_order_noise(pair, metric):
    wav, noisy = pair
    noisier = noisy + 0.05 * np.random.default_rng(1).normal(size=len(wav)).astype(np.float32)
    values = [getattr(metrics, metric)(x, wav, RATE) for x in (wav, noisy, noisier)]
    expected = sorted(values, reverse=metric == "pesq")
    assert values == expected
    assert len(set(values)) == 3


def test_mcd_of_a_signal_with_itself_is_zero(pair):
    assert metrics.mcd(pair[0], pair[0], RATE) == pytest.approx(0, abs=1e-6)


def test_pesq_is_directional(pair):
    wav, noisy = pair
    assert metrics.pesq(noisy, wav, RATE) != metrics.pesq(wav, noisy, RATE)


def test_pesq_of_too_little_speech_is_not_measured():
    with pytest.raises(metrics.MetricError, match="PESQ"):
        metrics.pesq(voiced(0.1), voiced(0.1), RATE)


@pytest.mark.parametrize("metric", [lambda a, b: metrics.mcd(a, b, RATE), lambda a, b: metrics.pesq(a, b, RATE)])
def test_unequal_lengths_and_nan_are_not_measured(metric):
    wav = voiced(1.0)
    with pytest.raises(metrics.MetricError, match="aligned"):
        metric(wav[:-1], wav)
    with pytest.raises(metrics.MetricError, match="finite"):
        metric(np.full_like(wav, np.nan), wav)


def test_dnsmos_prefers_clean(pair):
    wav, _ = pair
    noisy = np.clip(wav + 0.3 * np.random.default_rng(2).normal(size=len(wav)), -1, 1).astype(np.float32)
    assert metrics.dnsmos(wav, RATE)["dnsmos_ovrl"] > metrics.dnsmos(noisy, RATE)["dnsmos_ovrl"]
    with pytest.raises(metrics.MetricError):
        metrics.dnsmos(np.zeros(0, np.float32), RATE)


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
    heard = ["the quick brown fox he said jumps over two lazy dogs"] * 3
    import sacrebleu

    assert metrics.corpus_bleu(heard, references) == pytest.approx(100)
    assert sacrebleu.corpus_bleu(heard, [references]).score < 40


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
