"""The compiler and binutils under their limit."""

from __future__ import annotations

import pytest

from core.tree import tools


def test_a_tool_that_runs_on_is_out_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    limited = tuple(part.replace(str(tools.SECONDS), "1") for part in tools.LIMITED)
    monkeypatch.setattr(tools, "LIMITED", limited)
    with pytest.raises(tools.OutOfTime):
        tools.run(("/bin/sh", "-c", "while :; do :; done"))
    with pytest.raises(tools.OutOfTime):
        tools.run(("/bin/sh", "-c", "echo 'gcc: CPU time limit exceeded signal terminated program cc1' >&2; exit 4"))
