"""Measurements: their file, and gaps."""

import numpy as np

from thesis_lib.validation import OURS, Measured, Measurements


def test_measurements_survive_their_file(planted, tmp_path):
    one = planted.measured[3]
    one.save(tmp_path / "x.npz")
    again = Measured.load(tmp_path / "x.npz")
    assert again.rows == one.rows
    assert again.vectors.keys() == one.vectors.keys()
    assert all(np.array_equal(again.vectors[key], one.vectors[key]) for key in one.vectors)


def test_stored_measurements_of_an_earlier_version_have_the_present_names(tmp_path):
    Measured([{"system": "a", "output_f0_level": 1.0, "source_f0_spread": 2.0}]).save(tmp_path / "a.npz")
    assert Measured.load(tmp_path / "a.npz").rows == [{"system": "a", "output_f0_median": 1.0, "source_f0_std": 2.0}]


def test_a_missing_vector_is_a_gap_and_no_shift(planted):
    holes = [Measured(m.rows, m.missing, dict(m.vectors)) for m in planted.measured]
    del holes[2].vectors[OURS["conversion"], "encoder"]
    found = Measurements(holes).cosines(OURS["conversion"], "encoder")
    assert np.isnan(found[2]).all()
    rest = np.arange(10) != 2
    assert np.allclose(found[rest], planted.cosines(OURS["conversion"], "encoder")[rest])
