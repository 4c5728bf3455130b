"""Faults of system calls and of memory in a running culvert.

tests/faults/faults.c is put before its calls, and looks into a file of rules
that Faults writes.
"""

import errno
import mmap
import os
import pathlib
import struct

import culvert

LIBRARY = pathlib.Path(culvert.PROGRAM).parent / "tests/faults/faults.so"

# The same order as in faults.c.
CALLS = ["read", "write", "accept", "socket", "connect", "epoll", "bind",
         "malloc", "clock"]
_RULE = struct.Struct("=7I")
_ALL = (1 << 32) - 1


class Faults:
    """The rules; path is where to put them, env what the program needs."""

    def __init__(self, path):
        assert LIBRARY.exists(), f"{LIBRARY} is missing: scripts/build --tests"
        size = _RULE.size * len(CALLS)
        path.write_bytes(bytes(size))
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), size)
        self.env = {"LD_PRELOAD": str(LIBRARY), "FAULTS": str(path)}
        if culvert.sanitized():
            self.env["ASAN_OPTIONS"] = "verify_asan_link_order=0:" \
                + os.environ.get("ASAN_OPTIONS", "")

    def set(self, call, error="", family=0, skip=0, every=1, left=_ALL):
        """Let each every-th of such calls fail, after skip of them.

        With left=0 they are counted only.

        error is a name of errno; "": the call is made for one byte only.
        """
        self._put(call, getattr(errno, error) if error else 0, int(family),
                  skip, every, left, 0, 0)

    def pass_time(self, seconds):
        """Let the monotonic clock go on by so much at once."""
        self._put("clock", 0, 0, self._get("clock")[2] + int(seconds),
                  0, 0, 0, 0)

    def clear(self):
        """Let nothing fail any more."""
        for call in CALLS[:-1]:  # the clock does not go back
            self._put(call, 0, 0, 0, 0, 0, 0, 0)

    def is_set(self, call):
        """Return whether such calls fail."""
        return self._get(call)[4] > 0

    def calls(self, call):
        """Return how many were counted since set()."""
        return self._get(call)[5]

    def count(self, call):
        """Return how many have failed since set()."""
        return self._get(call)[6]

    def _put(self, call, *values):
        # every is what the library asks first.
        place = CALLS.index(call) * _RULE.size
        self._map[place:place + _RULE.size] = _RULE.pack(
            *values[:3], 0, *values[4:])
        self._map[place:place + _RULE.size] = _RULE.pack(*values)

    def _get(self, call):
        return _RULE.unpack_from(self._map, CALLS.index(call) * _RULE.size)
