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

    Who is stopped is read first, so that each state is folded once. `told` hears every fact. Raises UnknownKind.
    `appender.broken` keeps the folds that broke though the journal does not tell of it, as newer code may.
    """
    starts, breaks = _stopped(journal, routes, cells)
    fold, decode = appender.fold, routes.decode
    for row in journal.read():
        if row.seq in breaks:
            for cell in breaks[row.seq]:
                cell.broken = True
        recorded = decode(row)
        fold(recorded)
        if told is not None:
            told(recorded)
    for cell in cells.values():
        if cell.failed and cell.waits_from:
            wanted = {kind.KIND for kind in cell.actor.reacts}
            rows = journal.read(cell.waits_from - 1)
            cell.backlog.extend(decode(row) for row in rows if row.kind in wanted)
    return starts


def _stopped(journal: Journal, routes: Routes, cells: Mapping[str, Cell]) -> tuple[int, dict[int, list[Cell]]]:
    """Bring back who is stopped at the end, and what was signed past, from the kernel's own facts.

    Gives how often a core began, and by sequence those whose fold is known to break there.
    """
    starts = 0
    for row in journal.read_stream(OWN_STREAM):
        match routes.decode(row).fact:
            case Started():
                starts += 1
            case ActorFailed(actor, seq, _, waits_from, folding) if actor in cells:
                cells[actor].stop(seq, waits_from or row.seq, folding)
            case ActorResumed(actor) if actor in cells:
                cells[actor].resume()
            case FactSkipped(actor, seq, _, _, folding) if actor in cells:
                cells[actor].resume()
                if folding:
                    cells[actor].unfolded.append(seq)
            case _:
                pass
    breaks: dict[int, list[Cell]] = {}
    for cell in cells.values():
        if cell.broken:
            # What came before is folded anew.
            cell.broken = False
            breaks.setdefault(cell.failure_seq, []).append(cell)
    return starts, breaks
