"""arches.toml: the architectures to compare, and what is expected to fail.

A file that cannot be read is a ConfigError.  An invalid row becomes a `Row` with `problem` set, so that the other rows
still run.  Every message names the file, the key and what was expected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.base.suggest import hint
from core.base.told import Told
from core.base.toml import TomlError, read_toml
from core.cost.price_model import DEFAULT, MODELS
from core.facts import KINDS, wrong
from core.mm.era import ERAS, Era
from core.plugins.arch import PluginError
from core.table.row import Row, all_tried, tried

if TYPE_CHECKING:
    from core.cost.workload import Workload

DEFAULT_ERA = "6.2-fix"
ROW_KEYS = ("name", "plugin", "era", "facts", "expect", "prices")
TOP_KEYS = ("arch", "defaults", "prices", "workload")
FIXED_FACTS = ("capabilities", "tables_at_once", "sources")
ALL_ROWS = Path("arches-all.toml")
"""The name of the shipped file with every Linux architecture."""

CORE = Path(__file__).parents[1]
"""The package that the shipped files are in."""

SHIPPED = ("arches.toml", ALL_ROWS.name)
"""Files of rows that come with the package: found by their names where there is no such file."""


class ConfigError(Told):
    """An invalid configuration; the message names file, key and what was expected, in one line."""


def default_text(name: str = "arches.toml") -> tuple[str, str]:
    """The text of a file of SHIPPED, and its name in messages."""
    return (CORE / name).read_text(encoding="utf-8"), f"{name} (embedded)"


def load(path: Path | None, only: Collection[str] | None = None, timeout: float | None = None) -> list[Row]:
    """The rows of `path`, or of the embedded arches.toml. ConfigError if the file is invalid.

    Plugins of rows that are not among the names `only` are not run: their rows have no facts, and what they declare to
    fail is not looked at.  `timeout`: see `tried`.
    """
    return parse(*_text(path), Path() if path is None else path.parent, only, timeout)


def load_workloads(path: Path | None) -> dict[str, Workload]:
    """The [[workload]]s of `path`, or of the embedded arches.toml, by name. ConfigError if the file is invalid."""
    text, source = _text(path)
    return _workloads(_document(text, source), source)


def _text(path: Path | None) -> tuple[str, str]:
    if path is None:
        return default_text()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if str(path) in SHIPPED:
            return default_text(str(path))
        raise ConfigError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    return text, str(path)


def parse(
    text: str,
    source: str,
    beside: Path = Path(),
    only: Collection[str] | None = None,
    timeout: float | None = None,
) -> list[Row]:
    """The rows of a TOML text; messages name `source`, and file names of plugins are relative to `beside`.

    `only` and `timeout` are as in `load`.
    """
    document = _document(text, source)
    _workloads(document, source)
    prices = _prices(document, source, "")
    defaults = _typed(document, "defaults", dict, source, "", {})
    _known(defaults, ("era",), source, "defaults.")
    tables = _typed(document, "arch", list, source, "", [])
    if not tables:
        raise ConfigError(f"{source}: expected at least one [[arch]]")
    era = _typed(defaults, "era", str, source, "defaults.", DEFAULT_ERA)
    _era(era, source, "defaults.era")
    rows = [_row(table, number, era, source, prices, beside) for number, table in enumerate(tables)]
    rows = [
        row if only is not None and row.name not in only else _declared(row, source, f"arch[{number}].expect.")
        for number, row in enumerate(rows)
    ]
    twice = sorted(name for name, times in Counter(row.name for row in rows).items() if times > 1)
    if twice:
        raise ConfigError(f"{source}: arch.name: {', '.join(twice)} is used twice; names must differ")
    if only is None:
        return all_tried(rows, timeout)
    chosen = iter(all_tried([row for row in rows if row.name in only], timeout))
    return [next(chosen) if row.name in only else row for row in rows]


def _document(text: str, source: str) -> dict[str, Any]:
    try:
        document = read_toml(text)
    except TomlError as error:
        raise ConfigError(f"{source}: not TOML: {error}") from None
    _known(document, TOP_KEYS, source, "")
    return document


def _workloads(document: dict[str, Any], source: str) -> dict[str, Workload]:
    found: dict[str, Workload] = {}
    tables = _typed(document, "workload", list, source, "", [])
    if tables:
        from core.cost.read_workloads import read as read_workload  # most files have none
    for number, table in enumerate(tables):
        try:
            workload = read_workload(table, f"workload[{number}]")
        except ValueError as error:
            raise ConfigError(f"{source}: {error}") from None
        if workload.name in found:
            raise ConfigError(f"{source}: workload.name: {workload.name} is used twice; names must differ")
        found[workload.name] = workload
    return found


def _prices(table: dict[str, Any], source: str, at: str) -> dict[str, Any]:
    prices: dict[str, Any] = _typed(table, "prices", dict, source, at, {})
    try:
        MODELS[DEFAULT].override(prices, f"{source}: {at}prices")
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return prices


def plugin_row(reference: str, era: str | None = None, timeout: float | None = None) -> Row:
    """A row for a plugin that is named on the command line; with `problem` set if it cannot be used."""
    return tried(Row(reference, reference, _era(era or DEFAULT_ERA, "command line", "--era")), timeout)


def judged_as(row: Row) -> str:
    """In words: on which generic mm code a plugin is judged, and whether it says that it is of another kernel."""
    release = f" ({row.era.release})" if row.era.release else ""
    said = f"{row.name}: on the generic mm code of era {row.era.name}{release}"
    kernel = row.stated.kernel if row.stated else ""
    fitting = era_of(kernel)
    if fitting is None or fitting == row.era:
        return said
    return f"{said}, though its facts say that it is of {kernel}: --era {fitting.name}"


def era_of(kernel: str) -> Era | None:
    """The last era that is not newer than the version `kernel` of Linux ('6.12.117'); None if there is none."""
    wanted = _version(kernel)
    eras = {version: era for era in ERAS.values() if (version := _version(era.name))}
    known = [version for version in eras if version <= wanted]
    return eras[max(known)] if known else None


def _version(name: str) -> tuple[int, ...]:
    parts = name.split(".")[:2]
    return tuple(map(int, parts)) if len(parts) == 2 and all(part.isdigit() for part in parts) else ()


def _row(table: Any, number: int, era: str, source: str, prices: dict[str, Any], beside: Path) -> Row:
    at = f"arch[{number}]."
    name = table.get("name") if isinstance(table, dict) else None
    label = name if isinstance(name, str) and name else f"arch[{number}]"
    try:
        return _checked_row(table, at, era, source, prices, beside)
    except (ConfigError, PluginError) as error:
        return Row(label, "", ERAS[DEFAULT_ERA], problem=str(error))


def _checked_row(table: Any, at: str, era: str, source: str, prices: dict[str, Any], beside: Path) -> Row:
    if not isinstance(table, dict):
        raise ConfigError(f"{source}: {at[:-1]}: expected a table, got {table!r}")
    _known(table, ROW_KEYS, source, at)
    for key in ("name", "plugin"):
        if key not in table:
            raise ConfigError(f"{source}: {at}{key} is missing: expected a string")
    expect = _typed(table, "expect", dict, source, at, {})
    for scenario, reason in expect.items():
        if not isinstance(reason, str) or not reason:
            raise ConfigError(f"{source}: {at}expect.{scenario}: expected the reason as a string, got {reason!r}")
    return Row(
        _typed(table, "name", str, source, at, ""),
        _from(beside, _typed(table, "plugin", str, source, at, "")),
        _era(_typed(table, "era", str, source, at, era), source, f"{at}era"),
        _facts(_typed(table, "facts", dict, source, at, {}), source, f"{at}facts."),
        expect,
        prices={**prices, **_prices(table, source, at)},
    )


def _from(beside: Path, plugin: str) -> str:
    """The plugin reference, with a file name made relative to the current directory."""
    file, _, name = plugin.rpartition(":")
    return f"{beside / file}:{name}" if file.endswith(".py") else plugin


def _declared(row: Row, source: str, at: str) -> Row:
    """`row`, with a problem if what it declares to fail is no scenario: all of them are loaded only to look at that."""
    if row.problem or not row.expect:
        return row
    from core.conformance import SUITE

    try:
        _known(row.expect, tuple(SUITE), source, at, "scenario")
    except ConfigError as error:
        return replace(row, problem=str(error))
    return row


def _facts(given: dict[str, Any], source: str, at: str) -> dict[str, Any]:
    _known(given, tuple(key for key in KINDS if key not in FIXED_FACTS), source, at)
    for key, value in given.items():
        problem = wrong(key, value)
        if problem:
            raise ConfigError(f"{source}: {at}{key}: {problem}")
    return given


def _era(name: str, source: str, at: str) -> Era:
    if name not in ERAS:
        raise ConfigError(f"{source}: {at}: expected one of {', '.join(ERAS)}, got {name!r}")
    return ERAS[name]


def _typed(table: dict[str, Any], key: str, kind: type, source: str, at: str, default: Any) -> Any:
    value = table.get(key, default)
    if not isinstance(value, kind):
        names: dict[type, str] = {dict: "a table", list: "an array of tables", str: "a string"}
        raise ConfigError(f"{source}: {at}{key}: expected {names[kind]}, got {value!r}")
    return value


def _known(table: dict[str, Any], known: Iterable[str], source: str, at: str, what: str = "key") -> None:
    known = tuple(known)
    for key in table:
        if key not in known:
            raise ConfigError(f"{source}: {at}{key}: unknown {what}; {hint(key, known)}")
