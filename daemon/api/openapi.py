"""The OpenAPI 3.1 document and the page that shows it, made from the endpoints themselves: nothing is written twice."""

from __future__ import annotations

import html
import inspect
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from daemon.api.answers import ProblemShown
from daemon.api.routing import Endpoint, parameters

_TEMPLATE = "#/components/schemas/{name}"
_REASONS = {
    200: "done", 201: "made", 202: "taken, not yet ended", 304: "not changed", 400: "a request that can't be read",
    401: "no known token", 403: "a role that may not, or a foreign origin", 404: "there is none",
    408: "a body that did not come", 409: "it conflicts with what is", 412: "it changed meanwhile",
    413: "a body too long",
    415: "a body that is not JSON", 422: "what was asked can't be", 429: "too many requests",
    500: "a failure of the daemon's", 503: "not now; whether it was taken is said",
}  # fmt: skip


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The whole document."""
    kinds: list[Any] = [ProblemShown]
    for endpoint in endpoints:
        kinds += [kind for kind in endpoint.answers.values() if kind is not None and kind is not str]
        kinds += [] if endpoint.body is None else [endpoint.body]
        kinds += [] if endpoint.query is None else [hint for _, hint, _, _ in parameters(endpoint.query)]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_TEMPLATE)
    by_kind = {repr(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, by_kind)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Callboard", "version": "1",
            "description": "The control API. Dollars and limit prices are decimal strings, positive paid; quotes, "
            "marks and greeks are numbers per share; times are UTC; null is not known. Tokens go into the "
            "Authorization header.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }  # fmt: skip


def _operation(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": endpoint.summary, "operationId": _id(endpoint), "tags": [_tag(endpoint)],
        "parameters": [*_path(endpoint), *_query(endpoint, schemas), *_headers(endpoint)],
        "responses": _responses(endpoint, schemas),
    }  # fmt: skip
    if endpoint.role is not None:
        operation["security"] = [{"token": []}]
        operation["description"] = f"Needs the role {endpoint.role}."
    if endpoint.body is not None:
        content = {"application/json": {"schema": schemas[repr(endpoint.body)]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _id(endpoint: Endpoint) -> str:
    words = re.sub(r"[^a-z0-9]+", "_", endpoint.path.removeprefix("/api/v1").lower()).strip("_")
    return f"{endpoint.method.lower()}_{words}"


def _tag(endpoint: Endpoint) -> str:
    return endpoint.path.removeprefix("/api/v1").strip("/").partition("/")[0] or "daemon"


def _path(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]


def _query(endpoint: Endpoint, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    if endpoint.query is None:
        return []
    text = inspect.getdoc(endpoint.query) or ""
    return [
        {
            "name": name,
            "in": "query",
            "required": not optional,
            "schema": _without_null(schemas[repr(hint)]),
            "description": text,
        }
        for name, hint, optional, _ in parameters(endpoint.query)
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """What may be left out is left out of a query: there is no null in one."""
    kept = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    return kept[0] if len(kept) == 1 else schema


def _headers(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "header", "required": False, "schema": {"type": "string"}} for name in endpoint.headers
    ]


def _responses(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, kind in endpoint.answers.items():
        response: dict[str, Any] = {"description": _REASONS[status]}
        if kind is str:
            response["content"] = {endpoint.content_type: {"schema": {"type": "string"}}}
        elif kind is not None:
            response["content"] = {endpoint.content_type: {"schema": schemas[repr(kind)]}}
        responses[str(status)] = response
    refused = {*endpoint.refuses, 400, 503}
    if endpoint.role is not None:
        refused |= {401, 403, 429}
    if endpoint.body is not None:
        refused |= {408, 413, 415, 422}
    if endpoint.method != "GET":
        refused |= {422}
    problem = {"application/problem+json": {"schema": schemas[repr(ProblemShown)]}}
    for status in sorted(refused):
        if str(status) not in responses:
            responses[str(status)] = {"description": _REASONS[status], "content": problem}
    return responses


def page(described: dict[str, Any]) -> str:
    """The document as a page that needs no script and no network."""
    rows: list[str] = []
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            query = ", ".join(each["name"] for each in operation["parameters"] if each["in"] == "query")
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            rows.append(
                f"<tr><td>{method.upper()}</td><td><code>{html.escape(path)}</code></td>"
                f"<td>{html.escape(operation.get('description', 'Open.'))}</td>"
                f"<td>{html.escape(operation['summary'])}</td><td>{html.escape(query)}</td><td>{_linked(body)}</td>"
                f"<td>{', '.join(_answer(status, each) for status, each in operation['responses'].items())}</td></tr>"
            )
    shapes = "".join(_shape(name, schema) for name, schema in sorted(described["components"]["schemas"].items()))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Callboard API</title>'
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/docs.css"></head><body>'
        f"<h1>Callboard API</h1><p>{html.escape(described['info']['description'])} As a document: "
        '<a href="/api/v1/openapi.json">openapi.json</a>.</p><table><thead><tr><th>Method<th>Path<th>Role<th>What'
        f"<th>Query<th>Body<th>Answers</thead><tbody>{''.join(rows)}</tbody></table>{shapes}</body></html>"
    )


STYLE = (
    "body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #8884;padding:.25rem .5rem;"
    "text-align:left;vertical-align:top}code{font-size:13px}:root{color-scheme:light dark}h2{font-size:1rem}"
)


def _answer(status: str, response: dict[str, Any]) -> str:
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    return status + (f" {_linked(schema)}" if schema else "")


def _linked(schema: dict[str, Any]) -> str:
    """A schema in words, with links to shapes."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{html.escape(name)}">{html.escape(name)}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_linked, schema["anyOf"]))
    if "enum" in schema:
        return " ".join(html.escape(str(value)) for value in schema["enum"])
    if schema.get("type") == "array":
        inner = schema.get("items") or {}
        return f"[{_linked(inner) if isinstance(inner, dict) else ''}…]"
    return html.escape(str(schema.get("format") or schema.get("type") or ""))


def _shape(name: str, schema: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{html.escape(field)}</code></td><td>{_linked(each)}</td></tr>"
        for field, each in schema.get("properties", {}).items()
    )
    text = html.escape(schema.get("description", ""))
    return f'<h2 id="{html.escape(name)}">{html.escape(name)}</h2><p>{text}</p><table><tbody>{rows}</tbody></table>'
