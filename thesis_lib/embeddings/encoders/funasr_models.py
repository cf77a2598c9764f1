"""Import one network of funasr without the others."""

import importlib
import pkgutil
import sys
from typing import Any
from unittest import mock


def funasr_network(module: str, name: str) -> Any:
    """The class ``name`` of the module ``funasr.models.<module>``. ImportError where funasr is not installed.

    At its own import funasr looks for all of its submodules by ``pkgutil.walk_packages`` and imports them: 3,000
    modules in 5 s. Here it finds none.
    """
    if "funasr" not in sys.modules:
        with mock.patch.object(pkgutil, "walk_packages", return_value=iter(())):
            importlib.import_module("funasr")
    return getattr(importlib.import_module(f"funasr.models.{module}"), name)
