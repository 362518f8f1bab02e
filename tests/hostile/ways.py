"""The ways in which a machine lets plugins be contained, and how a command is run as on such a machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

from core.run import seccomp
from tests.hostile.catalogue import FILES

REFUSED = str(Path(__file__).with_name("refused.py"))
USER = "54321"
"""A user whom nobody else is."""


class Way(NamedTuple):
    """A machine that refuses the system calls `refuses`, seen by root or by somebody else.

    Whoever it is owns the project's files.  `says` are words of how plugins are contained there, and `unsafe` the harms
    that are not.
    """

    refuses: tuple[str, ...] = ()
    root: bool = True
    says: str = "namespaces (PID namespace, the project's files read-only, no signals outside"
    unsafe: tuple[str, ...] = ()


COUNTING = "counting (descendants found in /proc, "
KEPT = f"{COUNTING}the project's files read-only, no signals outside"
OLD = ("unshare", "landlock_create_ruleset")

WAYS = {
    "namespaces": Way(),
    "no namespaces": Way(("unshare",), says=KEPT),
    "no namespaces, no root": Way(("unshare",), root=False, says=KEPT),
    "no Landlock": Way(OLD, says=f"{COUNTING}no signals outside", unsafe=FILES),
    "no Landlock, no root": Way(OLD, root=False, says=f"{COUNTING}no signals outside", unsafe=FILES),
}
"""Docker refuses namespaces to root, Ubuntu 24.04 to everybody else; Linux before 5.13 has no Landlock."""


def wrapped(way: Way, command: list[str]) -> list[str]:
    """The command as it is run on such a machine; where something is refused, in a PID namespace of its own."""
    if not way.refuses:
        return command
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    user = user if way.root else ["--user", f"--map-user={USER}", f"--map-group={USER}"]
    alone = ["unshare", *user, "--pid", "--fork", "--mount-proc", "--kill-child"]
    return [*alone, sys.executable, REFUSED, ",".join(way.refuses), *command]


@cache
def missing() -> str:
    """Why a machine that refuses cannot be had here; '' if it can."""
    if not seccomp.known() or shutil.which("unshare") is None:
        return "needs a machine of core.run.seccomp, and unshare of util-linux"
    done = subprocess.run(wrapped(WAYS["no Landlock, no root"], ["true"]), capture_output=True, check=False)
    return "" if done.returncode == 0 else "namespaces are refused here"
