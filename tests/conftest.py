"""What all tests have in common.

Hypothesis draws the same examples on every run, and gives each as long as it takes, so that a run says the same as the
last one.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.installed import Environment, build_wheel, environment

settings.register_profile("same-every-time", derandomize=True, deadline=None)
settings.load_profile("same-every-time")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built once in a run of the tests: workers that come later take the first one's."""
    here = tmp_path_factory.mktemp("wheel")
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        return build_wheel(here)
    common = tmp_path_factory.getbasetemp().parent / f"wheel-{run}"
    if not common.exists():
        build_wheel(here / "new")
        try:
            (here / "new").rename(common)
        except OSError:  # another worker was faster
            assert common.exists()
    (built,) = common.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the wheel in it."""
    return environment(tmp_path_factory.mktemp("environment") / "venv", wheel)
