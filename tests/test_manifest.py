import pytest

from thesis_lib.manifest import Manifest, ManifestError, Reject, Utterance


def utterance(id: str, split: str = "train", speaker: str = "a") -> Utterance:
    return Utterance(
        id=id,
        split=split,
        speaker=speaker,
        source_audio="s.wav",
        target_audio="t.wav",
        source_text='«¿Qué?» "sí"\\n',
        target_text="what",
        source_duration=3.5,
        target_duration=4.0,
    )


def test_round_trip_keeps_everything(tmp_path):
    made = Manifest(
        tmp_path, [utterance("b"), utterance("a")], [Reject(id="c", split="train", reason="silence", detail="x")]
    )
    made.save()
    read = Manifest.load(tmp_path)
    assert read.utterances == made.utterances
    assert [u.id for u in read] == ["a", "b"]
    assert read.rejects == made.rejects
    assert read.table().shape == (2, 10)


def test_a_speaker_in_two_parts_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="speaker"):
        Manifest(tmp_path, [utterance("a"), utterance("b", "test")])


def test_a_repeated_id_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="twice"):
        Manifest(tmp_path, [utterance("a"), utterance("a")])


def test_a_damaged_line_is_named(tmp_path):
    Manifest(tmp_path, [utterance("a"), utterance("b")]).save()
    path = tmp_path / "manifest.jsonl"
    lines = path.read_text().splitlines()
    path.write_text(lines[0] + "\n" + lines[1].replace("3.5", "-3.5") + "\n")
    with pytest.raises(ManifestError, match="line 2"):
        Manifest.load(tmp_path)


def test_a_missing_manifest_says_what_to_run(tmp_path):
    with pytest.raises(ManifestError, match="thesis prepare"):
        Manifest.load(tmp_path)
