"""Malicious files are refused by name; none runs code, and none writes outside its folder."""

import io
import json
import pickle
import resource
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from helpers import voiced

from thesis_lib.audio.files import AudioError, read_audio, write_audio
from thesis_lib.config import AudioConfig, ContentConfig, CorpusConfig, IstftConfig
from thesis_lib.config.section import Section
from thesis_lib.corpus import mini
from thesis_lib.corpus.manifest import Manifest, ManifestError
from thesis_lib.corpus.prepare import prepare
from thesis_lib.embeddings.encoders import EncoderError, embed
from thesis_lib.embeddings.encoders.emotion2vec import Emotion2vec
from thesis_lib.embeddings.encoders.tiny import TinyTestEncoder
from thesis_lib.embeddings.store import EmbeddingStore
from thesis_lib.pretrained import ModelError, fetching
from thesis_lib.vocoder import checkpoints, generators
from thesis_lib.vocoder.checkpoints import CheckpointError
from thesis_lib.vocoder.synthesis import Vocoder


@pytest.fixture(autouse=True)
def canary(tmp_path, monkeypatch):
    """Path that exists only if code of a file was executed; the folder around it must stay as it is."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    yield tmp_path / "executed"
    assert not (tmp_path / "executed").exists(), "code of the file was executed"
    assert {path.name for path in tmp_path.iterdir()} <= {"home", "case", "config.yaml", "model.pt"}


class Bomb:
    """Object that creates the canary when it is unpickled."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return Path.touch, (self.canary,)


def case(canary) -> Path:
    folder = canary.with_name("case")
    folder.mkdir(exist_ok=True)
    return folder


# Weights in safetensors, and their JSON.


def safetensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


ONE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
WEIGHTS = {
    "a header longer than the file": safetensors({"a": ONE}, bytes(8), length=1 << 40),
    "a header of no length": safetensors(b"", length=0),
    "a header that is no JSON": safetensors(b"{a: 1}", bytes(8)),
    "offsets beyond the data": safetensors({"a": ONE | {"data_offsets": [0, 1 << 40], "shape": [1 << 38]}}, bytes(8)),
    "negative offsets": safetensors({"a": ONE | {"data_offsets": [-8, 0]}}, bytes(8)),
    "overlapping tensors": safetensors({"a": ONE, "b": ONE}, bytes(8)),
    "a shape that does not fit": safetensors({"a": ONE | {"shape": [1 << 40]}}, bytes(8)),
    "an unknown type": safetensors({"a": ONE | {"dtype": "object"}}, bytes(8)),
    "data cut short": safetensors({"a": ONE}, bytes(4)),
    "data beyond the tensors": safetensors({"a": ONE}, bytes(80)),
    "nothing": b"",
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_safetensors_that_lie_are_refused(canary, kind):
    (case(canary) / checkpoints.WEIGHTS).write_bytes(WEIGHTS[kind])
    (case(canary) / checkpoints.META).write_text("{}")
    with pytest.raises(CheckpointError, match="case"):
        checkpoints.load(case(canary))


def test_a_pickle_under_the_name_of_safetensors_is_not_opened(canary):
    torch.save({"a": Bomb(canary)}, case(canary) / checkpoints.WEIGHTS)
    (case(canary) / checkpoints.META).write_text("{}")
    with pytest.raises(CheckpointError, match="case"):
        Vocoder.from_pretrained(case(canary))


META = {
    "no JSON": "import os",
    "a list": "[]",
    "a number": "1",
    "nothing in it": "{}",
    "nested without end": "[" * 100_000,
    "another generator's name": json.dumps({"audio": {}, "content": {}, "generator": {"kind": "os.system"}}),
    "unknown keys": json.dumps({"audio": {"__class__": "x"}, "content": {}, "generator": {"kind": "hifigan"}}),
}


@pytest.mark.parametrize("kind", META)
def test_meta_data_that_describe_no_vocoder_are_refused(canary, kind):
    checkpoints.save(case(canary) / "v", {"a": torch.zeros(2)}, {})
    (case(canary) / "v" / checkpoints.META).write_text(META[kind])
    with pytest.raises(CheckpointError, match="v: "):
        Vocoder.from_pretrained(case(canary) / "v")


SECTIONS = {"audio": AudioConfig, "content": ContentConfig, "generator": IstftConfig}
ABSURD = {
    "channels": {"generator": {"channels": 10**9}},
    "channels that some machine could hold": {"generator": {"channels": 10_000}},
    "hidden channels": {"generator": {"expansion": 10**9}},
    "blocks": {"generator": {"blocks": 10**9}},
    "condition": {"generator": {"condition_dim": 10**9}},
    "speakers": {"speaker_dim": 10**12},
    "a negative size": {"generator": {"channels": -1}},
    "mel bands": {"audio": {"n_mels": 10**9}},
    "window": {"audio": {"n_fft": 10**12}},
    "frames a second": {"audio": {"hop_length": 0}},
}


@pytest.mark.parametrize("kind", ABSURD)
def test_meta_data_of_absurd_sizes_are_refused_before_memory_is_asked_for(canary, kind):
    meta = {key: section() for key, section in SECTIONS.items()} | {"speaker_dim": 4, "emotion_dim": 4}
    generator = generators.build_generator(*meta.values())
    meta = {key: value.model_dump() if isinstance(value, Section) else value for key, value in meta.items()}
    meta |= {"task": "resynthesis", "speaker_encoder": "ecapa", "emotion_encoder": "egemaps"}
    for key, value in ABSURD[kind].items():
        meta[key] = meta[key] | value if isinstance(value, dict) else value
    checkpoints.save(case(canary) / "v", generator.fold_weight_norm().state_dict(), meta)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match="v: not a vocoder"):
        Vocoder.from_pretrained(case(canary) / "v")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000, "KiB"


class Gadget:
    """Object that, when unpickled, calls a function of numpy that runs code that creates the canary."""

    def __init__(self, canary):
        self.code = f"open({str(canary)!r}, 'w')"

    def __reduce__(self):
        from numpy.testing import runstring

        return runstring, (self.code, {})


# emotion2vec's folder, which a user may have from anywhere.


def bomb_of(canary, layers):
    return layers.format(f"__import__('pathlib').Path({str(canary)!r}).touch()")


@pytest.mark.parametrize(
    "layers",
    [
        "{0}",
        "[({0}, 10, 5)]",
        "[(16, 10, 5)] + [({0} or 16, 3, 2)]",
        "[(16, 10, 5) for _ in [{0}]]",
        "(lambda: {0})()",
        "[(16, 10, 5)] * 1000000000",
        "[(16, 10, 5)] * 9 ** 9 ** 9",
        "'a' * 10",
        "[(16, 10, True)]",
        "[(16, 10,",
    ],
)
def test_the_layers_of_emotion2vec_are_not_run_as_code(emotion2vec_folder, canary, layers):
    config = emotion2vec_folder / "config.yaml"
    text = config.read_text()
    (own,) = [line for line in text.splitlines() if "feature_encoder_spec" in line]
    config.write_text(text.replace(own, f"      feature_encoder_spec: {json.dumps(bomb_of(canary, layers))}"))
    with pytest.raises(EncoderError, match="feature_encoder_spec|not a folder of emotion2vec"):
        Emotion2vec(emotion2vec_folder)


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:pathlib.Path.touch [{0}]",
        "model_conf: !!python/object/new:os.system ['touch {0}']",
        "model_conf: [",
        "just text",
        "model_conf: {{}}",
        "a: &a [1]\nmodel_conf: *b",
    ],
)
def test_yaml_that_would_construct_objects_is_refused(emotion2vec_folder, canary, text):
    (emotion2vec_folder / "config.yaml").write_text(text.format(canary))
    with pytest.raises(EncoderError, match="not a folder of emotion2vec"):
        Emotion2vec(emotion2vec_folder)


def test_what_a_foreign_checkpoint_names_is_not_run(emotion2vec_folder, canary):
    weights = emotion2vec_folder / "model.pt"
    torch.save(torch.load(weights, weights_only=True) | {"cfg": Gadget(canary)}, weights)
    torch.load(weights, weights_only=False)  # without weights_only its code runs
    canary.unlink()
    Emotion2vec(emotion2vec_folder)  # does not create the canary


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_pickle_bombs_do_not_go_off(emotion2vec_folder, canary):
    weights = emotion2vec_folder / "model.pt"
    good = torch.load(weights, weights_only=True)
    for content in (
        {"model": Bomb(canary)},
        Bomb(canary),
        good | {"cfg": Bomb(canary)},
        [torch.zeros(1)],
        {"model": 1},
    ):
        torch.save(content, weights)
        with pytest.raises(EncoderError, match="not a folder of emotion2vec|no weights need"):
            Emotion2vec(emotion2vec_folder)
    for data in (pickle.dumps(Bomb(canary)), b"", b"PK\x03\x04 and no archive"):
        weights.write_bytes(data)
        with pytest.raises(EncoderError, match="not a folder of emotion2vec"):
            Emotion2vec(emotion2vec_folder)


# Mirrors: archives from public registries.


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def tarred(path, **changes):
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("package/part0")
        for key, value in changes.items():
            setattr(info, key, value)
        archive.addfile(info, io.BytesIO(b"x" * info.size))
    return path


def read(archive, name="package/part0", limit=1000):
    fetching._read_members([archive], (name,), archive.with_name("joined"), limit)
    return archive.with_name("joined").read_bytes()


def test_names_that_leave_the_folder_are_never_written(canary):
    hostile = {"../executed": b"1", "/elsewhere/executed": b"1", "package/part0": b"good"}
    assert read(zipped(case(canary) / "a.whl", hostile)) == b"good"
    assert {path.name for path in case(canary).iterdir()} == {"a.whl", "joined"}


@pytest.mark.parametrize(
    "changes",
    [
        {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"type": tarfile.LNKTYPE, "linkname": "../../../etc/passwd"},
        {"type": tarfile.CHRTYPE},
        {"type": tarfile.BLKTYPE},
        {"type": tarfile.FIFOTYPE},
        {"type": tarfile.DIRTYPE},
    ],
    ids=["a link", "a hard link", "a character device", "a block device", "a pipe", "a folder"],
)
def test_members_that_are_no_files_are_refused(canary, changes):
    with pytest.raises(ModelError, match="package/part0 is not in a.tgz"):
        read(tarred(case(canary) / "a.tgz", **changes))


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_bombs_stop_at_the_expected_size(canary, kind):
    size = 50 << 20
    if kind == "zip":
        path = zipped(case(canary) / "a.whl", {"package/part0": bytes(size)})
    else:
        path = tarred(case(canary) / "a.tgz", size=size)
    assert path.stat().st_size < size // 100
    with pytest.raises(ModelError, match="more than the 1000 bytes expected"):
        read(path)
    assert path.with_name("joined").stat().st_size < 2 * fetching.CHUNK_BYTES


@pytest.mark.parametrize("data", [b"", b"no archive at all" * 99, b"PK\x05\x06" + bytes(18), b"\x1f\x8b" + bytes(50)])
def test_archives_that_are_none_are_refused(canary, data):
    path = case(canary) / "a.whl"
    path.write_bytes(data)
    with pytest.raises(ModelError, match="a.whl"):
        read(path)


# Stored embeddings.


@pytest.mark.parametrize("kind", ["a pickle", "another length", "cut short", "no array", "a header that lies"])
def test_a_stored_vector_that_is_none_is_computed_again(canary, kind):
    store, encoder, wav = EmbeddingStore(case(canary)), TinyTestEncoder(), voiced(0.5)
    right = store.get(wav, 22_050, encoder)
    (path,) = case(canary).rglob("*.npy")
    if kind == "a pickle":
        np.save(path, np.array([Bomb(canary)], dtype=object), allow_pickle=True)
    elif kind == "another length":
        np.save(path, right[:-1])
    elif kind == "a header that lies":
        path.write_bytes(path.read_bytes().replace(b"(192,)", b"(999,)"))
    else:
        path.write_bytes(path.read_bytes()[:100] if kind == "cut short" else b"text")
    assert np.array_equal(store.get(wav, 22_050, encoder), right)


# Recordings.


def riff(data_size, frames=100, rate=22_050):
    header = b"RIFF" + struct.pack("<I", 36 + data_size) + b"WAVEfmt "
    header += struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    return header + b"data" + struct.pack("<I", data_size) + bytes(2 * frames)


RECORDINGS = {
    "a length that lies": riff(4_000_000_000),
    "no rate": riff(200, rate=0),
    "a header alone": riff(0, 0)[:20],
    "a pickle": pickle.dumps({"a": 1}) * 50,
    "a script": b"#!/bin/sh\ntouch executed\n" * 20,
    "an archive": b"PK\x03\x04" + bytes(200),
}


@pytest.mark.parametrize("kind", RECORDINGS)
def test_recordings_that_are_none_are_refused(canary, kind):
    path = case(canary) / "a.wav"
    path.write_bytes(RECORDINGS[kind])
    with pytest.raises(AudioError, match="a.wav"):
        read_audio(path)


def test_a_length_beyond_all_memory_in_a_header_is_not_believed(canary):
    path = case(canary) / "a.flac"
    soundfile.write(path, voiced(1.0), 22_050)
    data = bytearray(path.read_bytes())
    # STREAMINFO's 36 bits of the number of samples: 2^36 - 1.
    data[21] |= 0x0F
    data[22:26] = b"\xff" * 4
    path.write_bytes(data)
    wav, rate = read_audio(path)
    assert (len(wav), rate) == (22_050, 22_050)


def test_a_truncated_mp3_and_a_recording_of_nan_give_no_vector(canary):
    path = case(canary) / "a.mp3"
    write_audio(path, voiced(3.0), 22_050)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(AudioError, match="a.mp3"):
        read_audio(path)
    path = case(canary) / "a.wav"
    soundfile.write(path, np.full(22_050, np.nan, np.float32), 22_050, subtype="FLOAT")
    with pytest.raises(AudioError, match="a.wav: not finite"):
        embed(TinyTestEncoder(), *read_audio(path), path)


# Tables.

NAMES = ["../../executed.mp3", "/x/executed.mp3", "sub/executed.mp3", "a\x00b.mp3", "a\x1b[2Jb.mp3", ".hidden", ".."]


def test_file_names_that_lead_elsewhere_are_rejected_by_name(canary):
    config = CorpusConfig(name="mini", limit=1)
    release = mini.write_release(case(canary) / "release", config)
    table = release.cvss / "train.tsv"
    table.write_text(table.read_text() + "".join(f"{name}\thello\n" for name in NAMES))
    spoken = release.common_voice / "validated.tsv"
    columns = spoken.read_text().splitlines()[0].split("\t")
    extra = ["\t".join({"path": name, "sentence": "hola"}.get(c, "x") for c in columns) for name in NAMES]
    spoken.write_text(spoken.read_text() + "\n".join(extra) + "\n")
    translated = release.covost
    columns = translated.read_text().splitlines()[0].split("\t")
    extra = ["\t".join({"path": name, "split": "train"}.get(c, "x") for c in columns) for name in NAMES]
    translated.write_text(translated.read_text() + "\n".join(extra) + "\n")
    manifest = prepare(release, case(canary) / "corpus", AudioConfig(), config)
    found = [reject.id for reject in manifest.rejects if reject.reason == "unsafe file name"]
    assert sorted(found) == sorted(NAMES)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "../../executed"),
        ("id", "/executed"),
        ("id", "a\nb"),
        ("source_audio", "../../etc/passwd"),
        ("target_audio", "/etc/passwd"),
        ("target_audio", "wav/../../x.wav"),
    ],
)
def test_a_manifest_that_points_outside_is_refused(tiny_run, canary, field, value):
    row = Manifest.load(tiny_run.path / "corpus").utterances[0]
    Manifest(case(canary), [row.model_copy(update={field: value})]).save()  # a copy is not validated
    with pytest.raises(ManifestError, match="row 1.*leads out of the manifest's folder"):
        Manifest.load(case(canary))


def test_a_shard_that_lies_elsewhere_is_refused(canary):
    index = {"schema_version": 2, "shards": [{"file": "../../etc/passwd", "rows": 1, "sha256": "0" * 64}]}
    (case(canary) / "manifest.json").write_text(json.dumps(index))
    with pytest.raises(ManifestError, match="leads out of the manifest's folder"):
        Manifest.load(case(canary))
