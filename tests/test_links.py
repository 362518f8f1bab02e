"""What the documents point at is there: files, headings, modules, make targets and the floor of coverage."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import tomli

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def text_of(page: Path) -> str:
    """A page without its blocks of code."""
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The fragments that a page's headings give, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken(page: Path) -> list[str]:
    """Links of a page that lead nowhere. Those to other sites are not tried."""
    found = []
    for link in LINK.findall(text_of(page)):
        path, _, fragment = link.partition("#")
        if "://" in path:
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (fragment and fragment not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One heading\n[a](#one-heading) [b](#two) [c](page.md) [d](none.md) [e](https://kernel.org/none)\n"
    )
    assert broken(page) == ["#two", "none.md"]


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            ahead += [(page.parent / link.partition("#")[0]).resolve() for link in LINK.findall(text_of(page))]
    assert {page.relative_to(ROOT) for page in PAGES} <= {page.relative_to(ROOT) for page in reached}


def test_what_has_moved_is_at_its_new_place_and_no_longer_at_the_old() -> None:
    section = (ROOT / "docs" / "moved.md").read_text().partition("## Modules")[2]
    rows = re.findall(r"^\| `([\w.]+)` \| (`.*`) \|$", section, re.MULTILINE)
    assert len(rows) > 50
    assert [new for _, places in rows for new in re.findall(r"[\w.]+", places) if not _exists(new)] == []
    assert [old for old, _ in rows if _exists(old)] == []


def _exists(module: str) -> bool:
    """Whether there is a module of this name."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def test_the_licence_is_the_one_that_the_project_declares() -> None:
    project = tomli.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "GPL-2.0-only"
    assert "Version 2, June 1991" in (ROOT / "LICENSE").read_text()


def test_the_changelog_is_by_version_and_the_newest_comes_first() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert headings[-1] == "0.1.0"
    released = [tuple(map(int, version.split("."))) for version in headings[1:]]
    assert released == sorted(released, reverse=True)
