import subprocess
import sys

import pytest
from process_tree import cpu_s, keep_on_core, resident_mib, tree

SPIN = "t = __import__('time').process_time; e = t() + 0.3\nwhile t() < e: pass\n"
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {SPIN!r}], check=True)  # ends before the figure is read
child = subprocess.Popen([sys.executable, "-c", "import sys; print(1, flush=True); sys.stdin.read()"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
child.communicate()
"""


@pytest.fixture
def parent():
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process, int(process.stdout.readline())
        process.stdin.close()


def test_a_tree_is_the_process_and_all_that_it_started(parent):
    process, child = parent
    assert tree(process.pid) == {process.pid, child}


def test_the_time_of_a_child_that_has_ended_still_counts(parent):
    process, _ = parent
    assert cpu_s(tree(process.pid)) >= 0.29


def test_memory_is_that_of_all_together(parent):
    process, child = parent
    assert resident_mib([process.pid, child]) > resident_mib([process.pid]) > 1


def test_a_process_that_is_gone_costs_nothing_and_has_no_tree():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert tree(gone.pid) == set()
    assert cpu_s([gone.pid]) == resident_mib([gone.pid]) == 0
    keep_on_core(0, [gone.pid])
