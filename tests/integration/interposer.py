"""Lets system calls and allocations of a running culvert fail.

The library tests/faults/faults.c is loaded with LD_PRELOAD.  It obeys rules in
a file, which the class Faults writes.
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
    """The rules, in the file path; env is for the program's environment."""

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
        """Let calls fail: every n-th one, n being every, after the first skip.

        At most left calls fail; with left=0 calls are only counted.  error is
        a name of an errno; "": the call is made, but for one byte only.
        """
        self._put(call, getattr(errno, error) if error else 0, int(family),
                  skip, every, left, 0, 0)

    def pass_time(self, seconds):
        """Set the monotonic clock forward by so many seconds."""
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
        """Return how many such calls were made since set()."""
        return self._get(call)[5]

    def count(self, call):
        """Return how many such calls have failed since set()."""
        return self._get(call)[6]

    def _put(self, call, *values):
        # Written twice, first with every=0, because the library reads every
        # first.
        place = CALLS.index(call) * _RULE.size
        self._map[place:place + _RULE.size] = _RULE.pack(
            *values[:3], 0, *values[4:])
        self._map[place:place + _RULE.size] = _RULE.pack(*values)

    def _get(self, call):
        return _RULE.unpack_from(self._map, CALLS.index(call) * _RULE.size)
