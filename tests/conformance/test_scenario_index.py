"""What is known of scenarios without importing them is what their modules say."""

from __future__ import annotations

import subprocess
import sys

from core.conformance import FINDINGS, LARGE, SCENARIOS, SUITE
from core.conformance.scenarios import AREA_OF, AREAS, MODULE_OF, module
from tests.scenario_index import PLACE, index


def test_the_index_is_what_the_modules_have() -> None:
    """If not: `python -m tests.scenario_index`."""
    assert PLACE.read_text(encoding="utf-8") == index()


def test_every_module_is_of_one_area() -> None:
    named = [name for names in AREAS.values() for name in names]
    there = {path.stem for path in PLACE.parent.glob("*.py")} - {"__init__", "index"}
    assert sorted(named) == sorted(there)


def test_scenarios_are_found_by_their_ids_in_the_order_of_the_table() -> None:
    assert list(SCENARIOS) == [one.id for names in AREAS.values() for name in names for one in module(name).SCENARIOS]
    for known in (SCENARIOS, FINDINGS, SUITE):
        assert [one.id for one in known.values()] == list(known)
        assert len(known) == len(list(known))
        assert "no-such-scenario" not in known
    assert list(SUITE) == [*SCENARIOS, *LARGE]
    assert all(SUITE[name] is LARGE[name] for name in LARGE)
    assert set(AREA_OF) == set(SCENARIOS)
    assert set(MODULE_OF) == {*SCENARIOS, *FINDINGS}


def test_one_scenario_is_imported_for_one_that_is_asked_for() -> None:
    code = (
        "import sys; from core.conformance import SUITE; "
        "SUITE['lost-dirty-munmap']; "
        "print(*(name for name in sys.modules if name.startswith('core.conformance.scenarios.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert set(done.stdout.split()) == {f"core.conformance.scenarios.{name}" for name in ("index", "lost_dirty")}
