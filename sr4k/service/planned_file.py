"""The file of a running service: what it says now, planned with the variables of the start."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sr4k.jobs.live_job import LiveJob
from sr4k.service.channel_file import ServiceSettings, plan, service_in, text_of, variables
from sr4k.service.endpoint import parse_address
from sr4k.service.redaction import Redaction


@dataclass(frozen=True)
class PlannedFile:
    """A file of channels.

    Attributes:
        path: the file.
        metrics: address to serve metrics on, instead of the one in the file.
        environment: variables of the start.
        redaction: gets to know all addresses.
    """

    path: Path
    metrics: str | None
    environment: Mapping[str, str]
    redaction: Redaction

    def text(self) -> str:
        """Return its text.

        Raises:
            OptionError: it can't be read.
        """
        return text_of(self.path)

    def settings(self, text: str) -> ServiceSettings:
        """Return what a text of it says.

        Raises:
            OptionError: it is invalid; names the key.
        """
        service = service_in(text, str(self.path))
        service = service if self.metrics is None else service.model_copy(update={"metrics": self.metrics})
        if service.metrics is not None:
            parse_address(service.metrics)
        return service

    def planned(self, service: ServiceSettings) -> dict[str, LiveJob]:
        """Plan all channels. Their secrets are redacted, and removed from the environment that processes inherit.

        Raises:
            OptionError: see `sr4k.service.channel_file.plan`.
        """
        jobs = plan(service, self.path.parent, self.environment)
        for job in jobs.values():
            self.redaction.hide(job.source, *job.targets)
        for name in variables(service):
            os.environ.pop(name, None)
        return jobs
