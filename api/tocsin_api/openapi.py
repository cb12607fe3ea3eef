"""OpenAPI: the document at /schema, with the request bodies that routes read by themselves added to Litestar's own."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin

from tocsin import __version__
from tocsin_api.request import Bits, Snowflake

_PARAMETER = re.compile(r"\{(\w+)\}")
_ERROR = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {"code": {"type": "integer"}, "message": {"type": "string"}, "errors": {"type": "object"}},
}
_ID = {"type": "string", "pattern": "^[0-9]{1,19}$"}


def document(app: Litestar) -> dict[str, Any]:
    """Return the OpenAPI document of all of the app's routes."""
    found: dict[str, Any] = app.openapi_schema.to_schema()
    bodies: dict[tuple[str, str], Any] = {}
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if "body" in handler.opt:
                for method in handler.http_methods:
                    bodies[(re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path), str(method).lower())] = handler.opt["body"]
    kinds = list(dict.fromkeys(bodies.values()))
    schemas, components = msgspec.json.schema_components(
        kinds, schema_hook=_custom, ref_template="#/components/schemas/{name}"
    )
    by_kind = dict(zip(kinds, schemas, strict=True))
    found.setdefault("components", {}).setdefault("schemas", {}).update(components)
    for path, operations in found.get("paths", {}).items():
        for method, operation in operations.items():
            if not isinstance(operation, dict):
                continue
            _describe_answers(operation)
            names = {each["name"] for each in operation.get("parameters", ())}
            for name in _PARAMETER.findall(path):
                if name not in names:
                    parameter = {"name": name, "in": "path", "required": True, "schema": _ID}
                    operation.setdefault("parameters", []).append(parameter)
            kind = bodies.get((path, method))
            if kind is not None:
                operation["requestBody"] = {"content": {"application/json": {"schema": by_kind[kind]}}}
    return found


def _describe_answers(operation: dict[str, Any]) -> None:
    """Bodies are rendered, not declared: say only that they are JSON, and what every error looks like."""
    responses = operation.get("responses", {})
    responses.pop("400", None)
    for answer in responses.values():
        for content in answer.get("content", {}).values():
            content["schema"] = {}
    responses["4XX"] = {"description": "An error", "content": {"application/json": {"schema": dict(_ERROR)}}}


def _custom(kind: type) -> dict[str, Any]:
    if kind in (Snowflake, Bits):
        return dict(_ID)
    raise NotImplementedError(f"no schema for {kind!r}")


class Document(OpenAPIRenderPlugin):
    """Serves the document as plain JSON."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return the document's JSON text."""
        return msgspec.json.encode(document(request.app))


CONFIG = OpenAPIConfig(
    title="tocsin",
    version=__version__,
    path="/schema",
    create_examples=False,
    render_plugins=[Document(path=["/", "/openapi.json"], media_type=MediaType.JSON)],
)
