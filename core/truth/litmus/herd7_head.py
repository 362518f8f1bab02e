"""The head of a herd7 test for Armv8: what memory, entries and registers hold, and how values are written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from core.truth.lines import FileError

ENTRY = {"valid": 1, "af": 1, "db": 1, "dbm": 0, "el0": 1}
NUMBER = re.compile(r"-?(0x[0-9a-fA-F]+|\d+)")


@dataclass
class Head:
    """What the head of a test says: memory, entries, and registers of threads."""

    where: str
    memory: dict[str, Any] = field(default_factory=dict)
    entries: dict[str, Any] = field(default_factory=dict)
    registers: dict[tuple[int, str], Any] = field(default_factory=dict)

    def read(self, item: str) -> None:
        """One assignment, perhaps with a type before it."""
        place, _, text = re.sub(r"^[a-z]\w*\s+(?=[\w\[])", "", item).partition("=")
        place, value = place.strip().removeprefix("[").removesuffix("]").strip(), text.strip() or "0"
        if found := re.fullmatch(r"(?:TTD|PTE)\((\w+)\)", place):
            self.entries[found[1]] = self.entry(value, found[1]) if value.startswith("(") else self.value(value)
        elif found := re.fullmatch(r"(\d+):(\w+)", place):
            self.registers[int(found[1]), register(self.where, found[2])] = self.value(value)
        elif re.fullmatch(r"[A-Za-z_]\w*", place):
            self.memory[place] = self.value(value)
        else:
            raise FileError(f"{self.where}: not read: {item!r:.80}")

    def value(self, text: str) -> Any:
        """A number, an entry, or an address."""
        text = text.strip()
        if NUMBER.fullmatch(text):
            return int(text, 0) if "x" in text else int(text)
        if text.startswith("("):
            return self.entry(text, None)
        if found := re.fullmatch(r"(?:TTD|PTE)\((\w+)\)", text):
            self.memory.setdefault(found[1], 0)
            return {"&": f"pte:{found[1]}"}
        if re.fullmatch(r"[A-Za-z_]\w*", text):
            self.memory.setdefault(text, 0)
            return {"&": text}
        raise FileError(f"{self.where}: not a value that is read: {text!r:.60}")

    def entry(self, text: str, page: str | None) -> dict[str, Any]:
        """An entry; what it does not say is as usual, and its page that of the entry's owner."""
        entry: dict[str, Any] = {"oa": page, **ENTRY}
        for part in filter(None, (x.strip() for x in re.sub(r"^\((.*)\)$", r"\1", text, flags=re.S).split(","))):
            if found := re.fullmatch(r"oa:\s*PA\((\w+)\)", part):
                self.memory.setdefault(found[1], 0)
                entry["oa"] = found[1]
            elif (found := re.fullmatch(r"(\w+):\s*([01])", part)) and found[1] in ENTRY:
                entry[found[1]] = int(found[2])
            elif found := re.fullmatch(r"attrs:\s*\(?([\w, -]+)\)?", part):
                entry["attrs"] = found[1]
            else:
                raise FileError(f"{self.where}: not an entry: {text!r:.80}; not read: {part!r:.30}")
        return entry


def register(where: str, name: str) -> str:
    """The register, by its name of 64 bits; "" is the one that is always zero.  FileError if it is none."""
    if re.fullmatch(r"[XWxw](zr|ZR)", name):
        return ""
    if not re.fullmatch(r"[XWxw]\d+", name):
        raise FileError(f"{where}: not a register: {name!r:.30}")
    return f"X{name[1:]}"
