"""Cutting by name: what is kept and dropped, that lines stay, and what a missing name says."""

from __future__ import annotations

import pytest

from core.tree.cut import cut, missing
from core.tree.errors import TreeError
from core.tree.manifest import Source

TEXT = """#define ONE 1
#define TWO \\
\t(ONE + ONE)
#ifdef CONFIG_A
static inline int
twice(int x)
{
\treturn x + x;
}
#else
static inline int twice(int x) { return 2 * x; }
#endif
struct data {
\tint a;
};
int user(void) { return twice(TWO); } /* calls twice(1) */
late_initcall(user);
static const struct ops the_ops = {
\t.open = user,
};
"""


def kept(*names: str) -> str:
    return cut(TEXT, Source("a.c", keep=names))


def test_what_is_kept_stays_in_its_line() -> None:
    text = kept("struct data")
    assert text.splitlines()[12:15] == TEXT.splitlines()[12:15]
    assert "".join(text.split()) == "structdata{inta;};"
    assert text.count("\n") == TEXT.count("\n")


def test_a_function_is_its_definitions_and_not_its_calls() -> None:
    assert kept("twice").count("return") == 2
    assert "user" not in kept("twice")
    assert "x + x" in kept("twice@0")
    assert "2 * x" not in kept("twice@0")
    assert kept("twice@-1").strip() == "static inline int twice(int x) { return 2 * x; }"


def test_a_macro_has_its_continuation_lines_and_may_be_a_family() -> None:
    assert "(ONE + ONE)" in kept("#TWO")
    assert kept(r"#\w+").split() == TEXT.split("#ifdef")[0].split()


def test_what_is_dropped_leaves_the_rest_in_its_lines() -> None:
    text = cut(TEXT, Source("a.c", drop=("twice", ";late_initcall", ";the_ops", "#ONE", "?nothing")))
    assert "twice(int" not in text
    assert "late_initcall" not in text
    assert "the_ops" not in text
    assert text.splitlines()[15] == TEXT.splitlines()[15]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Source("mm/a.c", drop=("thrice",)), "mm/a.c: no function thrice()"),
        (Source("mm/a.c", drop=("#THREE",)), "mm/a.c: no macro THREE"),
        (Source("mm/a.c", keep=("struct other",)), "mm/a.c: no struct other"),
        (Source("mm/a.c", replace=(("asm(0)", "nop()"),)), "mm/a.c: no text 'asm(0)'"),
    ],
)
def test_a_missing_name_is_named_with_its_file(source: Source, message: str) -> None:
    with pytest.raises(TreeError, match="^" + message.replace("(", r"\(").replace(")", r"\)")):
        cut(TEXT, source)


def test_a_function_that_is_to_be_kept_may_be_missing_and_is_told() -> None:
    source = Source("mm/a.c", keep=("thrice", "?never", "twice"))
    assert cut(TEXT, source) == cut(TEXT, Source("mm/a.c", keep=("twice",)))
    assert missing(TEXT, source).startswith("mm/a.c: no function thrice(); was it renamed")
    assert not missing(TEXT, Source("mm/a.c", keep=("?never", "twice")))


def test_more_names_are_kept_where_only_some_are() -> None:
    assert cut(TEXT, Source("a.c", keep=("#ONE",)), ("twice", "elsewhere")) == kept("#ONE", "twice")
    assert cut(TEXT, Source("a.c"), ("twice",)) == TEXT
