"""Cutting functions, macros and structures out of C by name, without parsing C.

The kernel's style makes this safe: a definition begins in the first column and its braces balance.  Strings and
comments with single braces would break it; where that happens, gcc says so.  What is cut is blanked and not removed, so
every line keeps its number and messages and traces name the lines of the tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from core.tree.errors import TreeError
from core.tree.manifest import Source

Span = tuple[int, int]
"""Where a definition begins and ends in the text."""

_CONTINUED = r"(?:[^\n]*\\\n)*[^\n]*"


def cut(text: str, source: Source, more: Iterable[str] = ()) -> str:
    """`text` with what `source` keeps, `more` too, or without what it drops. TreeError if a name is missing.

    A function that is to be kept may be missing: it is for the compiler to say whether anything calls it.
    """
    if source.keep is not None:
        kept = [f"?{name}" if _is_function(name) else name for name in source.keep]
        wanted = [*kept, *(f"?{name}" for name in more)]
        text = _kept(text, [span for name in wanted for span in spans(text, name, source.path)])
    for old, new in source.replace:
        if old not in text:
            raise TreeError(
                f"{source.path}: no text {old!r}, which the manifest replaces; "
                "was it changed, or is the tree not of its Makefile's version?"
            )
        text = text.replace(old, new)
    for name in source.drop:
        for start, end in reversed(spans(text, name, source.path)):
            text = text[:start] + blank(text[start:end]) + text[end:]
    return text


def missing(text: str, source: Source) -> str:
    """What is said of the first function that `source` keeps and `text` lacks, or nothing."""
    for name in filter(_is_function, source.keep or ()):
        try:
            spans(text, name, source.path)
        except TreeError as error:
            return str(error)
    return ""


def _is_function(name: str) -> bool:
    return not name.lstrip("?").startswith(("#", ";", "struct "))


def blank(text: str) -> str:
    """As many lines, all empty."""
    return re.sub(r"[^\n]", "", text)


def _kept(text: str, found: Iterable[Span]) -> str:
    lines = text.split("\n")
    out = [""] * len(lines)
    for start, end in found:
        first, last = text.count("\n", 0, start), text.count("\n", 0, end)
        out[first : last + 1] = text[start:end].split("\n")
    return "\n".join(out)


def spans(text: str, name: str, path: str) -> list[Span]:
    """Where `name`, written as in a manifest, is defined. TreeError if it is not and may not be missing."""
    optional, bare = name.startswith("?"), name.lstrip("?")
    bare, _, which = bare.partition("@")
    kind, found = _find(text, bare)
    if not found and optional:
        return []
    if not found:
        raise TreeError(f"{path}: no {kind}; was it renamed, or is the tree of another version?")
    return [found[int(which)]] if which and found else found


def _find(text: str, name: str) -> tuple[str, list[Span]]:
    if name.startswith("#"):
        return f"macro {name[1:]}", _matches(rf"^[ \t]*#[ \t]*define[ \t]+(?:{name[1:]})\b{_CONTINUED}", text)
    if name.startswith("struct "):
        return name, _matches(rf"^{name} \{{.*?^\}};", text, re.DOTALL)
    if name.startswith(";"):
        return f"statement with {name[1:]}", _statements(text, name[1:])
    return f"function {name}()", list(_functions(text, name))


def _matches(pattern: str, text: str, flags: int = 0) -> list[Span]:
    return [match.span() for match in re.finditer(pattern, text, re.MULTILINE | flags)]


def _statements(text: str, word: str) -> list[Span]:
    """A statement at top level: up to a semicolon outside of braces."""
    found = []
    for match in re.finditer(rf"^[^\s#/*][^\n]*\b{re.escape(word)}\b|^{re.escape(word)}\b", text, re.MULTILINE):
        depth = 0
        for at in range(match.start(), len(text)):
            depth += (text[at] == "{") - (text[at] == "}")
            if text[at] == ";" and not depth:
                found.append((match.start(), at + 1))
                break
    return found


def _functions(text: str, name: str) -> Iterable[Span]:
    """Each definition: from the line where its declarator begins to its closing brace."""
    for match in re.finditer(rf"\b{re.escape(name)}\s*\(", text):
        line = text.rfind("\n", 0, match.start()) + 1
        if text[line : line + 1] in ("#", "\t", " "):
            continue
        closed = _closing(text, match.end() - 1, "()")
        opening = re.compile(r"[\s]*(?:__\w+(?:\([^()]*\))?\s*)*\{").match(text, closed)
        if closed and opening:
            yield _declarator(text, line), _closing(text, opening.end() - 1, "{}")


def _closing(text: str, at: int, pair: str) -> int:
    """Behind the bracket that closes the one at `at`; 0 if there is none."""
    depth = 0
    for match in re.compile(f"[{re.escape(pair)}]").finditer(text, at):
        depth += 1 if match[0] == pair[0] else -1
        if not depth:
            return match.end()
    return 0


def _declarator(text: str, line: int) -> int:
    """The start of the first line of the declarator of which `line` is a part: its type may stand on lines before."""
    while line:
        before = text.rfind("\n", 0, line - 1) + 1
        last = text[before:line].strip()
        if not last or last.startswith("#") or last.endswith((";", "}", "*/", "\\", ")")):
            break
        line = before
    return line
