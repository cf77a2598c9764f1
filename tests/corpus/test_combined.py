"""Several corpora in one manifest."""

import json
import math

import pytest
import tiny_corpora
from helpers import few_bundled_voices
from tiny_corpora import BASE, person

from thesis_lib.audio.files import read_audio
from thesis_lib.audio.pitch import track
from thesis_lib.config import AudioConfig, Config, ConfigError, CorpusConfig
from thesis_lib.config.registries import CORPORA
from thesis_lib.corpus import mini
from thesis_lib.corpus.combined import prepare_combined
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.manifest import Manifest, index_of
from thesis_lib.corpus.one_language import prepare_recordings
from thesis_lib.corpus.verify import verify


def config_of(*members: dict, **changes) -> Config:
    given = {"corpus.name": "combined", "corpus.members": list(members)}
    return Config().override(BASE | given | {f"corpus.{key}": value for key, value in changes.items()})


@pytest.fixture
def folders(tmp_path):
    """Two folders of three speakers each, with the same names."""
    for folder in ("one", "two"):
        for name in ("ana", "eva", "luis"):
            person(tmp_path / folder, name)
    return tmp_path


def test_human_and_bundled_speech_together(folders, tmp_path, monkeypatch):
    few_bundled_voices(monkeypatch)
    root = str(tiny_corpora.make("librispeech", tmp_path / "libri"))
    listed = tmp_path / "list.txt"
    listed.write_text("librispeech-19-198-0000\nlibrispeech-19-198-0001\nlibrispeech-84-198-0000\n")
    members = (
        {"name": "librispeech", "root": root, "utterances": str(listed)},
        {"name": "speakers", "root": str(folders / "one")},
        {"name": "mini"},
    )
    made = prepare_combined(config_of(*members, limit=None), tmp_path / "out")
    corpora = {u.speaker.partition("-")[0] for u in made}
    assert corpora == {"librispeech", "speakers", "mini"}
    assert sum(u.id.startswith("librispeech-") for u in made) == 3
    pairs = len(mini.table(CorpusConfig(name="mini")))
    assert pairs > 50
    translated = sum(u.source_kind == "translation" for u in made)
    assert translated + sum(reject.id.startswith("mini-") for reject in made.rejects) == pairs
    assert all(u.id.startswith("mini-common_voice_es_") for u in made if u.source_kind == "translation")
    assert verify(made.folder) == []
    assert Manifest.load(made.folder).utterances == made.utterances
    card = (made.folder / "DATA_CARD.md").read_text()
    assert "librispeech: LibriSpeech: CC BY 4.0" in card
    assert "mini: Sentences and recordings: CC BY 4.0" in card
    assert json.loads((made.folder / "made.json").read_text())["members"][2]["name"] == "mini"
    # An interrupted call continues: what is prepared is not prepared again.
    index_of(made.folder).unlink()
    before = {path: path.stat().st_mtime_ns for path in (made.folder / "members").rglob("*.wav")}
    assert prepare_combined(config_of(*members, limit=None), made.folder).utterances == made.utterances
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_speakers_of_one_name_in_two_corpora_are_two_people(folders, tmp_path):
    roots = [{"name": "speakers", "root": str(folders / name)} for name in ("one", "two")]
    with pytest.raises(ConfigError, match="two members of the corpus are named 'speakers': give each its own label"):
        config_of(*roots)
    with pytest.raises(ConfigError, match="label"):
        config_of(*[root | {"label": "a"} for root in roots])
    made = prepare_combined(config_of(*[r | {"label": n} for r, n in zip(roots, "ab", strict=True)]), tmp_path / "out")
    assert len(made) == 12
    assert {u.speaker for u in made} == {f"{c}-speakers-{n}" for c in "ab" for n in ("ana", "eva", "luis")}
    assert all(u.source_audio.split("/")[1] == u.speaker[0] for u in made)


def test_recordings_at_another_speed_are_other_speakers(folders, tmp_path):
    own = {"name": "speakers", "root": str(folders / "one")}
    with pytest.raises(ConfigError, match="speakers has a speed: its speakers need a label"):
        config_of(own, own | {"speed": 1.1})
    fast = own | {"label": "fast", "speed": 1.25}
    made = prepare_combined(config_of(own, fast, min_duration=0.5), tmp_path / "out")
    seconds = {u.id: u.target_duration for u in made}
    split = {u.speaker: u.split for u in made}
    assert {u.speaker for u in made if u.id.startswith("fast-")} == {
        f"fast-speakers-{n}" for n in ("ana", "eva", "luis")
    }
    for utterance in made:
        if not utterance.id.startswith("fast-"):
            assert seconds[f"fast-{utterance.id}"] == pytest.approx(utterance.target_duration / 1.25, abs=0.01)
            assert split[f"fast-{utterance.speaker}"] == utterance.split, "one person is in one split"
    slow, quick = (next(u for u in made if u.id == id) for id in ("speakers-ana-1", "fast-speakers-ana-1"))
    levels = [track(read_audio(made.target(u))[0], AudioConfig()).log_f0_median for u in (slow, quick)]
    assert levels[1] - levels[0] == pytest.approx(math.log(1.25), abs=0.03)


def test_the_same_utterance_or_speaker_in_two_members_is_refused_with_both_names(folders, tmp_path, monkeypatch):
    """Tables may name a corpus: the same recordings in two folders are then the same utterances."""
    monkeypatch.setattr(CORPORA, "_entries", dict(CORPORA._entries))

    @CORPORA.register("twin", licence="The same recordings.", pairs=False)
    def prepare_twin(config, folder, progress, scheduler):
        return prepare_recordings(config.override({"corpus.name": "speakers"}), folder, progress, scheduler)

    twins = [{"name": name, "root": str(folders / name[0])} for name in ("speakers", "twin")]
    (folders / "one").rename(folders / "s")
    (folders / "two").rename(folders / "t")
    for second, says in (
        ("0", "utterance x-ana-0 is in the members speakers and twin: give one a label"),
        ("1", "speaker x-A is in the train split of the member speakers and in the test split of twin"),
    ):
        for folder, file, split in (("s", "0", "train"), ("t", second, "test")):
            table = f"path\tspeaker\tcorpus\tsplit\nana/{file}.wav\tA\tx\t{split}\n"
            (folders / folder / "utterances.tsv").write_text(table)
        with pytest.raises(CorpusError, match=says):
            prepare_combined(config_of(*twins), tmp_path / f"out{second}")
    made = prepare_combined(config_of(twins[0], twins[1] | {"label": "b"}), tmp_path / "labelled")
    assert {u.speaker for u in made} == {"x-A", "b-x-A"}


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ({"name": "vctk"}, "vctk needs its folder"),
        ({"name": "vctk", "root": "lost"}, "lost is no folder: .* by `thesis download vctk --to lost`"),
        ({"name": "librispeech", "root": "lost"}, "librispeech --subset SUBSET --to lost"),
        ({"name": "librispeech", "root": "."}, "holds no LibriSpeech"),
        ({"name": "mini", "utterances": "lost.txt"}, r"lost\.txt cannot be read"),
        ({"name": "mini", "label": "a/b"}, "cannot name a folder"),
        ({"name": "cvss-t", "root": "lost"}, "is missing"),
        ({"name": "manifest", "root": "lost"}, "is no table"),
    ],
)
def test_every_member_is_checked_before_the_first_one_is_converted(second, says, folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "one")
    first = {"name": "speakers", "root": str(folders / "one")}
    with pytest.raises(CorpusError, match=says):
        prepare_combined(config_of(first, second, limit=None), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_a_member_lacks_is_said(tmp_path):
    with pytest.raises(CorpusError, match=r"corpus.root=FOLDER/pairs.csv"):
        prepare_combined(config_of({"name": "manifest"}), tmp_path / "out")
    with pytest.raises(CorpusError, match="cvss-t needs the folder"):
        prepare_combined(config_of({"name": "cvss-t"}), tmp_path / "other")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"corpus.name": "combined"}, "corpus.members belongs to corpus.name=combined"),
        ({"corpus.members": [{"name": "mini"}]}, "corpus.members belongs to corpus.name=combined"),
        ({"corpus.name": "combined", "corpus.members": [{"name": "combined"}]}, "neither combined nor recordings"),
        ({"corpus.name": "combined", "corpus.members": [{"name": "mini"}], "corpus.root": "x"}, "at each member"),
        ({"corpus.name": "combined", "corpus.members": [{"name": "mini"}], "corpus.subset": 9}, "no subset"),
        ({"corpus.name": "combined", "corpus.members": [{"nam": "mini"}]}, "members.0.nam"),
    ],
)
def test_contradictions_are_refused(changes, says):
    with pytest.raises(ConfigError, match=says):
        Config().override(changes)


def test_a_label_that_is_no_folder_is_refused(folders, tmp_path):
    with pytest.raises(CorpusError, match="cannot name a folder"):
        prepare_combined(
            config_of({"name": "speakers", "root": str(folders / "one"), "label": "../x"}), tmp_path / "out"
        )
