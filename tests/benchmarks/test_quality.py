"""Quality of copies and swaps."""

import numpy as np
import pytest
from helpers import spoken

from benchmarks.quality import HumanTest
from thesis_lib.audio.files import write_audio
from thesis_lib.validation.swap import SwapSystem
from thesis_lib.vocoder.synthesis import DEFAULT, Vocoder


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
