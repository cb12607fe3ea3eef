"""Health: liveness, readiness and metrics."""

from __future__ import annotations

from litestar import Request, Response, get

from tocsin_api.request import answer_json

OPEN = {"auth": False, "rate_limit": False}


@get("/healthz", opt=OPEN, summary="Whether the process answers")
async def healthz() -> Response[bytes]:
    """Answer 200 as long as the loop turns."""
    return answer_json({"status": "ok"})


@get("/readyz", opt=OPEN, summary="Whether the node takes work")
async def readyz(request: Request) -> Response[bytes]:  # type: ignore[type-arg]
    """Answer 200 when the node is up and not draining, else 503."""
    ready = bool(request.app.state.ready())
    return answer_json({"status": "ready" if ready else "not ready"}, 200 if ready else 503)


@get("/metrics", opt=OPEN, summary="Prometheus metrics")
async def metrics(request: Request) -> Response[str]:  # type: ignore[type-arg]
    """Answer the node's metrics in Prometheus' text format."""
    return Response(request.app.state.metrics(), media_type="text/plain; version=0.0.4")


HANDLERS = [healthz, readyz, metrics]
