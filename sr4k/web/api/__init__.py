"""The interface for programs, under ``/api/v1``: routers that `sr4k.web.app` mounts behind its security.

Routes that change anything have another method than GET: whoever mounts them asks for the role "operate" there.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import APIRouter

    from sr4k.web.web_service import WebService

PREFIX = "/api/v1"


def routers(service: "WebService") -> "list[APIRouter]":
    """Return the routers of the interface, below `PREFIX`, and those of ``/metrics``, ``/health`` and ``/ready``."""
    from sr4k.web.api import (
        about_routes,
        channel_file_routes,
        channel_routes,
        ended_routes,
        event_routes,
        health_routes,
        job_routes,
    )
    from sr4k.web.forecasts import Forecasts

    forecasts = Forecasts()
    of_jobs = [each.router(service, forecasts) for each in (job_routes, about_routes)]
    others = ended_routes, channel_routes, channel_file_routes, event_routes, health_routes
    return of_jobs + [each.router(service) for each in others]
