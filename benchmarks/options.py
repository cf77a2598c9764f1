"""The numbers that a benchmark takes on the command line, and their limits."""

import argparse
from collections.abc import Mapping
from typing import NamedTuple


class Option(NamedTuple):
    """A whole number from 1 to ``most``; ``quick`` is its default with --quick."""

    default: int
    quick: int
    help: str
    most: int | None = None

    @property
    def limits(self) -> str:
        """Its range, in words."""
        return f"1 to {self.most}" if self.most else "1 or more"


def add_options(parser: argparse.ArgumentParser, options: Mapping[str, Option]) -> None:
    """Add an argument for each option; None where it is not given."""
    for name, option in options.items():
        text = f"{option.help}: {option.limits} (default {option.default}; with --quick {option.quick})"
        parser.add_argument(f"--{name}", type=int, help=text)


def chosen(
    parser: argparse.ArgumentParser, options: Mapping[str, Option], given: Mapping[str, int | None], quick: bool
) -> dict[str, int]:
    """The value of each option: as given, or its default. The parser ends with an error for one out of range."""
    found = {}
    for name, option in options.items():
        value = given[name]
        if value is None:
            value = option.quick if quick else option.default
        if value < 1 or (option.most and value > option.most):
            parser.error(f"--{name} {value}: give {option.limits}")
        found[name] = value
    return found
