"""The code of a test while it is translated: instructions are appended, labels are resolved at the end."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.memory_model.program import BranchFlags, BranchIf, Code, End, Instruction, Jump
from core.truth.lines import FileError

Branch = BranchIf | BranchFlags | Jump


@dataclass
class Assembler:
    """One thread.  `where` locates errors; `add` appends; `branch` to a label that may come later."""

    where: str
    instructions: list[Instruction] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    handler: int | None = None
    jumps: dict[int, str] = field(default_factory=dict)
    fresh: int = 0

    def add(self, *instructions: Instruction) -> None:
        """Append `instructions`."""
        self.instructions += instructions

    def label(self, name: str) -> None:
        """The next instruction has this label.  FileError if another one has."""
        if name in self.labels:
            raise FileError(f"{self.where}: label {name!r} stands twice in one thread")
        self.labels[name] = len(self.instructions)

    def branch(self, instruction: Branch, label: str) -> None:
        """`instruction`, whose target is replaced by the place of `label`."""
        self.jumps[len(self.instructions)] = label
        self.instructions.append(instruction)

    def new_label(self) -> str:
        """A label that no test can have."""
        self.fresh += 1
        return f"(label {self.fresh})"

    def end(self) -> None:
        """The main part, or the handler, ends here."""
        self.instructions.append(End())

    def start_handler(self) -> None:
        """What follows is where a fault goes."""
        self.handler = len(self.instructions)

    def code(self) -> Code:
        """The finished thread.  FileError for a label that is nowhere."""
        instructions = list(self.instructions)
        for place, name in self.jumps.items():
            if name not in self.labels:
                raise FileError(f"{self.where}: a branch to {name!r}, which is no label of its thread")
            branch = instructions[place]
            assert isinstance(branch, Branch)
            instructions[place] = branch._replace(target=self.labels[name])
        labels: dict[int, tuple[str, ...]] = {}
        for name, place in self.labels.items():
            labels[place] = (*labels.get(place, ()), name)
        return Code(tuple(instructions), self.handler, labels)
