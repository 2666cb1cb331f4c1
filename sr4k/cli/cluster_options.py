"""Options of ``sr4k-stream`` that are for work on many machines."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from sr4k.errors import OptionError, Sr4kError

if TYPE_CHECKING:
    from sr4k.cluster.job import ClusterJob
    from sr4k.cluster.settings import ClusterSettings
    from sr4k.jobs.file_job import Job

_AT_ONCE = 2
"""Videos that a cluster works on at the same time, so that no machine idles while one ends."""


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """These options, as they were typed. ``where``: ``None``: no cluster."""

    where: str | None
    path_map: Sequence[str]
    cpus: str | None
    without_token: bool

    def at_once(self, alone: int) -> int:
        """Return the number of videos to work on at the same time. ``alone``: that without a cluster."""
        return alone if self.where is None else _AT_ONCE

    def check(self) -> None:
        """Refuse what is nothing without a cluster.

        Raises:
            OptionError: there is such an option.
        """
        if self.where is None and (self.path_map or self.cpus is not None or self.without_token):
            raise OptionError("--path-map, --cluster-cpus and --cluster-without-token are for --cluster: add it.")

    def refuse_beside(self, **others: bool) -> None:
        """Refuse options that measure this machine. ``others``: whether each was given, by its name.

        Raises:
            OptionError: there is a cluster, and one of them was given.
        """
        if self.where is not None and (given := [name for name, is_given in others.items() if is_given]):
            raise OptionError(f"--{given[0].replace('_', '-')} measures this machine, not the cluster: leave it out.")

    def settings(self) -> "ClusterSettings | None":
        """Return how the cluster is reached; ``None``: there is none.

        Raises:
            OptionError: an option is wrong, or the cluster's safety is in doubt.
        """
        if self.where is None:
            return None
        from sr4k.cluster.settings import ClusterSettings, parse_path_map
        from sr4k.jobs.parse import parse_count

        path_map = parse_path_map(self.path_map)
        cpus = None if self.cpus is None else parse_count(self.cpus, "cluster_cpus")
        return ClusterSettings(address=self.where, path_map=path_map, cpus=cpus, trusts=self.without_token)

    @contextmanager
    def spread(self, jobs: "list[Job]") -> "Iterator[list[Job]]":
        """Yield the jobs as they are, or as jobs for the cluster, which is there until the end.

        It is not started for jobs that are all seen to fail without it: each tells why when it is run.

        Raises:
            Sr4kError: the cluster can't be used, or not for these jobs.
        """
        settings = self.settings() if jobs else None
        if settings is None:
            yield jobs
            return
        from sr4k.cluster.job import ClusterJob, Reached, reached
        from sr4k.jobs.file_job import Job
        from sr4k.jobs.setting_errors import errors_by_option

        named = Reached(settings=settings, address=settings.head)
        with errors_by_option():
            plain = ({field.name: getattr(job, field.name) for field in fields(Job)} for job in jobs)
            spread = [ClusterJob(**each, cluster=named) for each in plain]
        if not any(map(_may_begin, spread)):
            yield [*spread]
            return
        with reached(settings) as cluster:
            yield [replace(job, cluster=cluster) for job in spread]


def _may_begin(job: "ClusterJob") -> bool:
    try:
        job.check()
    except (Sr4kError, OSError):
        return False
    return True
