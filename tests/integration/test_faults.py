"""Faults at every point of a session; what is right then is in faultcell.py.

Short, as scripts/test runs it: every fault, at points that cover modes,
directions and stages.  With SOAK=1 every fault at every point.  RELIABILITY=FILE
takes what was seen, a JSON object a line, for reliability.py.
"""

import concurrent.futures
import json
import os
import threading
import traceback

import pytest

import sshd as sshd_module
from faultcell import Cell
from faultrig import Links
from faults import FAULTS, all_points

SOAK = os.environ.get("SOAK") == "1"
RELIABILITY = os.environ.get("RELIABILITY")

# A short run plays only one of so many points of a fault; each fault begins
# with another one.
EVERY = 12

# Sessions side by side.
BESIDE = int(os.environ.get("BESIDE", "24" if SOAK else "12"))

_writing = threading.Lock()


def points_for(fault):
    """Return the points of a fault; some of them, when time is short."""
    points = all_points()
    if SOAK:
        return points
    number = list(FAULTS).index(fault.name)
    return points[number % EVERY::EVERY]


def note(seen):
    """Keep what was seen for the table."""
    if RELIABILITY:
        with _writing, open(RELIABILITY, "a") as file:
            file.write(json.dumps(seen) + "\n")


@pytest.fixture(scope="session")
def links(ns):
    """Return what can be done to links."""
    return Links(ns)


class _OwnPorts:
    """The far network, with ports for sshds that the kernel gives to nobody.

    One is killed and started again, while others connect on all sides.
    """

    def __init__(self, ns):
        self._ns, self._ports = ns, iter(range(2200, 3200))

    def __getattr__(self, name):
        return getattr(self._ns, name)

    def free_port(self, address):
        """Return a port that is nobody's."""
        del address
        return next(self._ports)


@pytest.fixture(scope="session")
def far(ns):
    """Return the far network for sshds of a cell's own."""
    return _OwnPorts(ns)


@pytest.fixture
def run(links, sshd, far, directories):
    """Return a function that runs a cell, if need be with its own sshd."""
    def run_cell(cell):
        own = None
        if cell.fault.who == "sshd listener":
            own = sshd_module.Sshd(far, directories())
        try:
            note(cell.run(links, own or sshd, directories()))
        finally:
            if own:
                own.stop()
    return run_cell


@pytest.mark.timeout(3600 if SOAK else 300)
@pytest.mark.parametrize(
    # Those that take longest first.
    "fault", sorted(FAULTS.values(), key=lambda fault: -fault.bound),
    ids=lambda fault: fault.name)
def test_fault(fault, run):
    """One fault, at its points, side by side."""
    failures = []

    def one(point):
        try:
            run(Cell(fault, point))
        except Exception:
            failures.append(traceback.format_exc())

    with concurrent.futures.ThreadPoolExecutor(BESIDE) as pool:
        list(pool.map(one, points_for(fault)))
    assert not failures, f"{len(failures)} cells:\n" + "\n".join(failures)
