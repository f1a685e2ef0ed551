"""The dashboard's files at / and /static/, from the installed package, without a token: they hold no data.

Nothing but plain files leaves here, under a policy that lets no other origin and no inline script in.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import trio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daemon.api.answers import problem

#: What a page of ours may do: nothing inline, nothing from elsewhere, and speak to nobody but its own daemon.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon", ".woff2": "font/woff2",
    ".json": "application/json", ".map": "application/json", ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}  # fmt: skip
_FOLDER = Path(__file__).parents[1] / "dashboard"
_ABSENT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Callboard</title>
<h1>Callboard</h1><p>The daemon runs. This installation has no dashboard; its API is under
<code>/api/v1</code>, described at <a href="/docs">/docs</a>.</p></html>
"""
#: Files of installed packages that the dashboard may load, by the name under /static/vendor/.
_VENDOR = {"plotly.min.js": ("plotly", "package_data/plotly.min.js")}


class StaticFiles:
    """Serves `folder` (the installed dashboard's by default); each file is read once as long as it does not change."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        self._folder = folder.resolve()
        self._kept: dict[Path, tuple[tuple[int, int], bytes, str]] = {}

    def routes(self) -> list[Route]:
        """The routes, all open."""
        return [Route("/", self.page), Route("/favicon.ico", self.icon), Route("/static/{path:path}", self.file)]

    async def page(self, request: Request) -> Response:
        """The dashboard's page, or a plain one."""
        page = self._folder / "index.html"
        if not page.is_file():
            return Response(_ABSENT, 200, {"content-security-policy": POLICY}, "text/html; charset=utf-8")
        return await self._send(request, page)

    async def icon(self, request: Request) -> Response:
        """Browsers ask for it unbidden: an answer without content keeps their console clean."""
        for name in ("favicon.ico", "favicon.svg"):
            if (self._folder / name).is_file():
                return await self._send(request, self._folder / name)
        return Response(None, 204)

    async def file(self, request: Request) -> Response:
        """A file below the folder, or 404 for whatever is not."""
        path = request.path_params["path"]
        if path.startswith("vendor/"):
            found = _vendor(path.removeprefix("vendor/"))
        else:
            found = (self._folder / path).resolve()
            if not found.is_relative_to(self._folder):
                found = None
        if found is None or found.suffix not in _TYPES or not found.is_file():
            return problem(404, "not_found", f"no file {request.url.path}")
        return await self._send(request, found)

    async def _send(self, request: Request, path: Path) -> Response:
        content, tag = await trio.to_thread.run_sync(self._read, path)
        headers = {"etag": tag, "cache-control": "no-cache", "content-security-policy": POLICY}
        if request.headers.get("if-none-match") == tag:
            return Response(None, 304, headers)
        return Response(content, 200, headers, _TYPES[path.suffix])

    def _read(self, path: Path) -> tuple[bytes, str]:
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        kept = self._kept.get(path)
        if kept is None or kept[0] != stamp:
            content = path.read_bytes()
            kept = self._kept[path] = (stamp, content, f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"')
        return kept[1], kept[2]


def _vendor(name: str) -> Path | None:
    package, inside = _VENDOR.get(name, ("", ""))
    spec = importlib.util.find_spec(package) if package else None
    return None if spec is None or spec.origin is None else Path(spec.origin).parent / inside
