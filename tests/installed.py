"""The wheel in an environment of its own, for tests of what an installation brings and of what it must not disturb."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHIPPED = (
    "core",
    "arch_plugins",
    "reports",
    "shootdown.py",
    "shootdown_pytest.py",
    "pyproject.toml",
    "README.md",
    "LICENSE",
)


@dataclass(frozen=True)
class Environment:
    """A virtual environment: the wheel is installed in it, everything else is seen from the one that runs the tests."""

    directory: Path

    def run(self, *command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command of this environment, by its name in bin/, in the directory `cwd`."""
        return subprocess.run(
            [self.directory / "bin" / command[0], *command[1:]],
            cwd=cwd,
            env=_clean() | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def build_wheel(directory: Path) -> Path:
    """Build the wheel of this checkout from a copy, so that the checkout stays as it is; no network is needed."""
    source = directory / "source"
    source.mkdir(parents=True)
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    _done([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", directory, source])
    (wheel,) = directory.glob("shootdown-*.whl")
    return wheel


def environment(directory: Path, wheel: Path) -> Environment:
    """A new virtual environment in `directory` with `wheel` installed."""
    _done([sys.executable, "-m", "venv", "--without-pip", directory])
    python = directory / "bin" / "python"
    _done([sys.executable, "-m", "pip", "--python", python, "install", "-qI", "--no-deps", "--no-index", wheel])
    asked = _done([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
    # Lines of a .pth file are appended to the path, and .pth files there are not read: an editable installation of
    # this project in the outer environment is not seen.
    outer = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (Path(asked.strip()) / "outer.pth").write_text("\n".join(outer) + "\n")
    return Environment(directory)


def _clean() -> dict[str, str]:
    """The environment without what says where modules are: an inner Python must not see this checkout."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST", "COV", "MYPY"))}


def _done(command: list[str | Path]) -> str:
    done = subprocess.run(command, env=_clean(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
