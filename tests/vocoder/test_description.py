"""What a vocoder is: one model, that reads the files of earlier releases and names what is wrong in others."""

import dataclasses
import json
import re

import pytest
import torch
from pydantic import ValidationError

from thesis_lib.cloning import build
from thesis_lib.compression import export_onnx
from thesis_lib.config import AudioConfig, ContentConfig, EncoderConfig, HifiganConfig
from thesis_lib.vocoder import checkpoints
from thesis_lib.vocoder.checkpoints import CheckpointError
from thesis_lib.vocoder.description import DescriptionError, EncoderMismatchError, VocoderDescription
from thesis_lib.vocoder.onnx_vocoder import OnnxVocoder
from thesis_lib.vocoder.streaming import ReceptiveField
from thesis_lib.vocoder.synthesis import DEFAULT, RELEASED, DeviceError, Vocoder


@dataclasses.dataclass
class Named:
    """An encoder, as far as a description compares it."""

    name: str = "ecapa"
    revision: str = "02c039113289"
    dim: int = 192


EGEMAPS = Named("egemaps", "opensmile-2.6.0-eGeMAPSv02", 88)
ABOUT = json.loads((RELEASED["small"] / checkpoints.META).read_text())
SMALL = {"speaker_projection": 4, "emotion_projection": 4, "fusion_dim": 8, "condition_dim": 8}


def small(**changes) -> dict:
    config = HifiganConfig(channels=32, kernel_sizes=(3,), dilations=((1,),), **SMALL)
    sections = {"audio": AudioConfig(), "content": ContentConfig(), "generator": config}
    about = {"task": "resynthesis", "speaker_encoder": "ecapa (1)", "emotion_encoder": "egemaps (2)"}
    sizes = {"speaker_dim": 5, "emotion_dim": 6}
    return {name: section.model_dump() for name, section in sections.items()} | about | sizes | changes


@pytest.mark.parametrize(
    ("name", "speaker", "steps", "frames"),
    [(DEFAULT, "02c039113289-bfloat16", 14_484, (29, 29)), ("small", "02c039113289", 7_250, None)],
)
def test_the_released_files_are_read_and_written_as_they_are(name, speaker, steps, frames):
    described = json.loads((RELEASED[name] / checkpoints.META).read_text())
    about = VocoderDescription.of(described)
    assert described["content"]["pitch"] == "level", "written under the earlier name of the value"
    described["content"]["pitch"] = "target_median"
    assert about.to_dict() == described
    assert (about.speaker_encoder.name, about.speaker_encoder.revision) == ("ecapa", speaker)
    assert (about.steps, about.skipped_steps) == (steps, 0)
    field = about.receptive_field
    assert (field and (field.left, field.right)) == frames
    assert Vocoder.from_torch(name).meta == described


def test_it_is_frozen_and_a_change_is_validated():
    about = VocoderDescription.of(ABOUT)
    with pytest.raises(ValidationError, match="frozen"):
        about.steps = 3
    assert about.with_changes(steps=3).steps == 3
    with pytest.raises(DescriptionError, match="^steps: "):
        about.with_changes(steps="many")


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("task", {"task": "something"}),
        ("audio.sample_rate", {"audio": {"sample_rate": "fast"}}),
        ("content.kind", {"content": {"kind": "words"}}),
        ("generator", {"generator": {"kind": "nothing"}}),
        ("speaker_dim", {"speaker_dim": -1}),
        ("emotion_encoder", {"emotion_encoder": ""}),
        ("receptive_field.left", {"receptive_field": {"left": "far", "right": 1}}),
    ],
)
def test_a_wrong_value_is_named_by_its_key(tmp_path, key, changes):
    with pytest.raises(DescriptionError, match=f"^{re.escape(key)}"):
        VocoderDescription.of(ABOUT | changes)
    checkpoints.save(tmp_path / "v", {"a": torch.zeros(1)}, ABOUT | changes)
    with pytest.raises(CheckpointError, match=rf"v: not a vocoder of this project \({re.escape(key)}"):
        Vocoder.from_torch(tmp_path / "v")


@pytest.mark.parametrize("key", ["task", "audio", "content", "generator", "speaker_dim", "emotion_encoder"])
def test_a_missing_key_is_named(key):
    with pytest.raises(DescriptionError, match=f"^{key}: Field required"):
        VocoderDescription.of({name: value for name, value in ABOUT.items() if name != key})


def test_a_key_of_a_later_release_is_kept():
    assert VocoderDescription.of(ABOUT | {"lineage": ["a"]}).to_dict()["lineage"] == ["a"]


def test_saving_records_the_receptive_field_and_the_onnx_file_has_the_description(tmp_path):
    vocoder = Vocoder.untrained(small())
    vocoder.save_pretrained(tmp_path / "v")
    written = json.loads((tmp_path / "v" / checkpoints.META).read_text())
    assert ReceptiveField(**written["receptive_field"]) == vocoder.receptive_field
    assert Vocoder.from_torch(tmp_path / "v").description == vocoder.description
    export_onnx(vocoder, tmp_path / "v.onnx")
    assert OnnxVocoder(tmp_path / "v.onnx").description == vocoder.description


def test_an_encoder_of_another_name_revision_or_size_is_refused():
    about = VocoderDescription.of(ABOUT)
    about.check_encoders(Named(), EGEMAPS)
    about.check_encoders(Named(revision="02c039113289-bfloat16"), EGEMAPS)
    with pytest.raises(EncoderMismatchError, match=r"speaker encoder ecapa \(02c039113289\), this one is ecapa \(9\)"):
        about.check_encoders(Named(revision="9"), EGEMAPS)
    with pytest.raises(EncoderMismatchError, match=r"ecapa \(02c039113289\), this one is tiny-test-encoder \(1\)"):
        about.check_encoders(Named("tiny-test-encoder", "1"), EGEMAPS)
    with pytest.raises(EncoderMismatchError, match="speaker embeddings of size 192, .* gives 5"):
        about.check_encoders(Named(dim=5), EGEMAPS)
    emotional = about.with_changes(emotion_encoder="emotion2vec (4f14)", emotion_dim=768)
    with pytest.raises(EncoderMismatchError, match=r"emotion2vec \(5\): .*encoders.emotion_folder=PATH"):
        emotional.check_encoders(Named(), Named("emotion2vec", "5", 768))


@pytest.mark.weights("ecapa")
@pytest.mark.parametrize(("kind", "name"), [("speaker", "ecapa"), ("emotion", "egemaps")])
def test_the_pipeline_is_not_built_with_an_encoder_of_another_revision(tmp_path, kind, name):
    changed = VocoderDescription.of(ABOUT).with_changes(**{f"{kind}_encoder": f"{name} (0000)"})
    vocoder = Vocoder(Vocoder.from_torch("small").generator, changed)
    vocoder.save_pretrained(tmp_path / "v")
    with pytest.raises(EncoderMismatchError, match=rf"{kind} encoder {name} \(0000\), this one is {name} \("):
        build(tmp_path / "v")


def test_an_unknown_encoder_is_refused_and_not_replaced_by_the_tiny_one(tmp_path):
    vocoder = Vocoder.untrained(small(speaker_encoder="wavlm (7)"))
    export_onnx(vocoder, tmp_path / "v.onnx")
    for loaded in (vocoder, OnnxVocoder(tmp_path / "v.onnx")):
        with pytest.raises(EncoderMismatchError, match=r"speaker encoder wavlm \(7\), which is not known here"):
            _ = loaded.encoders
    tiny = VocoderDescription.of(small(speaker_encoder="tiny-test-encoder (1)"))
    assert tiny.encoder_config().speaker == "tiny-test"


def test_the_users_settings_of_the_encoders_are_kept_or_refused():
    about = VocoderDescription.of(small(emotion_encoder="emotion2vec (3)"))
    given = EncoderConfig(emotion_folder="here", device="cuda", precision="float32")
    found = about.encoder_config(given)
    assert (found.speaker, found.emotion) == ("ecapa", "emotion2vec")
    assert (found.emotion_folder, found.device, found.precision) == ("here", "cuda", "float32")
    assert about.encoder_config(EncoderConfig(speaker="auto", emotion="emotion2vec")).speaker == "ecapa"
    with pytest.raises(EncoderMismatchError, match=r"encoders.speaker=tiny-test: .* with ecapa \(1\)"):
        about.encoder_config(EncoderConfig(speaker="tiny-test"))
    with pytest.raises(EncoderMismatchError, match=r"encoders.emotion_folder=here: .* with egemaps \(2\)"):
        VocoderDescription.of(small()).encoder_config(EncoderConfig(emotion_folder="here"))


def test_a_vocoder_has_a_device(monkeypatch):
    vocoder = Vocoder.untrained(small()).to("cpu")
    assert vocoder.device == torch.device("cpu")
    assert Vocoder.from_torch(DEFAULT, device="cpu").device == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    for make in (lambda: vocoder.to("cuda"), lambda: Vocoder.from_torch(DEFAULT, device="cuda:1")):
        with pytest.raises(DeviceError, match=r"device cuda(:1)?: this machine has 0 CUDA GPUs; use cpu"):
            make()
    with pytest.raises(DeviceError, match="device 'gpu' is unknown"):
        vocoder.to("gpu")


def test_every_runtime_answers_from_the_description_by_the_same_code(tmp_path):
    vocoder = Vocoder.untrained(small(speaker_encoder="tiny-test-encoder (1)"))
    export_onnx(vocoder, tmp_path / "v.onnx")
    onnx = OnnxVocoder(tmp_path / "v.onnx")
    for name in ("meta", "sample_rate", "converts", "encoders"):
        assert getattr(type(vocoder), name) is getattr(type(onnx), name)
        assert getattr(vocoder, name) == getattr(onnx, name)
