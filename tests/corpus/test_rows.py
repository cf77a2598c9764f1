"""Lists of utterances: what they name is used or is in an error, and a manifest belongs to its list."""

import tomllib

import numpy as np
import pytest
from filelock import FileLock
from tiny_corpora import BASE, config_of

from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.config import PROFILES, AudioConfig, Config, ConfigError, CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.corpus.combined import prepare_combined
from thesis_lib.corpus.conversion import made_with
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.one_language import prepare_recordings
from thesis_lib.corpus.pairs import prepare_pairs
from thesis_lib.corpus.prepare import prepare
from thesis_lib.corpus.rows import PACKAGE, list_path, read_list
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import prepared
from thesis_lib.utils.files import sha256

PACKAGED = "thesis_lib/data/human/librispeech.txt"
THREE = ("speakers-ana-0", "speakers-eva-0", "speakers-luis-0")


def list_of(path, *ids):
    path.write_text("\n".join(ids) + "\n")
    return str(path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, r"list\.txt: 1 listed utterances cannot be used, such as speakers-luis-silent \(silence, .*prepare in an"),
        ({"max_duration": 1.25}, r"such as speakers-\w+-1 \(duration, .*corpus\.max_duration"),
        ({"min_recordings": 9}, r"such as speakers-ana-0 \(too few recordings"),
    ],
)
def test_a_listed_recording_that_is_rejected_is_named_with_the_reason(people, tmp_path, changes, says):
    write_audio(people / "luis" / "silent.wav", np.zeros(26_000), 24_000)
    ids = [f"speakers-{name}-{n}" for name in ("ana", "eva", "luis", "rosa") for n in range(2)]
    listed = list_of(tmp_path / "list.txt", *ids, *([] if changes else ["speakers-luis-silent"]))
    with pytest.raises(CorpusError, match=says):
        prepare_recordings(config_of("speakers", people, utterances=listed, **changes), tmp_path / "out")


def test_a_listed_row_that_the_table_itself_spoils_is_named_with_the_reason(people, tmp_path):
    (people / "ana" / "0.txt").write_bytes(b"Se\xf1or")
    listed = list_of(tmp_path / "list.txt", *THREE)
    with pytest.raises(CorpusError, match=r"speakers-ana-0 \(malformed row\)"):
        prepare_recordings(config_of("speakers", people, utterances=listed), tmp_path / "out")


def test_a_listed_pair_that_is_rejected_is_named_with_the_reason(people, tmp_path):
    rows = [f"p{n},ana/{n}.wav,ana/{n}.wav,uno,one,A,train" for n in (0, 7)]
    header = "id,source_audio,target_audio,source_text,target_text,speaker,split"
    (people / "pairs.csv").write_text("\n".join([header, *rows]) + "\n")
    listed = list_of(tmp_path / "list.txt", "p0", "p7")
    with pytest.raises(CorpusError, match=r"p7 \(source: missing file"):
        prepare_pairs(config_of("manifest", people, utterances=listed), tmp_path / "out")
    release = mini.write_release(tmp_path / "release", CorpusConfig(name="mini", limit=2))
    clip = next((release.common_voice / "clips").iterdir())
    clip.unlink()
    settings = CorpusConfig(name="mini", utterances=list_of(tmp_path / "list.txt", clip.stem))
    with pytest.raises(CorpusError, match=rf"{clip.stem} \(source: missing file"):
        prepare(release, tmp_path / "cvss", AudioConfig(), settings)


def test_a_pair_has_notes_of_both_recordings(people, tmp_path):
    for number, offset in ((0, 0.2), (1, 0.3)):
        write_audio(people / "ana" / f"{number}.wav", read_audio(people / "ana" / f"{number}.wav")[0] + offset, 24_000)
    header = "id,source_audio,target_audio,source_text,target_text,speaker,split"
    (people / "pairs.csv").write_text(f"{header}\np0,ana/0.wav,ana/1.wav,uno,one,A,train\n")
    (pair,) = prepare_pairs(config_of("manifest", people), tmp_path / "out")
    what = "the samples have an offset of +0.{}0, which was subtracted"
    assert pair.notes == f"source: {what.format(2)}; target: {what.format(3)}"


def test_a_list_excludes_a_subset_and_a_limit(people, tmp_path):
    with pytest.raises(ConfigError, match="corpus.subset=null"):
        config_of("speakers", people, utterances="list.txt", subset=3)
    members = [{"name": "speakers", "root": str(people), "utterances": "list.txt"}]
    with pytest.raises(ConfigError, match="list of the member speakers .* corpus.limit=null"):
        Config().override({"corpus.name": "combined", "corpus.members": members, "corpus.limit": 4})


def test_a_manifest_of_another_list_is_refused_by_name(people, tmp_path):
    listed = list_of(tmp_path / "list.txt", *THREE)
    config = config_of("speakers", people, utterances=listed)
    run = Run(tmp_path / "run", Config.from_profile("smoke").override({"corpus": config.corpus.model_dump()}))
    made = prepared(run)
    assert prepared(run).utterances == made.utterances
    list_of(tmp_path / "list.txt", *THREE, "speakers-rosa-0")
    for again in (lambda: prepared(run), lambda: prepare_recordings(config, made.folder)):
        with pytest.raises(CorpusError, match=r"prepared with another list of utterances than .*list\.txt.*restore"):
            again()
    (tmp_path / "list.txt").unlink()  # the manifest of another machine, without its list
    assert prepared(run).utterances == made.utterances


def test_a_combined_manifest_of_another_members_list_is_refused(people, tmp_path):
    listed = list_of(tmp_path / "list.txt", *THREE)
    members = [{"name": "speakers", "root": str(people), "utterances": listed}]
    config = Config().override(BASE | {"corpus.name": "combined", "corpus.members": members, "corpus.limit": None})
    assert len(prepare_combined(config, tmp_path / "out")) == 3
    list_of(tmp_path / "list.txt", *THREE, "speakers-rosa-0")
    with pytest.raises(CorpusError, match=r"members/speakers/corpus was prepared with another list"):
        prepare_combined(config, tmp_path / "out")


def test_two_calls_do_not_prepare_the_pairs_of_one_folder_at_once(people, tmp_path):
    header = "id,source_audio,target_audio,source_text,target_text,speaker,split"
    (people / "pairs.csv").write_text(f"{header}\np0,ana/0.wav,ana/1.wav,uno,one,A,train\n")
    config = config_of("manifest", people)
    with FileLock(tmp_path / ".lock"), pytest.raises(CorpusError, match="another `thesis prepare` is running"):
        prepare_pairs(config, tmp_path)
    assert len(prepare_pairs(config, tmp_path)) == 1


def test_a_table_of_pairs_of_another_list_is_refused(people, tmp_path):
    rows = [f"p{n},ana/{n}.wav,ana/{n}.wav,uno,one,A,train" for n in (0, 1)]
    header = "id,source_audio,target_audio,source_text,target_text,speaker,split"
    (people / "pairs.csv").write_text("\n".join([header, *rows]) + "\n")
    config = config_of("manifest", people, utterances=list_of(tmp_path / "list.txt", "p0"))
    run = Run(tmp_path / "run", Config.from_profile("smoke").override({"corpus": config.corpus.model_dump()}))
    assert len(prepared(run)) == 1
    list_of(tmp_path / "list.txt", "p1")
    with pytest.raises(CorpusError, match="another list of utterances"):
        prepared(run)


def test_a_list_of_the_package_is_found_in_any_folder_and_one_of_the_user_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(read_list(PACKAGED)) == 100
    corpus = CorpusConfig(name="librispeech", utterances=PACKAGED)
    assert made_with(AudioConfig(), corpus)["utterances_sha256"] == sha256(list_path(PACKAGED))
    list_of(tmp_path / "own.txt", "a", "b")
    assert read_list("own.txt") == ["a", "b"]
    with pytest.raises(CorpusError, match=r"thesis_lib/data/human/lost\.txt cannot be read"):
        read_list("thesis_lib/data/human/lost.txt")


def test_every_list_of_a_profile_is_a_file_of_the_installed_package():
    """Below data/, which the wheel takes whole."""
    lists = {m.utterances for name in PROFILES for m in Config.from_profile(name).corpus.members if m.utterances}
    names = ("librispeech", "speechocean762", "speechocean762-fast", "speechocean762-slow")
    assert {list_path(name).stem for name in lists} == set(names)
    assert all(list_path(name).is_relative_to(PACKAGE / "data") and list_path(name).is_file() for name in lists)
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["package-data"] == {"thesis_lib": ["data/**/*"]}
