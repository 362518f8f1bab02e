"""A set of coefficients as a file: `calibrate` writes one, `--prices FILE` reads it.

schema = "shootdown-prices 1"
machine = "..."                 where it was measured
base = "zen4"                   the model whose other coefficients are used
[coefficients.ipi]
low = 11000.0                   and high, as every coefficient has them
high = 12500.0
source = "..."                  how it was measured
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.base.files import write_atomically
from core.base.printable import printable
from core.base.toml import TomlError, read_toml
from core.cost.coefficients import Coefficient
from core.cost.price_model import DEFAULT, MODELS, PriceModel

SCHEMA = "shootdown-prices 1"
KEYS = ("low", "high", "source")


def write(path: Path, machine: str, measured: Sequence[Coefficient], base: str = DEFAULT) -> None:
    """Write measured coefficients to `path`, atomically. Raises OSError."""
    lines = [f"schema = {_quoted(SCHEMA)}", f"machine = {_quoted(machine)}", f"base = {_quoted(base)}"]
    for c in measured:
        lines += ["", f"[coefficients.{c.name}]", f"low = {c.low}", f"high = {c.high}", f"source = {_quoted(c.source)}"]
    write_atomically(path, "\n".join(lines) + "\n")


def _quoted(text: str) -> str:
    return json.dumps(text)


def load(reference: str) -> PriceModel:
    """The model named `reference`, or the one in the file `reference`. ValueError says what is wrong with the file."""
    if reference in MODELS:
        return MODELS[reference]
    path = Path(reference)
    try:
        document = read_toml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"--prices {reference}: no such file; expected a file or one of {', '.join(MODELS)}") from None
    except (OSError, UnicodeDecodeError, TomlError) as error:
        raise ValueError(f"{reference}: {error}") from None
    return _model(document, reference)


def _model(document: dict[str, Any], source: str) -> PriceModel:
    if document.get("schema") != SCHEMA:
        raise ValueError(f"{source}: schema: expected {SCHEMA!r}, got {document.get('schema')!r}")
    base, machine = document.get("base", DEFAULT), document.get("machine", "")
    if not isinstance(base, str) or base not in MODELS:
        raise ValueError(f"{source}: base: expected one of {', '.join(MODELS)}, got {base!r}")
    tables = document.get("coefficients", {})
    if not isinstance(tables, dict) or not isinstance(machine, str):
        raise ValueError(f"{source}: expected machine = a string and tables [coefficients.NAME]")
    ends = {name: _ends(table, f"{source}: coefficients.{name}") for name, table in tables.items()}
    changed = dict(MODELS[base].override(ends, f"{source}: coefficients").coefficients)
    for name, table in tables.items():
        changed[name] = changed[name]._replace(
            machine=printable(machine), source=printable(str(table.get("source", source)))
        )
    return PriceModel(Path(source).stem, changed)


def _ends(table: Any, at: str) -> list[Any]:
    if not isinstance(table, dict) or not {"low", "high"} <= set(table) <= set(KEYS):
        raise ValueError(f"{at}: expected a table with {', '.join(KEYS)}, got {table!r}")
    return [table["low"], table["high"]]
