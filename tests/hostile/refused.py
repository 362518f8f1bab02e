"""A machine that refuses what contains a plugin: a command is run where system calls fail, as containers let them fail.

`python refused.py CALL[,CALL]... COMMAND...`.  Only ever used in a PID namespace of its own (`ways.wrapped`), so that a
containment that does not work costs no machine.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from core.run import contain, seccomp

    calls, *command = sys.argv[1:]
    libc = contain._libc()
    libc.prctl(contain.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    assert seccomp.install(libc, [seccomp.CallRule(call) for call in calls.split(",")])
    os.execvp(command[0], command)
