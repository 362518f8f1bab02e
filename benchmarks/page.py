"""How fast the page of `run --format html` is in Chromium: `python -m benchmarks.page FILE`.

Prints the size of the file, when the first thing is painted, how long the largest cell takes to open, and the slowest
of all steps of its trace, drawn whole.  Needs the extra `browser` and Debian's chromium.
"""

from __future__ import annotations

import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

ROUNDS = 5

FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")

LARGEST = """async () => {
  const results = await chunk("results");
  let place = "", most = -1;
  for (const [scenario, number] of Object.entries(results.chunks)) {
    const block = await chunk(`m-${number}`);
    for (const arch of Object.keys(block.of)) {
      const cell = assembled(block, arch), states = cell.model ? cell.model.states : -1;
      if (states > most) {
        most = states;
        place = `#/cell/${encodeURIComponent(arch)}/${encodeURIComponent(scenario)}/0`;
      }
    }
  }
  chunks.clear();
  return place;
}"""

STEPS = """() => {
  const times = [];
  for (let at = 0; at < view.walk.frames.length; at++) {
    const start = performance.now();
    show(at);
    document.body.offsetHeight;
    times.push(performance.now() - start);
  }
  return Math.max(...times);
}"""


def main() -> int:
    """Measure one file; the median of ROUNDS."""
    from playwright.sync_api import sync_playwright

    file = Path(sys.argv[1]).resolve()
    print(f"{file.name}: {file.stat().st_size / 1e6:.2f} MB")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        rounds = [_round(browser, file.as_uri()) for _ in range(ROUNDS)]
        browser.close()
    for name in rounds[0]:
        print(f"{name}: {statistics.median(one[name] for one in rounds):.0f} ms")
    return 0


def _round(browser: Any, address: str) -> dict[str, float]:
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(address)
    painted = page.evaluate("performance.getEntriesByType('paint')[0].startTime")
    place = page.evaluate(LARGEST)
    start = page.evaluate("performance.now()")
    page.evaluate(f"location.hash = {place!r}")
    page.wait_for_selector("#said .what")
    opened = page.evaluate("performance.now()") - start
    slowest = page.evaluate(STEPS)
    page.context.close()
    return {"first paint": painted, "largest cell opened": opened, "slowest step": slowest}


if __name__ == "__main__":
    sys.exit(main())
