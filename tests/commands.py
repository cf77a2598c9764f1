"""Run the command line in this process."""

import sys

import pytest

from thesis_lib import cli


def thesis(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    """Run the command line; return exit status, stdout and stderr."""
    monkeypatch.setattr(sys, "argv", ["thesis", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out = capsys.readouterr()
    return ended.value.code or 0, out.out, out.err
