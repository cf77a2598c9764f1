"""Streaming equals the whole, for pieces of any length, in torch, ONNX Runtime and OpenVINO."""

import io
import json
import subprocess
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from helpers import gate_examples, voiced
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner

from thesis_lib import cli
from thesis_lib.audio.files import read_audio, resample, write_audio
from thesis_lib.audio.mel import LogMel
from thesis_lib.compression import export_onnx
from thesis_lib.config import AudioConfig, ContentConfig, HifiganConfig, IstftConfig, Recipe, TrainingConfig
from thesis_lib.vocoder.checkpoints import CheckpointError
from thesis_lib.vocoder.description import EncoderMismatchError
from thesis_lib.vocoder.generators.istft import Block
from thesis_lib.vocoder.onnx_vocoder import OnnxError, OnnxVocoder, _receptive_field
from thesis_lib.vocoder.streaming import MelStream, ReceptiveField, Stream, StreamError, stream_file
from thesis_lib.vocoder.synthesis import DeviceError, Vocoder
from thesis_lib.vocoder.voice import Voice

SMALL = {"speaker_projection": 4, "emotion_projection": 4, "fusion_dim": 8, "condition_dim": 8}
KINDS = {
    "hifigan": (ContentConfig(), HifiganConfig(channels=32, kernel_sizes=(3, 7), dilations=((1, 3), (1, 3)), **SMALL)),
    "istft": (ContentConfig(), IstftConfig(channels=16, blocks=3, **SMALL)),
    "live": (ContentConfig(), IstftConfig(channels=16, blocks=3, lookahead=3, **SMALL)),
    "harmonic": (ContentConfig(kind="envelope"), IstftConfig(channels=16, blocks=2, excitation="harmonic", **SMALL)),
}


def made(kind: str) -> Vocoder:
    """Random weights, and a condition that matters."""
    content, generator = KINDS[kind]
    sections = {"audio": AudioConfig(), "content": content, "generator": generator}
    meta = {name: section.model_dump() for name, section in sections.items()}
    about = {"task": "resynthesis", "speaker_encoder": "tiny-test-encoder", "emotion_encoder": "egemaps"}
    vocoder = Vocoder.untrained(meta | about | {"speaker_dim": 5, "emotion_dim": 6})
    torch.manual_seed(1)
    for module in vocoder.generator.modules():
        if hasattr(module, "affine"):
            torch.nn.init.normal_(module.affine.weight, std=0.05)
        if isinstance(module, torch.nn.Conv1d | torch.nn.ConvTranspose1d):
            torch.nn.init.normal_(module.weight, std=0.1)  # so that the farthest frame has an effect
        if isinstance(module, Block):
            for layer in (module.up, module.down):
                torch.nn.init.normal_(layer.weight, std=0.3)
    if generator.kind == "istft":  # with phases of zero all sound would lie where the window has none
        torch.nn.init.normal_(vocoder.generator.head.weight, std=0.2)
    return vocoder


def frames_of(vocoder: Vocoder, count: int) -> np.ndarray:
    """(C, T), with a pitch that moves."""
    width = 80 if vocoder.content_config.kind == "mel" else 27
    return np.random.default_rng(count).normal(size=(width, count)).astype(np.float32)


@pytest.fixture(scope="module", params=KINDS)
def vocoders(request, tmp_path_factory):
    """The same vocoder in torch and in ONNX Runtime."""
    vocoder = made(request.param)
    path = tmp_path_factory.mktemp("exported") / "vocoder.onnx"
    export_onnx(vocoder, path)
    return vocoder, Vocoder.from_pretrained(path)


VOICE = Voice(np.linspace(-1, 1, 5, dtype=np.float32), np.linspace(1, -1, 6, dtype=np.float32))


def whole(vocoder: Vocoder | OnnxVocoder, content: np.ndarray) -> np.ndarray:
    given = (content[None], VOICE.speaker[None], VOICE.emotion[None])
    if isinstance(vocoder, OnnxVocoder):
        return vocoder(*given, 1.5)[0]
    return vocoder(*map(torch.from_numpy, given), 1.5)[0].numpy()


def in_pieces(content: np.ndarray, size: int) -> list[np.ndarray]:
    return [content[:, start : start + size] for start in range(0, content.shape[1], size)]


@gate_examples(20)
@given(size=st.integers(1, 64), count=st.integers(2, 150))
@example(size=49, count=101)  # a phase just below a whole cycle, rounded to single precision on either side of the seam
@example(size=50, count=101)
def test_pieces_of_any_size_are_the_whole(vocoders, size, count):
    for vocoder in vocoders:
        content = frames_of(vocoders[0], count)
        expected = whole(vocoder, content)
        found = np.concatenate(list(vocoder.stream(in_pieces(content, size), VOICE, 1.5)))
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize("size", range(1, 65))
def test_every_size_of_a_harmonic_stream(size):
    """Its phase goes on over every seam."""
    vocoder = made("harmonic")
    content = frames_of(vocoder, 130)
    found = np.concatenate(list(vocoder.stream(in_pieces(content, size), VOICE, 1.5)))
    expected = whole(vocoder, content)
    assert np.abs(found - expected).max() <= 1e-6 * np.abs(expected).max()


def test_a_frame_changes_the_output_within_the_receptive_field_and_not_beyond(vocoders):
    vocoder, exported = vocoders
    assert exported.receptive_field == vocoder.receptive_field
    if vocoder.generator.excited:
        pytest.skip("the phase depends on all earlier frames; its continuity is tested above")
    content = frames_of(vocoder, 90)
    other = content.copy()
    other[:, 45] += 100
    changed = (whole(vocoder, content) != whole(vocoder, other)).reshape(90, 256).any(1)
    assert list(np.flatnonzero(changed)[[0, -1]]) == [
        45 - vocoder.receptive_field.right,
        45 + vocoder.receptive_field.left,
    ]


def test_hifigan_v1_has_thirteen_frames_of_context_to_each_side():
    config = Recipe(generator="v2", training=TrainingConfig(warm_start="none")).generator
    sections = {"audio": AudioConfig(), "content": ContentConfig(), "generator": config}
    meta = {name: section.model_dump() for name, section in sections.items()}
    about = {"task": "resynthesis", "speaker_encoder": "ecapa", "emotion_encoder": "egemaps"}
    sizes = {"speaker_dim": 5, "emotion_dim": 6}
    assert Vocoder.untrained(meta | about | sizes).receptive_field == ReceptiveField(13, 13)


def test_the_look_ahead_of_a_live_student_is_below_sixty_milliseconds():
    assert made("live").receptive_field.right * 256 / 22_050 <= 0.060
    assert made("istft").receptive_field.right * 256 / 22_050 > 0.060


def test_sound_comes_as_soon_as_it_is_certain_and_memory_does_not_grow():
    vocoder = made("live")
    stream = vocoder._stream(Voice(), 1.0)
    content, after = frames_of(vocoder, 400), vocoder.receptive_field.right
    lengths = [len(stream.feed(content[:, k : k + 1])) for k in range(400)]
    assert lengths == [0] * after + [256] * (400 - after)
    assert stream._frames.shape[2] <= vocoder.receptive_field.left + vocoder.receptive_field.right + 1
    assert len(stream.finish()) == 256 * after


def test_a_stream_without_frames_is_empty():
    vocoder = made("live")
    assert [len(wav) for wav in vocoder.stream([])] == [0]
    assert [len(wav) for wav in vocoder.stream([np.zeros((80, 0))])] == [0, 0]


def test_frames_that_do_not_fit_are_refused():
    stream = Stream(lambda *_: np.zeros(0), ReceptiveField(1, 1), AudioConfig(), excited=False)
    with pytest.raises(StreamError, match=r"\(C, T\)"):
        stream.feed(np.zeros(80))
    stream.feed(np.zeros((80, 2)))
    with pytest.raises(StreamError, match=r"\(79, 2\)"):
        stream.feed(np.zeros((79, 2)))


@pytest.mark.parametrize("size", [1, 100, 256, 1000, 5000, 30_000])
def test_the_spectrum_of_pieces_is_that_of_the_whole(size):
    wav = voiced(1.0, 22_050)[: 22_050 // 256 * 256]
    expected = LogMel(AudioConfig())(torch.from_numpy(wav)[None])[0].numpy()
    mel = MelStream(AudioConfig())
    found = [mel.feed(wav[start : start + size]) for start in range(0, len(wav), size)]
    found = np.concatenate([*found, mel.finish()], axis=1)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 2e-3
    assert np.abs(found - expected).mean() < 1e-5


def test_a_recording_is_padded_to_whole_frames_and_one_without_a_window_is_refused():
    mel = MelStream(AudioConfig())
    assert mel.feed(np.ones(1000)).shape[1] + mel.finish().shape[1] == 4
    mel = MelStream(AudioConfig())
    mel.feed(np.ones(100))
    with pytest.raises(StreamError, match="too short"):
        mel.finish()


def test_an_exported_vocoder_says_what_it_is(vocoders):
    vocoder, exported = vocoders
    assert exported.meta == json.loads(json.dumps(vocoder.meta))
    assert "# A vocoder conditioned on speaker and emotion" in exported.card
    assert exported.sample_rate == 22_050


def test_what_is_no_exported_vocoder_is_refused(tmp_path, vocoders):
    vocoder, exported = vocoders
    (tmp_path / "no.onnx").write_bytes(b"no")
    with pytest.raises(OnnxError, match=r"no\.onnx: not an ONNX file"):
        Vocoder.from_pretrained(tmp_path / "no.onnx")
    with pytest.raises(OnnxError, match="a speaker embedding of shape"):
        exported(frames_of(vocoder, 9)[None], speaker=np.zeros((1, 7), np.float32))


def test_an_exported_vocoder_renders_a_recording_in_another_voice(vocoders):
    vocoder, exported = vocoders
    wav, voice = voiced(0.4), replace(VOICE, log_f0_median=5.3, log_f0_std=0.2)
    expected = vocoder.render(wav, voice, 1.2, 1.1)
    assert np.abs(exported.render(wav, voice, 1.2, 1.1) - expected).max() <= 1e-4


def test_an_exported_vocoder_is_no_start_for_training_or_another_export(vocoders):
    with pytest.raises(CheckpointError, match="which an ONNX file has not"):
        Vocoder.from_torch(vocoders[1].name)


@pytest.mark.parametrize("frames", [1, 2, 3, 7, 40, 137, 400])
def test_onnx_equals_torch_for_any_length_and_condition(vocoders, frames):
    content = frames_of(vocoders[0], frames)
    outputs = [whole(vocoder, content) for vocoder in vocoders]
    assert outputs[0].shape == (frames * 256,)
    assert np.abs(outputs[0] - outputs[1]).max() <= 1e-4
    other = vocoders[1](content[None], -VOICE.speaker[None], VOICE.emotion[None])[0]
    assert np.abs(other - outputs[1]).max() > 1e-6, "the condition is in the file"


# The command


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A small vocoder's folder, and the file that `thesis export` makes of it."""
    folder = tmp_path_factory.mktemp("live")
    made("live").save_pretrained(folder / "vocoder")
    command = ["export", str(folder / "vocoder.onnx"), "--vocoder", str(folder / "vocoder")]
    result = CliRunner().invoke(cli.app, command)
    assert result.exit_code == 0, result.output
    assert "parameters" in result.output
    return folder


def test_an_exported_vocoder_renders_and_streams_without_torch(live, tmp_path):
    wav = voiced(0.5, 22_050)
    np.save(tmp_path / "wav.npy", wav)
    code = f"""
import sys
import numpy as np
from thesis_lib.vocoder.onnx_vocoder import OnnxVocoder
vocoder = OnnxVocoder.from_pretrained({str(live / "vocoder.onnx")!r})
wav = np.load({str(tmp_path / "wav.npy")!r})
np.save({str(tmp_path / "made.npy")!r}, vocoder.render(wav))
content = vocoder.features(wav)[0]
streamed = np.concatenate(list(vocoder.stream([content[:, :9], content[:, 9:]])))
assert np.abs(streamed[: len(wav)] - np.load({str(tmp_path / "made.npy")!r})).max() < 1e-5
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    expected = Vocoder.from_pretrained(live / "vocoder").render(wav)
    assert np.abs(np.load(tmp_path / "made.npy") - expected).max() <= 1e-3 * np.abs(expected).max()


def test_an_export_is_known_by_its_suffix(tmp_path):
    with pytest.raises(OnnxError, match="suffix must be"):
        cli.app(["export", str(tmp_path / "vocoder.pt")], standalone_mode=False)


def stream(capfd, *arguments: object) -> dict:
    """The figures that `thesis stream --json` prints on stderr."""
    cli.app(["stream", "--json", *map(str, arguments)], standalone_mode=False)
    return json.loads(capfd.readouterr().err.splitlines()[-1])


@pytest.mark.parametrize("name", ["vocoder", "vocoder.onnx"])
@pytest.mark.parametrize("chunk", [7, 100, 5000])
def test_a_streamed_recording_is_the_rendered_one(live, tmp_path, capfd, name, chunk):
    wav = voiced(1.0, 22_050)
    write_audio(tmp_path / "in.wav", wav, 22_050)
    figures = stream(capfd, tmp_path / "in.wav", tmp_path / "out.wav", "--vocoder", live / name, "--chunk", chunk)
    wav, _ = read_audio(tmp_path / "in.wav")
    expected = Vocoder.from_pretrained(live / name).render(wav)
    found, rate = read_audio(tmp_path / "out.wav")
    assert rate == 22_050
    assert np.abs(found[: len(expected)] - expected).max() < 1e-3 * np.abs(expected).max() + 2 / 32768
    assert figures["seconds"] == pytest.approx(1.0, abs=0.02)
    assert figures["work_a_second"] > 0
    assert figures["work_to_the_first"] > 0
    assert figures["look_ahead_ms"] == pytest.approx(58.05, abs=0.01)


def test_openvino_streams_what_onnx_runtime_does(tmp_path, capfd):
    export_onnx(made("hifigan"), tmp_path / "vocoder.onnx")
    write_audio(tmp_path / "in.wav", voiced(1.0, 22_050), 22_050)
    for runtime in ("onnxruntime", "openvino"):
        how = ("--vocoder", tmp_path / "vocoder.onnx", "--runtime", runtime)
        stream(capfd, tmp_path / "in.wav", tmp_path / f"{runtime}.wav", *how)
    wanted, found = (read_audio(tmp_path / f"{runtime}.wav")[0] for runtime in ("onnxruntime", "openvino"))
    assert np.abs(wanted).max() > 0.01
    assert np.abs(found - wanted).max() < 1e-3 * np.abs(wanted).max() + 2 / 32768


def test_openvino_is_for_onnx_files_and_for_hifigan(live):
    with pytest.raises(OnnxError, match="thesis export"):
        cli.app(["stream", "a.wav", "b.wav", "--runtime", "openvino"], standalone_mode=False)
    with pytest.raises(OnnxError, match="use --runtime onnxruntime"):
        OnnxVocoder(live / "vocoder.onnx", runtime="openvino")


def test_other_rates_and_a_spectrum_and_raw_samples_can_be_streamed(live, tmp_path, capfd, monkeypatch):
    wav = voiced(1.0, 22_050)
    vocoder = Vocoder.from_pretrained(live / "vocoder")
    write_audio(tmp_path / "in.flac", resample(wav, 22_050, 16_000), 16_000)
    stream(capfd, tmp_path / "in.flac", tmp_path / "a.wav", "--vocoder", live / "vocoder")
    whole = vocoder.render(resample(read_audio(tmp_path / "in.flac")[0], 16_000, 22_050))
    found, _ = read_audio(tmp_path / "a.wav")
    assert np.corrcoef(found[2000:20_000], whole[2000:20_000])[0, 1] > 0.999

    mel = vocoder.content(wav)[0].numpy()
    np.save(tmp_path / "mel.npy", mel)
    stream(capfd, tmp_path / "mel.npy", tmp_path / "b.wav", "--vocoder", live / "vocoder")
    expected = vocoder(torch.from_numpy(mel)[None])[0].numpy()
    assert np.abs(read_audio(tmp_path / "b.wav")[0] - expected).max() < 2 / 32768

    raw = (wav * 32767).astype("<i2").tobytes()
    code = "import sys; from thesis_lib.cli import app; app(standalone_mode=False); assert 'torch' not in sys.modules"
    command = [sys.executable, "-c", code, "stream", "-", "-", "--vocoder", str(live / "vocoder.onnx")]
    piped = subprocess.run(command, input=raw, capture_output=True, check=True)
    sound = np.frombuffer(piped.stdout, "<i2") / 32767
    assert len(sound) == 87 * 256
    assert np.corrcoef(sound[: len(expected)], expected)[0, 1] > 0.999
    assert b"work_a_second" in piped.stderr


def test_a_voice_can_be_given(live, tmp_path, capfd):
    """The vocoder was trained with the substitute encoders: 192-d and 88-d."""
    content, generator = KINDS["live"]
    sections = {"audio": AudioConfig(), "content": content, "generator": generator}
    meta = {name: section.model_dump() for name, section in sections.items()}
    about = {"task": "resynthesis", "speaker_encoder": "tiny-test-encoder", "emotion_encoder": "egemaps"}
    vocoder = Vocoder.untrained(meta | about | {"speaker_dim": 192, "emotion_dim": 88})
    for module in vocoder.generator.modules():
        if hasattr(module, "affine"):
            torch.nn.init.normal_(module.affine.weight, std=0.5)
    vocoder.save_pretrained(tmp_path / "vocoder")
    write_audio(tmp_path / "in.wav", voiced(1.0, 22_050), 22_050)
    common = (tmp_path / "in.wav", tmp_path / "out.wav", "--vocoder", tmp_path / "vocoder")
    outputs = []
    for more in ((), ("--voice-from", tmp_path / "in.wav")):
        stream(capfd, *common, *more)
        outputs.append(read_audio(tmp_path / "out.wav")[0])
    assert not np.array_equal(*outputs)


def test_a_device_and_encoders_that_do_not_fit_are_refused(live, tmp_path, capfd):
    write_audio(tmp_path / "in.wav", voiced(1.0, 22_050), 22_050)
    files = (tmp_path / "in.wav", tmp_path / "out.wav", "--vocoder")
    with pytest.raises(DeviceError, match="device cuda:99"):
        stream(capfd, *files, live / "vocoder", "--device", "cuda:99")
    with pytest.raises(OnnxError, match="runs on the CPU"):
        stream(capfd, *files, live / "vocoder.onnx", "--device", "cuda")
    voice = ("--voice-from", tmp_path / "in.wav")
    with pytest.raises(EncoderMismatchError, match="speaker embeddings of size 5, tiny-test-encoder .1. gives 192"):
        stream(capfd, *files, live / "vocoder", *voice)
    with pytest.raises(EncoderMismatchError, match="encoders.speaker=ecapa"):
        stream(capfd, *files, live / "vocoder.onnx", *voice, "--set", "encoders.speaker=ecapa")


def test_a_repair_of_what_is_streamed_is_noted(live, tmp_path, monkeypatch):
    path, notes = tmp_path / "in.wav", []
    soundfile.write(path, voiced(0.5) + 0.3, 22_050)
    vocoder = Vocoder.from_pretrained(live / "vocoder")
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(path.read_bytes())))
    for source in (path, "-"):
        stream_file(vocoder, source, tmp_path / "out.wav", 0.1, note=notes.append)
    what = "the samples have an offset of +0.30, which was subtracted"
    assert notes == [f"{path}: {what}", f"stdin: {what}"]


def test_what_cannot_be_streamed_is_refused(live, tmp_path):
    harmonic = made("harmonic")
    with pytest.raises(StreamError, match="clause by clause"):
        stream_file(harmonic, tmp_path / "in.wav", tmp_path / "out.wav", 0.1)
    vocoder = Vocoder.from_pretrained(live / "vocoder")
    np.save(tmp_path / "mel.npy", np.zeros((79, 4)))
    with pytest.raises(StreamError, match=r"mel\.npy: a log-mel \(80, T\)"):
        stream_file(vocoder, tmp_path / "mel.npy", tmp_path / "out.wav", 0.1)
    (tmp_path / "no.npy").write_bytes(b"no")
    with pytest.raises(StreamError, match=r"no\.npy: not a NumPy array"):
        stream_file(vocoder, tmp_path / "no.npy", tmp_path / "out.wav", 0.1)
    assert not (tmp_path / "out.wav").exists()


def test_a_file_of_an_earlier_version_says_its_receptive_field(tmp_path):
    """Its metadata call the receptive field "reach", with the frames before and after."""
    path = tmp_path / "vocoder.onnx"
    assert _receptive_field({"reach": {"before": 13, "after": 12}}, path) == ReceptiveField(left=13, right=12)
    assert _receptive_field({"receptive_field": {"left": 1, "right": 2}}, path) == ReceptiveField(left=1, right=2)
    with pytest.raises(OnnxError, match="export the vocoder again"):
        _receptive_field({}, path)
