"""The benchmarks run, and their claims are not empty."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import spoken

from benchmarks import artefacts, mutants, speakers
from benchmarks.__main__ import NAMES
from benchmarks.__main__ import main as benchmark_command
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


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_has_a_saved_result_that_names_what_made_it(name):
    assert reporting.benchmark(name)["made by"]["command"] == f"python -m benchmarks {name}"


def test_readme_and_introduction_have_the_saved_numbers_of_the_speaker_test():
    saved = reporting.benchmark("speakers")
    rows = {
        (row["system"], row["statistic"]): row
        for row in saved["rows"]
        if row["encoder"] == "resemblyzer" and row["pairs"] == "all"
    }

    def share(system, statistic):
        value, low, high = (100 * rows[system, statistic][name] for name in ("value", "low", "high"))
        return f"{value:.0f} %", f"[{low:.0f}, {high:.0f}]"

    readme, introduction = (ROOT / "README.md").read_text(), (ROOT / "book" / "introduction.md").read_text()
    identified, interval = share(saved["system"], "identified")
    among = f"among {saved['enrolled voices']} voices in {identified}"
    assert f"{among} of the outputs {interval}" in readme
    assert among in introduction
    assert "It accepts {} {}".format(*share(saved["system"], "accepted_5")) in readme
    assert "the nearest TTS voice, has {} {}".format(*share("nearest TTS voice", "accepted_5")) in readme
    for system in (saved["system"], "nearest TTS voice"):
        row = rows[system, "normalised_similarity"]
        assert f"{row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}]" in introduction
    best = {row["best trivial"] for row in saved["gains"] if row["encoder"] == "resemblyzer" and row["pairs"] == "all"}
    assert best == {"nearest TTS voice"}


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
        write_audio(tmp_path / f"{number}.wav", np.concatenate([spoken(number), spoken(number)]), 22_050)
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
