"""Workloads of arches.toml: a named one with other parameters (`like`), or steps spelt out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.base.suggest import hint
from core.cost.layout import Layout
from core.cost.turns import Turn, Turns, wrong
from core.cost.workload import HOW, Workload, WorkloadStep
from core.cost.workloads import MOST_TIMES, NAMED, build, countable, parameters, wrong_tables


def read(table: Any, at: str) -> Workload:
    """A [[workload]] of arches.toml: `name`, and `like` with parameters or `steps`. ValueError names the key, from
    `at`.
    """
    if not isinstance(table, dict):
        raise ValueError(f"{at}: expected a table, got {table!r}")
    name = table.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError(f"{at}.name: expected a string, got {name!r}")
    if "like" in table:
        return replace(_like(table, at), name=name)
    _known(table, ("name", "title", "steps"), at)
    title = table.get("title", "")
    if not isinstance(title, str):
        raise ValueError(f"{at}.title: expected a string, got {title!r}")
    steps = table.get("steps")
    if not isinstance(steps, list) or not steps:
        raise ValueError(f"{at}.steps: expected an array of tables with runs, or the key like, got {steps!r}")
    return Workload(name, title, tuple(_step(step, f"{at}.steps[{n}]") for n, step in enumerate(steps)))


def _like(table: dict[str, Any], at: str) -> Workload:
    like = table["like"]
    if not isinstance(like, str) or like not in NAMED:
        raise ValueError(f"{at}.like: expected one of {', '.join(NAMED)}, got {like!r}")
    _known(table, ("name", "like", *parameters(like)), at)
    values = {key: table[key] for key in table if key not in ("name", "like")}
    for key, value in values.items():
        if type(value) is not int or not 0 <= value < MOST_TIMES:
            raise ValueError(f"{at}.{key}: expected a number of at least 0, below {MOST_TIMES:g}, got {value!r:.60}")
    try:
        return build(like, values)
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"{at}: {error}") from None


def _step(table: Any, at: str) -> WorkloadStep | Turns:
    if not isinstance(table, dict):
        raise ValueError(f"{at}: expected a table, got {table!r}")
    if "turns" in table:
        return _turns(table, at)
    _known(table, ("how", "times", "runs", "tables"), at)
    how, times = table.get("how", "unmap"), table.get("times", 1)
    if not isinstance(how, str) or how not in HOW:
        raise ValueError(f"{at}.how: expected one of {', '.join(HOW)}, got {how!r}")
    if type(times) is not int or not 1 <= times < MOST_TIMES:
        raise ValueError(f"{at}.times: expected a number of at least 1, below {MOST_TIMES:g}, got {times!r:.60}")
    try:
        runs = tuple(_run(run) for run in table.get("runs", ()))
        laid = Layout(runs)
        countable(laid)
        length = laid.end
    except (TypeError, ValueError) as error:
        raise ValueError(f"{at}.runs: {error}") from None
    if not length or (how == "clean" and length != 1):
        raise ValueError(f"{at}.runs: expected {'one page' if how == 'clean' else 'at least one run'}, got {length}")
    tables = table.get("tables", False)
    if problem := wrong_tables(tables, how, length):
        raise ValueError(f"{at}.{problem}")
    return WorkloadStep(runs, times, how, tables)


def _turns(table: dict[str, Any], at: str) -> Turns:
    """`turns` is an array of [cpu, word] and [cpu, word, start, end]."""
    _known(table, ("turns", "pages", "folio", "times", "kind"), at)
    rows = table["turns"]
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) in (2, 4) for row in rows):
        raise ValueError(f"{at}.turns: expected an array of [cpu, word] or [cpu, word, start, end], got {rows!r:.80}")
    if not all(isinstance(row[1], str) for row in rows):
        raise ValueError(f"{at}.turns: expected a word behind each CPU, got {rows!r:.80}")
    sizes = (table.get("pages", 0), table.get("folio", 1), table.get("times", 1))
    step = Turns(tuple(Turn(*row) for row in rows), *sizes, table.get("kind", "anon"))
    if problem := wrong(step):
        raise ValueError(f"{at}.{problem}")
    return step


def _run(run: Any) -> Any:
    if isinstance(run, list) and len(run) == 2:
        first, second = run
        if isinstance(first, str):
            return _pair(run)
        if type(first) is int and isinstance(second, list):
            return first, tuple(_pair(part) for part in second)
    raise ValueError(f"expected [kind, pages] or [repeat, [[kind, pages], ...]], got {run!r}")


def _pair(run: Any) -> tuple[str, int]:
    if isinstance(run, list) and len(run) == 2 and isinstance(run[0], str) and type(run[1]) is int:
        return run[0], run[1]
    raise ValueError(f"expected [kind, pages], got {run!r}")


def _known(table: dict[str, Any], known: tuple[str, ...], at: str) -> None:
    for key in table:
        if key not in known:
            raise ValueError(f"{at}.{key}: unknown key; {hint(key, known)}")
