"""The daemon over HTTP: whether it lives, the line of truth, LEAN's session, facts, the breaker, the actors."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import msgspec
import trio
from starlette.background import BackgroundTask
from starlette.responses import Response

from actors.messages.breaker import LEVELS, ConfirmReset, Halt, StartReset
from actors.runtime import Row, SkipFact
from daemon.api.answers import answer, problem
from daemon.api.desk import Desk, content_tag
from daemon.api.routing import BadRequest, Call, Endpoint
from daemon.bodies import HaltBody, ResetBody, SkipBody
from daemon.tree import EDGES, GROUPS
from daemon.views import named
from daemon.views_desk import SessionShown, StatusShown, session_shown, status_shown

#: Rows of the journal looked at for one request: a filter that finds little must not read it all.
_SCAN = 20_000
_CHUNK = 1_000


class AliveShown(msgspec.Struct, frozen=True, kw_only=True):
    """It answers."""

    alive: bool


class ReadyShown(msgspec.Struct, frozen=True, kw_only=True):
    """Ready: replayed and bound, and no actor stopped. `failed` names those that did."""

    ready: bool
    failed: tuple[str, ...]


class FactShown(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded fact; `fact` has the fields of its kind."""

    sequence: int
    at: dt.datetime
    kind: str
    stream: str
    version: int
    cause: int
    fact: dict[str, Any]


class FactsShown(msgspec.Struct, frozen=True, kw_only=True):
    """Facts in order. `next` is the cursor for `after`: where looking stopped; `sequence` is the journal's end. There
    may be more while `next` is below it, even on a page without facts."""

    facts: tuple[FactShown, ...]
    next: int
    sequence: int


class FactsQuery(msgspec.Struct, frozen=True):
    """`subject` is what stands before a kind's dot; both may be repeated. `stream` e.g. order/ID. With `newest` the
    last `limit` that match are given, looking back from `before` (or the end)."""

    subject: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    stream: str | None = None
    after: Annotated[int, msgspec.Meta(ge=0, le=2**62)] = 0
    before: Annotated[int, msgspec.Meta(ge=1, le=2**62)] | None = None
    newest: bool = False
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class BreakerShown(msgspec.Struct, frozen=True, kw_only=True):
    """The breaker: its level 0 to 5, the level's name, why, by whom and since when."""

    level: int
    level_name: str
    reason: str
    by: str
    since: dt.datetime | None
    resetting: bool


class PhraseShown(msgspec.Struct, frozen=True, kw_only=True):
    """The first step of a reset is done: send this phrase to confirm it."""

    phrase: str


class NodeShown(msgspec.Struct, frozen=True, kw_only=True):
    """A node of the tree. `kind`: supervisor, edge, core, group or actor. `state`: running, failed, or an edge's own.
    Telemetry is since the start: turns, seconds in them, failures, turns over 50 ms, kills and restarts, and the last
    fact folded; null where a kind has none. `rule`: how an edge is restarted, what a stopped actor of a group means."""

    name: str
    kind: str
    state: str
    detail: str
    rule: str
    turns: int | None
    seconds: float | None
    failures: int | None
    slow: int | None
    restarts: int | None
    up_seconds: float | None
    last_sequence: int | None
    failed_at: int | None
    children: tuple[NodeShown, ...]


class KilledShown(msgspec.Struct, frozen=True, kw_only=True):
    """What was killed, and whether it is failed after it began anew."""

    name: str
    failed: bool


class SkippedShown(msgspec.Struct, frozen=True, kw_only=True):
    """Who was signed past which fact (0: an input), and whether it failed again on what waited."""

    name: str
    seq: int
    failed: bool


class SystemRoutes:
    """The handlers; `endpoints` declares them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._kills: dict[str, int] = {}

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every route of this module."""
        return (
            Endpoint(method="GET", path="/healthz", role=None, handler=self.health, answers={200: AliveShown},
                     summary="It answers"),
            Endpoint(method="GET", path="/readyz", role=None, handler=self.ready,
                     answers={200: ReadyShown, 503: ReadyShown}, summary="It trades"),
            Endpoint(method="GET", path="/api/v1/status", role="viewer", handler=self.status,
                     answers={200: StatusShown}, summary="The line of truth"),
            Endpoint(method="GET", path="/api/v1/session", role="viewer", handler=self.session,
                     answers={200: SessionShown | None}, summary="LEAN's session, null before the first"),
            Endpoint(method="GET", path="/api/v1/facts", role="viewer", handler=self.facts, query=FactsQuery,
                     answers={200: FactsShown}, summary="Recorded facts, by subject, kind and sequence"),
            Endpoint(method="GET", path="/api/v1/breaker", role="viewer", handler=self.breaker,
                     answers={200: BreakerShown, 304: None}, headers=("if-none-match",), summary="The breaker"),
            Endpoint(method="POST", path="/api/v1/breaker/halt", role="trader", handler=self.halt, body=HaltBody,
                     answers={200: BreakerShown}, refuses=(409,), headers=("idempotency-key",),
                     summary="Raise the breaker"),
            Endpoint(method="POST", path="/api/v1/breaker/reset", role="admin", handler=self.reset, body=ResetBody,
                     answers={200: BreakerShown, 202: PhraseShown}, refuses=(409,), headers=("idempotency-key",),
                     summary="Lower the breaker in two steps: a reason gives a phrase, the phrase resets"),
            Endpoint(method="GET", path="/api/v1/actors", role="viewer", handler=self.actors,
                     answers={200: NodeShown}, summary="The tree of what runs, with telemetry"),
            Endpoint(method="POST", path="/api/v1/actors/{name}/kill", role="admin", handler=self.kill,
                     answers={200: KilledShown}, refuses=(404, 409),
                     summary="Kill an actor (it folds its state anew) or an edge (it restarts)"),
            Endpoint(method="POST", path="/api/v1/actors/{name}/skip", role="admin", handler=self.skip, body=SkipBody,
                     answers={200: SkippedShown}, refuses=(404, 409), headers=("idempotency-key",),
                     summary="Sign a stopped actor past what it failed on"),
        )  # fmt: skip

    async def health(self, call: Call) -> Response:
        return answer(AliveShown(alive=True))

    async def ready(self, call: Call) -> Response:
        failed = self._desk.driver.core.failed()
        ready = not self._desk.driver.stopped.is_set() and not failed
        return answer(ReadyShown(ready=ready, failed=tuple(sorted(failed))), 200 if ready else 503)

    async def status(self, call: Call) -> Response:
        desk = self._desk
        return answer(status_shown(desk.driver, desk.views, desk.market, desk.rules))

    async def session(self, call: Call) -> Response:
        return answer(session_shown(self._desk.views))

    async def facts(self, call: Call) -> Response:
        end = self._desk.views.seq
        rows, stopped = await trio.to_thread.run_sync(self._find, call.query, end)
        decode = self._desk.driver.core.decode
        facts = tuple(
            FactShown(
                sequence=row.seq, at=row.at, kind=row.kind, stream=row.stream, version=row.version, cause=row.cause,
                fact=named(decode(row).fact),
            )
            for row in rows
        )  # fmt: skip
        return answer(FactsShown(facts=facts, next=stopped, sequence=end))

    def _find(self, query: FactsQuery, end: int) -> tuple[list[Row], int]:
        """Rows that match among at most _SCAN looked at, and where looking stopped."""
        if query.newest:
            return self._find_newest(query, end)
        found: list[Row] = []
        at, last = query.after, min(end, query.after + _SCAN, (query.before or end + 1) - 1)
        while at < last:
            rows = list(self._desk.driver.journal.read(at, min(_CHUNK, last - at)))
            if not rows:
                break
            for row in rows:
                at = row.seq
                if _matches(row, query):
                    found.append(row)
                    if len(found) == query.limit:
                        return found, at
        return found, max(at, min(query.after, end))

    def _find_newest(self, query: FactsQuery, end: int) -> tuple[list[Row], int]:
        found: list[Row] = []
        high = min(end, (query.before or end + 1) - 1)
        least = max(query.after, high - _SCAN)
        while high > least and len(found) < query.limit:
            low = max(least, high - _CHUNK)
            rows = [row for row in self._desk.driver.journal.read(low, high - low) if _matches(row, query)]
            found[:0] = rows
            high = low
        found = found[-query.limit :]
        return found, found[-1].seq if found else end

    async def breaker(self, call: Call) -> Response:
        shown = self._breaker()
        tag = {"etag": content_tag(shown)}
        if call.header("if-none-match") == tag["etag"]:
            return Response(None, 304, tag)
        return answer(shown, headers=tag)

    async def halt(self, call: Call) -> Response:
        body: HaltBody = call.body
        await self._desk.give(call, Halt(body.level, body.reason))
        return answer(self._breaker())

    async def reset(self, call: Call) -> Response:
        body: ResetBody = call.body
        if bool(body.reason) == bool(body.phrase):
            raise BadRequest("give a reason to begin a reset, then the phrase to confirm it")
        if body.phrase:
            await self._desk.give(call, ConfirmReset(body.phrase))
            return answer(self._breaker())
        await self._desk.give(call, StartReset(body.reason))
        return answer(PhraseShown(phrase=self._desk.views.phrase), 202)

    async def actors(self, call: Call) -> Response:
        return answer(self._tree())

    async def kill(self, call: Call) -> Response:
        name, desk = call.path("name"), self._desk
        edges = {report.path.rpartition("/")[2] for report in desk.reports()}
        if name in edges and name != "core":
            self._kills[name] = self._kills.get(name, 0) + 1
            response = answer(KilledShown(name=name, failed=False))
            # The answer leaves first: the edge that is killed may be the one that carries it.
            response.background = BackgroundTask(self._kill_edge, name)
            return response
        try:
            await desk.driver.kill(name)
        except KeyError:
            return problem(404, "not_found", f"no actor {name!r}")
        self._kills[name] = self._kills.get(name, 0) + 1
        return answer(KilledShown(name=name, failed=name in desk.driver.core.failed()))

    async def skip(self, call: Call) -> Response:
        name, body, core = call.path("name"), call.body, self._desk.driver.core
        if name not in core.statistics():
            return problem(404, "not_found", f"no actor {name!r}")
        await self._desk.give(call, SkipFact(name, body.seq, body.reason))
        return answer(SkippedShown(name=name, seq=body.seq, failed=name in core.failed()))

    async def _kill_edge(self, name: str) -> None:
        self._desk.kill_edge(name)

    # --- helpers ----------------------------------------------------------------------------------------------

    def _breaker(self) -> BreakerShown:
        views = self._desk.views
        return BreakerShown(
            level=views.level, level_name=LEVELS[views.level], reason=views.reason, by=views.raised_by,
            since=views.raised_at, resetting=bool(views.phrase),
        )  # fmt: skip

    def _tree(self) -> NodeShown:
        core, failed = self._desk.driver.core, self._desk.driver.core.failed()
        groups: dict[str, list[NodeShown]] = {}
        for name, telemetry in core.statistics().items():
            groups.setdefault(core.group(name), []).append(_node(
                name, "actor", "failed" if name in failed else "running", turns=telemetry.turns,
                seconds=round(telemetry.seconds, 6), failures=telemetry.failures, slow=telemetry.slow,
                restarts=self._kills.get(name, 0), last_sequence=telemetry.last_seq, failed_at=failed.get(name),
            ))  # fmt: skip
        actors = tuple(
            _node(group, "group", "failed" if any(node.state == "failed" for node in groups[group]) else "running",
                  rule=each.rule, children=tuple(groups[group]))
            for group, each in GROUPS.items() if group in groups
        )  # fmt: skip
        edges: list[NodeShown] = []
        rules = {edge.name: edge.rule for edge in EDGES}
        for report in self._desk.reports():
            name = report.path.rpartition("/")[2]
            edges.append(_node(
                name, "core" if name == "core" else "edge", report.state, detail=report.last_error,
                rule=rules.get(name, ""),
                restarts=report.restarts, up_seconds=round(report.up_seconds, 3),
                last_sequence=core.seq if name == "core" else None, children=actors if name == "core" else (),
            ))  # fmt: skip
        if not edges:
            edges.append(_node("core", "core", "running", last_sequence=core.seq, children=actors))
        return _node("callboard", "supervisor", "running", children=tuple(edges))


def _node(name: str, kind: str, state: str, **more: Any) -> NodeShown:
    fields: dict[str, Any] = {
        "detail": "", "rule": "", "turns": None, "seconds": None, "failures": None, "slow": None, "restarts": None,
        "up_seconds": None, "last_sequence": None, "failed_at": None, "children": (),
    }  # fmt: skip
    return NodeShown(name=name, kind=kind, state=state, **{**fields, **more})


def _matches(row: Row, query: FactsQuery) -> bool:
    return (
        (not query.subject or row.subject in query.subject)
        and (not query.kind or row.kind in query.kind)
        and query.stream in (None, row.stream)
    )
