"""Makes mutants of PTX, mechanically: one instruction removed or one constant changed in each.

Removed, one at a time: every barrier, wait, commit and fence; of memory accesses that are fences
themselves, their .acquire and .release. Changed: every integer constant of the instructions that
make addresses and indices (shifts, products, logic), and the offsets of addresses.
"""

import re
from dataclasses import dataclass
from typing import Iterator

REMOVED = re.compile(
    r'^\s*(?:@!?%\w+\s+)?(?:bar\.|barrier\.|cp\.async\.(?:wait|commit|mbarrier)|membar|fence|'
    r'mbarrier\.(?:arrive|test_wait|try_wait))')
ORDERED = re.compile(
    r'^\s*(?:\{\s*)?(?:@!?%\w+\s+)?(?:atom|red|ld|st)\.\S*(?<=\.)(?:acquire|release|acq_rel)\b')
INDEXING = re.compile(
    r'^\s*(?:@!?%\w+\s+)?(?:shl|shr|xor|and|or|mul|mad|lop3|bfe|bfi|prmt|add|sub)\.[^;]*;')
CONSTANT = re.compile(r'(?<=[ ,])-?(?:0[xX][0-9a-fA-F]+|\d+)(?=[,;])')
OFFSET = re.compile(r'(?<=\+)-?\d+(?=\])')
FLOAT_TYPES = re.compile(r'\.(?:f16|f16x2|bf16|bf16x2|f32|f64)\b')


@dataclass(frozen=True)
class Mutant:
    line: int          # from 1
    kind: str          # 'removed', 'weakened' or 'changed'
    before: str        # the line as it was
    after: str
    text: bytes        # the whole module

    @property
    def name(self) -> str:
        change = f' -> {self.after}' if self.after else ''
        return ' '.join(f'{self.line}: {self.kind} {self.before}{change}'.split())


def changed(constant: str) -> str:
    """Another constant near it: the next bit up, so that a stride or a mask is off by a factor."""
    value = int(constant, 0)
    return str(value * 2 if value not in (0, 1) else value + 1)


def mutants(ptx: bytes) -> Iterator[Mutant]:
    lines = ptx.decode().split('\n')

    def mutant(index: int, kind: str, after: str) -> Mutant:
        text = '\n'.join([*lines[:index], after, *lines[index + 1:]])
        return Mutant(index + 1, kind, lines[index].strip(), after.strip(), text.encode())

    for index, line in enumerate(lines):
        if REMOVED.match(line):
            yield mutant(index, 'removed', '')
            continue
        if ORDERED.match(line):
            weak = re.sub(r'\.(?:acquire|release|acq_rel)\b', '.relaxed', line, count=1)
            yield mutant(index, 'weakened', weak)
        if INDEXING.match(line) and not FLOAT_TYPES.search(line):
            for found in CONSTANT.finditer(line):
                after = line[:found.start()] + changed(found.group()) + line[found.end():]
                yield mutant(index, 'changed', after)
        for found in OFFSET.finditer(line):
            if '.param' in line:
                continue
            after = line[:found.start()] + changed(found.group()) + line[found.end():]
            yield mutant(index, 'changed', after)


REGISTER_WIDTH = {'%rd': 64, '%rs': 16, '%r': 32}
INSTRUCTION = re.compile(r'^\s*(@!?%\w+\s+)?(\S+)\s+(%[a-z]+)(\d+),(.*;)')


def with_line(ptx: bytes, line: int, text: str) -> bytes:
    lines = ptx.decode().split('\n')
    return '\n'.join([*lines[:line - 1], text, *lines[line:]]).encode()


def trapped(ptx: bytes, mutant: Mutant) -> bytes:
    """The module with a trap in the mutant's place: whoever survives that never came there."""
    guard = re.match(r'@!?%\w+\s+', mutant.before)
    return with_line(ptx, mutant.line, (guard.group() if guard else '') + 'trap;')


def compared(ptx: bytes, mutant: Mutant) -> bytes | None:
    """The module with the original and the changed instruction, and a trap where results differ.

    None where that cannot be done: something was removed, or an address was changed.
    """
    found = INSTRUCTION.match(mutant.before)
    if mutant.kind != 'changed' or not found or found.group(3) not in REGISTER_WIDTH:
        return None
    guard, opcode, prefix, number, rest = found.groups()
    guard, bits = guard or '', REGISTER_WIDTH[prefix]
    return with_line(ptx, mutant.line, (
        f'{{ .reg .b{bits} %mutant_expected; .reg .pred %mutant_differs;'
        f' {guard}{opcode} %mutant_expected,{rest} {mutant.after}'
        f' setp.ne.b32 %mutant_differs, 0, 0;'
        f' {guard}setp.ne.b{bits} %mutant_differs, %mutant_expected, {prefix}{number};'
        f' @%mutant_differs trap; }}'))
