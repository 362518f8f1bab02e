"""A third party's distribution, found by its entry point."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli

from core.conformance import SCENARIOS, judge
from core.hookspecs import ENTRY_POINT_GROUP
from core.mm.era import ERAS
from core.plugins.arch import PluginError, load_object, set_up

EXAMPLE = Path(__file__).parents[1] / "examples" / "shootdown-allways"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The example as an installed distribution: its modules and metadata on the path."""
    project = tomli.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    points = project["entry-points"][ENTRY_POINT_GROUP]
    metadata = tmp_path / "shootdown_allways-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1.0\n")
    listed = "".join(f"{name} = {target}\n" for name, target in points.items())
    (metadata / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\n{listed}")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(EXAMPLE))
    (name,) = points
    return name


def test_it_loads_by_its_name_and_passes(installed: str) -> None:
    arch = set_up(installed, load_object(installed), installed)
    assert arch.facts.family == "synchronous IPI, no ranges"
    for scenario in SCENARIOS.values():
        result = judge(arch, ERAS["6.2-fix"], scenario)
        assert result.verdict in ("pass", "unsupported"), (scenario.id, result.reason)


def test_an_unknown_name_lists_what_is_installed(installed: str) -> None:
    with pytest.raises(PluginError, match=rf"the group {ENTRY_POINT_GROUP} \(allways\)"):
        load_object("alway")
