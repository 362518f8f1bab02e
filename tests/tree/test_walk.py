"""C of a small tree as an architecture: learned, walked, judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from arch_plugins import from_c
from core.compare import main
from core.tree.automata import Automata, digest_of
from core.tree.automaton import LearnedState, automaton_of
from core.tree.errors import TreeError
from core.tree.kernel_tree import open_tree
from core.tree.row import built
from core.tree.sites import all_sites, lines_of
from core.tree.vocabulary import Word
from tests.tree.conftest import REFERENCE, Edit

MASK = Word("READ_ONCE", "mm_cpumask")


def learned(root: Path, entry: str = "enter_flush_tlb_mm", cpus: int = 2) -> Automata:
    known = Automata(built(REFERENCE, open_tree(root)).unit, REFERENCE, digest_of(REFERENCE))
    known.of(entry, (0, 0, 0, 0), cpus)
    return known


def test_every_answer_is_learned(toy: Path) -> None:
    rows = learned(toy).of("enter_flush_tlb_mm", (0, 0, 0, 0), 2).rows
    assert rows[0].word == MASK
    assert rows[0].line == "arch/toy/mm/tlb.c:15"
    ends = {answer: rows[to] for answer, to in rows[0].next.items()}
    assert ends[0].word is None  # nobody has it: nothing to do
    assert ends[1].word == Word("tlbia", "")
    assert ends[2].word == ends[3].word
    assert ends[3].word is not None
    assert ends[3].word[:3] == ("send_ipi", "ipi_flush_tlb_mm", 2)
    assert ends[2] is not ends[3]  # with and without the local flush
    assert {row.line for row in rows if row.word and row.word.kind == "tlbia"} == {"arch/toy/include/asm/tlbflush.h:12"}


def test_the_second_time_no_c_runs(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = learned(toy)
    monkeypatch.setattr("core.tree.automata.subprocess.Popen", None)
    again = Automata(first.unit, REFERENCE, digest_of(REFERENCE)).of("enter_flush_tlb_mm", (0, 0, 0, 0), 2)
    assert again.to_json() == first.of("enter_flush_tlb_mm", (0, 0, 0, 0), 2).to_json()


def test_a_unit_is_kept_by_its_text(toy: Path, edit: Edit) -> None:
    first = built(REFERENCE, open_tree(toy)).unit.directory
    (toy / "arch/toy/mm/other.c").write_text("int unrelated;\n")
    assert built(REFERENCE, open_tree(toy)).unit.directory == first
    edit("tlb.c", "\tpreempt_enable();", "\tbarrier();")
    assert built(REFERENCE, open_tree(toy)).unit.directory != first


def test_automata_of_mm_are_learned_again_when_any_file_of_its_words_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at, read = set[Path](), Path.read_bytes

    def look(path: Path) -> bytes:
        looked_at.add(path)
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", look)
    digest_of("mm")
    words = set(Path(str(from_c.__file__)).parent.glob("_mm_*.py"))
    others = ("_mm_locks.py", "_mm_sources.py")  # a rule about operations; what a unit is made of
    words -= {path for path in words if path.name in others}
    assert len(words) == 7
    assert words <= looked_at


def test_state_outside_of_the_stack_is_found(toy: Path, edit: Edit) -> None:
    edit("tlb.c", "static void ipi_flush", "static int calls __read_mostly;\nstatic void ipi_flush")
    edit("tlb.c", "\tpreempt_enable();", "\tif (++calls & 1)\n\t\tpreempt_enable();")
    with pytest.raises(TreeError, match="has state outside of its stack"):
        learned(toy)


def test_a_hidden_word_may_not_decide(toy: Path, edit: Edit) -> None:
    states = [
        LearnedState(Word("read", "secret"), 1, True, next={0: 1, 1: 2}),
        LearnedState(Word("tlbia", ""), 2, False, next={0: 2}),
        LearnedState(None, 0, False),
    ]
    with pytest.raises(TreeError, match="the hidden word read secret decides what is done next"):
        automaton_of(states, lambda site: f"a.c:{site}")


def test_states_that_go_on_alike_are_one() -> None:
    states = [
        LearnedState(MASK, 1, False, next={0: 1, 1: 2}),
        LearnedState(Word("tlbia", ""), 2, False, next={0: 3}),
        LearnedState(Word("tlbia", ""), 2, False, next={0: 4}),
        LearnedState(None, 0, False),
        LearnedState(None, 0, False),
    ]
    made = automaton_of(states, lambda site: f"a.c:{site}")
    assert len(made.rows) == 3
    assert made.rows[0].next == {0: 1, 1: 1}


def test_sites_are_lines_of_the_tree(toy: Path) -> None:
    known = learned(toy)
    sites = all_sites(known.unit.library)
    lines = lines_of(known.unit.library, sites)
    reached = known.of("enter_flush_tlb_mm", (0, 0, 0, 0), 2).reached
    assert set(reached) <= set(sites)
    assert {lines[site] for site in reached} >= {"arch/toy/mm/tlb.c:14", "arch/toy/mm/tlb.c:15", "arch/toy/mm/tlb.c:16"}


SCENARIOS = ("own-tlb", "use-after-free", "dontneed-against-mprotect", "reclaim-mprotect")


def judged(toy: Path, tmp_path: Path, *more: str) -> int:
    chosen = [part for name in SCENARIOS for part in ("--scenario", name)]
    common = ["--no-costs", "--jobs", "2", "--output", str(tmp_path / "out")]
    return main(["tree", str(toy), "--arch", REFERENCE, *common, *chosen, *more])


def test_the_tree_is_a_row_beside_the_plugin(toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judged(toy, tmp_path, "-v") == 0
    said = capsys.readouterr()
    assert "toy-6.12-c " in said.out
    assert "toy-python " in said.out
    assert "toy-6.12-c rests on 5 hidden words" in said.err
    assert "READ_ONCE mm.context.id at arch/toy/include/asm/tlbflush.h:11" in " ".join(said.err.split())


def test_a_mask_that_is_not_flushed_is_a_failure_whose_trace_names_lines(
    toy: Path, tmp_path: Path, edit: Edit, capsys: pytest.CaptureFixture[str]
) -> None:
    edit("tlb.c", "\ton_each_cpu_mask(mm_cpumask(mm), ipi_flush_tlb_mm, mm, 1);", "\tipi_flush_tlb_mm(mm);")
    assert judged(toy, tmp_path, "--format", "json") == 1
    out = capsys.readouterr().out
    assert '"use-after-free"' in out
    assert "TLBIA at arch/toy/include/asm/tlbflush.h:12" in out


def test_a_tree_that_cannot_be_built_is_a_row_of_errors(
    toy: Path, tmp_path: Path, edit: Edit, capsys: pytest.CaptureFixture[str]
) -> None:
    edit("tlb.c", "\tpreempt_enable();", "\tsome_new_helper(mm);")
    assert judged(toy, tmp_path) == 1
    said = capsys.readouterr()
    assert "toy-6.12-c: arch/toy/mm/tlb.c:16: does not compile" in said.err
    assert "toy-python " in said.out
