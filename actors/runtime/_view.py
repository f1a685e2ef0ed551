"""The market view as the core owns it: numbered, immutable, with what registered functions derive from it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

#: `derive(previous derived, base, now) -> derived`. Pure.
DeriveFunction = Callable[[Any, Any, dt.datetime], Any]


class Derive(msgspec.Struct, frozen=True):
    """A registered derivation. An eager one runs for every view, so that its memory has no holes; a lazy one on first
    read, with what it gave the last time it ran as `previous`."""

    name: str
    function: DeriveFunction
    eager: bool = False


class View:
    """One numbered view. `base` is whatever the market's edge made; `derived(name)` is computed once and kept."""

    __slots__ = ("_cache", "_functions", "_memory", "at", "base", "number")

    def __init__(
        self,
        number: int,
        at: dt.datetime,
        base: Any,
        functions: Mapping[str, DeriveFunction],
        memory: dict[str, Any],
    ) -> None:
        self.number = number
        self.at = at
        self.base = base
        self._functions = functions
        self._memory = memory
        self._cache: dict[str, Any] = {}

    def derived(self, name: str) -> Any:
        """What the function registered under `name` derives from this view. Raises KeyError where there is none."""
        if name not in self._cache:
            value = self._functions[name](self._memory.get(name), self.base, self.at)
            self._cache[name] = self._memory[name] = value
        return self._cache[name]


class Views:
    """Numbers views, and keeps the current one and what derivations remember."""

    def __init__(self, derives: Iterable[Derive]) -> None:
        derives = tuple(derives)
        self.current: View | None = None
        self._functions = {derive.name: derive.function for derive in derives}
        self._eager = tuple(derive.name for derive in derives if derive.eager)
        self._memory: dict[str, Any] = {}
        self._number = 0

    def show(self, base: Any, now: dt.datetime, on_error: Callable[[str, Exception], None]) -> View:
        """Make the next view current and derive eagerly where registered so; `on_error` hears of what raised."""
        self._number += 1
        view = self.current = View(self._number, now, base, self._functions, self._memory)
        for name in self._eager:
            try:
                view.derived(name)
            except Exception as error:
                on_error(name, error)
        return view

    def forget(self) -> None:
        """Drop the view and the memory of derivations, as a restart does."""
        self.current = None
        self._memory.clear()
