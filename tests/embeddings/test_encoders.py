import pickle
import random
import subprocess
import sys
import types

import numpy as np
import pytest
import torch
from helpers import voiced

from thesis_lib import pretrained
from thesis_lib.audio.files import AudioError, read_audio, resample
from thesis_lib.config import CorpusConfig, EncoderConfig
from thesis_lib.corpus import mini
from thesis_lib.embeddings.encoders import (
    EncoderError,
    EvaluationEncoder,
    embed,
    emotion_encoder,
    evaluation_encoders,
    select,
    speaker_encoder,
)
from thesis_lib.embeddings.encoders.ecapa import EcapaTdnn, published_network, speaker_prototypes
from thesis_lib.embeddings.encoders.egemaps import Egemaps
from thesis_lib.embeddings.encoders.emotion2vec import Emotion2vec
from thesis_lib.embeddings.encoders.resemblyzer import Resemblyzer
from thesis_lib.embeddings.encoders.tiny import TinyTestEncoder
from thesis_lib.embeddings.encoders.whisper import WhisperEncoder
from thesis_lib.pretrained.whisper import Whisper
from thesis_lib.utils.files import sha256


@pytest.fixture(scope="module")
def two_voices() -> dict[str, list[np.ndarray]]:
    """Two bundled test voices, Spanish and English of each, 16 kHz."""
    rows = mini.table(CorpusConfig(name="mini"))
    chosen = rows[rows.split == "test"].groupby("voice").head(1).iloc[:2]
    folder = mini.bundle() / "audio"
    return {
        r.voice: [read_audio(folder / f"{r.id}.{s}.opus", 16_000)[0] for s in ("es", "en")] for r in chosen.itertuples()
    }


def cosines(encoder, voices) -> tuple[float, float]:
    """Lowest same-voice and highest different-voice cosine, across languages."""
    (a_es, a_en), (b_es, b_en) = ([embed(encoder, w, 16_000) for w in wavs] for wavs in voices.values())

    def cosine(x, y):
        return float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))

    return min(cosine(a_es, a_en), cosine(b_es, b_en)), max(cosine(a_es, b_en), cosine(b_es, a_en))


@pytest.mark.weights("ecapa")
def test_ecapa_tells_voices_apart(two_voices):
    same, different = cosines(EcapaTdnn(), two_voices)
    assert same > 0.4 > 0.3 > different


@pytest.mark.weights("ecapa")
def test_ecapa_is_frozen_and_has_a_gradient():
    encoder = EcapaTdnn()
    assert not encoder.training
    assert not any(p.requires_grad for p in encoder.parameters())
    wav = torch.from_numpy(voiced(1.0, 16_000))[None].requires_grad_()
    encoder(wav).sum().backward()
    assert wav.grad.abs().sum() > 0


def classifier(encoder: EcapaTdnn):
    """speechbrain's own interface to the same weights."""
    from speechbrain.inference.speaker import EncoderClassifier

    modules = {
        "compute_features": encoder.features,
        "mean_var_norm": encoder.normalise,
        "embedding_model": published_network(),
        "classifier": torch.nn.Identity(),
    }
    return EncoderClassifier(modules, hparams={"label_encoder": None})


@pytest.mark.weights("ecapa")
def test_ecapa_is_speechbrains(two_voices):
    encoder = EcapaTdnn()
    theirs = classifier(encoder)
    for wav in (wav for wavs in two_voices.values() for wav in wavs):
        expected = theirs.encode_batch(torch.from_numpy(wav)[None]).squeeze()
        assert np.abs(encoder.encode(wav) - expected.numpy()).max() <= 1e-5 * float(expected.abs().max())


@pytest.mark.weights("ecapa")
def test_a_batch_of_mixed_lengths_gives_what_each_gives_alone(two_voices):
    """Which speechbrain's own does not."""
    encoder = EcapaTdnn()
    (long, short), _ = two_voices.values()
    wavs = [short[:4800], long, short[:40_001], long[:16_000], short]
    together, alone = encoder.encode_batch(wavs), np.stack([encoder.encode(wav) for wav in wavs])
    assert np.abs(together - alone).max() <= 1e-5 * np.abs(alone).max()
    lengths = torch.tensor([len(wav) / max(map(len, wavs)) for wav in wavs])
    padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(wav) for wav in wavs], batch_first=True)
    theirs = classifier(encoder).encode_batch(padded, lengths).squeeze(1).numpy()
    assert np.abs(theirs - alone).max() > 1


@pytest.mark.weights("ecapa")
def test_ecapa_in_bfloat16_is_nearly_the_same_and_says_so(two_voices, monkeypatch):
    (wav, _), _ = two_voices.values()
    monkeypatch.setattr(select, "computes_in_bfloat16", lambda: True)
    half = speaker_encoder(EncoderConfig())
    assert half.revision.endswith("-bfloat16")
    whole = speaker_encoder(EncoderConfig(precision="float32"))
    assert whole.revision == EcapaTdnn().revision
    a, b = half.encode(wav), whole.encode(wav)
    assert 0 < 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b) < 1e-3


def test_a_device_that_is_not_here_is_an_error(emotion2vec_folder):
    config = EncoderConfig(emotion="auto", emotion_folder=str(emotion2vec_folder), device="cuda:7")
    with pytest.raises(EncoderError, match="encoders.device=cuda:7"):
        emotion_encoder(config)


@pytest.mark.weights("ecapa")
@pytest.mark.parametrize("seconds", [0.3, 60.0])
def test_ecapa_takes_any_length(seconds):
    assert embed(EcapaTdnn(), voiced(seconds, 16_000), 16_000).shape == (192,)


@pytest.mark.weights("ecapa")
@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_ecapa_weights_are_loaded_strictly(change, monkeypatch):
    state = torch.load(pretrained.fetch("ecapa") / "embedding_model.ckpt", map_location="cpu", weights_only=True)
    name = next(iter(state))
    if change == "missing":
        del state[name]
    elif change == "extra":
        state["extra"] = torch.zeros(1)
    else:
        state[name] = state[name][..., :1]
    monkeypatch.setattr(torch, "load", lambda *_, **__: state)
    with pytest.raises(RuntimeError, match="state_dict"):
        EcapaTdnn()


@pytest.mark.weights("resemblyzer")
def test_resemblyzer_tells_voices_apart(two_voices):
    encoder = Resemblyzer()
    same, different = cosines(encoder, two_voices)
    assert same > different
    assert encoder.dim == 256


def test_egemaps_follows_pitch_and_level():
    encoder = Egemaps()
    names = encoder.feature_names
    pitch = names.index("F0semitoneFrom27.5Hz_sma3nz_amean")
    loudness = names.index("loudness_sma3_amean")
    low, high = (embed(encoder, voiced(2.0, 16_000, f0), 16_000) for f0 in (110, 220))
    assert high[pitch] - low[pitch] == pytest.approx(12, abs=0.7)  # an octave, in semitones
    quiet = embed(encoder, 0.3 * voiced(2.0, 16_000, 110), 16_000)
    assert quiet[loudness] < low[loudness]
    assert len(names) == encoder.dim == 88


def test_the_tiny_encoder_says_what_it_is():
    encoder = speaker_encoder(EncoderConfig(speaker="tiny-test"))
    assert "test" in encoder.name
    assert embed(encoder, voiced(), 22_050).shape == (192,)


def test_emotion2vec_from_a_folder(emotion2vec_folder):
    before = torch.get_rng_state(), torch.get_num_threads(), random.getstate()
    encoder = emotion_encoder(EncoderConfig(emotion="auto", emotion_folder=str(emotion2vec_folder)))
    assert encoder.dim == 32, "the size is read from the model"
    wavs = [voiced(s, 16_000, f0) for s, f0 in ((1.0, 110), (0.7, 220))]
    vectors = [embed(encoder, w, 16_000) for w in wavs]
    assert not np.allclose(vectors[0], vectors[1])
    assert np.allclose(embed(encoder, wavs[0], 16_000), vectors[0])
    assert torch.get_num_threads() == before[1]
    assert random.getstate() == before[2]


def test_emotion2vec_with_a_missing_weight_is_an_error(emotion2vec_folder):
    state = torch.load(emotion2vec_folder / "model.pt", weights_only=True)
    name = next(iter(state["model"]))
    del state["model"][name]
    torch.save(state, emotion2vec_folder / "model.pt")
    with pytest.raises(EncoderError, match=name):
        Emotion2vec(emotion2vec_folder)
    with pytest.raises(EncoderError, match="nowhere: an emotion2vec folder holds"):
        emotion_encoder(EncoderConfig(emotion="auto", emotion_folder=str(emotion2vec_folder / "nowhere")))


def published(folder, monkeypatch) -> dict:
    """The folder as the base model is published: another name, and in the file what fairseq's training left there."""
    import argparse

    from omegaconf import OmegaConf

    left = type("Meter", (), {"__module__": "fairseq.logging.meters"})
    module = types.ModuleType("fairseq.logging.meters")
    module.Meter = left
    state = torch.load(folder / "model.pt", weights_only=True)["model"]
    with monkeypatch.context() as only_now:
        for name in ("fairseq", "fairseq.logging"):
            only_now.setitem(sys.modules, name, types.ModuleType(name))
        only_now.setitem(sys.modules, "fairseq.logging.meters", module)
        rest = {
            "cfg": OmegaConf.create({"a": [1, {"b": None}]}),
            "args": argparse.Namespace(seed=1),
            "meters": [left()],
        }
        optimizer = {"last_optimizer_state": {"exp_avg": torch.zeros(9)}}
        torch.save({"model": state | {"_ema.proj": torch.zeros(2)}} | rest | optimizer, folder / "emotion2vec_base.pt")
    (folder / "model.pt").unlink()
    return state


def test_emotion2vec_as_its_base_model_is_published(emotion2vec_folder, monkeypatch):
    before = Emotion2vec(emotion2vec_folder).encode(voiced(1.0, 16_000))
    published(emotion2vec_folder, monkeypatch)
    allowed = set(torch.serialization.get_safe_globals())
    with pytest.raises(pickle.UnpicklingError):
        torch.load(emotion2vec_folder / "emotion2vec_base.pt", weights_only=True)
    assert np.array_equal(Emotion2vec(emotion2vec_folder).encode(voiced(1.0, 16_000)), before)
    assert set(torch.serialization.get_safe_globals()) == allowed


def test_emotion2vec_as_its_fine_tuned_models_are_published(emotion2vec_folder):
    before = Emotion2vec(emotion2vec_folder).encode(voiced(1.0, 16_000))
    state = torch.load(emotion2vec_folder / "model.pt", weights_only=True)["model"]
    torch.save({f"d2v_model.{key}": tensor for key, tensor in state.items()}, emotion2vec_folder / "model.pt")
    with open(emotion2vec_folder / "config.yaml", "a") as config:
        config.write("scope_map: [d2v_model., none]\n")
    assert np.array_equal(Emotion2vec(emotion2vec_folder).encode(voiced(1.0, 16_000)), before)


def test_the_hub_gives_the_pinned_emotion2vec_or_none(emotion2vec_folder, monkeypatch):
    published(emotion2vec_folder, monkeypatch)
    asked = {}

    def snapshot_download(repository, **given):
        asked.update(given, repository=repository)
        return str(emotion2vec_folder)

    monkeypatch.setattr(pretrained, "hub_reachable", lambda: True)
    monkeypatch.setattr(pretrained, "offline", lambda: False)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    with pytest.raises(EncoderError, match="sha256.*emotion_folder"):
        emotion_encoder(EncoderConfig(emotion="emotion2vec"))
    assert asked["repository"] == "emotion2vec/emotion2vec_base"
    assert len(asked["revision"]) == 40, "a commit, and no branch that can move"
    digest = sha256(emotion2vec_folder / "emotion2vec_base.pt")
    monkeypatch.setattr("thesis_lib.embeddings.encoders.emotion2vec.SHA256", digest)
    assert emotion_encoder(EncoderConfig(emotion="auto")).name == "emotion2vec"


def test_without_emotion2vec_the_substitute_encoder_is_named_or_refused(monkeypatch):
    monkeypatch.setattr(pretrained, "hub_reachable", lambda: False)
    assert emotion_encoder(EncoderConfig(emotion="auto")).name == "egemaps"
    with pytest.raises(EncoderError, match="emotion_folder"):
        emotion_encoder(EncoderConfig(emotion="emotion2vec"))


def test_auto_speaker_falls_back_by_name(monkeypatch):
    monkeypatch.setattr(pretrained, "is_cached", lambda name: False)
    assert speaker_encoder(EncoderConfig(speaker="auto")).name == "tiny-test-encoder"
    assert evaluation_encoders(EncoderConfig(evaluation=())) == []


def test_the_loader_of_an_evaluation_encoder_is_the_same_in_another_process():
    """So that the process loads the network once, and not for every recording."""
    loader = EvaluationEncoder("resemblyzer")
    there = pickle.loads(pickle.dumps(loader))
    assert (there, hash(there)) == (loader, hash(loader))


@pytest.mark.parametrize(
    ("wav", "reason"),
    [(np.zeros(16_000), "silence"), (np.full(16_000, np.nan), "not finite"), (np.ones(1), "too short")],
)
def test_no_vector_for_unusable_audio(wav, reason):
    with pytest.raises(AudioError, match=reason):
        embed(TinyTestEncoder(), wav.astype(np.float32), 16_000)


@pytest.mark.parametrize("vector", [np.full(192, np.nan), np.zeros(191), np.zeros((1, 192))])
def test_a_wrong_vector_is_an_error(vector, monkeypatch):
    encoder = TinyTestEncoder()
    monkeypatch.setattr(encoder, "encode", lambda wav: vector)
    with pytest.raises(EncoderError):
        embed(encoder, voiced(), 22_050)


def test_any_rate_is_resampled_inside():
    encoder, wav = TinyTestEncoder(), voiced(1.0, 48_000)
    assert np.allclose(embed(encoder, wav, 48_000), embed(encoder, resample(wav, 48_000, 16_000), 16_000))


@pytest.mark.weights("whisper-tiny.en")
def test_whispers_encoder_is_the_recognisers_and_has_a_gradient(two_voices):
    """CTranslate2 computes with 8-bit weights, this with the file's own."""
    wav = next(iter(two_voices.values()))[1]
    encoded = Whisper("whisper-tiny.en").encode(wav, 16_000)
    padded = torch.from_numpy(np.pad(wav, (0, 160_000 - len(wav))))[None].requires_grad_(True)
    found = WhisperEncoder()(padded)
    assert found.mean(2).abs().max() < 1e-4
    ours, theirs = (x - x.mean(0) for x in (found[0].T.detach().numpy()[: len(encoded)], encoded))
    assert (ours * theirs).sum() / np.linalg.norm(ours) / np.linalg.norm(theirs) > 0.998
    found.pow(2).sum().backward()
    assert padded.grad.isfinite().all()
    assert padded.grad[:, : len(wav)].abs().mean() > 0


@pytest.mark.weights("ecapa-speakers")
def test_the_speaker_prototypes_are_thousands_of_different_people():
    prototypes = speaker_prototypes()
    assert prototypes.shape == (7205, EcapaTdnn.dim)
    assert torch.allclose(prototypes.norm(dim=1), torch.ones(len(prototypes)), atol=1e-5)
    alike = prototypes[:500] @ prototypes.T
    alike[torch.arange(500), torch.arange(500)] = 0
    assert alike.mean().abs() < 0.02
    assert alike.max() < 0.8


def test_one_network_of_funasr_is_imported_without_the_others():
    code = (
        "import sys; from thesis_lib.embeddings.encoders.funasr_models import funasr_network;"
        "network = funasr_network('eres2net.eres2net', 'ERes2Net');"
        "print(network.__name__, len([name for name in sys.modules if name.startswith('funasr.models.')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    name, modules = done.stdout.split()[-2:]
    assert name == "ERes2Net"
    assert int(modules) < 10  # 400 with all
