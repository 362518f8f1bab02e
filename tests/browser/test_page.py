"""The HTML report in Chromium: stepping, choosing, addresses, keys, no network, no markup, no barrier."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from core.compare import main
from reports.page.page import write
from tests.reports.page.test_page import HOSTILE, hostile_report

pytestmark = pytest.mark.browser

FAILS = "#/cell/smp-6.1/lost-dirty-dontneed"
PASSES = "#/cell/smp-6.2-fix/use-after-free"


def text(page: Any, selector: str) -> str:
    return str(page.inner_text(selector))


def test_a_trace_is_stepped_through_with_buttons_keys_and_slider(opened: Any) -> None:
    page = opened().at(f"{FAILS}/22")
    assert "CPU1 unmap: ptep_get(0)" in text(page, "#said")
    page.keyboard.press("ArrowRight")
    assert "CPU1 unmap: ptep_get_and_clear(0)" in text(page, "#said")
    assert "pte[0]: page0:rw,dirty → empty" in text(page, "#said")
    assert page.evaluate("location.hash") == f"{FAILS}/23"
    assert "zap_pte_range" in text(page, "#said .in")
    assert "stale: pte[0] is empty" in text(page, "#machine")
    assert "[0, 1)" in page.evaluate("(show(24), document.querySelector('#machine').innerText)")
    page.click("#last")
    assert "step 31 of 31" in text(page, "#count")
    assert "violated: no-lost-dirty" in text(page, "#said")
    page.click("#first")
    assert "Before the first step" in text(page, "#said")
    page.fill("#slider", "5")
    assert "step 5 of 31" in text(page, "#count")
    page.focus("#slider")
    page.keyboard.press("End")  # the slider's own: not taken twice
    assert "step 31 of 31" in text(page, "#count")


def test_another_step_can_be_chosen_and_its_address_leads_back(opened: Any) -> None:
    first = opened()
    page = first.at(f"{FAILS}/23")
    assert "a violation" in text(page, "#choices")
    page.click("#choices button:has-text('CPU0 user: store(0)')")
    assert "CPU0 user: store(0)" in text(page, "#said")
    place = page.evaluate("location.hash")
    again = opened().at(place)
    assert text(again, "#said") == text(page, "#said")
    page.click("#again")
    assert page.evaluate("view.walk.trace.length") == 31


def test_the_scene_says_who_acts_and_how_many_stores_are_to_come(opened: Any) -> None:
    page = opened().at(f"{FAILS}/25")
    assert "unmap and writeback race on a page" in text(page, "#scene")
    who = text(page, "#who")
    assert "CPU0 user (T1): store(0), 2 times; in the kernel handle_write_fault (mm/memory.c)" in who
    assert "CPU1 unmap (T2): madvise_dontneed (mm/madvise.c)" in who
    left = "[...document.querySelectorAll('#machine dt')].find((one) => one.innerText.startsWith('stores still'))"
    assert page.evaluate(f"{left}.nextSibling.innerText") == "1"
    assert page.evaluate(f"(show(30), {left}.nextSibling.innerText)") == "0"
    page.evaluate("show(25)")
    assert "folio_remove_rmap_ptes (mm/rmap.c)" in text(page, "#said .in")


def test_a_step_that_changes_nothing_says_what_it_has_read(opened: Any) -> None:
    page = opened().at(f"{FAILS}/27")
    assert "nothing changes; it has read mapcount[0]: 0" in text(page, "#said")


def test_the_step_that_decides_is_marked_once(opened: Any) -> None:
    page = opened().at(f"{FAILS}/30")
    assert "The step that decides" in text(page, "#said")
    assert page.evaluate("document.querySelector('#steps').innerText.split('◆').length") == 2
    assert page.evaluate("view.walk.engine.open(view.walk.frames[29].state)")
    assert not page.evaluate("view.walk.engine.open(view.walk.frames[30].state)")
    assert opened().at(f"{PASSES}/0").evaluate("view.walk.turn") == -1


def test_a_cell_that_fails_says_what_the_fix_does_instead(opened: Any) -> None:
    page = opened().at(f"{FAILS}/0")
    assert "smp-6.2-fix passes here. It takes the same 24 steps; where step 25 is here" in text(page, "#differs")
    assert '"page_remove_rmap(page0)", unmap does: send IPI to CPU0: flush [0, 1).' in text(page, "#differs")
    assert "⇄ smp-6.2-fix, which passes, differs from here on" in page.evaluate(
        "(show(25), document.querySelector('#said').innerText)"
    )
    page.click("#differs a")
    page.wait_for_selector("#title:has-text('smp-6.2-fix')")
    assert "step 24 of 40" in text(page, "#count")
    assert "send IPI to CPU0: flush [0, 1)" in text(page, "#choices")
    page.click("#last")
    assert "Everything has ended" in text(page, "#choices")
    assert text(page, "#again") == "Start again"
    page.click("#again")
    assert text(page, "#count") == "step 0 of 0"
    assert "None yet" in text(page, "#steps")


def test_every_cell_of_the_matrix_is_a_link(opened: Any) -> None:
    page = opened().at("")
    bare = "[...document.querySelectorAll('.matrix td')].filter((cell) => cell.textContent && !cell.firstChild.href)"
    assert page.evaluate(f"{bare}.length") == 0
    page.click(".matrix a[aria-label='smp-6.1, lost-dirty-dontneed: xfail']")
    page.wait_for_selector("#said .what")
    assert "smp-6.1, lost-dirty-dontneed" in text(page, "#title")


def test_every_step_of_a_cell_that_passes_is_safe(opened: Any) -> None:
    page = opened().at(f"{PASSES}/0")
    for _ in range(60):
        buttons = page.query_selector_all("#choices button")
        assert page.query_selector("#choices .danger") is None
        if not buttons:
            break
        buttons[-1].click()
    assert "Everything has ended" in text(page, "#choices")


def test_the_engine_has_the_states_and_steps_of_the_explorer(opened: Any) -> None:
    page = opened().at("")
    wrong = page.evaluate(
        """async () => {
          const wrong = [], results = await chunk("results");
          let seen = 0;
          for (const number of Object.values(results.chunks)) {
            const block = await chunk(`m-${number}`);
            const different = new Map(Object.entries(block.of).map(([arch, number]) => [number, arch]));
            const cells = [...different.values()].map((arch) => assembled(block, arch));
            for (const { model } of cells.filter((cell) => cell.model)) {
              const found = new Engine(model).explore();
              seen += 1;
              const same = found.states === model.states && found.edges === model.transitions;
              if (!same) wrong.push([number, model.states, found.states]);
            }
          }
          return { wrong, seen };
        }"""
    )
    assert wrong["wrong"] == []
    assert wrong["seen"] > 200


def test_nothing_moves_from_step_to_step(opened: Any) -> None:
    page = opened().at(f"{FAILS}/18")
    titles = "[...document.querySelectorAll('#machine h4')].map((one) => one.textContent).slice(0, 6)"
    places = page.evaluate(titles)
    for step in range(19, 32):
        page.evaluate(f"show({step})")
        assert page.evaluate(titles) == places


VIEWS = ("", f"{FAILS}/23", f"{FAILS}/31", f"{PASSES}/0", "#/cell/B-01/lost-dirty-munmap/3")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_no_barrier_in_any_view(opened: Any, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    window = opened(width=width, scheme=scheme, bypass_csp=True)  # the checker is a script of its own
    for place in VIEWS:
        page = window.at(place)
        found = axe.run(page)
        assert [(one["id"], one["nodes"][0]["html"]) for one in found.response["violations"]] == [], place


COMPARE = ["compare", "smp-6.2-fix", "--against", "smp-6.1", "--scenario", "lost-dirty-dontneed", "--format", "html"]
SWEEP = ["sweep", "bundle=1,8", "dirty=0,100", "--arch", "smp-6.1", "--arch", "smp-6.2-fix", "--format", "html"]


@pytest.mark.parametrize("command", [COMPARE, SWEEP], ids=["compare", "sweep"])
def test_no_barrier_in_a_comparison_or_a_sweep(
    opened: Any, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    main(command)
    file = tmp_path / "page.html"
    file.write_text(capsys.readouterr().out)
    for width, scheme in product((1280, 390), ("light", "dark")):
        window = opened(file=file, width=width, scheme=scheme, bypass_csp=True)
        page = window.at("")
        assert [one["id"] for one in axe.run(page).response["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_at_390_pixels_the_machine_comes_first_and_nothing_is_cut_off(opened: Any) -> None:
    window = opened(width=390)
    for place in ("", f"{FAILS}/23"):
        page = window.at(place)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    top = "document.querySelector('{}').getBoundingClientRect().top"
    assert page.evaluate(top.format("#machine")) < page.evaluate(top.format("#steps"))


def test_nothing_is_asked_of_a_network_and_nothing_is_complained_of(opened: Any) -> None:
    window = opened()
    for place in VIEWS:
        window.at(place)
    assert window.complaints == []
    policy = window.page.get_attribute("meta[http-equiv]", "content")
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def test_markup_in_every_name_stays_text(opened: Any, tmp_path: Path) -> None:
    file = tmp_path / "hostile.html"
    file.write_text(write(hostile_report()))
    window = opened(file=file)
    page = window.at("")
    assert HOSTILE in text(page, "#report")
    page.click("a:has-text('Step through')")
    page.wait_for_selector("#said .what")
    page.click("#last")
    assert HOSTILE in text(page, "#cell")
    assert page.evaluate("window.pwned") is None
    assert page.query_selector("img, iframe, object") is None


def test_a_damaged_recording_is_left_out(opened: Any, tmp_path: Path) -> None:
    report = hostile_report()
    report["recordings"][0]["model"] = report["recordings"][0]["trace"] = "{no json"
    file = tmp_path / "damaged.html"
    file.write_text(write(report))
    page = opened(file=file).at("")
    page.click("a:has-text('Step through')")
    page.wait_for_selector("#verdict:has-text('nothing to step through')")
    report["recordings"][0]["model"] = json.dumps({"rows": 3})
    file.write_text(write(report))
    page = opened(file=file).at("")
    page.click("a:has-text('Step through')")
    page.wait_for_selector("#verdict:has-text('cannot be read')")
