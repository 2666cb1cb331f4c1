"""The half of ``sr4k serve`` that has a page: queue, watch folders, notices, and a process with the web server."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

from sr4k.cli.channels import Beside
from sr4k.cli.cluster_options import ClusterOptions
from sr4k.cluster.job import reached
from sr4k.common.owned_folder import owned_folder
from sr4k.common.printable import printable
from sr4k.common.time_zone import unknown_zone
from sr4k.errors import OptionError
from sr4k.queue.announcing import Announcer
from sr4k.queue.job_queue import Queue
from sr4k.queue.keeper import SettingsKeeper
from sr4k.queue.queue_runner import Runner
from sr4k.queue.receivers import VARIABLES, receivers_of
from sr4k.queue.settings import Library
from sr4k.queue.settling import finish_moves
from sr4k.queue.watch_folders import Watcher
from sr4k.service.channel_desk import ChannelDesk
from sr4k.service.channel_editor import ChannelEditor
from sr4k.service.channel_history import ChannelHistory
from sr4k.service.planned_file import PlannedFile
from sr4k.service.redaction import Redaction
from sr4k.service.run_channels import Service

log = logging.getLogger(__name__)

_NEEDED = "fastapi", "uvicorn", "jinja2", "watchfiles", "itsdangerous"


def page_beside(
    listen: str,
    roots: Sequence[Path],
    state: Path | None,
    token_file: Path | None,
    names: Sequence[str],
    redaction: Redaction,
    cluster: ClusterOptions,
) -> Beside:
    """Check what a page needs, and return what opens it beside the channels of a service.

    Secrets are removed from the environment that processes inherit.

    Args:
        listen: address to listen on.
        roots: folders of the library.
        state: folder for the queue; ``None``: that of the user.
        token_file, names: see `sr4k.web.access.access_of`.
        redaction: hides secrets.
        cluster: whose machines are to make what is in the queue, if any.

    Raises:
        Sr4kError: the extra is missing, the address is open to others and there is no token, or a folder is none.
    """
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise OptionError(f"The page needs {', '.join(missing)}: pip install 'sr4k-stream[web]' brings all of it.")
    from sr4k.web.access import TOKEN, VIEW_TOKEN, access_of
    from sr4k.web.channel_events import ChannelFollower
    from sr4k.web.page_keeper import PageKeeper, listening_on
    from sr4k.web.page_settings import PageSettings

    environment = dict(os.environ)
    access = access_of(listen, environment, token_file=token_file, names=tuple(names))
    for name in (TOKEN, VIEW_TOKEN, *VARIABLES):
        os.environ.pop(name, None)
    receivers = receivers_of(environment)
    library, spread = Library(roots), cluster.settings()

    @contextmanager
    def opened(
        channels: Service, file: PlannedFile | None, reload: Callable[[], None], at_once: Callable[[], bool]
    ) -> Iterator[None]:
        # It tells of each change, though not of which: ten times a second while a result is written.
        logging.getLogger("watchfiles").setLevel(logging.WARNING)
        if (zone := unknown_zone()) is not None:
            log.warning(
                "This system does not know the time zone %s, which the variable TZ names: hours are times of UTC. "
                "Check the name, or install the package tzdata.",
                printable(zone),
            )
        with ExitStack() as stack:
            listening = stack.enter_context(listening_on(listen))
            queue = Queue((state or _state_folder()) / "queue.sqlite")
            stack.callback(queue.close)
            settings = SettingsKeeper(queue, library)
            history = stack.enter_context(ChannelHistory(channels.monitors, lambda: channels.names, redaction))
            editor = None if file is None else ChannelEditor(file, channels, reload, library.has)
            desk = ChannelDesk(channels, history, redaction, editor)
            watcher = Watcher(queue, library, settings)
            there = None if spread is None else stack.enter_context(reached(spread))
            # First of all that works on the queue: it refuses one that another service runs.
            runner = Runner(queue, library, settings, cluster=there, on_end=watcher.settled, at_once=at_once)
            stack.enter_context(runner)
            stack.enter_context(Announcer(queue, receivers))
            stack.enter_context(ChannelFollower(queue, desk))
            stack.enter_context(watcher)
            page = PageSettings(
                access=access,
                listening=listening,
                queue=queue.path,
                roots=library.roots,
                scratch=stack.enter_context(owned_folder()).path,
                has_channels=bool(channels.names),
            )
            stack.enter_context(PageKeeper(page, desk, lambda: finish_moves(queue, library)))
            port = listening.getsockname()[1]
            host = f"[{access.host}]" if ":" in access.host else access.host or "0.0.0.0"
            log.info("The page is at http://%s:%d/", host, port, extra={"event": "page"})
            yield

    return opened


def _state_folder() -> Path:
    base = os.environ.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "state") / "sr4k-stream"
