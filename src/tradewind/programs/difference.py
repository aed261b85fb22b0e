"""What changed from one program to another, in words."""

from __future__ import annotations

import dataclasses
from difflib import SequenceMatcher

from tradewind.programs.program import Instruction, Program

_BODY = ("op", "constant", "dimension", "branch")


def diff(parent: Program, child: Program) -> tuple[str, ...]:
    """The changes that make `child` of `parent`, one sentence each, by subprogram and then the banks.

    A change of a number that only follows from an insertion or a deletion is not told. An instruction is *spliced*
    where all that took its first input before, and stands behind it, takes its result now; else it is *inserted*.
    Silent genes are told as well: the difference is empty only where the programs are equal.

    >>> from tradewind.programs import primer_ez, transformer
    >>> for line in diff(transformer(), primer_ez()):
    ...     print(line)
    inserted DCONV_3X1 after CONV_1X1 in head-projection of self-attention
    inserted SQUARE after MAX in relu of feed-forward
    """
    lines: list[str] = []
    for index in range(max(len(parent.subprograms), len(child.subprograms))):
        if index >= len(parent.subprograms):
            lines.append(f"added the subprogram {_name(child, index)}")
        elif index >= len(child.subprograms):
            lines.append(f"removed the subprogram {_name(parent, index)}")
        else:
            if parent.subprograms[index].name != child.subprograms[index].name:
                lines.append(f"renamed {_name(parent, index)} to {_name(child, index)}")
            lines += _body_changes(parent, child, index)
    for bank, unit in (("constants", ""), ("dimensions", " units")):
        for slot, (old, new) in enumerate(zip(getattr(parent, bank), getattr(child, bank), strict=True)):
            if old != new:
                lines.append(f"{bank[:-1]} {slot} from {old:.4g} to {new:.4g}{unit}")
    return tuple(lines)


def _body_changes(parent: Program, child: Program, index: int) -> list[str]:
    old, new = parent.subprograms[index].instructions, child.subprograms[index].instructions
    place = f"in {_place(child, index)}"
    if (swapped := _swapped(old, new)) is not None:
        labels = " and ".join(_label(child, old[n]) for n in swapped)
        return [f"swapped {labels} {place}"]
    pairs = _aligned(old, new)
    kept_old, kept_new = {a for a, _ in pairs}, {b for _, b in pairs}
    lines = []
    for n, instruction in enumerate(old):
        if n not in kept_old:
            lines.append(f"deleted {_label(parent, instruction)} {_after(parent, old, n)} {place}")
    target = _targets(old, pairs)
    spliced = {n: _spliced(old, new, pairs, target, n) for n in range(len(new)) if n not in kept_new}
    for n, states in spliced.items():
        verb = "spliced" if states else "inserted"
        lines.append(f"{verb} {_label(child, new[n])} {_behind(child, new, n, bool(states))} {place}")
    for before, after in pairs:
        redirected = target | {s: n + 2 for n, states in spliced.items() if n < after for s in states}
        moved = dataclasses.replace(
            old[before], input_1=redirected[old[before].input_1], input_2=redirected[old[before].input_2]
        )
        lines += [f"{text} {place}" for text in _field_changes(child, moved, new[after], new)]
    return lines


def _aligned(old: tuple[Instruction, ...], new: tuple[Instruction, ...]) -> list[tuple[int, int]]:
    """Pairs of places that are the same instruction, rising in both."""
    if len(old) == len(new) and sum(a.op != b.op for a, b in zip(old, new, strict=True)) <= 1:
        return [(n, n) for n in range(len(old))]
    matcher = SequenceMatcher(None, [i.op for i in old], [i.op for i in new], autojunk=False)
    return [(a + n, b + n) for a, b, size in matcher.get_matching_blocks() for n in range(size)]


def _swapped(old: tuple[Instruction, ...], new: tuple[Instruction, ...]) -> tuple[int, int] | None:
    if len(old) != len(new):
        return None
    differing = [n for n in range(len(old)) if old[n] != new[n]]
    if len(differing) != 2:
        return None
    a, b = differing
    inputs_stay = all((old[n].input_1, old[n].input_2) == (new[n].input_1, new[n].input_2) for n in differing)
    bodies = [tuple(getattr(i, field) for field in _BODY) for i in (old[a], old[b], new[b], new[a])]
    return (a, b) if inputs_stay and bodies[:2] == bodies[2:] else None


def _targets(old: tuple[Instruction, ...], pairs: list[tuple[int, int]]) -> dict[int, int]:
    """Where each hidden state of the parent is found in the child; a deleted one at its first input."""
    place = dict(pairs)
    target = {0: 0, 1: 1}
    for n, instruction in enumerate(old):
        target[n + 2] = place[n] + 2 if n in place else target[instruction.input_1]
    return target


def _spliced(
    old: tuple[Instruction, ...],
    new: tuple[Instruction, ...],
    pairs: list[tuple[int, int]],
    target: dict[int, int],
    place: int,
) -> list[int]:
    """The states of the parent whose takers behind a new instruction all take its result now."""
    states = []
    for state in (s for s, now in target.items() if now == new[place].input_1):
        behind = [
            getattr(new[after], field)
            for before, after in pairs
            for field in ("input_1", "input_2")
            if after > place and getattr(old[before], field) == state
        ]
        if behind and set(behind) == {place + 2}:
            states.append(state)
    return states


def _field_changes(program: Program, old: Instruction, new: Instruction, body: tuple[Instruction, ...]) -> list[str]:
    lines = []
    if old.op != new.op:
        lines.append(f"{_label(program, old)} became {_label(program, new)}")
    for field in dataclasses.fields(Instruction)[1:]:
        was, now = getattr(old, field.name), getattr(new, field.name)
        if was == now:
            continue
        silent = "" if _uses(new, field.name) else " (silent)"
        if field.name.startswith("input"):
            states = " to ".join(_state(program, body, n) for n in (was, now))
            lines.append(f"{field.name.replace('_', ' ')} of {_label(program, new)} from {states}{silent}")
        else:
            slot = "" if field.name == "branch" else " slot"
            lines.append(f"{field.name}{slot} of {_label(program, new)} from {was} to {now}{silent}")
    return lines


def _uses(instruction: Instruction, field: str) -> bool:
    row = instruction.primitive
    return field == "branch" or (field in row.fields if row else field.startswith("input"))


def _state(program: Program, body: tuple[Instruction, ...], number: int) -> str:
    return f"input {number}" if number < 2 else f"{number} ({_label(program, body[number - 2])})"


def _after(program: Program, body: tuple[Instruction, ...], place: int) -> str:
    return f"after {_label(program, body[place - 1])}" if place else "at the start"


def _behind(program: Program, body: tuple[Instruction, ...], place: int, spliced: bool) -> str:
    """After the instruction whose result it takes, where that is what is told, else after the one before."""
    state = body[place].input_1
    if not spliced:
        return _after(program, body, place)
    return f"after {_label(program, body[state - 2])}" if state > 1 else f"on input {state}"


def _label(program: Program, instruction: Instruction) -> str:
    callee = instruction.callee
    return instruction.op if callee is None else _name(program, callee)


def _name(program: Program, index: int) -> str:
    return program.subprograms[index].name if index < len(program.subprograms) else f"S{index}"


def _place(program: Program, index: int) -> str:
    """The subprogram's name, with that of its caller where one alone, other than the block itself, calls it."""
    callers = {n for n, s in enumerate(program.subprograms) if any(i.callee == index for i in s.instructions)}
    name = _name(program, index)
    return f"{name} of {_name(program, callers.pop())}" if len(callers) == 1 and 0 not in callers else name
