"""``/metrics``, ``/health`` and ``/ready``, as `sr4k.service.endpoint` serves them where there is no page.

Metrics of the queue are beside those of the channels. ``/health`` and ``/ready`` need no token; without one, ``/ready``
tells nothing of each channel.
"""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from sr4k.web.api.queue_metrics import queue_metrics
from sr4k.web.web_service import WebService


def router(service: WebService) -> APIRouter:
    """Return the routes for Prometheus and for probes; they are no part of the documented interface."""
    made = APIRouter(include_in_schema=False)

    @made.get("/metrics")
    def metrics() -> Response:
        text = "" if service.channels is None else service.channels.metrics()
        return Response(text + queue_metrics(service.queue), media_type=CONTENT_TYPE_LATEST)

    @made.get("/health")
    def health() -> dict[str, Any]:
        return {"ok": True}

    @made.get("/ready")
    def ready(request: Request) -> JSONResponse:
        states = {"ready": True, "channels": {}} if service.channels is None else service.channels.readiness()
        told = {"ready": states["ready"]} if request.state.role is None else states
        return JSONResponse(told, 200 if states["ready"] else 503)

    return made
