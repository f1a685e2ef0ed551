"""Recovery: state, and who had stopped and where, from the whole journal. It writes nothing and releases nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from actors.runtime._appender import OWN_STREAM, Appender
from actors.runtime._cell import Cell
from actors.runtime._facts import Recorded
from actors.runtime._journal import Journal
from actors.runtime._routes import Routes
from actors.runtime._words import ActorFailed, ActorResumed, FactSkipped, Started


def recover(
    journal: Journal,
    routes: Routes,
    appender: Appender,
    cells: Mapping[str, Cell],
    told: Callable[[Recorded], None] | None,
) -> int:
    """Fold the journal; a stopped actor is stopped still, its backlog waiting. Gives how often a core began there.

    `told` hears every fact. Raises UnknownKind. `appender.broken` keeps the folds that broke though the journal does
    not tell of it.
    """
    starts = 0
    fold, decode = appender.fold, routes.decode
    for row in journal.read():
        recorded = decode(row)
        fold(recorded)
        if told is not None:
            told(recorded)
        if row.stream == OWN_STREAM:
            starts += isinstance(recorded.fact, Started)
            _follow(appender, cells, recorded)
    for cell in cells.values():
        if cell.failed and cell.waits_from:
            wanted = {kind.KIND for kind in cell.actor.reacts}
            rows = journal.read(cell.waits_from - 1)
            cell.backlog.extend(decode(row) for row in rows if row.kind in wanted)
    return starts


def _follow(appender: Appender, cells: Mapping[str, Cell], recorded: Recorded) -> None:
    """Bring back who had stopped and where, from the kernel's own facts."""
    match recorded.fact:
        case ActorFailed(actor, seq, _, waits_from, folding) if actor in cells:
            cells[actor].stop(seq, waits_from or recorded.seq, folding)
            appender.broken = [entry for entry in appender.broken if entry[0].actor.name != actor]
        case ActorResumed(actor) if actor in cells:
            cells[actor].resume()
            appender.refold(cells[actor], recorded.seq)
        case FactSkipped(actor, seq, _, _, folding) if actor in cells:
            cell = cells[actor]
            cell.resume()
            if folding:
                cell.unfolded.append(seq)
                appender.refold(cell, recorded.seq)
        case _:
            pass
