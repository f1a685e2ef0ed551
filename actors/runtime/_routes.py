"""Who takes what: commands, words and facts by their type, and facts by the name that the journal knows them by.

Settled when a core is made; runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from actors.runtime._actor import Guard
from actors.runtime._cell import Cell
from actors.runtime._facts import Command, Fact, Recorded
from actors.runtime._journal import Row
from actors.runtime._words import UnknownKind


class Routes:
    """By type: the cells that fold, react to, release and take in; owners of commands; numbers of guards. And who wants
    views.

    `kinds` are fact types that are known though no actor declares them. Raises ValueError where two actors declare
    one command.
    """

    def __init__(self, cells: Iterable[Cell], guards: Iterable[Guard[Any]], kinds: Iterable[type[Fact]]) -> None:
        self.folds: dict[type[Fact], list[Cell]] = {}
        self.reacts: dict[type[Fact], list[Cell]] = {}
        self.releases: dict[type[Fact], list[Cell]] = {}
        self.inputs: dict[type, list[Cell]] = {}
        self.owners: dict[type[Command], Cell] = {}
        self.views: list[Cell] = []
        self.kinds: dict[str, type[Fact]] = {}
        for cell in cells:
            actor = cell.actor
            for table, declared in (
                (self.folds, actor.folds),
                (self.reacts, actor.reacts),
                (self.releases, actor.releases),
            ):
                for kind in declared:
                    table.setdefault(kind, []).append(cell)
                    self.kinds[kind.KIND] = kind
            for word in actor.inputs:
                self.inputs.setdefault(word, []).append(cell)
            for command in actor.commands:
                if command in self.owners:
                    raise ValueError(f"{command.__name__} belongs to {self.owners[command].actor.name} already")
                self.owners[command] = cell
            if actor.views:
                self.views.append(cell)
        self.guards: dict[type[Fact], list[int]] = {}
        for index, guard in enumerate(guards):
            for kind in guard.folds:
                self.guards.setdefault(kind, []).append(index)
                self.kinds[kind.KIND] = kind
        for kind in kinds:
            self.kinds[kind.KIND] = kind
        self._decoders = {name: msgspec.msgpack.Decoder(kind) for name, kind in self.kinds.items()}

    def decode(self, row: Row) -> Recorded:
        """A journal row as the fact that actors fold. Raises UnknownKind for a kind that nobody here knows."""
        kind = self.kinds.get(row.kind)
        if kind is None:
            raise UnknownKind(f"fact {row.seq} is a {row.kind}, which this core does not know")
        if row.schema == kind.SCHEMA:
            fact = self._decoders[row.kind].decode(row.body)
        else:
            fact = kind.upcast(row.schema, row.body)
        return Recorded(row.seq, row.stream, row.version, row.at, row.cause, fact)
