"""kernel/smp.c and its requests: what loses one, or says too early that it was served, is an error with its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from arch_plugins.from_c._requests import ASYNC, SYNC, SmpCall, broken_calls, broken_queues, unseen
from core.cli.tree import row_of
from core.table.jobs import VerdictJob
from core.tree.automaton import AutomatonRow, CAutomaton
from core.tree.errors import TreeError
from core.tree.kernel_tree import KernelTree
from core.tree.row import built
from core.tree.vocabulary import Word
from tests.tree.patches import Edit, Patch, scratch

Trees = Callable[[str], KernelTree]
SMP = "kernel/smp.c"


def automaton(*rows: tuple[Word, dict[int, int]]) -> CAutomaton:
    """Of rows at lines 1, 2, 3 of the C; the end is behind the last."""
    found = [AutomatonRow(word, f"{SMP}:{line}", following) for line, (word, following) in enumerate(rows, 1)]
    return CAutomaton((*found, AutomatonRow(None, "", {})))


def queue(*words: Word, kinds: int = SYNC) -> CAutomaton:
    """A queue of one request of `kinds`, and what is done with it."""
    rows = [(word, {0: at}) for at, word in enumerate(words, 2)]
    return automaton((Word("queue", ""), {kinds: 1}), *rows)


CALLED, UNLOCK, OF_ANOTHER = Word("called", "", 0, 1), Word("unlock", "", 0), Word("called", "", 0, 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((CALLED, UNLOCK), ""),
        ((UNLOCK, CALLED), ""),
        ((UNLOCK,), "request 1 of a queue of 1 (CSD_TYPE_SYNC, the oldest first) has not run"),
        ((CALLED,), "is locked still"),
        ((CALLED, UNLOCK, UNLOCK), "twice"),
        ((OF_ANOTHER, UNLOCK), "with another argument"),
        ((CALLED, UNLOCK, Word("sent anew", "")), "uses a request that it has unlocked"),
    ],
    ids=str,
)
def test_a_queue_is_served(words: tuple[Word, ...], said: str) -> None:
    found = list(broken_queues(queue(*words), set()))
    assert bool(found) == bool(said)
    assert all(one.line.startswith(f"{SMP}:") and said in one.what for one in found)


def test_which_kinds_are_unlocked_before_they_have_run_is_found() -> None:
    early: set[int] = set()
    assert not list(broken_queues(queue(UNLOCK, CALLED, kinds=ASYNC), early))
    assert not list(broken_queues(queue(CALLED, UNLOCK), early))
    assert early == {ASYNC}


WAITS = SmpCall(here=False, wait=True, busy=False, async_early=True, sync_early=False)
OTHER = 2
QUEUE, QUEUE_ASYNC = Word("queue_csd", "f", OTHER), Word("queue_csd", "f", OTHER, 1)
SEND, WAIT = Word("send_ipi", "", OTHER), Word("wait_csd", "", OTHER)
RIGHT = ((QUEUE, {0: 1, 1: 2}), (SEND, {0: 2}), (WAIT, {0: 3}))


@pytest.mark.parametrize(
    ("rows", "call", "said"),
    [
        (RIGHT, WAITS, ""),
        (((QUEUE, {0: 1, 1: 3}), *RIGHT[1:]), WAITS, "has not waited for CPU1 (CPU1 had a request of another's"),
        (((QUEUE, {0: 2, 1: 1}), *RIGHT[1:]), WAITS, "which it has put a request for and sent no IPI"),
        (((QUEUE_ASYNC, {0: 1, 1: 2}), *RIGHT[1:]), WAITS, "CSD_TYPE_ASYNC, which is unlocked before"),
        (RIGHT, WAITS._replace(sync_early=True), "CSD_TYPE_SYNC, which is unlocked before"),
        (RIGHT, WAITS._replace(busy=True), "without a wait for the call before"),
        (((QUEUE_ASYNC, {0: 1, 1: 1}),), WAITS._replace(wait=False), "was sent no IPI, though its queue was empty"),
        (((QUEUE_ASYNC, {0: 1, 1: 2}), (SEND, {0: 2})), WAITS._replace(wait=False), ""),
    ],
    ids=str,
)
def test_a_call_reaches_each_cpu_and_waits(
    rows: tuple[tuple[Word, dict[int, int]], ...], call: SmpCall, said: str
) -> None:
    found = list(broken_calls(automaton(*rows), call, OTHER))
    assert bool(found) == bool(said)
    assert all(one.line.startswith(f"{SMP}:") and said in one.what for one in found)


def test_a_cpu_that_is_asked_and_not_called_is_noticed() -> None:
    (lost,) = broken_calls(automaton(), WAITS, OTHER)
    assert lost.what == "the call returns, and CPU1 has no request"
    (here,) = broken_calls(automaton(), WAITS._replace(here=True), 1)
    assert here.what == "the call returns, and its function has not run on the CPU that calls"


def test_what_a_search_sees_is_left_to_it() -> None:
    waits_for_nobody = automaton((QUEUE, {0: 1, 1: 2}), (SEND, {0: 2}))
    found = list(broken_calls(waits_for_nobody, WAITS, OTHER))
    assert len(found) == 2
    assert not list(unseen(found))
    only_behind = list(broken_calls(automaton((QUEUE, {0: 1, 1: 3}), *RIGHT[1:]), WAITS, OTHER))
    assert list(unseen(only_behind)) == only_behind


# ---- trees --------------------------------------------------------------------------------------------------------

ADDS = "if (llist_add(&csd->node.llist, &per_cpu(call_single_queue, cpu))) {"
RUNS = "\t\t\tcsd_lock_record(csd);\n\t\t\tcsd_do_func(func, info, csd);\n\t\t\tcsd_unlock(csd);\n"
RUNS_6_1 = RUNS.replace("csd_do_func(func, info, csd)", "func(info)")
UNLOCKS_FIRST = "\t\t\tcsd_unlock(csd);\n\t\t\tfunc(info);\n"
RUNS_ASYNC = "\t\t\t\tcsd_unlock(csd);\n\t\t\t\tcsd_do_func(func, info, csd);\n"
SYNC_TYPE = "\t\t\t\tcsd->node.u_flags |= CSD_TYPE_SYNC;\n"
NOT_WAITED = (
    "has not waited for CPU1 and CPU2 and CPU3 (CPU1 and CPU2 and CPU3 had a request of another's in its queue)"
)

BAD = {
    "a CPU with another's request is not waited for": (
        Patch(
            "x86", SMP, ADDS, ADDS.replace("if (", "if (!") + "\n__cpumask_clear_cpu(cpu, cfd->cpumask);\n} else {", ""
        ),
        NOT_WAITED,
    ),
    "a call returns if there is nobody to interrupt": (
        Patch("mips", SMP, "\tif (run_remote && wait) {", "\tif (nr_cpus && wait) {", "", version="6.1"),
        NOT_WAITED,
    ),
    "a request is unlocked before its function": (
        Patch("sparc64", SMP, RUNS, UNLOCKS_FIRST, ""),
        "CSD_TYPE_SYNC, which is unlocked before its function has run",
    ),
    "a request is unlocked before its function, in 6.1": (
        Patch("x86", SMP, RUNS_6_1, UNLOCKS_FIRST, "", version="6.1"),
        "CSD_TYPE_SYNC, which is unlocked before its function has run",
    ),
    "only the first of a queue is run": (
        Patch("alpha", SMP, RUNS, f"{RUNS}\t\t\tbreak;\n", ""),
        "request 2 of a queue of 3 (CSD_TYPE_SYNC, CSD_TYPE_SYNC, another, the oldest first) has not run",
    ),
    "a waiting call's requests are of those that nobody waits for": (
        Patch("x86", SMP, SYNC_TYPE, "\t\t\t\t;\n", ""),
        "waits for a request of CSD_TYPE_ASYNC, which is unlocked before its function has run",
    ),
    "a request that is on its way is queued anew": (
        Patch("x86", SMP, "\tcsd_lock_wait(csd);\n\tcsd->node", "\tcsd->node", ""),
        "queues the request of CPU1 without a wait for the call before, which has it still",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_a_bad_patch_of_it_is_an_error_with_its_line(name: str, unpacked: Trees, tmp_path: Path) -> None:
    patch, said = BAD[name]
    row = row_of(patch.arch, KernelTree(scratch(patch.arch, unpacked(patch.version), tmp_path / "bad", patch)), "")
    found = VerdictJob(row, "use-after-free").run()
    assert found.verdict == "error"
    assert found.reason.startswith(f"{SMP}:")
    assert said in found.reason


GOOD = {
    "each CPU is interrupted": Patch("x86", SMP, ADDS, ADDS.replace("))) {", ")) || true) {"), ""),
    "the newest is served first": Patch("x86", SMP, "\tentry = llist_reverse_order(entry);\n", "", ""),
    "every request is unlocked behind its function, and of one kind": Patch(
        "x86", SMP, RUNS_ASYNC, RUNS.replace("\t\t\t", "\t\t\t\t"), "", (Edit(SMP, SYNC_TYPE, "\t\t\t\t;\n"),)
    ),
    "a barrier, and a plain store": Patch(
        "x86",
        SMP,
        "\tsmp_store_release(&csd->node.u_flags, 0);\n",
        "\tsmp_mb();\n\tWRITE_ONCE(csd->node.u_flags, 0);\n",
        "",
    ),
    "each interrupt by itself": Patch(
        "x86", SMP, "\t\t\t\tnr_cpus++;\n", "\t\t\t\tsend_call_function_single_ipi(cpu);\n", ""
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", GOOD)
def test_what_keeps_every_request_is_right(name: str, unpacked: Trees, tmp_path: Path) -> None:
    patch = GOOD[name]
    try:
        built(patch.arch, KernelTree(scratch(patch.arch, unpacked(patch.version), tmp_path / "good", patch)))
    except TreeError as error:
        pytest.fail(str(error))


@pytest.mark.slow
def test_of_a_version_that_is_not_known_it_need_not_be_such(
    unpacked: Trees, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    renamed = Edit(SMP, "void flush_smp_call_function_queue(", "void flush_smp_calls(")
    patch = Patch("x86", "Makefile", "PATCHLEVEL = 12", "PATCHLEVEL = 13", "", (renamed,))
    tree = unpacked("6.12")
    built("x86", KernelTree(scratch("x86", tree, tmp_path / "newer", patch)))
    assert "shootdown: what becomes of requests is not asked of kernel/smp.c: " in capsys.readouterr().err
    of_known = patch._replace(new="PATCHLEVEL = 12")
    with pytest.raises(TreeError, match=r"kernel/smp\.c: no function flush_smp_call_function_queue"):
        built("x86", KernelTree(scratch("x86", tree, tmp_path / "known", of_known)))
