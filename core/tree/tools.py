"""The compiler and binutils, under a limit of processor time: that the machine is busy is no reason to give up."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence

SECONDS = 60
"""Of processor time that one of their processes may take."""

LIMITED = ("/bin/sh", "-c", f'ulimit -S -t {SECONDS}; exec "$@"', "sh")
"""The soft limit alone: at it a process is sent SIGXCPU, at a hard one SIGKILL, which says nothing of the reason."""


class OutOfTime(Exception):
    """A tool took more than SECONDS of processor time."""


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a tool and return what it says, whatever its status. OutOfTime if it takes too long."""
    done = subprocess.run([*LIMITED, *command], capture_output=True, text=True, check=False)
    if done.returncode == -signal.SIGXCPU or "CPU time limit exceeded" in done.stderr:
        raise OutOfTime
    return done


def printed(*command: str) -> str:
    """What a tool prints. CalledProcessError if it fails."""
    done = run(command)
    done.check_returncode()
    return done.stdout
