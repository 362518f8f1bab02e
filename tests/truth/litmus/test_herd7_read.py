"""Tests of Armv8 as people write them for herd7: what is read, with which verdict, and which damage is which line."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.compare import main
from core.truth.lines import FileError
from core.truth.litmus.herd7_read import raw_of
from core.truth.litmus.judge import judge
from core.truth.litmus.tests import read_tests

FORMS = {
    "labels": """AArch64 MP+stlr+ctrl
"PodWWPL RfeLA PodRRAP Fre"
Com=Rf Fr  (* a comment ; with a semicolon *)
{0:X1=x; 0:X3=y; 1:X1=y; 1:X3=x; 1:X2=-1;}
 P0           | P1           ;
 MOV W0,#1    | LDAR W0,[X1] ;
 STR W0,[X1]  | CMP W0,#1    ;
 MOV W2,#0x1  | B.NE Exit1   ;
 STLR W2,[X3] | LDR W2,[X3]  ;
              | Exit1:       ;
~exists (1:X0=1 /\\ 1:X2=0)
""",
    "types, hexadecimal, index": """AArch64 MP+dmb.st+addr
{ int x=0x0; uint64_t y; uint64_t 0:X1=x; uint64_t 0:X3=y; uint64_t 1:X3=x; uint64_t 1:X1=y; }
 P0          | P1                  ;
 MOV W0,#1   | LDR W0,[X1,#0]      ;
 STR W0,[X1] | EOR W2,W0,W0        ;
 DMB ISHST   | LDR W4,[X3,W2,SXTW] ;
 STR W0,[X3] | ;
locations [x; y;]
~exists (1:X0=0x1 /\\ not 1:X4=1)
""",
    "store buffering": """AArch64 SB
{ 0:X1=x; 0:X3=y; 1:X1=y; 1:X3=x; }
 P0 | P1 ;
 MOV W0,#1 | MOV W0,#1 ;
 STR W0,[X1] | STR W0,[X1] ;
 LDR W2,[X3] | LDR W2,[X3] ;
exists
(0:X2=0 /\\
 1:X2=0)
""",
    "atomics": """AArch64 atomics
{ x=1; 0:X1=x; 1:X1=x; 1:X4=1; 1:X5=7; 0:X6=3; }
 P0                  | P1                  ;
 LDADDAL W6,W3,[X1]  | CASAL W4,W5,[X1]    ;
 STADD W6,[X1]       | SWPA W5,W9,[X1]     ;
 LDSETL W6,W7,[X1]   | CMP W9,#7           ;
 LDCLR W6,WZR,[X1]   | CSEL W8,W9,W5,EQ    ;
                     | CSET W10,NE         ;
exists (1:X8=7 \\/ x=4)
""",
    "exclusive pairs": """AArch64 pairs
{ 0:X1=x; 1:X1=x; }
 P0                 | P1                ;
 MOV W3,#1          | MOV W3,#2         ;
 Again:             | LDAXR W2,[X1]     ;
 LDXR W2,[X1]       | STLXR W4,W3,[X1]  ;
 STXR W4,W3,[X1]    |                   ;
~exists (0:X4=0 /\\ 1:X4=0 /\\ 0:X2=0 /\\ 1:X2=0)
""",
    "entries and faults": """AArch64 shoot
Variant=vmsa
{ [PTE(x)]=(oa:PA(x)); 0:X1=PTE(x); 0:X3=x; 0:X5=y; 1:X3=x; 1:X5=y; }
 P0              | P1              ;
 STR XZR,[X1]    | LDR W0,[X5]     ;
 DSB ISH         | DMB SY          ;
 LSR X4,X3,#12   | L0: LDR W2,[X3] ;
 TLBI VAE1IS,X4  |                 ;
 DSB ISH         |                 ;
 MOV W6,#1       |                 ;
 STR W6,[X5]     |                 ;
~exists (1:X0=1 /\\ ~fault(P1:L0,x,MMU:Translation))
""",
    "a handler": """AArch64 handler
TTHM=P1:HA
{ TTD(x)=(oa:PA(x), valid:0, af:1); 0:X1=x; 0:X9=(oa:PA(x)); 0:X8=PTE(x); 1:X1=x; }
 P0           | P0.F         | P1          ;
 L0:          | MOV W5,#1    | NOP         ;
 LDR W0,[X1]  | STR X9,[X8]  | L1:         ;
 MOV W7,#2    | DSB ISHST    | LDR W0,[X1] ;
              | ADR X6,L0    |             ;
              | MSR ELR_EL1,X6 |           ;
              | ISB          |             ;
              | ERET         |             ;
forall (0:X5=1 /\\ 0:X7=2 /\\ [PTE(x)]=(oa:PA(x)))
""",
    "pointers": """AArch64 pointers
{ x=a; a=5; 0:X1=x; 0:X3=b; 1:X1=x; }
 P0          | P1          ;
 STLR X3,[X1] | LDR X0,[X1] ;
             | LDR W2,[X0] ;
forall (1:X0=a /\\ 1:X2=5 \\/ 1:X0=b /\\ 1:X2<>5)
""",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_test_in_the_usual_form_agrees(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "test.litmus"
    path.write_text(FORMS[form])
    assert main(["litmus", str(path), "--ets2", "no"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 agree, 0 too strong, 0 too weak, 0 not expressible"


@pytest.mark.parametrize(
    ("form", "change", "result"),
    [
        ("labels", ("STLR", "STR"), "too weak"),
        ("types, hexadecimal, index", ("DMB ISHST", "NOP"), "too weak"),
        ("store buffering", ("LDR W2,[X3] | LDR W2,[X3]", "DMB SY | DMB SY ;LDR W2,[X3] | LDR W2,[X3]"), "too strong"),
        ("entries and faults", ("DSB ISH         | DMB SY ", "DMB SY          | DMB SY "), "too weak"),
        ("a handler", ("STR X9,[X8]", "NOP        "), "too strong"),  # it faults for ever
        ("pointers", ("a=5", "a=6"), "too weak"),
    ],
)
def test_a_change_is_noticed(form: str, change: tuple[str, str], result: str, tmp_path: Path) -> None:
    assert change[0] in FORMS[form]
    path = tmp_path / "test.litmus"
    path.write_text(FORMS[form].replace(*change))
    (test,) = read_tests(path)
    assert [x.result for x in judge(test, "arm64", ("",))] == [result]


@pytest.mark.parametrize(
    ("form", "change", "reason"),
    [
        ("labels", ("W0,#1    | LDAR", "W0,#1 | W | LDAR"), "a row of the table has not 2 columns"),
        ("labels", ("P1 ", "P3 "), "a column is called 'P3'; expected P1"),
        ("labels", ("[X1]  | CMP W0,#1", "[X1,#8]  | CMP W0,#1"), "not an address that is read: '[X1,#8]'"),
        ("labels", ("MOV W0,#1", "LDP W0,W5,[X1]"), "not an instruction that is read: 'LDP W0,W5,[X1]'"),
        ("labels", ("B.NE Exit1", "B.GT Exit1"), "not an instruction that is read: 'B.GT Exit1'"),
        ("labels", ("1:X2=0)", "1:X2=0"), "a bracket of the condition is not closed"),
        ("labels", ("1:X2=0)", "1:X2=0))"), "the condition goes on with ')'"),
        ("labels", ("1:X0=1 /\\ ", ""), ""),
        ("entries and faults", ("fault(P1:L0,x,MMU:Translation)", "fault(P1:L0,x,Alignment:no)"), "not a fault"),
        ("entries and faults", ("(oa:PA(x))", "(oa:PA(x), gp:1)"), "not read: 'gp:1'"),
        ("pointers", ("~exists", "forall"), ""),
    ],
)
def test_what_is_not_read_is_said(form: str, change: tuple[str, str], reason: str) -> None:
    text = FORMS[form].replace(*change)
    if not reason:
        raw_of("here", text)
        return
    assert change[0] in FORMS[form]
    with pytest.raises(FileError) as error:
        raw_of("here", text)
    assert reason in str(error.value)
    assert len(str(error.value).splitlines()) == 1
