"""From what a user types after --arch to an architecture: a row of arches.toml, or a plugin."""

from __future__ import annotations

from pathlib import Path

from core.table.rows import ConfigError, Row, load, plugin_row


def choose(name: str, era: str | None = None, config: Path | None = None) -> Row:
    """The row called `name`, or else one of the plugin `name` refers to, on the generic code of `era`.

    ConfigError if it cannot be set up, or has an era of its own.
    """
    rows = {row.name: row for row in load(config)}
    row = rows[name] if name in rows else plugin_row(name, era)
    if row.problem:
        known = "" if ":" in name or name in rows else f"; the rows are {', '.join(rows)}"
        raise ConfigError(f"{row.problem}{known}")
    if era is not None and name in rows and row.era.name != era:
        raise ConfigError(f"row {name} is of era {row.era.name}; --era is for a plugin that is no row")
    return row
