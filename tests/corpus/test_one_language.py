"""Corpora of one language: every reader on the published layout, sources, official splits, licences."""

import shutil
from collections import defaultdict
from pathlib import Path

import pytest
import soundfile
import tiny_corpora
from containers import RATE, encoded, joined, muxed, without_first_frame
from helpers import voiced
from tiny_corpora import config_of, speak

from thesis_lib.config import Config, ConfigError
from thesis_lib.config.registries import CORPORA
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.manifest import NOT_TRANSCRIBED, Manifest, Reject, Utterance, index_of
from thesis_lib.corpus.one_language import RecordingConverter, prepare_recordings, with_sources
from thesis_lib.corpus.readers import READERS, CorpusRecording
from thesis_lib.corpus.select import CORPORA as SELECTED
from thesis_lib.corpus.split import is_validation
from thesis_lib.corpus.verify import verify

ROOT = Path(__file__).parents[2]


# Corpus -> utterances, speakers, speakers in the test split, and one row: id, text, gender, age.
EXPECTED = {
    "librispeech": (8, 4, 1, ("librispeech-26-198-0001", "CHAPTER TWO OF 26", "M", "")),
    "libritts-r": (6, 3, 1, ("libritts-r-103_1241_000001_000000", "Sentence 1.", "F", "")),
    "vctk": (8, 4, 1, ("vctk-p226_002", "Please call Stella, 2.", "F", "21")),
    "speechocean762": (6, 3, 1, ("speechocean762-000030021", "WE CALL IT BEAR", "m", "7")),
    "mls-spanish": (8, 4, 2, ("mls-spanish-10667_6706_000001", "era una noche oscura 1", "M", "")),
    "common-voice": (9, 5, 2, ("common-voice-common_voice_es_1", 'Dijo "hola" 0.', "male_masculine", "twenties")),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_corpus_in_its_published_layout(name, tmp_path):
    count, speakers, tested, row = EXPECTED[name]
    made = CORPORA[name](config_of(name, tiny_corpora.make(name, tmp_path / "in")), tmp_path / "out", *QUIET)
    assert len(made) == count
    assert len({u.speaker for u in made}) == speakers
    assert len({u.speaker for u in made if u.split == "test"}) == tested
    assert all(u.id.startswith(f"{name}-") and u.speaker.startswith(f"{name}-") for u in made)
    found = next(u for u in made if u.id == row[0])
    assert (found.target_text, found.gender, found.age) == row[1:]
    info = soundfile.info(made.target(found))
    assert (info.samplerate, info.channels, info.subtype) == (22_050, 1, "PCM_16")
    assert found.target_duration == pytest.approx(tiny_corpora.SECONDS, abs=0.01)
    assert verify(made.folder) == []
    assert {r.reason for r in made.rejects} <= {"speaker is in the test split"}
    assert READERS[name].licence in (made.folder / "DATA_CARD.md").read_text()


QUIET = (lambda items, total, label: items, None)


def test_the_official_held_out_sets_stay_held_out(tmp_path):
    made = prepare_recordings(
        config_of("common-voice", tiny_corpora.make("common-voice", tmp_path / "in")), tmp_path / "o"
    )
    tested = {u.id for u in made if u.split == "test"}
    assert tested == {f"common-voice-common_voice_es_{n}" for n in (200, 300, 301)}
    # The other clip of a speaker of dev.tsv is validated, in no split of the release, and not for training.
    assert [(r.id, r.reason) for r in made.rejects] == [
        ("common-voice-common_voice_es_201", "speaker is in the test split")
    ]
    for utterance in made:
        if utterance.split != "test":
            held = is_validation(utterance.speaker.removeprefix("common-voice-"), 0.2, 7)  # as CVSS-T's client ids
            assert utterance.split == ("validation" if held else "train")


def test_common_voice_without_the_tables_of_its_splits_is_refused(tmp_path):
    root = tiny_corpora.make("common-voice", tmp_path / "in")
    (root / "cv-corpus-17.0-2024-03-15" / "es" / "test.tsv").unlink()
    with pytest.raises(CorpusError, match=r"test\.tsv is missing"):
        prepare_recordings(config_of("common-voice", root), tmp_path / "out")
    shutil.copytree(root / "cv-corpus-17.0-2024-03-15" / "es", root / "cv-corpus-17.0-2024-03-15" / "it")
    with pytest.raises(CorpusError, match="holds 2 languages: set corpus.root to one"):
        prepare_recordings(config_of("common-voice", root), tmp_path / "out")


def test_an_unlisted_speaker_or_an_unsafe_name_is_a_row_of_the_reject_table(tmp_path):
    root = tiny_corpora.make("speechocean762", tmp_path / "so")
    table = root / "speechocean762" / "train" / "utt2spk"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[1:]))
    made = prepare_recordings(config_of("speechocean762", root), tmp_path / "out")
    assert [(r.id, r.reason) for r in made.rejects] == [("speechocean762-000010011", "no speaker")]
    root = tiny_corpora.make("mls-spanish", tmp_path / "mls")
    with open(root / "mls_spanish_opus" / "train" / "transcripts.txt", "a") as stream:
        stream.write("../x_1_000000\tno\n10667_6706_000009\tno recording\n")
    made = prepare_recordings(config_of("mls-spanish", root), tmp_path / "other")
    assert {r.id: r.reason for r in made.rejects} == {
        "mls-spanish-../x_1_000000": "unsafe file name",
        "mls-spanish-10667_6706_000009": "missing file",
    }


def test_vctk_takes_the_second_microphone_and_the_first_where_there_is_no_second(tmp_path):
    root = tiny_corpora.make("vctk", tmp_path / "in")
    found = {row.file: row for row in READERS["vctk"].read(root)}
    assert found["p225_001"].path.name == "p225_001_mic2.flac"
    assert found["p280_001"].path.name == "p280_001_mic1.flac"
    assert found["p315_001"].text == ""
    made = prepare_recordings(config_of("vctk", root), tmp_path / "out")
    assert {u.target_text for u in made if u.speaker == "vctk-p315"} == {NOT_TRANSCRIBED}


@pytest.mark.parametrize("name", EXPECTED)
def test_another_folder_is_refused_with_the_command_that_downloads(name, tmp_path):
    with pytest.raises(CorpusError, match=f"thesis download {name} "):
        prepare_recordings(config_of(name, tmp_path), tmp_path / "out")


def utterance(id: str, speaker: str) -> Utterance:
    about = {"source_audio": f"{id}.wav", "target_audio": f"{id}.wav", "source_duration": 1.0, "target_duration": 1.0}
    words = {"source_text": id, "target_text": id}
    return Utterance(id=id, split="train", speaker=speaker, source_kind="same recording", **about, **words)


def test_a_source_is_another_recording_of_the_speaker_and_the_only_one_is_its_own():
    rows = [
        utterance(f"{speaker}{n}", speaker) for speaker, count in (("a", 1), ("b", 2), ("c", 5)) for n in range(count)
    ]
    made = with_sources(rows[::-1])
    assert {u.id for u in made} == {u.id for u in rows}
    sources = defaultdict(set)
    for found in made:
        source = next(u for u in rows if u.target_audio == found.source_audio)
        assert source.speaker == found.speaker
        assert found.source_text == source.target_text
        assert (source.id == found.id) == (found.speaker == "a") == (found.source_kind == "same recording")
        sources[found.speaker].add(source.id)
    assert {speaker: len(found) for speaker, found in sources.items()} == {"a": 1, "b": 2, "c": 5}


def test_every_corpus_has_licence_and_citation():
    references = (ROOT / "book" / "references.bib").read_text()
    card = (ROOT / "book" / "data_card.md").read_text()
    assert set(READERS) == {name for name in SELECTED.builtin if not SELECTED.details(name)["pairs"]}
    for name, reader in READERS.items():
        assert reader.licence
        assert f"`{name}`" in card
        if name != "speakers":  # the user's own recordings have no publication
            assert f"{{{reader.citation}," in references
            assert reader.citation in card
            assert reader.page.startswith("https://")
            assert reader.page in card


def test_a_corpus_with_a_licence_that_forbids_shipping_weights_is_refused_for_the_released_ones(monkeypatch, people):
    monkeypatch.setattr(CORPORA, "_entries", dict(CORPORA._entries))
    CORPORA.register("no-derivatives", licence="CC BY-NC-ND 4.0.", weights=False)(prepare_recordings)
    released = Config.from_profile("released")
    with pytest.raises(ConfigError, match="no-derivatives forbids publishing weights"):
        released.override({"corpus.name": "no-derivatives"})
    members = [{"name": "mini"}, {"name": "no-derivatives", "root": str(people)}]
    with pytest.raises(ConfigError, match="no-derivatives forbids publishing weights"):
        released.override({"corpus.name": "combined", "corpus.root": None, "corpus.members": members})
    named = {"corpus.name": "no-derivatives", "corpus.accepted_licences": ["no-derivatives"]}
    assert released.override(named).corpus.name == "no-derivatives"
    assert Config.from_profile("thesis").override({"corpus.name": "no-derivatives"}).profile == "thesis"


@pytest.mark.parametrize(("format", "kept_bytes"), [("wav", 0), ("wav", 20), ("flac", 4000)])
def test_a_damaged_converted_recording_is_converted_again(format, kept_bytes, people, tmp_path):
    config = config_of("speakers", people, format=format)
    made = prepare_recordings(config, tmp_path / "out")
    path = made.target(made.utterances[0])
    whole = path.read_bytes()
    index_of(made.folder).unlink()
    path.write_bytes(whole[:kept_bytes])
    assert prepare_recordings(config, made.folder).utterances == made.utterances
    assert path.read_bytes() == whole


def test_the_header_alone_rejects_a_recording_outside_the_limits(people, tmp_path):
    """So that a subset is drawn from recordings that can be used."""
    config = config_of("speakers", people, min_duration=2.0)
    row = CorpusRecording("ana-0", "train", "ana", people / "ana" / "0.wav")
    found = RecordingConverter(tmp_path, 22_050, config.corpus).probe(row)
    assert isinstance(found, Reject)
    assert found.reason == "duration"
    near = config_of("speakers", people, min_duration=1.5).corpus  # an MP3's header only estimates it
    assert RecordingConverter(tmp_path, 22_050, near).probe(row) == pytest.approx(1.2, abs=0.01)
    trimmed = config_of("speakers", people, max_duration=0.6, trim=40.0).corpus  # which may shorten it
    assert RecordingConverter(tmp_path, 22_050, trimmed).probe(row) == pytest.approx(1.2, abs=0.01)


DAMAGED = b"Se\xf1or"  # Latin-1


def damage(name: str, root: Path) -> str:
    """Put a byte that is not UTF-8 in the text of one utterance; its id."""
    if name == "common-voice":
        path, old, id = next(root.rglob("validated.tsv")), b'Dijo "hola" 1.', "common_voice_es_100"
    elif name == "vctk":
        path, old, id = root / "txt" / "p225" / "p225_001.txt", b"Please", "p225_001"
    elif name == "libritts-r":
        path, old, id = next(root.rglob("103_1241_000001_000000.normalized.txt")), b"Sentence", "103_1241_000001_000000"
    elif name == "librispeech":
        path, old, id = next(root.rglob("26-198.trans.txt")), b"CHAPTER", "26-198-0000"
    else:
        path, old, id = next(root.rglob("train/transcripts.txt")), b"noche", "10667_6706_000000"
    before = path.read_bytes()
    path.write_bytes(before.replace(old, DAMAGED, 1))
    assert path.read_bytes() != before
    return id


@pytest.mark.parametrize("name", ["common-voice", "vctk", "libritts-r", "librispeech", "mls-spanish"])
def test_a_text_that_is_not_utf_8_rejects_its_row_alone(name, tmp_path):
    root = tiny_corpora.make(name, tmp_path / "in")
    whole = {u.id for u in prepare_recordings(config_of(name, root), tmp_path / "whole")}
    id = damage(name, root)
    made = prepare_recordings(config_of(name, root), tmp_path / "out")
    assert (f"{name}-{id}", "malformed row") in [(r.id, r.reason) for r in made.rejects]
    assert {u.id for u in made} == whole - {f"{name}-{id}"}
    assert Manifest.load(made.folder).rejects == made.rejects


def test_a_users_text_that_is_not_utf_8_rejects_its_row_alone(people, tmp_path):
    (people / "ana" / "0.txt").write_bytes(DAMAGED)
    made = prepare_recordings(config_of("speakers", people), tmp_path / "out")
    assert [(r.id, r.reason) for r in made.rejects] == [("speakers-ana-0", "malformed row")]


@pytest.mark.parametrize("name", ["librispeech", "mls-spanish", "speechocean762"])
def test_an_id_that_is_listed_twice_is_a_row_of_the_reject_table(name, tmp_path):
    root = tiny_corpora.make(name, tmp_path / "in")
    table = next(root.rglob({"librispeech": "26-198.trans.txt", "speechocean762": "train/wav.scp"}.get(
        name, "train/transcripts.txt")))  # fmt: skip
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join([*lines, lines[0]]))
    made = prepare_recordings(config_of(name, root), tmp_path / "out")
    assert [r.reason for r in made.rejects].count("duplicate") == 1


def test_two_recordings_never_have_one_id(people, tmp_path):
    seeds = {"ana/1.mp3": 90, "ana-b/c.wav": 91, "ana/b-c.wav": 92}
    for path, seed in seeds.items():
        speak(people / path, seed, 24_000)
    made = prepare_recordings(config_of("speakers", people), tmp_path / "out")
    assert made.rejects == []
    assert len(made) == 10 + 3
    ids = {u.id for u in made}
    assert {"speakers-ana-0", "speakers-ana-1", "speakers-ana-b-c"} <= ids  # the first of each keeps its id
    assert len({id for id in ids if id.startswith(("speakers-ana-1-", "speakers-ana-b-c-"))}) == 2


def test_recordings_of_any_container_are_prepared_in_their_whole_length(people, tmp_path):
    joined(people / "ana" / "joined.mp3", 2.0, 3.0)
    joined(people / "ana" / "chained.opus", 1.0, 1.5)
    muxed(people / "eva" / "film.mp4", voiced(2.0, RATE), "aac", picture=True)
    path = people / "luis" / "variable.mp3"
    data = encoded(path, 0.5 * voiced(4.0, RATE), bitrate_mode="VARIABLE", compression_level=0.3)
    path.write_bytes(without_first_frame(data, path))
    assert abs(soundfile.info(path).duration - 4.0) > 0.5
    made = prepare_recordings(config_of("speakers", people, max_duration=5.5), tmp_path / "out")
    assert not made.rejects
    seconds = {utterance.id.removeprefix("speakers-"): utterance.target_duration for utterance in made}
    wanted = {"ana-joined": 5.0, "ana-chained": 2.5, "eva-film": 2.0, "luis-variable": 4.0}
    assert {name: seconds[name] for name in wanted} == pytest.approx(wanted, abs=0.1)
    for utterance in made:
        assert soundfile.info(made.target(utterance)).duration == utterance.target_duration


def test_a_joined_recording_over_the_limit_is_rejected_by_its_packets(people, tmp_path):
    joined(people / "ana" / "joined.mp3", 4.0, 4.0)
    config = config_of("speakers", people, max_duration=6.0)
    row = CorpusRecording("ana-joined", "train", "ana", people / "ana" / "joined.mp3")
    assert RecordingConverter(tmp_path, 22_050, config.corpus).probe(row).reason == "duration"
