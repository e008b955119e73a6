"""Airflow's web page in a headless Chromium, by what a user sees and presses; nothing is slept for."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, unquote, urlsplit

from playwright.sync_api import Error, Locator, Page, expect, sync_playwright

from demo.processes import StackError

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Nothing but the page is fetched. Playwright itself says most of these, not all of them.
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
# A busy machine takes its time. Nobody waits that long where it does not.
SECONDS, RUN_SECONDS = 120, 400
PRESSES = 3
_READ_VALUES = "inputs => inputs.map(input => input.value).join('\\n')"


def find_browser() -> str | None:
    """Return the path of a Chromium: the one that CHROMIUM names, or the first that is installed."""
    names = (os.environ.get("CHROMIUM"), *BROWSERS)
    return next((path for name in names if name and (path := shutil.which(name))), None)


class WebPage:
    """
    A window with the web page of an Airflow that makes everyone an admin; a context manager.

    :param url: where its api-server answers.
    :param home: where the browser may write.
    """

    def __init__(self, url: str, home: Path, *, width: int = 1280, height: int = 900) -> None:
        self.url = url
        self.seen: dict[str, str] = {}
        self._home = home
        self._width, self._height = width, height

    def __enter__(self) -> Self:
        """Open the window: light, in English, with UTC, whatever this machine has."""
        program = find_browser()
        if program is None:
            raise StackError(f"no browser is found; looked for {', '.join(BROWSERS)}")
        self._home.mkdir(parents=True, exist_ok=True)
        env: dict[str, str | float | bool] = {**os.environ, "HOME": str(self._home)}
        self._playwright = sync_playwright().start()
        try:
            browser = self._playwright.chromium.launch(executable_path=program, args=[*FLAGS], env=env)
            self._context = browser.new_context(
                viewport={"width": self._width, "height": self._height},
                color_scheme="light",
                locale="en-GB",
                timezone_id="UTC",
            )
            self._context.set_default_timeout(SECONDS * 1000)
            self.page: Page = self._context.new_page()
        except BaseException:
            self._playwright.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the browser, and leave a picture of what was seen last: `last.png`."""
        with suppress(Error):
            self.page.screenshot(path=self._home / "last.png", timeout=20_000)
        self._playwright.stop()

    def store(self, settings: Mapping[str, str]) -> None:
        """Let each page find these settings of a user's, which Airflow keeps in the browser."""
        self._context.add_init_script(f"Object.assign(localStorage, {json.dumps(settings)})")

    def open(self, *path: str) -> None:
        """Open a page of Airflow's, of whose path every part is quoted."""
        self.page.goto("/".join((self.url, *(quote(part, safe="") for part in path))))

    def look(self) -> str:
        """Return what the page says, fields included, and keep it in `seen`, by its path."""
        text = self.page.locator("body").inner_text()
        values = str(self.page.locator("input, textarea").evaluate_all(_READ_VALUES))
        path = urlsplit(self.page.url).path
        self.seen[path] = f"{self.seen.get(path, '')}\n{text}\n{values}"
        return text

    def fill_connection(self, kind: str, name: str, fields: Mapping[str, str]) -> Locator:
        """Fill the form of a new connection, whose fields have these labels, and return it."""
        self.open("connections")
        self.page.get_by_role("button", name="Add Connection").click()
        form = self.page.get_by_role("dialog")
        form.get_by_label("Connection ID").fill(name)
        form.get_by_label("Connection Type").fill(kind)
        self.page.get_by_role("option", name=kind, exact=True).click()
        for label, value in fields.items():
            form.get_by_label(label, exact=True).fill(value)
        return form

    def open_extra(self, form: Locator) -> None:
        """Unfold the fields of the provider's own."""
        form.get_by_role("button", name="Extra Fields", exact=True).click()

    def fill_extra(self, form: Locator, label: str, value: str) -> None:
        """Fill one of them: Airflow ties no label to its field."""
        labelled = self.page.get_by_text(label, exact=True)
        form.get_by_role("group").filter(has=labelled).get_by_role("textbox").fill(value)

    def show_extra(self, label: str) -> None:
        """Scroll until one of them is at the top, as far as the form is long enough."""
        labelled = self.page.get_by_text(label, exact=True)
        labelled.evaluate("label => label.scrollIntoView({block: 'start'})")

    def save(self, form: Locator) -> None:
        """Press Save, and wait until the form is gone."""
        form.get_by_role("button", name="Save").click()
        expect(form).to_be_hidden(timeout=SECONDS * 1000)

    def test_connection(self, name: str) -> str:
        """Press the button Test of a connection, and return what the page says then."""
        row = self.page.get_by_role("row").filter(has_text=name)
        row.get_by_role("button", name="Test Connection").click()
        verdict = self.page.get_by_role("status").filter(has_text="Test Connection")
        verdict.wait_for()
        self.look()
        return verdict.inner_text()

    def trigger(self, dag_id: str) -> str:
        """Trigger a DAG, and return the id of the run, to whose page Airflow leads."""
        self.open("dags", dag_id)
        self.page.get_by_role("button", name="Trigger Dag").click()
        form = self.page.get_by_role("dialog")
        form.get_by_role("button", name="Trigger", exact=True).click()
        self.page.wait_for_url(re.compile(r"/runs/[^/]+"))
        return unquote(urlsplit(self.page.url).path.rpartition("/runs/")[2].partition("/")[0])

    def wait_end(self) -> str:
        """Watch the page of a run until it has ended, and return how."""
        badge = self.page.get_by_test_id("header-card").get_by_test_id("state-badge")
        expect(badge).to_have_text(re.compile("^(Success|Failed)$"), timeout=RUN_SECONDS * 1000)
        self.look()
        return badge.inner_text()

    def open_question(self, dag_id: str, run_id: str, task_id: str, text: str) -> list[str]:
        """Open the form in which a task asks a person, and return its lines once it has this text."""
        self.open("dags", dag_id, "runs", run_id, "tasks", task_id, "required_actions")
        self.page.get_by_text(text).first.wait_for()
        return self.look().splitlines()

    def answer(self, option: str) -> None:
        """Press a button of such a form, until Airflow has taken the answer; StackError if it does not."""
        button = self.page.get_by_role("button", name=option, exact=True)
        for _ in range(PRESSES):
            with self.page.expect_response(lambda response: response.request.method == "PATCH") as answered:
                button.click()
            if answered.value.ok:
                expect(button).not_to_be_enabled(timeout=SECONDS * 1000)
                return
        raise StackError(f"Airflow takes no answer: HTTP {answered.value.status}, {answered.value.text()}")

    def open_task(self, name: str) -> None:
        """Open the page of a task from that of its run; if it is mapped, by its own name in the list."""
        self.page.get_by_role("row").get_by_role("link", name=name, exact=True).click()

    def open_tab(self, name: str) -> None:
        """Open another tab of the page of a task."""
        self.page.get_by_role("link", name=name, exact=True).click()

    def read_log(self, text: str) -> list[str]:
        """Return the lines of a task's log, once one of them has this text."""
        lines = self.page.get_by_test_id(re.compile(r"^virtualized-item-"))
        lines.filter(has_text=text).first.wait_for()
        self.look()
        return lines.all_inner_texts()

    def press_link(self, name: str) -> tuple[str, str]:
        """Press a button that opens a new window, and return the address of that and what it says."""
        with self._context.expect_page() as opened:
            self.page.get_by_role("link", name=name, exact=True).click()
        self.look()
        window = opened.value
        window.wait_for_load_state()
        found = window.url, window.locator("body").inner_text()
        window.close()
        return found

    def resize(self, height: int) -> None:
        """Make the window as high as that."""
        self.page.set_viewport_size({"width": self._width, "height": height})

    def take(self, file: Path, part: Locator | None = None, *, height: float = math.inf) -> None:
        """Write a picture of the window, or of a part of it, at most so high, once nothing moves any more."""
        self.page.evaluate("document.activeElement.blur()")
        part = part or self.page.locator("body")
        before, deadline = b"", time.monotonic() + SECONDS
        while (now := self._photograph(part, height)) != before:
            if time.monotonic() > deadline:
                raise StackError(f"{file.name}: the page does not come to rest")
            before = now
        self.look()
        file.write_bytes(now)

    def _photograph(self, part: Locator, height: float) -> bytes:
        box = part.bounding_box()
        if box is None:
            return b""
        return self.page.screenshot(animations="disabled", clip={**box, "height": min(box["height"], height)})
