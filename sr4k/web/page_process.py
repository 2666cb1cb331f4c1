"""The process with the page. It touches no frame, and runs neither jobs nor channels: its death stops nothing."""

import logging
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection

from sr4k.errors import Sr4kError
from sr4k.queue.job_queue import Queue
from sr4k.queue.keeper import SettingsKeeper
from sr4k.queue.settings import Library
from sr4k.web.channel_link import LinkedChannels
from sr4k.web.page_settings import PageSettings
from sr4k.web.web_service import WebService

log = logging.getLogger(__name__)


def run_page(connection: Connection, settings: PageSettings, prepare: Callable[[], None]) -> None:
    """Serve the page until the other end of the connection asks for its end, or is gone.

    Args:
        connection: to the process that runs jobs and channels.
        prepare: called before anything else.
    """
    prepare()
    try:
        _serve(connection, settings)
    except Sr4kError as err:
        log.error("The page can't be served: %s", err)


def _serve(connection: Connection, settings: PageSettings) -> None:
    # Whoever starts this process imports this file, and needs no web server.
    from sr4k.web.app import make_app
    from sr4k.web.web_server import serve_until

    link, queue, library = LinkedChannels(connection), Queue(settings.queue), Library(settings.roots)
    service = WebService(
        queue=queue,
        library=library,
        settings=SettingsKeeper(queue, library),
        channels=link if settings.has_channels else None,
        scratch=settings.scratch,
    )

    def listen() -> None:
        link.listen_for_ever()
        service.ending.set()

    threading.Thread(target=listen, name="sr4k-link", daemon=True).start()
    serve_until(make_app(service, settings.access), settings.listening, service.ending)
    queue.close()
