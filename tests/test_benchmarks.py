"""The benchmarks run, and their claims are not empty."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import spoken

from benchmarks import artefacts, calibration, embed, emotion_encoder, mutants, speakers
from benchmarks.__main__ import NAMES, PENDING
from benchmarks.__main__ import main as benchmark_command
from benchmarks.human import human_recordings
from benchmarks.quality import HumanTest
from thesis_lib import reporting
from thesis_lib.audio.files import write_audio
from thesis_lib.config import CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.validation.swap import SwapSystem
from thesis_lib.vocoder.synthesis import DEFAULT, Vocoder

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_has_its_place_and_compiles(mutant):
    source = (ROOT / "thesis_lib" / mutant.file).read_text()
    changed = mutants.mutated(source, mutant)
    assert changed != source
    compile(changed, mutant.file, "exec")


def test_there_are_enough_mutants_with_names_of_their_own():
    assert len({mutant.name for mutant in mutants.MUTANTS}) == len(mutants.MUTANTS) >= 20


@pytest.mark.slow
def test_a_mutant_is_caught_and_the_package_as_it_is_passes():
    assert mutants.passes(None)
    assert not mutants.passes(mutants.MUTANTS[0])


def test_the_saved_mutation_score_is_of_todays_list_and_whole():
    saved = reporting.benchmark("mutants")
    assert saved["caught"] == saved["mutants"] == len(mutants.MUTANTS)
    assert saved["survived"] == []


def test_the_book_lists_every_benchmark():
    page = (ROOT / "book" / "reproduce.md").read_text()
    assert [name for name in NAMES if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize("name", sorted(NAMES.keys() - PENDING))
def test_every_benchmark_has_a_saved_result_that_names_what_made_it(name):
    assert reporting.benchmark(name)["made by"]["command"] == f"python -m benchmarks {name}"


def test_a_benchmark_without_a_saved_result_is_pending_until_there_is_one():
    saved = {path.stem for path in (ROOT / "benchmarks" / "results").glob("*.json")}
    assert saved == NAMES.keys() - PENDING


def test_help_has_an_example():
    done = subprocess.run([sys.executable, "-m", "benchmarks", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert "Example: python -m benchmarks vocoder" in done.stdout
    assert all(name in done.stdout for name in NAMES)


def test_the_artefacts_have_one_bundled_pair_a_test_voice():
    rows = artefacts.voices()
    tests = mini.table(CorpusConfig(name="mini")).query("split == 'test'")
    assert len(rows) == rows.voice.nunique() == tests.voice.nunique() >= 6
    assert set(rows.id) <= set(tests.id)


def test_a_benchmark_gets_its_own_options(monkeypatch, capsys):
    given = {}

    def run(quick, **options):
        given.update(options, quick=quick)
        return {}

    monkeypatch.setattr(speakers, "run", run)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "speakers", "--targets", "5"])
    benchmark_command()
    assert given == {"targets": 5, "contents": speakers.OPTIONS["contents"][0], "quick": False}
    assert '"command": "python -m benchmarks speakers --targets 5"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "targets", "contents"),
    [([], 24, 6), (["--quick"], 3, 2), (["--quick", "--targets", "5"], 5, 2), (["--contents", "9"], 24, 9)],
)
def test_quick_changes_only_the_options_that_are_not_given(words, targets, contents, monkeypatch, capsys):
    monkeypatch.setattr(speakers, "run", lambda quick, **options: {"options": options})
    monkeypatch.setattr(sys, "argv", ["benchmarks", "speakers", *words])
    benchmark_command()
    found = json.loads(capsys.readouterr().out)
    assert found["options"] == {"targets": targets, "contents": contents}
    assert found["made by"]["command"] == " ".join(["python -m benchmarks speakers", *words])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--contents", "20"], "--contents 20: give 1 to 9"),
        (["--contents", "-1"], "--contents -1: give 1 to 9"),
        (["--targets", "0"], "--targets 0: give 1 or more"),
    ],
)
def test_an_option_out_of_range_is_refused(words, says, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", "speakers", *words])
    with pytest.raises(SystemExit):
        benchmark_command()
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("words", [["speakers", "--help"], ["--help", "speakers"]])
def test_the_help_of_a_benchmark_has_its_own_options(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", *words])
    with pytest.raises(SystemExit):
        benchmark_command()
    out = capsys.readouterr().out
    assert "--targets" in out
    assert "1 to 9 (default 6" in " ".join(out.split())


def test_the_folder_of_human_recordings_is_read_in_one_way(tmp_path, monkeypatch):
    """A subfolder is one speaker of several recordings; names of two speakers may be those of one file."""
    for name in ("a/1.wav", "a/2.wav", "b/1.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_audio(tmp_path / name, spoken(0, 16_000, "en"), 16_000)
    monkeypatch.setenv("THESIS_HUMAN", str(tmp_path))
    assert {name: len(own) for name, own in human_recordings().items()} == {"a": 2, "b": 1}
    (tmp_path / "copies").mkdir()
    monkeypatch.setenv("THESIS_HUMAN", str(tmp_path))
    assert len(set(embed._recordings(tmp_path / "copies", 3))) == 3
    one, other = calibration._pair([np.arange(4.0), np.arange(3.0)])
    assert (len(one), len(other)) == (4, 3), "of several recordings no half is taken"
    assert [len(half) for half in calibration._pair([np.arange(4.0)])] == [2, 2]
    write_audio(tmp_path / "a.wav", spoken(0, 16_000, "en"), 16_000)
    with pytest.raises(SystemExit, match="two speakers of one name"):
        human_recordings()


def test_an_option_that_a_benchmark_has_not_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", "calibration", "--targets", "5"])
    with pytest.raises(SystemExit):
        benchmark_command()
    assert "unrecognized arguments: --targets 5" in capsys.readouterr().err


@pytest.mark.parametrize("module", [speakers, artefacts])
def test_the_speaker_tests_say_at_once_that_a_folder_is_missing(module, monkeypatch):
    monkeypatch.delenv("THESIS_HUMAN", raising=False)
    with pytest.raises(SystemExit, match="THESIS_HUMAN must name a folder"):
        module.run(True, targets=2, contents=2)


@pytest.mark.slow
@pytest.mark.weights("ecapa", "resemblyzer", "eres2net", "whisper-tiny.en")
def test_the_speaker_test_ranks_natural_recordings_above_a_content_that_is_kept(tmp_path, monkeypatch):
    for number in (0, 6, 12):
        half = spoken(number)[: 5 * 22_050 // 2]
        write_audio(tmp_path / f"{number}.wav", np.concatenate([half, half]), 22_050)
    monkeypatch.setenv("THESIS_HUMAN", str(tmp_path))
    monkeypatch.setattr(Vocoder, "render", lambda self, wav, voice, guidance: wav)
    found = speakers.run(True, targets=3, contents=2)
    assert found["enrolment"] == "other half of one recording"
    assert (found["targets"], found["contents"], found["enrolled voices"]) == (3, 2, 5)
    roles = {row["encoder"]: row["role"] for row in found["rows"]}
    assert roles == {"ecapa": "conditions and trains", "resemblyzer": "evaluation", "eres2net": "evaluation"}
    table = {
        (row["system"], row["statistic"], row["encoder"]): row["value"]
        for row in found["rows"]
        if row["pairs"] == "all"
    }
    for encoder in roles:
        natural, kept = (
            table[system, "normalised_similarity", encoder] for system in ("natural recording", speakers.RELEASED)
        )
        assert natural == pytest.approx(1, abs=0.01)
        assert kept < 0.5
        assert table["natural recording", "identified", encoder] == 1
        assert table[speakers.RELEASED, "identified", encoder] == 0


@pytest.mark.slow
@pytest.mark.weights("ecapa", "resemblyzer", "eres2net", "whisper-tiny.en", "whisper-base")
def test_quality_measures_copies_and_swaps_of_human_recordings(tmp_path, monkeypatch):
    """Recordings that are their own copies are perfect; a swap that keeps the content's voice prefers no target."""
    for number in (0, 6, 12):
        write_audio(tmp_path / f"{number}.wav", np.concatenate([spoken(number), spoken(number)]), 22_050)
    monkeypatch.setenv("THESIS_HUMAN", str(tmp_path))
    test_set = HumanTest("egemaps", quick=True)
    assert len(test_set.speakers) + len(test_set.short) == 3
    copies = {row["metric"]: row for row in test_set.resynthesis("copy", lambda speaker: speaker.content)}
    assert copies["mel_l1"]["value"] == 0
    assert copies["wer, above the recording's"]["value"] == 0
    assert copies["mel_l1"]["n"] == len(test_set.speakers)
    monkeypatch.setattr(Vocoder, "render", lambda self, wav, voice, guidance: wav)
    system = SwapSystem("conversion", "none", Vocoder.from_torch(DEFAULT))
    swaps = {row["metric"]: row for row in test_set.conversion(system)}
    assert swaps["target preference, ecapa"]["value"] == 0
    assert swaps["target preference, ecapa"]["n"] == len(test_set.speakers)


def acted(emotions: int = 3, speakers: int = 4) -> pd.DataFrame:
    """Every speaker says one sentence in every emotion."""
    rows = [
        {"speaker": f"s{s}", "emotion": f"e{e}", "sentence": "01"} for s in range(speakers) for e in range(emotions)
    ]
    return pd.DataFrame(rows)


def test_an_encoder_of_the_emotion_alone_has_every_triplet_and_no_speaker():
    table = acted()
    vectors = pd.get_dummies(table.emotion).to_numpy(float) + 1e-6 * np.random.default_rng(0).normal(size=(12, 3))
    found = {row["measure"]: row for row in emotion_encoder.measures(vectors, table, resamples=100)}
    assert found["triplets, distractor: none"]["value"] == found["triplets, distractor: speaker"]["value"] == 1
    assert found["rank-1 speaker"]["value"] == 0
    rows, confusion = emotion_encoder.by_emotion(vectors, table)
    assert [(row["AUC"], row["recall"]) for row in rows] == [(1, 1)] * 3
    assert confusion["e0"] == {"e0": 4, "e1": 0, "e2": 0}


def test_an_encoder_of_the_speaker_alone_has_no_triplet_and_every_speaker():
    table = acted()
    vectors = pd.get_dummies(table.speaker).to_numpy(float) + 0.01 * pd.get_dummies(table.emotion).to_numpy() @ np.eye(
        3, 4
    )
    found = {row["measure"]: row for row in emotion_encoder.measures(vectors, table, resamples=100)}
    assert found["triplets, distractor: speaker"]["value"] == 0
    assert found["rank-1 speaker"]["value"] == 1
    text = found["triplets, distractor: text"]
    assert text["value"] is None
    assert "distractors sentence" in text["reason"]


def test_chance_of_identification_is_counted():
    assert emotion_encoder.identification_chance(acted()) == pytest.approx(2 / 11)


def test_recordings_that_the_encoder_was_trained_on_are_not_measured(tmp_path, monkeypatch):
    (tmp_path / "utterances.tsv").write_text(
        "path\tspeaker\temotion\tsentence\tuse\na.wav\ts1\te\tx\ttrain\nb.wav\ts2\te\tx\tmeasure only\n"
    )
    monkeypatch.setenv("THESIS_EMOTIONS", str(tmp_path))
    table, folder = emotion_encoder.recordings()
    assert table.path.tolist() == ["b.wav"]
    assert table.corpus.tolist() == [tmp_path.name]
    monkeypatch.delenv("THESIS_EMOTIONS")
    with pytest.raises(SystemExit, match="THESIS_EMOTIONS"):
        emotion_encoder.recordings()
