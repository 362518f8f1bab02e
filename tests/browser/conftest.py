"""Pages in a real browser: Debian's Chromium, driven by Playwright. Without both, the tests are skipped."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""As root there is no sandbox; and nothing is asked of the network."""

ROWS = ("smp-6.1", "smp-6.2-fix", "up", "s390")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A browser that has been started."""
    sync = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install shootdown[browser]")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs Chromium: Debian's package chromium")
    with sync.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="session")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of some rows of the table, as the command writes it."""
    directory = tmp_path_factory.mktemp("page")
    rows = [flag for row in ROWS for flag in ("--arch", row)]
    sweep = ["--sweep", "bundle=1,8", "--sweep", "dirty=0,100"]
    command = [sys.executable, "-m", "core.compare", "run", *rows, "--format", "html", *sweep]
    command += ["--output", str(directory)]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    return directory / "report.html"


class Opened:
    """A page in a window of its own; `complaints` are console messages, errors and requests that it makes.

    Wait for selectors: the policy of the page forbids what `wait_for_function` evaluates again and again.
    """

    def __init__(self, context: Any, file: Path) -> None:
        self.page, self.file = context.new_page(), file
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url))

    def _asked(self, url: str) -> None:
        if not url.startswith(self.file.as_uri()):
            self.complaints.append(url)

    def at(self, place: str) -> Any:
        """The page at an address within it."""
        self.page.goto(self.file.as_uri() + place)
        if place.startswith("#/cell/"):
            self.page.wait_for_selector("#said .what")
        return self.page


@pytest.fixture
def opened(browser: Any, page_file: Path) -> Iterator[Callable[..., Opened]]:
    """A function that opens the page, or another file, with the given width and colour scheme."""
    contexts = []

    def make(file: Path = page_file, width: int = 1280, scheme: str = "light", **more: Any) -> Opened:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **more)
        contexts.append(context)
        return Opened(context, file)

    yield make
    for context in contexts:
        context.close()
