"""README and limitations state what the saved result of `python -m benchmarks emotion` says about emotion."""

from pathlib import Path

import pytest

from thesis_lib import reporting

ROOT = Path(__file__).parents[2]


def values() -> dict[tuple[str, str], str]:
    """(system, statistic) -> "value [low, high]" to two places."""
    rows = reporting.benchmark("emotion")["rows"]
    return {(r["system"], r["statistic"]): f"{r['value']:.2f} [{r['low']:.2f}, {r['high']:.2f}]" for r in rows}


def percent(system: str) -> str:
    (row,) = (r for r in reporting.benchmark("emotion")["rows"] if (r["system"], r["statistic"]) == (system, "recall"))
    return f"{row['value']:.0%} [{100 * row['low']:.0f}, {100 * row['high']:.0f}]".replace("%", " %")


@pytest.mark.parametrize("page", ["README.md", "book/limitations.md"])
def test_the_emotion_that_is_carried_is_that_of_the_saved_result(page):
    text, found = (ROOT / page).read_text(encoding="utf-8"), values()
    result = reporting.benchmark("emotion")
    for statistic, label in (
        ("loudness", "loudness"),
        ("f0_median", "F0 median"),
        ("loudness variation", "loudness variation"),
        ("f0_std", "F0 standard deviation"),
    ):
        assert f"{found['ours', f'correlation, {statistic}']} for the {label}" in text
    assert f"{result['speakers']} actors, {len(result['emotions'])} emotions, {result['recordings']} outputs" in text
    assert f"recalls {percent('source')} of the emotions from the recordings and {percent('ours')} from the out" in text
    assert f"chance {result['chance']['recall']:.0%}".replace("%", " %") in text


def test_what_following_adds_and_what_does_not_follow():
    text, found = (ROOT / "book" / "limitations.md").read_text(encoding="utf-8"), values()
    plain = found["ours, without rate and dynamics", "correlation, loudness variation"]
    assert f"without that step it is {plain}" in text
    peaks = found["ours", "correlation, loudness peaks a second"]
    assert f"the rate of speech is not shown to follow ({peaks} for the loudness peaks a second)" in text
