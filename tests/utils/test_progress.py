"""Progress bars."""

from thesis_lib import reporting


def test_the_bar_passes_everything_through(capsys):
    assert list(reporting.bar(iter("abc"), 3, "x")) == ["a", "b", "c"]
    assert "x" in capsys.readouterr().err
