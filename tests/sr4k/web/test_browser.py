"""The page in a real browser: one session walks through it, as an owner of an archive and as an operator."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from clips import write_clip
from needed import program
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Route, expect, sync_playwright
from queues import until
from toy_statuses import statuses
from web_serving import Runs, desk_of, service_of, serving

from sr4k.queue.queue_runner import Runner
from sr4k.queue.queued_job import JobResult, Machine
from sr4k.service.channel_status import ChannelMonitor
from sr4k.web.access import Access
from sr4k.web.app import make_app
from sr4k.web.web_service import WebService

SR4K = Path(sys.executable).parent / "sr4k"

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NOTE_PROGRESS = """() => {
  window.seen = [];
  const running = document.querySelector("#running");
  const note = () => window.seen.push(running.querySelector("progress")?.value ?? 0);
  new MutationObserver(note).observe(running, {subtree: true, childList: true, attributes: true});
}"""
"""Notes all that the bar of the running job shows."""

SOON = 60_000
"""Milliseconds that the service may take to answer on a loaded machine."""

pytestmark = pytest.mark.slow(seconds=55)


@dataclass
class Site:
    """The service on its port, and a browser's page."""

    service: WebService
    browser: Browser
    page: Page
    monitor: ChannelMonitor
    clip: Path
    port: int
    reports: int = 0
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    refusals: int = 0  # answers that browsers call errors, and that tests ask for

    def url(self, path: str) -> str:
        """Return the address of a page."""
        return f"http://127.0.0.1:{self.port}{path}"

    def watch(self, page: Page) -> Page:
        """Note what a page asks for, and what goes wrong in it."""
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._note)
        return page

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def live(self, **intake: Any) -> None:
        """Let the channel report; each time some more pictures have come and gone."""
        self.reports += 1
        frames = {"frames": 100 + self.reports, **intake}, {"frames": 90 + self.reports}
        self.monitor.update(statuses(*frames, running=float(self.reports)))

    def tells(self, text: str, **intake: Any) -> None:
        """Let the channel report again and again until the page shows a text."""
        wall = self.page.locator("#wall")

        def is_told() -> bool:
            self.live(**intake)
            return text in (wall.text_content() or "")

        until(is_told)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One service with a video and a channel, and one browser session."""
    chromium, folder = program("chromium"), tmp_path_factory.mktemp("site")
    monitor = ChannelMonitor("studio")
    service = service_of(folder, channels=desk_of(Runs(monitor)))
    clip = write_clip(folder / "videos" / "holiday.mp4", frames=120, size=(320, 180), audio=False)
    web = serving(make_app(service, Access()))
    with sync_playwright() as playwright, monitor.running(), web as port:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(SOON)
        expect.set_options(timeout=SOON)
        found = Site(service, browser, page, monitor, clip, port)
        found.watch(page)
        found.live(rung=0, dropped={"late": 0})
        yield found
        browser.close()
        service.ending.set()
    service.queue.close()


def test_a_video_goes_from_the_library_by_forecast_try_and_queue_to_a_player(site: Site) -> None:
    page, service = site.page, site.service

    def choose() -> None:
        page.goto(site.url("/library"))
        page.get_by_role("button", name="videos").click()
        page.get_by_label("Size of the picture").select_option("Twice as wide and as high")
        page.get_by_label("holiday.mp4").check()

    link = site.clip.with_name("linked.mp4")
    link.symlink_to(site.clip)
    page.goto(site.url("/library"))
    page.get_by_role("button", name="videos").press("Enter")
    expect(page.locator("#files-heading")).to_be_focused()
    page.reload()  # the folder is in the address
    page.get_by_text("linked.mp4").click()
    assert [page.get_by_label(name).is_checked() for name in ("linked.mp4", "holiday.mp4")] == [True, False]
    page.get_by_label("holiday.mp4").check()
    expect(page.locator("#chosen")).to_contain_text("holiday.mp4")  # which both are
    page.go_back()
    expect(page.get_by_role("button", name="videos")).to_be_visible()
    link.unlink()

    choose()
    expect(page.locator("#forecast")).to_contain_text("320×180 becomes 640×360")
    expect(page.locator("#forecast")).to_contain_text("Takes about")

    page.get_by_role("link", name="Try it first").click()
    page.get_by_role("button", name="Compare one picture").click()
    expect(page.locator(".compare img")).to_have_count(2)
    until(lambda: page.evaluate("[...document.images].every((image) => image.complete && image.naturalWidth)"))
    assert_halves_differ(page)
    page.get_by_role("button", name="1:1").click()
    assert page.locator(".compare img.left").bounding_box()["width"] == 640  # type: ignore[index]
    page.get_by_role("button", name="Compare ten seconds").click()
    plays_in_step(page)
    assert_halves_differ(page)

    choose()
    page.get_by_role("button", name="Add to the queue").click()
    expect(page.locator("#toasts")).to_contain_text("Added")
    page.goto(site.url("/queue"))
    expect(page.locator("#waiting li")).to_contain_text("takes about 0:00:")
    page.evaluate(NOTE_PROGRESS)
    with Runner(service.queue, service.library, service.settings):
        until(lambda: not service.queue.jobs(("waiting", "running")))
    expect(page.locator("#running li")).to_have_count(0)
    assert max(page.evaluate("window.seen")) > 0

    page.get_by_role("link", name="Done").click()
    page.get_by_role("link", name="holiday.mp4").click()
    expect(page.locator(".checks .good")).to_have_count(3)
    page.get_by_role("button", name="Play both").click()
    plays_in_step(page, by_itself=True)
    page.get_by_role("button", name="Show one picture").click()
    expect(page.locator("#shown .compare img")).to_have_count(2)
    page.get_by_role("button", name="Make ten seconds").click()
    expect(page.locator("#shown .compare video")).to_have_count(2)
    plays_in_step(page)
    page.get_by_role("button", name="Keep both").press("Enter")
    expect(page.get_by_text("Both files are kept.")).to_be_visible()
    expect(page.get_by_role("heading", name="What came of it")).to_be_focused()
    (done,) = service.queue.jobs(("done",))
    assert (done.decision, done.forecast is not None) == ("kept", True)


def test_what_a_browser_can_not_play_is_said_in_words_and_offered_as_a_download(site: Site) -> None:
    queue = site.service.queue
    result = site.clip.with_name("unplayable.mkv")
    result.write_bytes(b"no video" * 1000)
    job = queue.begin(queue.add(site.clip, result).id)
    told = {"seconds": 1.0, "damaged": False, "width": 640, "height": 360, "codec": "libx265", "container": "matroska"}
    queue.finish(job.id, JobResult(output=str(result), frames=120, source_bytes=1, result_bytes=8000, **told))
    site.page.goto(site.url(f"/jobs/{job.id}"))
    site.page.get_by_role("button", name="Play both").click()
    expect(site.page.locator("#still-state")).to_contain_text("This browser can't play the result (HEVC in matroska).")
    with site.page.expect_download() as download:
        site.page.get_by_role("link", name="Download the result").click()
    assert Path(download.value.path()).read_bytes() == result.read_bytes()
    queue.remove(job.id)
    result.unlink()


def test_the_queue_is_ordered_by_keyboard_and_by_drag_and_both_tabs_agree(site: Site) -> None:
    queue = site.service.queue
    for name in ("a", "b", "c"):
        queue.add(site.clip, site.clip.with_name(f"{name}.mkv"))
    numbers = [job.id for job in queue.jobs(("waiting",))]
    second = site.watch(site.page.context.new_page())
    for page in (site.page, second):
        page.goto(site.url("/queue"))
        expect(page.locator("#waiting li")).to_have_count(3)

    def order(page: Page) -> list[int]:
        found: list[str] = page.eval_on_selector_all("#waiting li", "items => items.map((item) => item.id)")
        return [int(name.removeprefix("job-")) for name in found]

    site.page.locator(f"[data-focus=down-{numbers[0]}]").press("Enter")
    until(lambda: order(second) == [numbers[1], numbers[0], numbers[2]])
    site.page.locator(f"#job-{numbers[2]}").drag_to(
        site.page.locator(f"#job-{numbers[1]}"), target_position={"x": 20, "y": 10}, source_position={"x": 20, "y": 90}
    )
    until(lambda: order(second) == order(site.page) == [numbers[2], numbers[1], numbers[0]])
    with queue.as_one():
        more = [queue.add(site.clip, site.clip.with_name(f"more {number}.mkv")).id for number in range(200)]
    expect(second.locator("#summary")).to_have_text("203 waiting, of which the first 200 are shown.")
    expect(second.locator("#waiting li")).to_have_count(200)
    with queue.as_one():
        for number in (*numbers, *more):
            queue.cancel(number)
    expect(second.locator("#waiting li")).to_have_count(0)
    second.close()


def test_arrows_move_by_one_job_and_the_keyboard_stays_where_it_was_whatever_changes(site: Site) -> None:
    queue, page = site.service.queue, site.page
    a, b, c = (
        queue.add(site.clip, site.clip.with_name(f"{name}.mkv"), priority=priority).id
        for name, priority in (("a", 0), ("b", 0), ("c", -10))
    )
    page.goto(site.url("/queue"))

    def waiting() -> list[tuple[int, int]]:
        return [(job.id, job.priority) for job in queue.jobs(("waiting", "paused"))]

    def control(what: str, job: int) -> Locator:
        return page.locator(f"[data-focus={what}-{job}]")

    control("down", a).press("Enter")
    until(lambda: waiting() == [(b, 0), (a, 0), (c, -10)])
    expect(page.locator("#waiting li").nth(1)).to_have_id(f"job-{a}")
    expect(control("down", a)).to_be_focused()
    page.keyboard.press("Enter")
    until(lambda: waiting() == [(b, 0), (c, -10), (a, -10)])
    expect(page.locator("#waiting li").nth(2)).to_have_id(f"job-{a}")
    expect(control("down", a)).to_be_focused()
    control("go", c).press("Enter")
    expect(control("go", c)).to_have_text("Go on")
    expect(control("go", c)).to_be_focused()
    for what in ("cancel", "title"):
        control(what, c).focus()
        queue.prioritise(b, 5 if what == "cancel" else 6)
        expect(control("priority", b)).to_have_value(str(queue.get(b).priority))
        expect(control(what, c)).to_be_focused()
    control("up", c).focus()
    queue.resume(c)
    queue.begin(c)
    expect(page.locator("#running li")).to_have_count(1)
    expect(control("title", c)).to_be_focused()
    queue.stopped(c)
    expect(page.locator("#running li")).to_have_count(0)
    control("cancel", c).press("Enter")
    expect(control("title", a)).to_be_focused()
    for job in (a, b):
        queue.cancel(job)
    expect(page.get_by_role("heading", name="Queue")).to_be_focused()


def test_a_service_that_is_killed_in_mid_job_comes_back_with_its_page_and_its_job(site: Site, tmp_path: Path) -> None:
    clip = Path(shutil.copy(site.clip, tmp_path / "film.mp4"))
    port, running = free_port(), re.compile("frames a second")
    page = site.browser.new_page()
    service = serve(tmp_path, port)
    try:
        added = {"sources": [str(clip)], "options": {"engine": "nearest", "speed": "slow"}}
        until(lambda: answered(port, "POST", "/jobs", json=added))
        page.goto(f"http://127.0.0.1:{port}/queue")
        expect(page.locator("#running")).to_contain_text(running)
        service.kill()
        service.wait()
        expect(page.locator("#lost")).to_be_visible()
        service = serve(tmp_path, port)
        expect(page.locator("#lost")).to_be_hidden()
        until(lambda: bool(answered(port, "GET", "/jobs?state=done")))
        expect(page.locator("#running li")).to_have_count(0)
        (job,) = answered(port, "GET", "/jobs")
        assert (job["runs"], job["result"]["frames"]) == (2, 120)
    finally:
        page.close()
        service.terminate()
        service.wait(60)


def test_progress_moves_while_it_is_looked_at(site: Site) -> None:
    queue = site.service.queue
    job = queue.add(site.clip, site.clip.with_name("moving.mkv"))
    queue.begin(job.id)
    site.page.goto(site.url("/queue"))
    bar = site.page.get_by_role("progressbar")
    for share in (0.25, 0.75):
        moved = job.progress.model_copy(update={"share": share, "fps": 12.0, "eta": 60.0, "busiest": "infer"})
        queue.tell_progress(job.id, moved)
        expect(bar).to_have_js_property("value", share)
    expect(site.page.locator("#running")).to_contain_text(
        "12.0 frames a second · 0:01:00 left · limited by the network"
    )
    made: Any = {"name": "render-1", "state": "ready", "fps": 12.0, "segments": 3, "running": 1, "frames": 75}
    queue.tell_progress(job.id, moved.model_copy(update={"machines": [Machine(share=0.62, **made)]}))
    expect(site.page.locator(".machines tbody tr")).to_have_text(["render-112.03162 %"])
    queue.fail(job.id, "It was only an example.", 1)
    expect(site.page.locator("#running li")).to_have_count(0)


def test_settings_are_changed_and_what_is_wrong_with_them_is_said_beside_the_field(site: Site) -> None:
    page, settings, held = site.page, site.service.settings, list[Route]()
    page.route("**/api/v1/settings", lambda route: held.append(route))
    page.goto(site.url("/settings"))
    expect(page.get_by_label("Only from")).to_be_disabled()  # what is typed before the settings are there would be lost
    for route in held:
        route.continue_()
    page.unroute("**/api/v1/settings")
    expect(
        page.get_by_text(re.compile(r"the service's clock, which says \d\d:\d\d, \S+, UTC[+-]\d\d:\d\d\."))
    ).to_be_visible()
    page.get_by_label("Only from").fill("22:00")
    page.get_by_label("to", exact=True).fill("07:00")
    page.get_by_role("button", name="Watch another folder").click()
    page.get_by_label("Name", exact=True).fill("inbox")
    page.get_by_label("Only files called").fill("*.mkv, *.mp4")
    site.refusals += 1
    page.get_by_label("Unchanged for so many seconds").fill("0")
    page.get_by_role("button", name="Save").click()
    wrong = page.locator(".watched [data-where=stable] .wrong")
    expect(wrong).to_have_text("Must be at least 1.")
    assert settings.now.hours is None
    page.get_by_label("Unchanged for so many seconds").fill("60")
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("Saved")
    expect(page.get_by_role("button", name="Save")).to_be_focused()  # the field is another one now
    settings.change(settings.now.model_copy(update={"at_once": 2}))  # as another tab does
    site.refusals += 1
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#wrong")).to_contain_text("have changed since they were read")
    page.get_by_role("button", name="Discard changes").click()
    expect(page.get_by_label("Jobs at the same time")).to_have_value("2")
    page.get_by_label("Jobs at the same time").fill("1")
    folder = settings.now.watch["inbox"]
    assert (settings.now.hours, folder.names, folder.stable) == ("22:00-07:00", ("*.mkv", "*.mp4"), 60)
    page.get_by_role("button", name="Watch it no more").click()
    page.get_by_label("Only from").fill("")
    page.get_by_label("to", exact=True).fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".watched")).to_have_count(0)
    until(lambda: settings.now.hours is None and not settings.now.watch)


def test_a_channel_goes_down_and_comes_up(site: Site) -> None:
    site.page.goto(site.url("/channels"))
    site.tells("live, in and out")
    site.tells("the source is silent", state="away", reason="the source is silent")
    site.tells("away", state="away")
    site.tells("rung 1: a smaller network", rung=1, rung_name="a smaller network")


def plays_by_hls_js(page: Page) -> bool:
    """Watch the playlist; return whether hls.js plays it. Where that fails, as on a busy machine, the browser does."""
    page.reload()
    page.get_by_role("button", name="Watch lobby.m3u8").click()
    until(lambda: page.locator("video").evaluate("video => video.currentTime") > 0.5)
    return str(page.locator("video").evaluate("video => video.src")).startswith("blob:")


def test_an_operator_sees_steers_stops_and_edits_a_channel_that_runs(site: Site, tmp_path: Path) -> None:
    (tmp_path / "channels.yaml").write_text(f"""
channels:
  lobby:
    source: pattern://96x64@10
    targets: [{tmp_path}/lobby.m3u8, "rtmp://127.0.0.1:9/app/a-stream-key-77"]
    options: {{engine: {{name: nearest}}}}
""")
    port, page, asked = free_port(), site.browser.new_page(), list[str]()
    page.set_default_timeout(SOON)
    page.on("request", lambda request: asked.append(request.url.removeprefix("blob:")))
    page.on("pageerror", lambda error: site.errors.append(str(error)))
    service = serve(tmp_path, port, tmp_path / "channels.yaml")
    try:
        until(lambda: bool(answered(port, "GET", "/channels")))
        page.goto(f"http://127.0.0.1:{port}/channels")
        expect(page.locator(".pictures img")).to_have_count(2)
        assert page.locator(".pictures img").first.evaluate("image => image.naturalWidth") == 320
        expect(page.locator("#wall")).to_contain_text("the connection was refused")
        page.get_by_role("link", name="lobby").click()
        page.get_by_role("button", name="Turn off target 2").press("Enter")
        expect(page.get_by_role("button", name="Turn on target 2")).to_be_focused()
        expect(page.locator("#now")).to_contain_text("live, in and out")
        page.get_by_role("button", name="Slate now").click()
        expect(page.locator("#now .state").first).to_have_text("slate is sent")
        page.get_by_role("button", name="Back to the source").click()
        page.get_by_label("Network and ladder").focus()
        page.get_by_label("Network and ladder").select_option("Always: no picture through the network")
        expect(page.locator("#now")).to_contain_text("(pinned)")
        expect(page.get_by_label("Network and ladder")).to_be_focused()
        for figure in ("Pictures a second", "Latency", "Bit rate", "Sound after", "Up for", "Left out", "Ladder"):
            expect(page.locator("#now dt", has_text=figure)).to_have_count(1)
        expect(page.locator("#plots svg")).to_have_count(6)
        page.get_by_role("button", name="24 hours").click()
        expect(page.locator("#plots")).to_contain_text("a day ago")
        expect(page.locator("#events")).to_contain_text("turned off by an operator")
        assert any(plays_by_hls_js(page) for _ in range(3)), "the browser's own player took its place each time"
        second = site.browser.new_page()
        for tab in (second, page):
            tab.goto(f"http://127.0.0.1:{port}/channels")
        page.get_by_role("button", name="Stop").click()
        for tab in (second, page):
            expect(tab.locator("#wall")).to_contain_text("stopped by you")
        second.close()
        expect(page.locator("#wall")).to_contain_text("lobby.m3u8")
        page.get_by_role("button", name="Start").click()
        expect(page.locator("#wall")).to_contain_text("live, in and out")
        page.get_by_role("link", name="Edit channels").click()
        text = page.get_by_role("textbox", name="The file")
        expect(text).to_have_value(re.compile(r"rtmp://127.0.0.1:9/app/\*\*\*1"))
        text.fill(text.input_value().replace("96x64@10", "96x64@ten"))
        page.get_by_role("button", name="Check").click()
        expect(page.locator("#found")).to_contain_text("channels.lobby: pattern://96x64@ten isn't a pattern")
        assert page.get_by_role("button", name="Apply").is_disabled()
        text.fill(text.input_value().replace("96x64@ten", "96x64@12"))
        page.get_by_role("button", name="Check").click()
        expect(page.locator("#found")).to_contain_text("will be restarted lobby")
        violations = Axe().run(page).response["violations"]
        assert not [each for each in violations if each["impact"] in ("serious", "critical")]
        if shots := os.environ.get("SR4K_SCREENSHOTS"):
            page.screenshot(path=Path(shots, "channel-file-1280-light.png"), full_page=True)
        page.get_by_role("button", name="Apply").click()
        expect(page.locator("#found")).to_contain_text("Applied.")
        assert "app/a-stream-key-77" in (tmp_path / "channels.yaml").read_text()
        assert "96x64@12" in (tmp_path / "channels.yaml").read_text()
        assert not [url for url in asked if not url.startswith(f"http://127.0.0.1:{port}/")]
    finally:
        page.close()
        service.terminate()
        service.wait(60)


def test_pages_are_accessible_and_fit_on_phones_in_light_and_dark(site: Site) -> None:
    (done,) = site.service.queue.jobs(("done",))
    pages = (
        "/library",
        "/try?path=" + str(site.clip),
        "/queue",
        "/history",
        f"/jobs/{done.id}",
        "/settings",
        "/channels",
        "/login",
    )
    shots = os.environ.get("SR4K_SCREENSHOTS")
    axe, found = Axe(), []
    waiting = site.service.queue.add(site.clip, site.clip.with_name("waits.mkv"))
    for width in (1280, 390):
        site.page.set_viewport_size({"width": width, "height": 900})
        for path in (*pages, "/channels/studio"):
            for scheme in ("light", "dark"):
                site.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                site.live(rung=0, dropped={"late": 3})
                if scheme == "light":
                    site.page.goto(site.url(path))
                    site.page.wait_for_load_state("load")
                    if path == "/library":
                        site.page.get_by_role("button", name="videos").click()
                        site.page.get_by_label("holiday.mp4").wait_for()
                    elif path.startswith("/try"):
                        site.page.get_by_role("button", name="Compare one picture").wait_for()
                    elif path == "/channels":
                        site.page.locator("#wall > li").wait_for()
                    elif path == "/channels/studio":
                        site.page.locator("#plots svg").first.wait_for()
                    elif path == "/settings" and not site.page.locator(".watched").count():
                        site.page.get_by_role("button", name="Watch another folder").click()
                    elif path == "/queue":
                        site.page.locator("#waiting li").wait_for()
                too_wide = site.page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
                assert too_wide <= 0, f"{path} is {too_wide} pixels too wide at {width}"
                name = path.strip("/").replace("/", "-").partition("?")[0]
                if shots:
                    site.page.wait_for_timeout(300)
                    site.page.screenshot(path=Path(shots, f"{name}-{width}-{scheme}.png"), full_page=True)
                if width == 1280:
                    violations = axe.run(site.page).response["violations"]
                    serious = [each for each in violations if each["impact"] in ("serious", "critical")]
                    found += [(path, scheme, each["id"], each["nodes"][0]["html"]) for each in serious]
    assert not found
    site.service.queue.cancel(waiting.id)


def test_a_token_is_asked_for_and_whoever_may_only_look_sees_no_buttons(site: Site) -> None:
    tokens: Any = {"operate": "operate-0123456789abcdef", "view": "view-0123456789abcdef"}
    with serving(make_app(site.service, Access(tokens=tokens))) as port:
        page = site.browser.new_page()
        page.goto(f"http://127.0.0.1:{port}/history")
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("wrong")
        page.get_by_label("Token").fill(tokens["view"])
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="Done")).to_be_visible()
        expect(page.locator("#ended li").first).to_be_visible()
        assert (
            not page.get_by_role("button", name="Remove").count() or not page.get_by_text("Remove").first.is_visible()
        )
        assert not page.evaluate("document.cookie"), "scripts can read the session"
        page.close()


def test_no_request_left_the_host_and_nothing_went_wrong_in_the_page(site: Site) -> None:
    assert len(site.asked) > 50
    assert not [url for url in site.asked if not url.startswith((site.url("/"), "data:", "blob:"))]
    refused = [error for error in site.errors if "status of 422" in error or "status of 409" in error]
    assert len(refused) == site.refusals
    late = [error for error in site.errors if "status of 404" in error]  # a picture that is not there yet
    assert sorted(site.errors) == sorted(refused + late)


def plays_in_step(page: Page, *, by_itself: bool = False) -> None:
    """Let two videos play for a while, and seek: they show the same moment."""
    if not by_itself:
        play = page.get_by_role("button", name="Play", exact=True)
        expect(play).to_be_enabled()
        play.click()
    until(lambda: page.evaluate("document.querySelector('video.right').currentTime > 0.3"))
    page.get_by_role("button", name="Pause", exact=True).click()
    page.get_by_label("Time in the video").fill("1")
    times = "[...document.querySelectorAll('video')].map((video) => video.currentTime)"
    until(lambda: page.evaluate("[...document.querySelectorAll('video')].every((video) => !video.seeking)"))
    assert page.evaluate(times) == [1, 1]
    assert page.evaluate("[...document.querySelectorAll('video')].every((video) => video.videoWidth > 0)")


def assert_halves_differ(page: Page) -> None:
    """Move the slider to both ends: what is seen differs."""
    box, slider = page.locator(".compare"), page.get_by_label("Border between")
    shots = []
    for cut in ("0", "100"):
        slider.fill(cut)
        shots.append(box.screenshot())
    assert shots[0] != shots[1], "both halves show the same"
    slider.fill("50")


def serve(folder: Path, port: int, *channels: Path) -> "subprocess.Popen[bytes]":
    """Start the whole service, with a folder as its library."""
    command = [
        SR4K,
        "serve",
        *channels,
        "--listen",
        f"127.0.0.1:{port}",
        "--library",
        folder,
        "--state",
        folder / "state",
    ]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def answered(port: int, method: str, path: str, **more: Any) -> Any:
    """Return what the interface answers; ``None``: it does not answer yet."""
    try:
        return httpx.request(method, f"http://127.0.0.1:{port}/api/v1{path}", timeout=60, **more).json()
    except httpx.TransportError:
        return None


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
