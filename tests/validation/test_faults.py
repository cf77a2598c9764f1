"""No invented numbers: whatever is wrong at the entry of an encoder or a metric, no finite value comes out."""

import numpy as np
import pytest
from helpers import voiced

from thesis_lib import pretrained
from thesis_lib.audio.files import AudioError
from thesis_lib.config import EncoderConfig
from thesis_lib.embeddings.encoders import EncoderError, embed, emotion_encoder
from thesis_lib.embeddings.encoders.egemaps import Egemaps
from thesis_lib.embeddings.encoders.tiny import TinyTestEncoder
from thesis_lib.pretrained import ModelError
from thesis_lib.validation import metrics

RATE = 22_050
GOOD = voiced(1.0)


def with_value(value):
    wav = GOOD.copy()
    wav[1000] = value
    return wav


# name -> (samples, rate): what no encoder and no recogniser may answer with a number.
SIGNALS = {
    "NaN": (with_value(np.nan), RATE),
    "infinity": (with_value(np.inf), RATE),
    "minus infinity": (with_value(-np.inf), RATE),
    "empty": (GOOD[:0], RATE),
    "one sample": (GOOD[:1], RATE),
    "too short": (GOOD[:1000], RATE),
    "silence": (np.zeros(RATE, np.float32), RATE),
    "nearly silence": (1e-6 * GOOD, RATE),
    "silent integers": (np.zeros(RATE, np.int16), RATE),
    "stereo": (np.stack([GOOD, GOOD]), RATE),
    "stereo, samples first": (np.stack([GOOD, GOOD], axis=1), RATE),
    "a scalar": (np.float32(0.1), RATE),
    "text": (np.array(["speech"] * RATE), RATE),
    "objects": (np.array([None] * RATE), RATE),
    "complex": (GOOD.astype(np.complex64), RATE),
    "None": (None, RATE),
    "no rate": (GOOD, 0),
    "a negative rate": (GOOD, -RATE),
    "a rate that is NaN": (GOOD, float("nan")),
}
ENCODERS = {"tiny": TinyTestEncoder, "egemaps": Egemaps}


def neural(name):
    from thesis_lib.embeddings.encoders.ecapa import EcapaTdnn
    from thesis_lib.embeddings.encoders.eres2net import Eres2net
    from thesis_lib.embeddings.encoders.resemblyzer import Resemblyzer

    return {"ecapa": EcapaTdnn, "eres2net": Eres2net, "resemblyzer": Resemblyzer}[name]()


@pytest.mark.parametrize("fault", SIGNALS)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_no_encoder_answers_a_faulty_signal(encoder, fault):
    with pytest.raises(AudioError):
        embed(ENCODERS[encoder](), *SIGNALS[fault])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ecapa", "eres2net", "resemblyzer"])
def test_nor_does_a_neural_one(name):
    if not pretrained.is_cached(name):
        pytest.skip(f"run `thesis models fetch {name}` first")
    encoder = neural(name)
    for signal in SIGNALS.values():
        with pytest.raises(AudioError):
            embed(encoder, *signal)


def test_nor_does_emotion2vec(emotion2vec_folder):
    encoder = emotion_encoder(EncoderConfig(emotion="emotion2vec", emotion_folder=str(emotion2vec_folder)))
    for signal in SIGNALS.values():
        with pytest.raises(AudioError):
            embed(encoder, *signal)


@pytest.mark.weights("whisper-tiny.en")
def test_nor_does_the_recogniser():
    from thesis_lib.pretrained.whisper import Whisper

    whisper = Whisper("whisper-tiny.en")
    for listen in (whisper, whisper.encode):
        for signal in SIGNALS.values():
            with pytest.raises(AudioError):
                listen(*signal)


def fail(wav):
    raise RuntimeError("out of memory")


@pytest.mark.parametrize(
    ("encode", "error"),
    [
        (lambda wav: np.full(192, np.nan), EncoderError),
        (lambda wav: np.full(192, np.inf), EncoderError),
        (lambda wav: np.zeros(192), EncoderError),
        (lambda wav: np.ones(191), EncoderError),
        (lambda wav: np.ones((1, 192)), EncoderError),
        (lambda wav: np.ones(0), EncoderError),
        (lambda wav: np.float32(1), EncoderError),
        (lambda wav: None, EncoderError),
        (fail, RuntimeError),
    ],
    ids=["NaN", "infinity", "zero", "too small", "a batch", "empty", "a scalar", "nothing", "an exception inside"],
)
def test_no_fault_of_a_model_becomes_a_vector(encode, error, monkeypatch):
    encoder = TinyTestEncoder()
    monkeypatch.setattr(encoder, "encode", encode)
    with pytest.raises(error):
        embed(encoder, GOOD, RATE)


@pytest.mark.parametrize("name", ["ecapa", "eres2net", "resemblyzer"])
def test_a_missing_model_is_an_error_that_says_how_to_get_it(name, tmp_path, monkeypatch):
    monkeypatch.setenv("THESIS_MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("THESIS_OFFLINE", "1")
    with pytest.raises(ModelError, match=f"thesis models fetch {name}"):
        neural(name)


def test_a_missing_emotion2vec_is_an_error_where_it_was_asked_for(monkeypatch):
    monkeypatch.setenv("THESIS_OFFLINE", "1")
    with pytest.raises(EncoderError, match="out of reach"):
        emotion_encoder(EncoderConfig(emotion="emotion2vec"))


@pytest.mark.parametrize("scale", [np.int16, np.int32], ids=["int16", "int32"])
def test_integers_are_speech_too(scale):
    integers = (GOOD * np.iinfo(scale).max).astype(scale)
    assert np.allclose(embed(TinyTestEncoder(), integers, RATE), embed(TinyTestEncoder(), GOOD, RATE), atol=1e-2)
    assert np.allclose(embed(TinyTestEncoder(), GOOD.astype(np.float64), RATE), embed(TinyTestEncoder(), GOOD, RATE))


BAD = {name: wav for name, (wav, rate) in SIGNALS.items() if rate == RATE}
# What is refused on both sides; a silent or very short *estimate* is a bad one, and is measured as such.
REFUSED = ("NaN", "infinity", "minus infinity", "empty", "stereo", "stereo, samples first", "a scalar")
PAIRED = ("mel_l1", "multi_resolution_stft", "mcd", "mcd_dtw", "pesq", "stoi", "pitch_errors")


@pytest.mark.parametrize("fault", REFUSED)
def test_no_metric_takes_a_faulty_signal(fault):
    with pytest.raises(metrics.MetricError):
        metrics.Recording(BAD[fault], RATE)


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_nor_one_without_a_rate(rate):
    with pytest.raises(metrics.MetricError, match="no sample rate"):
        metrics.Recording(GOOD, rate)


@pytest.mark.parametrize("metric", PAIRED)
def test_nor_measures_against_silence_or_another_length(metric):
    pairs = [(GOOD, BAD["silence"]), (GOOD, BAD["nearly silence"])]
    if metric != "mcd_dtw":  # which is for other lengths
        pairs += [(GOOD[:-1], GOOD), (GOOD, GOOD[:1000])]
    for pair in pairs:
        with pytest.raises(metrics.MetricError):
            getattr(metrics, metric)(*(metrics.Recording(wav, RATE) for wav in pair))


@pytest.mark.parametrize("fault", ["silence", "nearly silence"])
@pytest.mark.parametrize("predictor", ["dnsmos", "plcmos"])
def test_no_predictor_rates_silence(predictor, fault):
    with pytest.raises(metrics.MetricError, match="silent"):
        getattr(metrics, predictor)(metrics.Recording(BAD[fault], RATE))


def test_less_than_a_window_is_not_measured():
    short = metrics.Recording(GOOD[:500], RATE)
    for metric in ("mel_l1", "multi_resolution_stft"):
        with pytest.raises(metrics.MetricError, match="less than one window"):
            getattr(metrics, metric)(short, short)


def test_a_package_that_gives_no_number_is_not_believed(monkeypatch):
    monkeypatch.setattr(metrics.recording.pymcd(), "calculate_mcd_distance", lambda *given: (10, float("nan")))
    with pytest.raises(metrics.MetricError, match="MCD gave nan"):
        metrics.mcd(metrics.Recording(GOOD, RATE), metrics.Recording(GOOD, RATE))


@pytest.mark.parametrize(
    "pair",
    [
        (np.zeros(3), np.ones(3)),
        (np.ones(3), np.zeros(3)),
        (np.full(3, np.nan), np.ones(3)),
        (np.ones(3), np.full(3, np.inf)),
        (np.ones(3), np.ones(4)),
        (np.ones((1, 3)), np.ones((1, 3))),
        (np.ones(0), np.ones(0)),
        (np.float64(1), np.float64(1)),
    ],
)
def test_no_cosine_of_what_has_none(pair):
    with pytest.raises(metrics.MetricError):
        metrics.cosine(*pair)


@pytest.mark.parametrize("metric", [metrics.auc, metrics.equal_error_rate])
@pytest.mark.parametrize("groups", [([], [0.1]), ([0.1], []), ([np.nan, 0.2], [0.1]), ([0.2], [0.1, np.inf])], ids=str)
def test_no_rate_of_scores_that_are_missing_or_no_numbers(metric, groups):
    with pytest.raises(metrics.MetricError):
        metric(*map(np.array, groups))


@pytest.mark.parametrize(
    ("recognised", "references"),
    [([], []), (["a"], []), (["a"], ["a", "b"]), (["a"], [""]), (["a"], ["..."]), (["a", "b"], ["a", "  "])],
)
def test_no_bleu_without_a_reference_for_each_text(recognised, references):
    with pytest.raises(metrics.MetricError):
        metrics.corpus_bleu(recognised, references)
    with pytest.raises(metrics.MetricError, match="TER of"):
        metrics.corpus_ter(recognised, references)


def test_no_word_errors_against_no_words():
    for reference in ("", "  ", "?!"):
        with pytest.raises(metrics.MetricError):
            metrics.word_errors("anything", reference)


@pytest.mark.parametrize("statistic", [lambda i: float("nan"), lambda i: float("inf")])
def test_no_interval_of_what_is_no_number(statistic):
    with pytest.raises(metrics.MetricError):
        metrics.bootstrap(10, statistic, 100, 0)
    with pytest.raises(metrics.MetricError):
        metrics.bootstrap(1, lambda i: 1.0, 100, 0)
