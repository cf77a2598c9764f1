"""A change of the user's own recordings after they were prepared is told, and not ignored."""

import os
import shutil

import pytest
from tiny_corpora import BASE, config_of

from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.config import Config
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.sources import source_files
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import load_manifest, prepared

HEADER = "id,source_audio,target_audio,source_text,target_text,speaker,split\n"


def row(name, number):
    return f"{name}-{number},{name}/{number}.wav,{name}/{number}.wav,uno,one,{name},train\n"


def add_speaker(root):
    shutil.copytree(root / "ana", root / "zoe")


def change_text(root):
    (root / "ana" / "0.txt").write_text("another text")


def replace_recording(root):
    wav, rate = read_audio(root / "ana" / "0.wav")
    write_audio(root / "ana" / "0.wav", wav[::-1].copy(), rate)


def remove_recording(root):
    (root / "ana" / "0.wav").unlink()


def add_row(root):
    with open(root / "pairs.csv", "a") as stream:
        stream.write(row("ana", 1))


def run_of(tmp_path, config):
    return Run(tmp_path / "run", Config.from_profile("smoke").override({"corpus": config.corpus.model_dump()}))


@pytest.mark.parametrize("change", [add_speaker, change_text, replace_recording, remove_recording])
def test_a_changed_folder_of_speakers_is_told(people, tmp_path, change):
    run = run_of(tmp_path, config_of("speakers", people))
    made = prepared(run)
    assert load_manifest(run).utterances == made.utterances
    change(people)
    for again in (prepared, load_manifest):
        with pytest.raises(CorpusError, match=rf"was prepared before \S+ of {people} changed .*thesis prepare"):
            again(run)
    shutil.rmtree(run.path / "corpus")
    prepared(run)
    assert load_manifest(run).utterances


@pytest.mark.parametrize("change", [add_row, replace_recording])
def test_a_changed_table_and_a_replaced_recording_of_it_are_told(people, tmp_path, change):
    (people / "pairs.csv").write_text(HEADER + row("ana", 0) + row("eva", 0))
    run = run_of(tmp_path, config_of("manifest", people))
    assert len(prepared(run)) == 2
    write_audio(people / "ana" / "another.wav", read_audio(people / "ana" / "0.wav")[0], 24_000)
    assert len(prepared(run)) == 2, "a file that the table does not name is no change"
    change(people)
    with pytest.raises(CorpusError, match="was prepared before"):
        prepared(run)


def test_a_changed_member_is_told(people, tmp_path):
    members = [{"name": "speakers", "root": str(people)}]
    config = Config().override(BASE | {"corpus.name": "combined", "corpus.members": members, "corpus.limit": None})
    run = run_of(tmp_path, config)
    prepared(run)
    replace_recording(people)
    with pytest.raises(CorpusError, match="members/speakers/corpus was prepared before"):
        prepared(run)


def test_a_quotation_mark_in_a_table_of_tabs_hides_no_recording(people, tmp_path):
    texts = {"ana": '"Hola', "eva": "adiós", "luis": "sí"}
    rows = [f"{name}/0.wav\t{name}\t{text}\ttrain" for name, text in texts.items()]
    (people / "utterances.tsv").write_text("\n".join(["path\tspeaker\ttext\tsplit", *rows]) + "\n")
    files = source_files(config_of("speakers", people).corpus)
    assert set(files) == {"utterances.tsv", *(f"{name}/0.wav" for name in texts)}
    (people / "utterances.tsv").write_text('path\tspeaker\n"a\tb\n' + "c\td\n" * 50_000)
    assert len(source_files(config_of("speakers", people).corpus)) == 3


def test_recordings_that_are_all_rewritten_in_their_size_are_told(people, tmp_path):
    run = run_of(tmp_path, config_of("speakers", people))
    prepared(run)
    sizes = {path: path.stat().st_size for path in people.rglob("*.wav")}
    for path in sizes:
        wav, rate = read_audio(path)
        write_audio(path, 0.5 * wav, rate)
    assert sizes == {path: path.stat().st_size for path in sizes}
    with pytest.raises(CorpusError, match="was prepared before"):
        prepared(run)


def test_a_row_that_names_a_folder_is_rejected_and_stops_nothing(people, tmp_path):
    (people / "pairs.csv").write_text(HEADER + row("ana", 0) + "x,ana,ana,uno,one,eva,train\n")
    run = run_of(tmp_path, config_of("manifest", people))
    assert len(prepared(run)) == len(prepared(run)) == 1


def test_a_copy_with_other_times_is_no_change_and_an_empty_folder_is_not_there(people, tmp_path):
    run = run_of(tmp_path, config_of("speakers", people))
    made = prepared(run)
    for path in people.rglob("*.*"):
        os.utime(path, ns=(1, 1))
    assert load_manifest(run).utterances == made.utterances
    for path in people.iterdir():
        shutil.rmtree(path)
    assert load_manifest(run).utterances == made.utterances


def test_without_the_recordings_a_prepared_corpus_stays(people, tmp_path):
    run = run_of(tmp_path, config_of("speakers", people))
    made = prepared(run)
    shutil.rmtree(people)
    assert load_manifest(run).utterances == made.utterances
