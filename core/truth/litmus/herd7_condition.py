"""Conditions of herd7 tests for Armv8, in the notation of the files."""

from __future__ import annotations

import re
from typing import Any

from core.truth.lines import FileError
from core.truth.litmus.herd7_head import Head, register

Words = list[Any]
KINDS = {"translation", "accessflag", "permission"}


class Condition:
    """A condition: alternatives of `/\\`, `\\/`, `~` and brackets."""

    TOKEN = re.compile(
        r"\s*(/\\|\\/|~|not\b|true\b|fault\s*\([^)]*\)|\((?!oa|valid|af|db|dbm|el0)|\)|"
        r"[^()\s=<>!]+(?:\(\w+\))?\]?\s*(?:=|<>|!=)\s*(?:\((?:[^()]|\(\w+\))*\)|[^\s()/\\]+(?:\(\w+\))?))"
    )

    def __init__(self, head: Head, text: str) -> None:
        self.head, self.where = head, head.where
        self.tokens: list[str] = []
        at = 0
        while text[at:].strip():
            found = self.TOKEN.match(text, at)
            if found is None:
                raise FileError(f"{self.where}: not a condition that is read: {text[at:].strip()!r:.60}")
            self.tokens.append(found[1])
            at = found.end()

    def whole(self) -> Words:
        """All of it.  FileError if a bracket is missing."""
        condition = self._either()
        if self.tokens:
            raise FileError(f"{self.where}: the condition goes on with {self.tokens[0]!r:.30}")
        return condition

    def _either(self) -> Words:
        parts = [self._both()]
        while self._next("\\/"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else ["or", *parts]

    def _both(self) -> Words:
        parts = [self._one()]
        while self._next("/\\"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else ["and", *parts]

    def _next(self, token: str) -> bool:
        if self.tokens[:1] == [token]:
            self.tokens.pop(0)
            return True
        return False

    def _one(self) -> Words:
        if self._next("~") or self._next("not"):
            return ["not", self._one()]
        if self._next("("):
            inner = self._either()
            if not self._next(")"):
                raise FileError(f"{self.where}: a bracket of the condition is not closed")
            return inner
        if not self.tokens:
            raise FileError(f"{self.where}: the condition ends too early")
        token = self.tokens.pop(0)
        if token == "true":
            return ["true"]
        if token.startswith("fault"):
            return self._fault(token)
        place, operator, value = re.split(r"\s*(=|<>|!=)\s*", token, maxsplit=1)
        equal = ["eq", self._place(place), self._value(place, value)]
        return equal if operator == "=" else ["not", equal]

    def _place(self, text: str) -> Words:
        text = text.removeprefix("[").removesuffix("]").strip()
        if found := re.fullmatch(r"(\d+):(\w+)", text):
            return ["reg", int(found[1]), register(self.where, found[2])]
        if found := re.fullmatch(r"(?:PTE|TTD)\((\w+)\)", text):
            return ["pte", found[1]]
        if re.fullmatch(r"[A-Za-z_]\w*", text):
            return ["mem", text]
        raise FileError(f"{self.where}: not a place that is read: {text!r:.40}")

    def _value(self, place: str, text: str) -> Any:
        """A value; an entry that does not say its page has that of the entry it is compared with."""
        found = re.search(r"(?:PTE|TTD)\((\w+)\)", place)
        return self.head.entry(text, found[1]) if found and text.startswith("(") else self.head.value(text)

    def _fault(self, token: str) -> Words:
        """`fault(P0:L0,x,MMU:Translation)`; label, page and kind may be missing."""
        first, *rest = (x.strip() for x in token.partition("(")[2].removesuffix(")").split(","))
        found = re.fullmatch(r"P?(\d+)(?::(\w+))?", first)
        kinds = [x.rpartition(":")[2].lower() for x in rest if ":" in x]
        pages = [x for x in rest if ":" not in x]
        if found is None or len(pages) > 1 or len(kinds) > 1 or not set(kinds) <= KINDS:
            raise FileError(f"{self.where}: not a fault that is read: {token!r:.60}")
        return ["fault", int(found[1]), found[2], pages[0] if pages else None, kinds[0] if kinds else None]
