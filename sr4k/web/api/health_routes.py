"""``/metrics``, ``/health`` and ``/ready``, as `sr4k.service.endpoint` serves them where there is no page."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from sr4k.service.endpoint import readiness
from sr4k.service.prometheus import registry_of
from sr4k.web.web_service import WebService


def router(service: WebService) -> APIRouter:
    """Return the routes for Prometheus and for probes; they are no part of the documented interface."""
    made = APIRouter(include_in_schema=False)
    monitors = [] if service.channels is None else service.channels.monitors
    registry = registry_of(monitors)

    @made.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @made.get("/health")
    def health() -> dict[str, Any]:
        return {"ok": True}

    @made.get("/ready")
    def ready() -> JSONResponse:
        states = readiness(monitors, service.redaction)
        return JSONResponse(states, 200 if states["ready"] else 503)

    return made
