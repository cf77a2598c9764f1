"""The comparison with and without the F0 movement of the source: which recordings, which pipelines, known rows."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from helpers import voiced

from benchmarks import f0_movement
from benchmarks.emotion_statistics import PROBES, SOURCE
from benchmarks.f0_movement import CHOICE, TEST, WITH, WITHOUT
from thesis_lib.audio.files import write_audio
from thesis_lib.config import CloningConfig

SPEAKERS, EMOTIONS = "abcd", ("fear", "joy", "neutral")


@pytest.fixture
def recordings(tmp_path, monkeypatch):
    """Four actors in three emotions, marked "train", and others that are not."""
    rows = [(f"{use}{speaker}", name, use) for use in ("train", "measure") for speaker in SPEAKERS for name in EMOTIONS]
    table = ["path\tspeaker\temotion\tsentence\tuse"]
    for speaker, name, use in rows:
        write_audio(tmp_path / f"{speaker}-{name}.wav", voiced(0.2), 22_050)
        table.append(f"{speaker}-{name}.wav\t{speaker}\t{name}\t1\t{use}")
    (tmp_path / "utterances.tsv").write_text("\n".join(table) + "\n")
    monkeypatch.setenv("THESIS_EMOTIONS", str(tmp_path))


def test_the_pipelines_differ_in_the_movement_alone(recordings, monkeypatch):
    """Without the movement the planted slope is the opposite of the source's; the rate is the same in both."""
    given = []

    def pipeline(config):
        return SimpleNamespace(config=config, copy_with=lambda config: pipeline(config))

    def compared(pipelines, item):
        return {SOURCE: SOURCE} | {name: one.config for name, one in pipelines.items()}

    def evaluated(items, systems, measure):
        given.append((items, {system.name: system.render(items[0]) for system in systems}))
        rng, rows = np.random.default_rng(0), []
        for item in items:
            number = EMOTIONS.index(item.emotion)
            probes = dict.fromkeys(PROBES.values(), np.eye(3)[number] + 0.1 * rng.normal(size=3))
            about = item.about | probes | {"errors": 0, "words": 4, "DNSMOS": 3.0}
            for system in (SOURCE, WITHOUT, WITH):
                follows = {WITHOUT: -1.0}.get(system, 1.0)
                values = dict.fromkeys(f0_movement.CORRELATED, float(number))
                rows.append(about | values | {"system": system, f0_movement.F0_SLOPE: follows * number})
        return pd.DataFrame(rows), [{"reason": "short"}]

    monkeypatch.setattr(f0_movement, "build", lambda: pipeline(CloningConfig()))
    monkeypatch.setattr(f0_movement, "clones_of_each", compared)
    monkeypatch.setattr(f0_movement, "ContourMeasures", lambda: None)
    monkeypatch.setattr(f0_movement, "evaluated", evaluated)
    found = f0_movement.run(quick=False)
    (choice, outputs), (test, _) = given
    assert {item.speaker for item in choice} == {f"train{speaker}" for speaker in SPEAKERS}
    assert {item.speaker for item in test} == {f"measure{speaker}" for speaker in SPEAKERS}
    assert outputs[WITH] == CloningConfig()
    assert outputs[WITHOUT] == CloningConfig(follow_movement=False)
    for part in (CHOICE, TEST):
        assert (found[part]["recordings"], found[part]["not measured"]) == (12, [{"reason": "short"}])
        gains = {row["statistic"]: row["value"] for row in found[part]["differences"]}
        assert gains[f"correlation, {f0_movement.F0_SLOPE}"] == pytest.approx(2)
        assert gains["correlation, speaking rate"] == 0
