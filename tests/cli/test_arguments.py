"""What the flags that several subcommands have come to."""

from __future__ import annotations

import argparse
import os

import pytest

from core.cli.arguments import add_limits, workers_of


def given(*flags: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_limits(parser)
    return parser.parse_args(flags)


@pytest.mark.parametrize(("searches", "workers"), [(0, 8), (1, 8), (2, 4), (3, 2), (5, 1), (100, 1)])
def test_searches_share_the_cores(searches: int, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert workers_of(given(), searches) == workers


def test_the_number_of_workers_can_be_said() -> None:
    assert workers_of(given("--workers", "3"), 100) == 3
    with pytest.raises(SystemExit):
        given("--workers", "0")
