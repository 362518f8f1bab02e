"""A seccomp filter: system calls that a process, and all that it starts, may make with some arguments only, or not.

For where no PID namespace keeps a plugin from other processes: it is left to change nothing of them but by files.  The
filter is a program of classic BPF that sees the numbers that a system call is made with, no memory.  A call that it
refuses fails with EPERM.  It is kept for the machines in CALLS; elsewhere there is none.

Where Landlock is too old to keep signals from others (`no_signals`), a plugin cannot signal a process that it has
started itself either: a number does not say whose it is.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

CALLS = {
    "x86_64": (
        0xC000003E,
        {
            "ioctl": 16,
            "kill": 62,
            "fcntl": 72,
            "chmod": 90,
            "fchmod": 91,
            "chown": 92,
            "fchown": 93,
            "lchown": 94,
            "ptrace": 101,
            "rt_sigqueueinfo": 129,
            "setpriority": 141,
            "sched_setparam": 142,
            "sched_setscheduler": 144,
            "setxattr": 188,
            "lsetxattr": 189,
            "fsetxattr": 190,
            "tkill": 200,
            "sched_setaffinity": 203,
            "tgkill": 234,
            "ioprio_set": 251,
            "migrate_pages": 256,
            "fchownat": 260,
            "fchmodat": 268,
            "unshare": 272,
            "move_pages": 279,
            "rt_tgsigqueueinfo": 297,
            "prlimit64": 302,
            "process_vm_writev": 311,
            "sched_setattr": 314,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "setxattr": 5,
            "lsetxattr": 6,
            "fsetxattr": 7,
            "fcntl": 25,
            "ioctl": 29,
            "ioprio_set": 30,
            "fchmod": 52,
            "fchmodat": 53,
            "fchownat": 54,
            "fchown": 55,
            "unshare": 97,
            "ptrace": 117,
            "sched_setparam": 118,
            "sched_setscheduler": 119,
            "sched_setaffinity": 122,
            "kill": 129,
            "tkill": 130,
            "tgkill": 131,
            "rt_sigqueueinfo": 138,
            "setpriority": 140,
            "migrate_pages": 238,
            "move_pages": 239,
            "rt_tgsigqueueinfo": 240,
            "prlimit64": 261,
            "process_vm_writev": 271,
            "sched_setattr": 274,
        },
    ),
}
"""By machine: its AUDIT_ARCH, and the numbers of system calls (arch/x86/entry/syscalls/syscall_64.tbl,
include/uapi/asm-generic/unistd.h)."""

EVERYWHERE = {"pidfd_send_signal": 424, "landlock_create_ruleset": 444, "fchmodat2": 452, "setxattrat": 463}
"""Numbers that all machines share."""

X32 = 0x40000000
"""The bit of x86's system calls with 32-bit pointers: none of them is let through."""

F_SETOWN, F_SETSIG, F_SETOWN_EX, FIOSETOWN, SIOCSPGRP = 8, 10, 15, 0x8901, 0x8902
PRIO_PROCESS = 0

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
NUMBER, ARCH, ARGUMENTS = 0, 4, 16
"""Offsets in struct seccomp_data."""


class CallRule(NamedTuple):
    """A system call may be made if its `argument`, of which 32 bits count, is one of `values`, or `unless` it is one.

    With no values it may not be made at all.
    """

    call: str
    argument: int = 0
    values: tuple[int, ...] = ()
    unless: bool = False


def to_itself(me: int) -> tuple[CallRule, ...]:
    """Rules by which the process `me` changes limits, priorities and memory of itself only."""
    mine = (0, me)
    own = ("prlimit64", "sched_setparam", "sched_setscheduler", "sched_setaffinity", "sched_setattr")
    rules = [CallRule(call, 0, mine) for call in (*own, "process_vm_writev", "migrate_pages", "move_pages")]
    rules += [CallRule("setpriority", 0, (PRIO_PROCESS,)), CallRule("setpriority", 1, mine)]
    return (*rules, CallRule("ioprio_set"), CallRule("ptrace"))


def no_signals(me: int) -> tuple[CallRule, ...]:
    """Rules by which the process `me` signals itself and its group only, and lets no file signal another."""
    rules = [CallRule(call, 0, (me,)) for call in ("tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo")]
    rules += [CallRule("kill", 0, (0, me)), CallRule("tkill"), CallRule("pidfd_send_signal")]
    files = CallRule("fcntl", 1, (F_SETOWN, F_SETSIG, F_SETOWN_EX), unless=True)
    return (*rules, files, CallRule("ioctl", 1, (FIOSETOWN, SIOCSPGRP), unless=True))


def no_modes() -> tuple[CallRule, ...]:
    """Rules by which nobody changes owner, permissions or attributes of a file, which Landlock does not see."""
    modes = ("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat")
    return tuple(map(CallRule, (*modes, "setxattr", "lsetxattr", "fsetxattr", "setxattrat")))


def known() -> bool:
    """Can filters be made for this machine?"""
    return os.uname().machine in CALLS


def install(libc: Any, rules: Sequence[CallRule]) -> bool:
    """Keep this process to `rules`, for good; False if that cannot be. Needs PR_SET_NO_NEW_PRIVS, or root."""
    if libc is None or not known():
        return False
    program = b"".join(_program(rules))
    kept = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("@HP", len(program) // 8, ctypes.addressof(kept))
    return int(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(described), 0, 0)) == 0


def _program(rules: Sequence[CallRule]) -> list[bytes]:
    arch, numbers = CALLS[os.uname().machine]
    numbers = numbers | EVERYWHERE
    program = [_step(LOAD, ARCH), _step(EQUAL, arch, 1, 0), _step(RETURN, REFUSE), _step(LOAD, NUMBER)]
    program += [_step(AT_LEAST, X32, 0, 1), _step(RETURN, REFUSE)]
    for call in dict.fromkeys(rule.call for rule in rules if rule.call in numbers):  # arm64 has no chmod()
        block = [step for rule in rules if rule.call == call for step in _checked(rule)] + [_step(RETURN, ALLOW)]
        program += [_step(EQUAL, numbers[call], 0, len(block)), *block]
    return [*program, _step(RETURN, ALLOW)]


def _checked(rule: CallRule) -> list[bytes]:
    """Steps that refuse the call, or go on behind them."""
    steps, refuse = [_step(LOAD, ARGUMENTS + 8 * rule.argument)], _step(RETURN, REFUSE)
    for n, value in enumerate(rule.values):
        behind = len(rule.values) - n
        steps += [_step(EQUAL, value, 0, 1), refuse] if rule.unless else [_step(EQUAL, value, behind, 0)]
    return steps if rule.unless else [*steps, refuse]


def _step(code: int, k: int, then: int = 0, otherwise: int = 0) -> bytes:
    """One instruction; a jump goes `then` or `otherwise` instructions further."""
    return struct.pack("=HBBI", code, then, otherwise, k)
