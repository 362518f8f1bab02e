"""The marks of pluggy: a function that is a hook, and one that is specified."""

from __future__ import annotations

import pluggy

PROJECT = "shootdown"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
