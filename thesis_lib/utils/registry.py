"""Registries: implementations by name, of this package and from outside, that a configuration chooses from.

A registry has the names of the built-in entries from the start, so that a configuration can be validated without
importing them; the module that defines them is imported at the first look-up. An entry from outside is there as soon as
its module has been imported (``thesis_lib.utils.plugins``).
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.plugins import load_entry_points

T = TypeVar("T")
Value = TypeVar("Value")
PACKAGE = __name__.partition(".")[0]


class RegistryError(ThesisError):
    """A name that is unknown, registered twice, or registered without its details."""


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One registered implementation."""

    name: str
    value: T
    details: Mapping[str, Any]


class Registry(Generic[T]):
    """Implementations by name.

    ``kind`` is the word for one of them in errors. ``module`` defines the built-in ones. ``builtin`` has their names
    and details. ``required`` and ``optional`` are the details that an entry from outside gives with its name, the
    latter with defaults. ``reserved`` names cannot be registered.
    """

    def __init__(
        self,
        kind: str,
        module: str,
        builtin: Mapping[str, Mapping[str, Any]],
        required: tuple[str, ...] = (),
        optional: Mapping[str, Any] | None = None,
        reserved: tuple[str, ...] = (),
    ) -> None:
        self.kind, self.module, self.builtin = kind, module, dict(builtin)
        self.required, self.optional, self.reserved = required, dict(optional or {}), reserved
        self._entries: dict[str, Entry[T]] = {}

    def register(self, name: str, **details: Any) -> Callable[[Value], Value]:
        """Decorate a class or function to add it under a name.

        Raises RegistryError for a name that is taken or reserved, and for missing or unknown details.
        """
        own = self.builtin.get(name)
        if own is None:
            self._check_details(name, details)

        def add(value: Any) -> Any:
            if self._is_taken(name, value):
                raise RegistryError(f"a {self.kind} named {name!r} is registered already: choose another name")
            self._entries[name] = Entry(name, value, {**self.optional, **(own or {}), **details})
            return value

        return add

    def _check_details(self, name: str, details: Mapping[str, Any]) -> None:
        missing = [key for key in self.required if key not in details]
        unknown = [key for key in details if key not in (*self.required, *self.optional)]
        if missing:
            raise RegistryError(f"{self.kind} {name!r}: register it with {', '.join(f'{key}=…' for key in missing)}")
        if unknown:
            allowed = ", ".join((*self.required, *self.optional)) or "none"
            raise RegistryError(f"{self.kind} {name!r}: no detail named {unknown[0]!r}; known: {allowed}")

    def _is_taken(self, name: str, value: Any) -> bool:
        module = _module_of(value)
        if name in self.reserved or (name in self.builtin and module.partition(".")[0] != PACKAGE):
            return True
        # A notebook's cell that is run again replaces what it defined before.
        return name in self._entries and not (module == "__main__" == _module_of(self._entries[name].value))

    def names(self) -> tuple[str, ...]:
        """Every known name: the built-in ones, then those from outside in the order of registration."""
        load_entry_points()
        return (*self.builtin, *self.added())

    def added(self) -> tuple[str, ...]:
        """The names from outside that have been registered so far."""
        return tuple(name for name in self._entries if name not in self.builtin)

    def __contains__(self, name: object) -> bool:
        return name in self.builtin or name in self._entries or name in self.names()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    def __getitem__(self, name: str) -> T:
        """The implementation. RegistryError for an unknown name."""
        return self.entry(name).value

    def details(self, name: str) -> Mapping[str, Any]:
        """The details of an entry; a built-in one is not imported for them. RegistryError for an unknown name."""
        return self.builtin[name] if name in self.builtin else self.entry(name).details

    def entry(self, name: str) -> Entry[T]:
        """The implementation with its details. RegistryError for an unknown name."""
        if name not in self:
            raise RegistryError(self.refusal(name))
        if name not in self._entries:
            importlib.import_module(self.module)
        return self._entries[name]

    def refusal(self, name: str, known: tuple[str, ...] | None = None) -> str:
        """The message for an unknown name: the known ones, and how to add one."""
        listed = ", ".join(self.names() if known is None else known)
        return (
            f"no {self.kind} named {name!r}; known: {listed}; "
            "for one from outside, name the module that registers it in `plugins`, or install its package"
        )


def _module_of(value: object) -> str:
    return getattr(value, "__module__", None) or ""
