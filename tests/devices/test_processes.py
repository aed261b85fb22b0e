from __future__ import annotations

import subprocess
import sys

import pytest

from tradewind.devices.processes import TreeMemory

CHILD = """
import os, sys
alive, end = os.pipe()
blocks = {}
print(flush=True)
for line in sys.stdin:
    whose, megabytes = line.split()
    forked = whose == "fork" and not os.fork()
    if forked or whose == "mine":
        blocks[whose] = b"x" * (int(megabytes) * 10**6)
        print(flush=True)
    if forked:
        os.close(end)
        os.read(alive, 1)  # until the one above ends
        os._exit(0)
"""


def test_memory_of_a_tree_is_what_it_has_taken_since() -> None:
    """The fork shares what the child had; that counts once."""
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        memory = TreeMemory(child.pid)
        seen = []
        for order in ("mine 100", "mine 40", "fork 50"):
            print(order, file=child.stdin, flush=True)
            child.stdout.readline()
            seen.append(memory.look())
    assert seen == [pytest.approx(expected, abs=10) for expected in (100, 40, 90)]
    assert memory.peak == max(seen)
