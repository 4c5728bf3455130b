"""Starts processes for tests, reads their output, and reaps them by pid."""

import contextlib
import os
import re
import select
import signal
import subprocess
import threading
import time

FAILSAFE = 20  # seconds after which a wait has failed


class Timeout(AssertionError):
    """What was waited for did not come."""


def until(condition, what, timeout=FAILSAFE):
    """Wait until condition() is true; returns what it returned.

    For states about which there is no event.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Timeout(f"waited {timeout} s for: {what}")
        time.sleep(0.01)


def wait_gone(pid, timeout=FAILSAFE):
    """Wait until a process has ended; it need not be our child.

    Returns whether it has ended.  A zombie counts as ended.
    """
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([fd], [], [], timeout)[0])
    finally:
        os.close(fd)


def children(pid):
    """Return the pids of a process's children, of all its threads."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += [int(word) for word in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def descendants(pid):
    """Return the pids of a process's children, their children and so on."""
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def kill_descendants(pid, but):
    """Kill the descendants that a process has now, except those in but.

    There must be at least one.
    """
    pids = [one for one in descendants(pid) if one not in but]
    assert pids
    for one in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def count_fds(pid):
    """Return how many file descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def rss_kib(pid):
    """Return the resident memory of a process in KiB."""
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"VmRSS:\s*(\d+) kB", file.read()).group(1))


class Process:
    """A child process whose output is read as it comes.

    It is killed when the thread that has started it ends (PR_SET_PDEATHSIG),
    so start it from the main thread.
    """

    def __init__(self, argv, name=None, **popen):
        self.name = name or os.path.basename(argv[0])
        self.lines = []
        self._changed = threading.Condition()
        self._ended = False
        self.popen = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *argv],
            stdin=popen.pop("stdin", subprocess.DEVNULL),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **popen)
        self.pid = self.popen.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with self.popen.stdout:
            for line in self.popen.stdout:
                with self._changed:
                    self.lines.append(
                        line.decode(errors="replace").rstrip("\r\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def output(self):
        """All that it has printed so far, on both streams."""
        with self._changed:
            return "\n".join(self.lines)

    def alive(self):
        """Return whether it still runs."""
        return self.popen.poll() is None

    def mark(self):
        """Return the current place in the output, for wait_line(start=...)."""
        with self._changed:
            return len(self.lines)

    def wait_line(self, pattern, timeout=FAILSAFE, start=0):
        """Wait for a line that matches; returns the match.

        Raises Timeout when the output ends first, or after timeout seconds.
        """
        regex = re.compile(pattern)
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                while start < len(self.lines):
                    match = regex.search(self.lines[start])
                    if match:
                        return match
                    start += 1
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    why = "its output ended" if self._ended else \
                        f"nothing in {timeout} s"
                    raise Timeout(
                        f"{self.name}: no line matches {pattern!r} ({why});"
                        " it printed:\n" + "\n".join(self.lines))
                self._changed.wait(left)

    def send_signal(self, number):
        """Send a signal to this process, if it has not been reaped."""
        self.popen.send_signal(number)

    def wait(self, timeout=FAILSAFE):
        """Wait until it and its output have ended; returns the exit status."""
        try:
            status = self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Timeout(f"{self.name} has not ended in {timeout} s;"
                          f" it printed:\n{self.output}") from None
        self._reader.join(timeout)
        return status

    def kill(self):
        """Kill it, and reap it.  May be called again."""
        if self.alive():
            self.send_signal(signal.SIGKILL)
        self.popen.wait(FAILSAFE)
        self._reader.join(FAILSAFE)

    def stop(self, number=signal.SIGTERM, timeout=FAILSAFE):
        """Send a signal, and wait for its end; returns the exit status.

        If it does not end in time, kills it and raises Timeout.
        """
        if self.alive():
            self.send_signal(number)
        try:
            return self.wait(timeout)
        finally:
            self.kill()
