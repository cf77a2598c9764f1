"""Import the modules that extend the package from outside: those of ``plugins``, and installed entry points."""

import importlib
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from thesis_lib.utils.errors import ThesisError

ENTRY_POINT_GROUP = "thesis_lib"
_imported: dict[str, None] = {}  # names of plugins, in the order of their first import


class PluginError(ThesisError):
    """A module from outside that cannot be imported; the message names it and the remedy."""


def import_plugins(modules: Iterable[str], folder: str | Path | None = None) -> None:
    """Import each module, which registers what it defines; one that is imported already is left as it is.

    ``folder``, by default the working folder, is searched after ``sys.path``. Raises PluginError with the module's name
    and the reason.
    """
    place = str(folder or Path.cwd())
    for module in modules:
        _imported[module] = None
        if module in sys.modules:
            continue
        if place not in sys.path:
            sys.path.append(place)
        importlib.invalidate_caches()
        try:
            importlib.import_module(module)
        except Exception as error:  # a module from outside may raise anything
            raise PluginError(
                f"plugins: cannot import {module!r} ({_reason(error)}); "
                "install it, or put it in the working folder or on PYTHONPATH"
            ) from error


def imported_plugins() -> tuple[str, ...]:
    """The modules that ``import_plugins`` has imported here; a process that works for this one needs them too."""
    return tuple(module for module in _imported if module in sys.modules)


@cache
def load_entry_points() -> None:
    """Import the installed modules of the entry point group ``thesis_lib``, once in a process.

    Raises PluginError with the entry point's name and the reason.
    """
    for point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            point.load()
        except Exception as error:
            package = point.dist.name if point.dist else point.value
            raise PluginError(
                f"entry point {point.name!r} of the package {package} cannot be imported ({_reason(error)}); "
                "repair that package or uninstall it"
            ) from error


def _reason(error: Exception) -> str:
    """The error's type and the first line of its message."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
