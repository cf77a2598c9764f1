"""The speaker test on human recordings."""

import numpy as np
import pytest
from helpers import few_bundled_voices, one_call_for_equal_samples, spoken

from benchmarks import artefacts, speakers, speakers_small
from thesis_lib.audio.files import write_audio
from thesis_lib.embeddings.encoders.ecapa import EcapaTdnn
from thesis_lib.embeddings.encoders.eres2net import Eres2net
from thesis_lib.vocoder.synthesis import Vocoder


@pytest.mark.parametrize("module", [speakers, speakers_small, artefacts])
def test_the_speaker_tests_say_at_once_that_a_folder_is_missing(module, monkeypatch):
    monkeypatch.delenv("THESIS_HUMAN", raising=False)
    with pytest.raises(SystemExit, match="THESIS_HUMAN must name a folder"):
        module.run(True, targets=2, contents=2)


@pytest.mark.slow
@pytest.mark.weights("ecapa", "resemblyzer", "eres2net", "whisper-tiny.en")
def test_the_speaker_test_ranks_natural_recordings_above_a_content_that_is_kept(tmp_path, monkeypatch):
    few_bundled_voices(monkeypatch)
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
@pytest.mark.weights("ecapa", "resemblyzer", "eres2net", "whisper-tiny.en")
def test_the_small_weights_have_the_same_targets_and_contents(tmp_path, monkeypatch):
    few_bundled_voices(monkeypatch)
    for encoder in (EcapaTdnn, Eres2net):
        one_call_for_equal_samples(monkeypatch, encoder)
    for number in (0, 6, 12):
        write_audio(tmp_path / f"{number}.wav", spoken(number)[: 5 * 22_050], 22_050)
    monkeypatch.setenv("THESIS_HUMAN", str(tmp_path))
    found, default = (module.run(True, targets=2, contents=2) for module in (speakers_small, speakers))
    assert (found["system"], default["system"]) == ("small weights", "released weights")
    trivial, other = (
        {
            (row["system"], row["encoder"], row["pairs"], row["statistic"]): row["value"]
            for row in run["rows"]
            if row["system"] in ("TTS unchanged", "natural recording", "nearest TTS voice") and row["value"] is not None
        }
        for run in (found, default)
    )
    assert len(trivial) > 100
    assert trivial == pytest.approx(other, rel=1e-3, abs=1e-4)  # threads sum in another order
    own, others = (
        [row["value"] for row in run["rows"] if row["system"] == run["system"] and row["statistic"] == "to_target"]
        for run in (found, default)
    )
    assert own != others
