"""Starts and stops culvert, and checks that it leaves nothing behind."""

import os
import pathlib
import re
import select
import signal

from process import FAILSAFE, Process, children, descendants

REPO = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.path.abspath(os.environ.get("CULVERT", REPO / "build/culvert"))

# $0 is a directory, the only one below /tmp and /run that the command sees.
# The mounts end with the command.
HIDE = """mount --bind "$0" /mnt && mount -t tmpfs tmpfs /tmp &&
mkdir -p "$0" && mount --bind /mnt "$0" && umount /mnt &&
mount -t tmpfs tmpfs /run && exec "$@"
"""


def only(directory):
    """Return a prefix for a command that looks for running culverts.

    With it, the command finds only those in that directory.
    """
    return ["unshare", "-m", "sh", "-c", HIDE, str(directory)]

# The line by which culvert says that it listens, for -L or for -R.
READY = r"^culvert: (?:\S+: )?listening on (\S+)(?:, through| of) (\S+?),? " \
    r"to (\S+|its SFTP server|the servers of SOCKS clients)$"

# The first line of culvert's output if root runs it without --user.
AS_ROOT = "culvert: running as root; with --user NAME culvert becomes that " \
    "user after binding its ports"

# Output of a sanitizer, or of assert().
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:|LeakSanitizer"
                       r"|SUMMARY: \w+Sanitizer|Assertion .* failed")


def sanitized():
    """Return whether $CULVERT is built with AddressSanitizer."""
    with open(PROGRAM, "rb") as file:
        return b"__asan_init" in file.read()


def said(output):
    """Return the output without its first line, the warning to root."""
    first, *lines = output.split("\n")
    assert first == AS_ROOT, output
    return "\n".join(lines)


def bracket(address):
    """Return an address in the form of -L."""
    return f"[{address}]" if ":" in address else address


class Culvert:
    """A running `culvert -L ... -R ... -F config host`.

    forwards are the -L, remotes the -R.  directory is the place for its
    private directory, and must be empty; with open_to_all any user may make
    files there, as in /tmp.  ns is the host to run on, if not this one.  wrap
    is a command that executes culvert.
    Unless retry says otherwise, culvert ends when the link is lost, so that a
    test sees the message at once.
    Returns when culvert is ready, unless ready=False.
    """

    def __init__(self, directory, forwards, config, host="files.test",
                 options=(), env=None, ready=True, remotes=(), ns=None,
                 retry="never", open_to_all=False, wrap=(), **popen):
        argv = [*wrap, PROGRAM, *options]
        if retry:
            argv += ["--retry", retry]
        for forward in forwards:
            argv += ["-L", forward]
        for remote in remotes:
            argv += ["-R", remote]
        argv += ["-F", config, host]
        if open_to_all:
            os.chmod(directory, 0o1777)
        self._run(directory, ns.argv(argv) if ns else argv, env, **popen)
        if ready:
            self.wait_ready(len(forwards) + len(remotes) or 1)

    def _run(self, directory, argv, env, **popen):
        self.dir = str(directory)
        self.process = Process(argv, "culvert", **popen, env={
            **os.environ, "HOME": self.dir, "TMPDIR": self.dir,
            "XDG_RUNTIME_DIR": self.dir, "XDG_CONFIG_HOME": self.dir,
            # A small quarantine, because tests measure memory with ASan, too.
            "ASAN_OPTIONS": "quarantine_size_mb=1:"
                            + os.environ.get("ASAN_OPTIONS", ""),
            "UBSAN_OPTIONS": "print_stacktrace=1:"
                             + os.environ.get("UBSAN_OPTIONS", ""),
            **(env or {})})
        self.pid = self.process.pid
        self.listeners = []  # (address, port) of each, in the order of the log
        self._kin = {}       # {pid: pidfd} of its descendants, as far as seen

    def wait_ready(self, count=1):
        """Wait for the lines that say where it listens, one per tunnel."""
        try:
            place = 0
            for _ in range(count):
                place = self._wait_from(READY, place)
        except AssertionError:
            self.kill()
            raise
        self.listeners = [
            (match[1].rsplit(":", 1)[0].strip("[]"),
             int(match[1].rsplit(":", 1)[1]))
            for match in (re.search(READY, line)
                          for line in self.process.lines) if match]
        self.see()

    def _wait_from(self, pattern, place):
        self.process.wait_line(pattern, start=place)
        lines = self.process.lines
        while not re.search(pattern, lines[place]):
            place += 1
        return place + 1

    @property
    def port(self):
        """The port of the first listener."""
        return self.listeners[0][1]

    @property
    def monitor(self):
        """The pid of culvert's monitor."""
        return monitor_of(self.pid)

    def all_ssh(self):
        """The pids of all ssh processes that culvert has started."""
        self.see()
        return all_ssh_of(self.pid)

    @property
    def ssh(self):
        """The pid of the first ssh that culvert has started."""
        found = self.all_ssh()
        assert found, f"culvert has no ssh; it said:\n{self.output}"
        return found[0]

    @property
    def output(self):
        """The output so far."""
        return self.process.output

    def mark(self):
        """Return the current position in the log, for wait_log(start=...)."""
        return self.process.mark()

    def wait_log(self, pattern, timeout=FAILSAFE, start=0):
        """Wait for a line of the log that matches; returns the match."""
        return self.process.wait_line(pattern, timeout, start)

    def see(self):
        """Record its descendants, which must not exist after stop()."""
        for pid in descendants(self.pid):
            if pid not in self._kin:
                try:
                    self._kin[pid] = os.pidfd_open(pid)
                except ProcessLookupError:
                    pass

    def alive(self):
        """Return whether it still runs."""
        return self.process.alive()

    def check(self):
        """Fail if a sanitizer or an assertion has printed anything."""
        assert not SANITIZER.search(self.output), self.output

    def stop(self, number=signal.SIGTERM, status=0):
        """Stop it; fails if the status differs or anything is left."""
        self.see()
        got = self.process.stop(number)
        self.check()
        assert got == status, \
            f"culvert ended with {got}, not {status}; it said:\n{self.output}"
        self.check_nothing_left()

    def check_nothing_left(self):
        """Fail if there are still descendants or files of it."""
        left = [pid for pid, fd in self._kin.items()
                if not select.select([fd], [], [], 2)[0]]
        self._end_kin()
        assert not left, f"children outlive culvert: {left}"
        files = os.listdir(self.dir)
        assert not files, f"culvert leaves {files} in its directory"

    def kill(self):
        """Kill it, and everything that it has started."""
        self.see()
        self.process.kill()
        self._end_kin()

    def _end_kin(self):
        while self._kin:
            _, fd = self._kin.popitem()
            try:
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            except ProcessLookupError:
                pass
            os.close(fd)


class Up(Culvert):
    """A running `culvert up -f path`, where path is a configuration file.

    names: of the tunnels, or "--all"; listeners: how many it has when it is
    ready; None: do not wait.  wrap: a command that executes culvert.
    """

    # pylint: disable-next=super-init-not-called
    def __init__(self, directory, path, names, listeners, options=(),
                 env=None, wrap=(), pass_fds=()):
        self._run(directory, [*wrap, PROGRAM, "up", "-f", str(path), *options,
                              *names], env, pass_fds=pass_fds)
        if listeners is not None:
            self.wait_ready(listeners)


def monitor_of(pid):
    """Return the pid of a culvert's only child, which starts ssh."""
    monitor, = children(pid)
    return monitor


def all_ssh_of(pid):
    """Return the pids of all ssh processes that a culvert has started."""
    return [one for one in children(monitor_of(pid))
            if process_name(one) == "ssh"]


def process_name(pid):
    """The name of a process, as ps shows it; "" if it has ended."""
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
