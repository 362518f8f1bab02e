"""Every wrong policy is caught by the checks that the catalogue names, with a trace, and its right twin passes them."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from arch_plugins.generic import Smp
from core.conformance import SUITE, Result, judge
from core.mm.era import ERAS
from core.plugins.arch import PluginError, set_up
from tests.wrong_policies import states
from tests.wrong_policies.catalogue import CATALOGUE, HIDDEN, MODULES, Wrong


def judged(policy: type, scenario: str) -> Result:
    return judge(set_up(policy.__name__, policy(), "tests"), ERAS["6.12"], SUITE[scenario])


@pytest.mark.parametrize(("policy", "scenario"), [(w.policy, s) for w in CATALOGUE for s in w.scenarios])
def test_a_wrong_policy_is_caught(policy: type, scenario: str) -> None:
    result = judged(policy, scenario)
    assert result.verdict == "fail", result.reason
    assert result.violated
    assert result.trace
    if result.tier == "large":
        assert "Layout: " in result.sentence


TWINS = sorted({(w.twin, s) for w in CATALOGUE for s in w.scenarios}, key=lambda p: (p[0].__name__, p[1]))


@pytest.mark.parametrize(
    ("twin", "scenario"),
    [pytest.param(*one, marks=pytest.mark.slow if SUITE[one[1]].tier == "large" else ()) for one in TWINS],
)
def test_its_right_twin_passes(twin: type, scenario: str) -> None:
    result = judged(twin, scenario)
    assert result.verdict == ("bounded" if result.tier == "large" else "pass"), (result.reason, result.sentence)


@pytest.mark.parametrize(("policy", "message"), HIDDEN.items())
def test_hidden_state_is_refused_by_name(policy: type, message: str) -> None:
    if message.endswith("changed"):
        result = judged(policy, "use-after-free")
        assert result.verdict == "error"
        assert message.removesuffix(" changed") in result.reason
        assert "changed: the plugin keeps state" in result.reason
    else:
        with pytest.raises(PluginError, match=re.escape(message)):
            judged(policy, "use-after-free")


def test_an_iterator_of_one_call_is_no_state() -> None:
    assert judged(states.CountsInLocals, "use-after-free").verdict == "pass"


def test_there_are_many_of_every_kind_and_none_is_forgotten() -> None:
    """Every class of the modules is in the catalogue, as a wrong policy, a twin, or what these are made of."""
    known = {w.policy for w in CATALOGUE} | {w.twin for w in CATALOGUE} | {*HIDDEN, states.CountsInLocals, Smp}
    made_of = {kind for policy in known for kind in policy.__mro__}
    policies = {
        member
        for module in MODULES
        for member in vars(module).values()
        if inspect.isclass(member) and member.__module__ == module.__name__ and not issubclass(member, tuple)
    }
    assert policies - made_of <= {states.Remembers}
    assert len({w.policy for w in CATALOGUE} | HIDDEN.keys()) >= 170


def test_a_wrong_policy_is_not_its_own_twin() -> None:
    assert not {w.policy for w in CATALOGUE} & {w.twin for w in CATALOGUE}


def test_the_catalogue_is_made_of_what_it_says() -> None:
    assert all(isinstance(entry, Wrong) and set(entry.scenarios) <= SUITE.keys() for entry in CATALOGUE)


def test_the_page_has_the_catalogue() -> None:
    page = (Path(__file__).parents[2] / "docs" / "wrong-policies.md").read_text(encoding="utf-8")
    rows = {tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in page.splitlines() if line[:2] == "| "}
    told = {(row[0], row[2], row[3]) for row in rows if len(row) == 4} - {("wrong policy", "caught by", "right twin")}
    assert told == {(w.policy.__name__, ", ".join(w.scenarios), w.twin.__name__) for w in CATALOGUE}
