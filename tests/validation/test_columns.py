"""The columns of the tables of a validation."""

import numpy as np
import pytest
from helpers import voiced
from planted import SETTINGS
from recorded import record

from thesis_lib.audio.pitch import MIN_F0_HZ
from thesis_lib.config import Config, ConfigError
from thesis_lib.validation import ALIGNED, GROUND_TRUTH, OURS, PUBLISHED, calibrations, describe, summarise


def test_the_hypotheses_of_the_configuration_name_systems_and_metrics_that_exist():
    for metric, *compared in SETTINGS.hypotheses:
        assert describe(metric).better
        assert set(compared) <= {GROUND_TRUTH, PUBLISHED, *OURS.values()}
    with pytest.raises(ConfigError, match="hypotheses"):
        Config().override({"validation.hypotheses": [["mel_l1", "a", "b"]] * 6})


def test_every_column_is_described(tiny_run, planted):
    summary, _ = summarise(planted, calibrations(planted)[0], SETTINGS)
    for name in {*summary.metric, *ALIGNED, "cer", "chrf", "ter", "dnsmos_p808", "plcmos", "style", "style_auc"}:
        about = describe(name)
        assert about.label
        assert about.settings
        assert about.better in ("higher", "lower")
    assert "tok:13a" in describe("bleu").settings
    assert "tok:tercom" in describe("ter").settings
    assert describe("ter").better == "lower"


def test_the_f0_of_the_evaluation_lies_on_the_grid_that_its_footnote_names():
    f0 = record(voiced(1.0, f0=141.7)).f0
    steps = 1200 * np.log2(f0[f0 > 0] / MIN_F0_HZ) / 20
    assert steps == pytest.approx(np.round(steps), abs=1e-6)
    assert "F0 in steps of 20 cents, 50 thresholds" in describe("voicing_f1").settings
    assert "20 cents" in describe("f0_cents").settings
