"""TOML from anybody: whatever is wrong with it is one kind of error."""

from __future__ import annotations

from typing import Any

import tomli


class TomlError(ValueError):
    """A text that is not TOML; the message says where."""


def read_toml(text: str) -> dict[str, Any]:
    """The document that `text` says. TomlError if it is none, is nested too deep, or has numbers beyond all measure."""
    try:
        return tomli.loads(text)
    except (ValueError, RecursionError, OverflowError) as error:
        raise TomlError(str(error)) from None
