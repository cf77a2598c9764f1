"""`thesis download`, `prepare` and `manifest`: what is fetched, refused, and printed as the next command."""

import json
import re
import shlex
from dataclasses import replace

import pytest
import tiny_corpora
from commands import thesis
from helpers import TINY
from tiny_corpora import config_of
from typer.testing import CliRunner

from thesis_lib.cli import app
from thesis_lib.cli.corpus import warnings_of
from thesis_lib.corpus import fetch as module
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.manifest import Manifest, Reject
from thesis_lib.corpus.one_language import prepare_recordings
from thesis_lib.corpus.readers import READERS, Archive


def test_what_a_manifest_holds(monkeypatch, capsys, tiny_run):
    where = ["--run-dir", str(tiny_run.path)]
    code, out, err = thesis(monkeypatch, capsys, "manifest", "show", *where, "--split", "test", "--limit", "2")
    assert code == 0
    assert out.count("test ") == 2
    assert "and 2 more" in err
    speaker = json.loads(thesis(monkeypatch, capsys, "manifest", "show", *where, "--json")[1].splitlines()[0])[
        "speaker"
    ]
    _, out, _ = thesis(monkeypatch, capsys, "manifest", "show", *where, "--json", "--speaker", speaker[:9])
    assert {json.loads(line)["speaker"] for line in out.splitlines()} == {speaker}
    assert thesis(monkeypatch, capsys, "manifest", "show", *where, "--rejects")[1] == ""
    _, out, _ = thesis(monkeypatch, capsys, "manifest", "stats", *where)
    assert "12 pairs, 0 rows left out" in out
    assert thesis(monkeypatch, capsys, "manifest", "verify", *where)[0] == 0
    settings = [f"--set={key}={json.dumps(value)}" for key, value in TINY.items()]
    leak = ("manifest", "leak", "--profile", "smoke", *where, *settings)
    code, out, _ = thesis(monkeypatch, capsys, *leak)
    assert code == 0
    for compared in ("validation, train: ", "test, train: ", "test, validation: "):
        assert compared in out
    says = r"\d of 2 speakers may be in both splits \(cosine >= -?[01]\.\d\d, exceeded by 95 % of same-speaker pairs\)"
    assert re.search(rf"^test, train: {says}; false-alarm rate \d+\.\d %$", out, re.MULTILINE), out


run = CliRunner().invoke


def said(*command: str) -> str:
    """What a command that fails prints."""
    done = run(app, list(command))
    assert done.exit_code != 0
    return " ".join(f"{done.output} {done.exception}".replace("│", " ").split())


def test_the_command(tmp_path, served):
    folder, _ = served
    archive = tiny_corpora.pack("speechocean762", folder)
    target = tmp_path / "corpus"
    done = run(app, ["download", "speechocean762", "--archive", str(archive), "--to", str(target)])
    assert done.exit_code == 0, done.output
    assert f"--set corpus.name=speechocean762 --set corpus.root={target}" in done.output
    assert (target / "speechocean762" / "WAVE" / "SPEAKER0001" / "000010011.WAV").exists()
    assert "name the folder" in said("download", "vctk")
    # A folder alone still means CVSS-T.
    assert "Common Voice 4" in said("download", str(tmp_path / "cvss"))
    assert "Example: thesis download librispeech" in run(app, ["download", "--help"]).output


@pytest.mark.parametrize("name", ["librispeech", "mls-spanish"])
def test_the_printed_command_prepares_the_corpus(name, served, tmp_path, monkeypatch):
    """With limits that fit the corpus, and a folder with a space in its name."""
    archive = tiny_corpora.pack(name, served[0])
    only = replace(READERS[name], archives={"all": Archive("https://example.org/x.tar.gz")})
    monkeypatch.setattr(module, "READERS", READERS | {name: only})
    done = run(app, ["download", name, "--archive", str(archive), "--to", str(tmp_path / "my corpus")])
    printed = shlex.split(done.stdout.splitlines()[-1])
    assert printed[:2] == ["thesis", "prepare"]
    settings = dict(word.split("=") for word in printed if "=" in word)
    assert float(settings["corpus.min_duration"]) <= 1.2
    assert float(settings["corpus.max_duration"]) >= 30
    made = run(app, [*printed[1:], "--run-dir", str(tmp_path / "run")])
    assert made.exit_code == 0, made.output
    assert len(Manifest.load(tmp_path / "run" / "corpus")) == 8


def test_a_name_is_no_folder_unless_it_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "no corpus named 'librispech' to download; known: cvss-t, librispeech" in said("download", "librispech")
    assert "no corpus named 'mini'" in said("download", "mini")
    assert "name the folder: thesis download cvss-t --to FOLDER" in said("download", "cvss-t")
    (tmp_path / "mine").mkdir()
    assert "Common Voice 4" in said("download", "mine")
    assert not any((tmp_path / "mine").iterdir())


def test_options_without_a_use_are_refused(tmp_path):
    to = ("--to", str(tmp_path / "corpus"))
    assert "cvss-t has no subsets" in said("download", "cvss-t", "--subset", "train", *to)
    assert "cvss-t has no subsets" in said("download", "cvss-t", "--sha256", "0" * 64, *to)
    assert "vctk has no settings" in said("download", "vctk", "--set", "corpus.cvss_url=x", *to)


@pytest.mark.parametrize("name", ["librispeech", "libritts-r", "vctk", "speechocean762", "mls-spanish"])
def test_the_remedy_for_a_missing_corpus_downloads_it(name, served, tmp_path, monkeypatch):
    folder, address = served
    root = tmp_path / "my corpus"
    root.mkdir()
    with pytest.raises(CorpusError, match="fetches") as refused:
        prepare_recordings(config_of(name, root), tmp_path / "out")
    archive = tiny_corpora.pack(name, folder)
    near = {s: Archive(f"{address}/{archive.name}") for s in READERS[name].archives}
    monkeypatch.setattr(module, "READERS", READERS | {name: replace(READERS[name], archives=near)})
    command = str(refused.value).split("`")[1]
    done = run(app, shlex.split(command)[1:])
    assert done.exit_code == 0, done.output
    assert len(prepare_recordings(config_of(name, root), tmp_path / "out")) > 0


def test_an_empty_split_and_one_reason_for_most_rejects_are_warned_of(people, tmp_path):
    made = prepare_recordings(config_of("speakers", people), tmp_path / "out")
    assert warnings_of(made) == []
    few = [Reject(id=str(n), split="train", reason="duration") for n in range(10)]
    assert warnings_of(Manifest(made.folder, made.utterances, few)) == []
    many = [*few, Reject(id="x", split="train", reason="duration")]
    (warning,) = warnings_of(Manifest(made.folder, made.utterances, many))
    assert warning.startswith("11 of 21 rows are rejected for one reason, duration (outside corpus.min_duration")
    listed = [Reject(id=str(n), split="train", reason="not in the list") for n in range(99)]  # as was asked for
    assert warnings_of(Manifest(made.folder, made.utterances, listed)) == []
    (warning,) = warnings_of(Manifest(made.folder, [u for u in made if u.split != "test"]))
    assert "the test split is empty" in warning
    noted = [made.utterances[0].model_copy(update={"notes": "an offset"}), *made.utterances[1:]]
    assert warnings_of(Manifest(made.folder, noted)) == ["1 of 10 rows have notes on their recordings: an offset"]


def test_prepare_prints_the_warnings(tmp_path):
    root = tiny_corpora.make("librispeech", tmp_path / "in")
    (root / "LibriSpeech" / "dev-clean").rename(root / "later")
    command = f"prepare --profile thesis --run-dir {tmp_path / 'run'} --set corpus.name=librispeech "
    done = run(app, [*command.split(), "--set", f"corpus.root={root}", "--set", "corpus.min_duration=1"])
    assert done.exit_code == 0, done.output
    assert "warning: the test split is empty" in done.stderr
