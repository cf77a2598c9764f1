from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import spoken, voiced

from thesis_lib.audio.files import whole_frames
from thesis_lib.audio.mel import LogMel
from thesis_lib.config import AudioConfig, ContentConfig
from thesis_lib.pretrained import whisper
from thesis_lib.pretrained.whisper import Whisper
from thesis_lib.vocoder import content as module
from thesis_lib.vocoder.content import PHONETIC, PHONETIC_MODEL, analyse, channels, recording_content, stretched
from thesis_lib.vocoder.content_batch import Content, absolute_pitch

AUDIO = AudioConfig()
MEL = LogMel(AUDIO)


def content(wav, warp=None, **changes):
    config = ContentConfig(**{"kind": "envelope"} | changes)
    mel = MEL(torch.from_numpy(wav[: len(wav) // 256 * 256])[None])
    made = Content(AUDIO, config)(mel, [analyse(wav, AUDIO, config)], [0], None if warp is None else np.array([warp]))
    assert made.shape == (1, channels(AUDIO, config), mel.shape[-1])
    return made


def test_mel_content_is_the_mel():
    wav = voiced(0.5)
    made = content(wav, kind="mel")
    assert torch.equal(made, MEL(torch.from_numpy(wav[: len(wav) // 256 * 256])[None]))


def test_a_filter_on_the_whole_recording_leaves_no_trace():
    """A voice's long-term spectrum is such a filter: without its removal it would stand in every frame."""
    wav = voiced(1.0)
    tilted = np.append(wav[0], wav[1:] - 0.5 * wav[:-1]).astype(np.float32)
    with_mean, without = (
        float((content(wav, remove_mean=r)[:, :24] - content(tilted, remove_mean=r)[:, :24]).abs().mean())
        for r in (False, True)
    )
    assert without < 0.3 * with_mean


def test_the_warp_moves_the_envelope_and_nothing_else():
    wav = voiced(1.0)
    plain, warped, still = content(wav), content(wav, warp=1.2), content(wav, warp=1.0)
    assert torch.allclose(plain, still, atol=1e-5)
    assert (plain - warped)[:, :24].abs().mean() > 0.05
    assert torch.equal(plain[:, 24:], warped[:, 24:])


def test_the_warp_is_that_of_a_longer_or_shorter_vocal_tract():
    """A peak at f Hz comes to stand at f * factor."""
    centres = Content(AUDIO, ContentConfig(kind="envelope"))._centres
    mel = torch.from_numpy(np.exp(-(((centres - 2000) / 200) ** 2))).float()[:, None]
    stretched = Content(AUDIO, ContentConfig(kind="envelope"))._stretch(mel, 1.25)
    assert centres[int(stretched[:, 0].argmax())] == pytest.approx(2500, rel=0.05)


def test_pitch_at_its_level_can_be_read_back():
    made = content(voiced(1.0, f0=180.0))
    assert float(absolute_pitch(made).median()) == pytest.approx(180, rel=0.02)
    assert made[:, -1].max() > 0.8, "and the last channel is voicing"


def test_normalised_pitch_has_lost_the_median():
    low, high = (content(voiced(1.0, f0=f0), pitch="normalised")[:, -2] for f0 in (110.0, 220.0))
    assert low.median().abs() < 0.1
    assert high.median().abs() < 0.1


@pytest.mark.parametrize("pitch", ["target_median", "normalised"])
def test_silence_and_noise_give_finite_content(pitch):
    for wav in (np.zeros(22_050, np.float32), np.random.default_rng(0).normal(size=22_050).astype(np.float32)):
        assert torch.isfinite(content(wav, pitch=pitch)).all()


def test_cepstra_keep_no_harmonics():
    """Two pitches under one envelope: most of what tells their mels apart is gone."""
    rng = np.random.default_rng(0)
    phases = rng.uniform(0, 6, 60)

    def vowel(f0):
        t = np.arange(22_050) / 22_050
        partials = range(1, int(8000 / f0))
        return sum(np.exp(-k * f0 / 1500) * np.sin(2 * np.pi * k * f0 * t + phases[k % 60]) for k in partials) * 0.02

    wavs = [vowel(f0).astype(np.float32) for f0 in (220.0, 330.0)]
    mels = [MEL(torch.from_numpy(w[:22_016])[None]) for w in wavs]
    mel_distance = (mels[0] - mels[1]).std()
    cepstra = [content(w, remove_mean=False, cepstra=12)[:, :12] for w in wavs]
    basis = Content(AUDIO, ContentConfig(kind="envelope", cepstra=12)).basis
    envelope_distance = (2.0 * basis.T @ (cepstra[0] - cepstra[1])).std()
    assert envelope_distance < 0.6 * mel_distance


@pytest.mark.weights("whisper-tiny.en")
def test_phonetic_content_is_whispers_at_the_mels_frames_without_its_mean():
    wav = voiced(1.7)
    config = ContentConfig(kind="phonetic")
    made = content(wav, kind="phonetic")
    assert made[:, :PHONETIC].mean(-1).abs().max() < 0.5
    encoded = Whisper(PHONETIC_MODEL).encode(whole_frames(wav, 256), 22_050)
    frame = 60  # its centre lies between two of Whisper's
    place = (frame + 0.5) * 256 / 22_050 * 50 - 0.5
    low = int(place)
    expected = (1 - place + low) * encoded[low] + (place - low) * encoded[low + 1] - encoded.mean(0)
    found = analyse(wav, AUDIO, config).phonetic[:, frame]
    assert np.abs(found - expected).max() < 1e-3
    assert np.abs(made[0, :PHONETIC, frame].numpy() - expected).max() < 1e-3


@pytest.mark.weights("whisper-tiny.en")
def test_long_speech_is_encoded_in_windows_that_agree_with_one_another():
    """Frames of the second window equal those of the same sound at the start of a file, context or not."""
    whisper = Whisper(PHONETIC_MODEL)
    wav = np.concatenate([voiced(1.0, 16_000, f0=f0, seed=i) for i, f0 in enumerate(np.linspace(90, 250, 21))])
    whole = whisper.encode(wav, 16_000)
    assert whole.shape == (-(-len(wav) // 320), PHONETIC)
    second = whisper.encode(wav[7 * 16_000 : 17 * 16_000], 16_000)  # the window that begins at 8 s, with its context
    assert np.allclose(whole[400:750], second[50:400], atol=1e-3)


@pytest.mark.weights("whisper-tiny.en")
def test_a_short_recording_has_nearly_the_states_of_a_longer_window():
    whisper, wav = Whisper(PHONETIC_MODEL), spoken(0, 16_000)[: 2 * 16_000]
    padded = np.concatenate([wav, np.zeros(6 * 16_000, np.float32)])
    short, long = (x - x.mean(0) for x in (whisper.encode(wav, 16_000), whisper.encode(padded, 16_000)[:100]))
    cosines = (short * long).sum(1) / np.linalg.norm(short, axis=1) / np.linalg.norm(long, axis=1)
    assert cosines.mean() > 0.98
    assert cosines.min() > 0.9


def test_the_recogniser_has_the_threads_of_omp_num_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setattr(whisper.pretrained, "fetch", lambda name: name)
    monkeypatch.setattr(whisper, "_model_class", lambda: lambda folder, **options: SimpleNamespace(options=options))
    module.release()
    assert module._recogniser("cpu")._model.options["cpu_threads"] == 3
    module.release()


@pytest.mark.parametrize("seconds", [0.1, 0.3])
@pytest.mark.weights("whisper-tiny.en")
def test_very_short_speech_has_content(seconds):
    made = content(voiced(1.0)[: int(seconds * 22_050)], kind="phonetic")
    assert torch.isfinite(made).all()


@pytest.mark.parametrize("changes", [{"kind": "mel"}, {}, {"remove_mean": False, "pitch": "normalised"}])
def test_a_recording_has_the_content_of_a_training_batch(changes):
    wav = voiced(0.7)[:15_300]  # no whole number of frames
    config = ContentConfig(**{"kind": "envelope"} | changes)
    mel = MEL(torch.from_numpy(whole_frames(wav, AUDIO.hop_length))[None])
    expected = Content(AUDIO, config)(mel, [analyse(wav, AUDIO, config)], [0], None)[0].numpy()
    assert np.abs(recording_content(wav, AUDIO, config) - expected).max() <= 1e-4


@pytest.mark.parametrize("frames", [1, 7, 20, 33])
def test_content_is_stretched_as_torch_does(frames):
    for count in (1, 2, 20):
        content = np.random.default_rng(count).normal(size=(3, count)).astype(np.float32)
        expected = torch.nn.functional.interpolate(torch.from_numpy(content)[None], frames, mode="linear")[0].numpy()
        assert np.abs(stretched(content, frames) - expected).max() <= 1e-5
