"""Child processes of the tests: started, read line by line, reaped by pid."""

import contextlib
import os
import re
import select
import signal
import subprocess
import threading
import time

FAILSAFE = 20  # seconds; a wait that takes so long has failed


class Timeout(AssertionError):
    """What was waited for did not come."""


def until(condition, what, timeout=FAILSAFE):
    """Wait until condition() is true; for state that nobody announces.

    Returns what condition() returned.  The pause between two looks is no
    part of what is tested: the wait ends when the state is there.
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
    """Wait until a process, not necessarily our child, has ended.

    Returns whether it has.  A zombie of another parent has ended.
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
    """Kill those that a process has now, but for some; there must be one."""
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
    """A long-lived child whose output is read as it comes.

    It dies with the thread that started it (that is, with pytest), so
    start it from the main thread.
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
        """All it has printed so far, both streams, as one string."""
        with self._changed:
            return "\n".join(self.lines)

    def alive(self):
        """Return whether it still runs."""
        return self.popen.poll() is None

    def mark(self):
        """Return a place in the output, for wait_line(start=...)."""
        with self._changed:
            return len(self.lines)

    def wait_line(self, pattern, timeout=FAILSAFE, start=0):
        """Wait for a line that matches; returns the match.

        Fails when the output ends first, or after the failsafe time-out.
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
        """Wait for its end and the end of its output; returns the status."""
        try:
            status = self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Timeout(f"{self.name} has not ended in {timeout} s;"
                          f" it printed:\n{self.output}") from None
        self._reader.join(timeout)
        return status

    def kill(self):
        """End it by force, and reap it.  Twice is allowed."""
        if self.alive():
            self.send_signal(signal.SIGKILL)
        self.popen.wait(FAILSAFE)
        self._reader.join(FAILSAFE)

    def stop(self, number=signal.SIGTERM, timeout=FAILSAFE):
        """Ask it to end, by force in the end; returns the exit status."""
        if self.alive():
            self.send_signal(number)
        try:
            return self.wait(timeout)
        finally:
            self.kill()
