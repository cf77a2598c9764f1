"""From a release to recordings and a manifest: every row accounted for, and the same bytes however it was disturbed."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soundfile
from canaries import case
from filelock import FileLock
from helpers import losing_a_worker, voiced

from thesis_lib.audio.files import read_audio, resample, write_audio
from thesis_lib.audio.loudness import loudness
from thesis_lib.config import AudioConfig, CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.corpus.cvss_t import Release
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.manifest import Manifest, index_of
from thesis_lib.corpus.prepare import prepare
from thesis_lib.corpus.reasons import explained
from thesis_lib.corpus.verify import verify

MINI = CorpusConfig(name="mini")
AUDIO = AudioConfig()


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that a prepared corpus consists of."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Release:
    return mini.write_release(tmp_path_factory.mktemp("release"), MINI.model_copy(update={"limit": 6}))


@pytest.fixture(scope="module")
def whole(release, tmp_path_factory) -> Manifest:
    """What an undisturbed call makes of it."""
    return prepare(release, tmp_path_factory.mktemp("whole") / "corpus", AUDIO, MINI)


def test_prepare_converts(release, whole):
    assert Counter(u.split for u in whole) == {"train": 6, "validation": 6, "test": 6}
    assert {u.style for u in whole} <= {"neutral", "calm", "lively", "solemn"}
    for utterance in whole:
        for path in (whole.source(utterance), whole.target(utterance)):
            info = soundfile.info(path)
            assert (info.samplerate, info.channels, info.subtype) == (22_050, 1, "PCM_16")
    utterance = whole.utterances[0]
    english = next(release.cvss.glob(f"*/{utterance.id}.mp3.wav"))
    expected, rate = soundfile.read(english, dtype="float32")
    made, _ = soundfile.read(whole.target(utterance), dtype="float32")
    np.testing.assert_allclose(made, resample(expected, rate, 22_050, "HQ"), atol=2**-15)  # a step of 16 bits


def test_what_was_interrupted_ends_with_the_same_bytes(release, whole, tmp_path):
    folder = tmp_path / "corpus"
    prepare(release, folder, AUDIO, MINI)
    index_of(folder).unlink()  # as if killed before the end
    victim = whole.utterances[0]
    (folder / victim.source_audio).unlink()
    (folder / "wav" / "source" / ".partial-abc.wav").write_bytes(b"half")
    prepare(release, folder, AUDIO, MINI)
    assert contents(folder) == contents(whole.folder)


def test_a_manifest_that_is_there_is_only_read(release, whole):
    before = {path: path.stat().st_mtime_ns for path in whole.folder.rglob("*")}
    assert prepare(release, whole.folder, AUDIO, MINI).utterances == whole.utterances
    assert {path: path.stat().st_mtime_ns for path in whole.folder.rglob("*")} == before


def test_other_settings_do_not_mix_with_what_was_begun(release, tmp_path):
    folder = tmp_path / "corpus"
    prepare(release, folder, AUDIO, MINI)
    index_of(folder).unlink()
    with pytest.raises(CorpusError, match="begun with other settings .*trim was None, is 40.0"):
        prepare(release, folder, AUDIO, MINI.model_copy(update={"trim": 40.0}))


def test_two_calls_at_once_are_refused(release, tmp_path):
    (tmp_path / "corpus").mkdir()
    with FileLock(tmp_path / "corpus" / ".lock"), pytest.raises(CorpusError, match="another `thesis prepare`"):
        prepare(release, tmp_path / "corpus", AUDIO, MINI)


def test_nothing_usable_is_an_error(release, tmp_path):
    with pytest.raises(CorpusError, match="none of the"):
        prepare(release, tmp_path / "corpus", AUDIO, MINI.model_copy(update={"min_duration": 9.99}))


@dataclass
class Planted:
    """A release of good pairs, each of another length, and defective ones with the reason they must be given."""

    release: Release
    rows: dict[str, list] = field(default_factory=lambda: {"train": [], "dev": [], "test": []})
    spoken: list = field(default_factory=list)
    translated: list = field(default_factory=list)
    expected: dict[str, str] = field(default_factory=dict)

    def add(self, number, split="train", reason=None, source=None, target=None, rate=24_000, client=None):
        """One pair; source and target are seconds, or samples at ``rate``."""
        file = f"common_voice_es_{number}.mp3"
        default = 3.5 + number / 100  # s, different in each pair: shows which pair a recording is of
        wavs = [voiced(default if x is None else x, rate, seed=number) if np.isscalar(x) or x is None else x
                for x in (source, target)]  # fmt: skip
        write_audio(self.spanish(file), wavs[0], 24_000 if rate > 16_000 else rate, format="WAV", subtype="PCM_16")
        write_audio(self.english(file, split), wavs[1], rate)
        self.rows[split].append([file, f"text {number}"])
        self.spoken.append([client or f"client{number}", file, f'dijo "hola" \\ {number}'])
        self.translated.append([file, f"text {number}", split])
        if reason:
            self.expected[file] = reason
        return file

    def spanish(self, file):
        return self.release.common_voice / "clips" / file

    def english(self, file, split="train"):
        return self.release.cvss / split / f"{file}.wav"

    def write(self):
        for split, cells in self.rows.items():
            mini._write_tsv(self.release.cvss / f"{split}.tsv", cells)
        columns = ["client_id", "path", "sentence"]
        mini._write_tsv(self.release.common_voice / "validated.tsv", [columns, *self.spoken])
        mini._write_tsv(self.release.covost, [["path", "translation", "split"], *self.translated])


@pytest.fixture
def planted(tmp_path) -> Planted:
    made = Planted(Release.at(tmp_path / "release"))
    for number in range(3):
        made.add(number)
    made.add(10, "dev", client="tester")
    made.add(11, "test", client="tester")
    made.add(12, reason="speaker is in the test split", client="tester")
    made.add(20, reason="source: duration", source=2.0)
    made.add(21, reason="target: duration", target=11.0)
    made.add(22, reason="source: duration", source=2.7)  # within what a header may be wrong by
    made.add(23, reason="target: sample rate", rate=22_050)
    made.add(24, reason="source: sample rate", rate=8_000)
    made.add(25, reason="target: silence", target=np.zeros(96_000))
    made.add(26, reason="target: clipping", target=np.sign(voiced(4.0, 24_000)))
    made.add(27, reason="source: silence", source=np.full(96_000, 1e-5))
    made.spanish(made.add(30, reason="source: missing file")).unlink()
    made.english(made.add(31, reason="target: missing file")).unlink()
    made.spanish(made.add(32, reason="source: zero length")).write_bytes(b"")
    made.spanish(made.add(33, reason="source: undecodable")).write_bytes(b"no audio" * 99)
    wav = made.english(made.add(34, reason="target: truncated"))
    wav.write_bytes(wav.read_bytes()[:-50_000])
    folder = made.spanish(made.add(35, reason="source: is a folder"))
    folder.unlink()
    folder.mkdir()
    broken = voiced(4.0, 24_000)
    broken[100] = np.nan
    soundfile.write(made.english(made.add(36, reason="target: not finite")), broken, 24_000, subtype="FLOAT")
    long = made.english(made.add(37, reason="target: too long"))
    soundfile.write(long, np.zeros(8 * 15_000), 8)  # four hours and more at 8 Hz
    made.write()
    return made


def test_every_planted_defect_is_reported_under_its_reason(planted, tmp_path):
    manifest = prepare(planted.release, tmp_path / "corpus", AUDIO, CorpusConfig())
    assert {r.id: r.reason for r in manifest.rejects} == planted.expected
    assert len(set(planted.expected.values())) >= 15
    assert {r.reason.split(": ")[-1] for r in manifest.rejects} <= set(explained())
    assert {u.id for u in manifest} == {f"common_voice_es_{n}" for n in (0, 1, 2, 10, 11)}
    for utterance in manifest:  # each pair has its own words and sound
        number = int(utterance.id.split("_")[-1])
        assert utterance.source_text == f'dijo "hola" \\ {number}'
        assert utterance.target_text == f"text {number}"
        for path in (manifest.source(utterance), manifest.target(utterance)):
            assert soundfile.info(path).duration == pytest.approx(3.5 + number / 100, abs=1e-3)
    # Nothing is written for a pair that is rejected.
    assert len(list((tmp_path / "corpus" / "wav").rglob("*.wav"))) == 2 * len(manifest)
    card = (tmp_path / "corpus" / "DATA_CARD.md").read_text()
    assert "| train | 3 | 3 |" in card
    assert "| source: duration | 2 | outside corpus.min_duration and corpus.max_duration |" in card
    assert "CC BY 4.0" in card


def test_what_was_repaired_is_in_the_row_with_its_side(planted, tmp_path):
    path = planted.spanish("common_voice_es_0.mp3")
    wav, rate = read_audio(path)
    write_audio(path, wav + 0.3, rate, format="WAV", subtype="PCM_16")
    corpus = CorpusConfig()
    manifest = prepare(planted.release, tmp_path / "corpus", AUDIO, corpus)
    notes = {u.id: u.notes for u in manifest}
    assert notes.pop("common_voice_es_0") == "source: the samples have an offset of +0.30, which was subtracted"
    assert set(notes.values()) == {""}
    index_of(manifest.folder).unlink()
    manifest.target(manifest.utterances[0]).unlink()  # one side is converted again, the other is kept with its notes
    assert prepare(planted.release, manifest.folder, AUDIO, corpus).utterances == manifest.utterances


def test_a_subset_of_the_size_that_was_asked_for(planted, tmp_path):
    corpus = CorpusConfig(subset=4)
    first = prepare(planted.release, tmp_path / "one", AUDIO, corpus)
    assert len(first) == 4  # although the first choices were, some of them, silent or clipped
    rows = sum(map(len, planted.rows.values()))
    assert len(first) + len(first.rejects) == rows
    assert Counter(r.reason for r in first.rejects)["not in the subset"] >= 1
    assert prepare(planted.release, tmp_path / "two", AUDIO, corpus).utterances == first.utterances
    # More than there are is all there are, and the same reasons as without.
    every = prepare(planted.release, tmp_path / "all", AUDIO, CorpusConfig(subset=1000))
    assert {r.id: r.reason for r in every.rejects} == planted.expected


def test_trimmed_levelled_and_compressed(release, tmp_path):
    corpus = MINI.model_copy(update={"trim": 40.0, "loudness": -23.0, "format": "flac", "min_duration": 1.0})
    padded = Release.at(shutil.copytree(release.cvss.parent, tmp_path / "release"))
    for path in padded.cvss.rglob("*.wav"):
        wav, rate = read_audio(path)
        write_audio(path, np.pad(0.3 * wav, 5 * rate), rate)  # longer than 10 s, until it is trimmed
    plain = prepare(release, tmp_path / "plain", AUDIO, MINI)
    made = prepare(padded, tmp_path / "corpus", AUDIO, corpus)
    for utterance in made:
        before = next(u for u in plain if u.id == utterance.id)
        assert utterance.target_duration <= before.target_duration + 0.1  # the silence at each end is gone
        assert soundfile.info(made.target(utterance)).format == "FLAC"
        wav, rate = read_audio(made.target(utterance))
        assert loudness(wav, rate) == pytest.approx(-23, abs=0.5)
    report = json.loads((made.folder / "made.json").read_text())
    assert (report["trim"], report["loudness"], report["format"]) == (40.0, -23.0, "flac")


@pytest.mark.slow
def test_killed_at_fifty_random_moments_it_ends_with_the_same_bytes(release, whole, tmp_path):
    helper = Path(__file__).parent / "prepare_and_kill.py"
    command = [sys.executable, helper, release.cvss.parent, whole.folder, tmp_path, "50"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["kills"] == 50
    assert report["finished"] >= 2  # the two runs without a kill are not counted
    assert report["with some recordings"] >= 10  # not all before the first


@pytest.mark.slow
def test_over_a_cluster_that_loses_a_worker_the_bytes_are_the_same(release, whole, tmp_path, monkeypatch):
    from thesis_lib.corpus import rows as module

    monkeypatch.setattr(module, "BATCH_ROWS", 1)
    with losing_a_worker(tmp_path / "dask", after=3) as (address, killing):
        prepare(release, tmp_path / "corpus", AUDIO, MINI, killing, address)
    assert contents(tmp_path / "corpus") == contents(whole.folder)


def test_verify_names_what_is_no_longer_so(release, tmp_path):
    manifest = prepare(release, tmp_path / "corpus", AUDIO, MINI)
    assert verify(manifest.folder) == []
    one, two, three = manifest.utterances[:3]
    manifest.source(one).unlink()
    wav, rate = read_audio(manifest.target(two))
    write_audio(manifest.target(two), wav[: rate // 2], rate)
    write_audio(manifest.source(three), resample(read_audio(manifest.source(three))[0], 22_050, 16_000), 16_000)
    write_audio(manifest.folder / "wav" / "source" / "stranger.wav", wav, rate)
    found = "\n".join(verify(manifest.folder))
    assert f"{manifest.source(one)}: missing file" in found
    assert f"{manifest.target(two)}: 0.500 s long, the manifest says {two.target_duration:.3f}" in found
    assert "several sample rates: 16000 Hz" in found or "several sample rates: 22050 Hz" in found
    assert "stranger.wav: in no row of the manifest" in found
    assert len(found.splitlines()) == 4


@pytest.mark.parametrize(
    ("side", "format", "kept_bytes"), [("source", "wav", 20), ("target", "wav", 20), ("target", "flac", 4000)]
)
def test_a_damaged_converted_recording_of_a_pair_is_converted_again(side, format, kept_bytes, tmp_path):
    settings = CorpusConfig(name="mini", limit=1, format=format)
    release = mini.write_release(tmp_path / "release", settings)
    made = prepare(release, tmp_path / "out", AudioConfig(), settings)
    path = getattr(made, side)(made.utterances[0])
    whole = path.read_bytes()
    index_of(made.folder).unlink()
    path.write_bytes(whole[:kept_bytes])
    assert prepare(release, made.folder, AudioConfig(), settings).utterances == made.utterances
    assert path.read_bytes() == whole


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
