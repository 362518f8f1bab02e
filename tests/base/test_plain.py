"""Plain data: what is written comes back equal; what is not of the declared type is refused, and runs nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.plain import LARGEST, PlainError, dump, load
from core.conformance import Result
from core.explore.model import Step
from core.facts import Facts


class Pair(NamedTuple):
    left: int
    right: str | None


@dataclass(frozen=True)
class Tree:
    name: str
    pairs: tuple[Pair, ...] = ()
    under: list[Tree] = field(default_factory=list)
    known: dict[Pair, frozenset[str]] = field(default_factory=dict)
    share: float = 0.5


texts = st.text(max_size=8)
pairs = st.builds(Pair, st.integers(-LARGEST, LARGEST), st.none() | texts)
trees = st.recursive(
    st.builds(Tree, texts, st.lists(pairs, max_size=3).map(tuple)),
    lambda below: st.builds(
        Tree,
        texts,
        st.lists(pairs, max_size=3).map(tuple),
        st.lists(below, max_size=3),
        st.dictionaries(pairs, st.frozensets(texts, max_size=3), max_size=3),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    max_leaves=8,
)


@given(trees)
def test_what_is_written_comes_back_equal(tree: Tree) -> None:
    line = dump(Tree, tree)
    assert load(Tree, line) == tree
    assert line.isascii()
    assert "\n" not in line


def test_a_result_comes_back_equal() -> None:
    step = Step(0, "munmap", "lock", (("ptl", "free", "held"),), (("pte", "1"),))
    result = Result("a", "b", "required", "fail", "why\udcff", trace=(step,), reductions=("por",))
    assert load(Result, dump(Result, result)) == result


class Loud(Facts):
    """What a plugin may answer for Facts."""

    __slots__ = ()

    def __reduce__(self) -> Any:
        raise AssertionError("somebody pickles")


def test_a_subclass_is_written_as_what_was_asked_for() -> None:
    found = load(Facts, dump(Facts, Loud(smp=False, capabilities=frozenset({"thp", "gup_fast"}))))
    assert type(found) is Facts
    assert found == Facts(smp=False, capabilities=frozenset({"thp", "gup_fast"}))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, True),
        (int, 10**61),
        (int, 1.0),
        (str, b"x"),
        (float, float("nan")),
        (tuple[int, ...], [1]),
        (tuple[int, str], (1, "a", 2)),
        (Pair, (1, "a")),
        (Tree, Pair(1, "")),
        (int | None, "1"),
    ],
)
def test_a_value_of_another_type_is_not_written(kind: Any, value: Any) -> None:
    with pytest.raises(PlainError):
        dump(kind, value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (int, "1" + "0" * 5000),
        (int, "[" * 100_000),
        (int, "NaN"),
        (float, '"1"'),
        (Pair, '{"left": 1}'),
        (Pair, '{"left": 1, "right": "", "more": 1}'),
        (Pair, '{"left": "1", "right": ""}'),
        (dict[str, int], '[["a"]]'),
        (dict[str, int], '{"a": 1}'),
        (tuple[int, str], "[1]"),
        (Facts, '{"__class__": "os.system"}'),
        (int, "\udcff"),
        (int, ""),
    ],
)
def test_a_text_that_says_something_else_is_refused(kind: Any, text: str) -> None:
    with pytest.raises(PlainError):
        load(kind, text)


@given(trees, st.data())
def test_damage_is_refused_or_makes_another_value_of_the_type(tree: Tree, data: st.DataObject) -> None:
    line = dump(Tree, tree)
    at = data.draw(st.integers(0, len(line) - 1))
    damaged = line[:at] + data.draw(st.characters(min_codepoint=32, max_codepoint=126)) + line[at + 1 :]
    try:
        found = load(Tree, damaged)
    except PlainError:
        return
    assert type(found) is Tree
    assert json.loads(dump(Tree, found)) == json.loads(dump(Tree, load(Tree, dump(Tree, found))))


def test_a_type_without_a_plain_form_is_a_mistake_of_the_project() -> None:
    with pytest.raises(TypeError, match="has no plain form"):
        dump(object, 1)
