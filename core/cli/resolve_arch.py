"""From the name of an architecture on the command line to a row of arches.toml, or of a plugin."""

from __future__ import annotations

from pathlib import Path

from core.base.suggest import nearest
from core.table.row import Row
from core.table.rows import ConfigError, load, plugin_row


def choose(name: str, era: str | None = None, config: Path | None = None, timeout: float | None = None) -> Row:
    """The row `name`, or a row for the plugin that `name` refers to, on the generic mm code of `era`.

    No other plugin is run; setting up that one may take `timeout` seconds.

    ConfigError if it cannot be set up, or if a row of another era is given an `era`.
    """
    rows = {row.name: row for row in load(config, [name], timeout)}
    row = rows[name] if name in rows else plugin_row(name, era, timeout)
    if row.problem:
        near = nearest(name, rows)
        if row.missing and ":" not in name and near:
            raise ConfigError(f"{name}: no such row or plugin; did you mean {near}?")
        known = "" if ":" in name or name in rows else f"; the rows are {', '.join(rows)}"
        raise ConfigError(f"{row.problem}{known}")
    if era is not None and name in rows and row.era.name != era:
        raise ConfigError(f"row {name} is of era {row.era.name}; --era is for plugins: leave it out")
    return row
