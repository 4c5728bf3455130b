"""culvert status -w: the full-screen view, in a real terminal."""

import contextlib
import os
import pty
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

import culvert
from process import FAILSAFE, until
from test_status import download, two  # noqa: F401
from test_up import conf, ftp_server, to  # noqa: F401
from transfer import Ftp

# pylint: disable=redefined-outer-name


class Terminal:
    """A tmux with one window, in which one program runs."""

    def __init__(self, directory, argv, env, columns, rows):
        self.sock = str(directory / "tmux")
        # pytest-xdist of Debian 13 sets the size for all that it runs.
        env = {**os.environ, **env}
        env.pop("LINES", None)
        env.pop("COLUMNS", None)
        self.env = {**env, "LC_ALL": "C.UTF-8", "TERM": "screen",
                    "SHELL": "/bin/sh"}
        self._tmux("-f", "/dev/null", "new-session", "-d", "-s", "x",
                   "-x", str(columns), "-y", str(rows), "sh", "-c",
                   'trap : INT; "$@"; echo "exit status $?"; exec sleep 1000', "sh",
                   *argv, ";", "set", "-g", "status", "off")

    def _tmux(self, *argv):
        return subprocess.run(
            ["tmux", "-S", self.sock, *argv], env=self.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=FAILSAFE).stdout

    def screen(self):
        """Its lines, as they are now."""
        return self._tmux("capture-pane", "-p", "-t", "x").rstrip("\n") \
            .split("\n")

    def wait(self, pattern):
        """The match of the first line that has it, once there is one."""
        def look():
            for line in self.screen():
                if match := re.search(pattern, line):
                    return match
            return None
        return until(look, f"{pattern} on the screen; it has\n"
                     + "\n".join(self.screen()))

    def keys(self, *keys):
        """Press them."""
        self._tmux("send-keys", "-t", "x", *keys)

    def resize(self, columns, rows):
        """Another size."""
        self._tmux("resize-window", "-t", "x", "-x", str(columns), "-y",
                   str(rows))

    def size(self):
        """What the program takes for its size."""
        return self._tmux("display", "-p", "-t", "x",
                          "#{pane_width} #{pane_height}").strip()

    def reversed(self):
        """The lines that are marked, without their escapes."""
        text = self._tmux("capture-pane", "-p", "-e", "-t", "x")
        return [re.sub("\x1b\\[[0-9;]*m", "", line)
                for line in text.split("\n") if "\x1b[7m" in line]

    def ended(self):
        """The exit status, once it has ended."""
        return int(self.wait(r"^exit status (\d+)$")[1])

    def close(self):
        """End it."""
        self._tmux("kill-server")


@pytest.fixture
def watch(two, tmp):
    """Return a function: culvert status -w of two, in a window that large."""
    opened = []

    def start(columns=120, rows=30):
        env = {"XDG_RUNTIME_DIR": two.dir, "TMPDIR": two.dir}
        one = Terminal(tmp, [*culvert.only(two.dir), culvert.PROGRAM, "status",
                             "-w"], env, columns, rows)
        opened.append(one)
        one.wait("^culvert .*running")
        return one

    yield start
    for one in opened:
        one.close()


def test_live(two, watch, ftp_server, tmp):
    """A session begins, its transfer moves, it ends; q quits."""
    screen = watch()
    screen.wait("0 sessions")
    assert not any("session 1" in line for line in screen.screen())
    with download(two, ftp_server, tmp) as (_, data):
        screen.wait(f"session 1: .*user {ftp_server.user}")
        first = screen.wait(r"RETR \d+/big file +(\d+) % \[#*\.*\] .* of 50.0 MB")
        taken = 0
        while taken < 25_000_000:
            taken += len(data.sock.recv(1 << 20))
        match = until(lambda: (found := screen.wait(r"(\d+) % \[")) and
                      int(found[1]) >= 40 and found, "it moves")
        assert int(match[1]) > int(first[1])
    screen.wait("0 sessions")
    screen.keys("q")
    assert screen.ended() == 0


def test_two_sizes(watch, two, ftp_server, tmp):
    """A small window has no bar, and nothing beyond its edges; it grows."""
    with download(two, ftp_server, tmp):
        screen = watch(60, 8)
        screen.wait("q quit")
        lines = screen.screen()
        assert len(lines) <= 8 and all(len(line) <= 60 for line in lines)
        assert lines[-1].startswith("q quit")
        assert not any("[" in line for line in lines)
        screen.keys("Down")
        screen.wait(r"^    session 1:")
        screen.wait(r"^      RETR \S+ ?\w* +\d+ % [\d.]+ ")
        screen.resize(120, 40)
        screen.wait(r"RETR \d+/big file +\d+ % \[")
        screen.wait(r"bank: listening on")
        screen.resize(20, 3)
        screen.wait(r"^q quit   \d-\d of \d+$")
        screen.resize(120, 40)
        screen.wait(r"RETR \d+/big file +\d+ % \[")
        screen.keys("q")
        assert screen.ended() == 0


def test_end_a_session(two, watch, ftp_server, tmp):
    """e asks, and ends it; n keeps it."""
    screen = watch()
    with download(two, ftp_server, tmp) as (cut, _), \
            Ftp(two, ftp_server, 1) as kept:
        screen.wait("session 2")
        screen.keys("e")
        screen.wait("select a session first")
        screen.keys("Down")
        until(screen.reversed, "a marked line")
        if "session 1" not in screen.reversed()[0]:
            screen.keys("Down")
            until(lambda: "session 1" in screen.reversed()[0], "the other one")
        for answer in ("n", "y"):
            screen.keys("e")
            screen.wait(r"End session 1\? Its transfers are cut. \(y/n\)")
            screen.keys(answer)
            screen.wait("^q quit|session 1 was ended")
        cut.expect("426")
        cut.expect("421 The session was closed by the operator")
        kept.exchange("NOOP", "200")
        screen.keys("Up")
        screen.wait("1 session$")
    screen.keys("q")
    assert screen.ended() == 0


def test_culvert_ends(two, watch):
    """With the last culvert the view ends, and says so."""
    screen = watch()
    two.stop()
    assert screen.ended() == 1
    screen.wait("culvert: culvert has ended")


def test_the_tunnel_has_gone(conf, sshd, ftp_server, start_up, tmp):
    """A reload has removed the tunnel that is shown: culvert has not ended."""
    path = conf(plant=to(sshd, ftp_server), bank=to(sshd, ftp_server))
    one = start_up(path, "--all", listeners=2)
    screen = Terminal(tmp, [*culvert.only(one.dir), culvert.PROGRAM, "status",
                            "-w", "bank"],
                      {"XDG_RUNTIME_DIR": one.dir, "TMPDIR": one.dir}, 100, 20)
    try:
        screen.wait("bank: listening on")
        conf(plant=to(sshd, ftp_server))
        one.process.send_signal(signal.SIGHUP)
        assert screen.ended() == 1
        screen.wait("^culvert: no culvert has such a tunnel$")
    finally:
        screen.close()


def test_the_terminal_has_gone(two):
    """It ends, also with SIGHUP ignored, as by nohup."""
    master, slave = pty.openpty()
    screen = subprocess.Popen(
        [*culvert.only(two.dir), culvert.PROGRAM, "status", "-w"],
        env={**os.environ, "XDG_RUNTIME_DIR": two.dir, "TMPDIR": two.dir,
             "TERM": "xterm"}, stdin=slave, stdout=slave,
        stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    os.close(slave)
    seen = b""
    while b"running" not in seen:
        seen += os.read(master, 4096)
    os.close(master)
    assert screen.communicate(timeout=FAILSAFE)[1] \
        == "culvert: the terminal was closed\n"
    assert screen.returncode == 1


def test_interrupt(two, watch):
    """Ctrl-C restores the terminal."""
    screen = watch()
    screen.keys("C-c")
    screen.ended()
    assert two.alive()


def test_no_terminal_type(two, tmp):
    """A terminal without a full screen: the message has the cause."""
    for number, term in enumerate(["none-such", "dumb"]):
        place = tmp / str(number)
        place.mkdir()
        one = Terminal(place, [*culvert.only(two.dir), "env", f"TERM={term}",
                               culvert.PROGRAM, "status", "-w"],
                       {"XDG_RUNTIME_DIR": two.dir}, 80, 20)
        try:
            assert one.ended() == 1
            one.wait("cannot show a full screen")
        finally:
            one.close()
    two.process.send_signal(signal.SIGTERM)
    assert two.process.wait() == 0


# ---- many tunnels ----

COUNT = 40


@pytest.fixture
def many(conf, sshd, ftp_server, start_up):
    """A culvert up with 40 tunnels."""
    path = conf(**{f"t{number}": to(sshd, ftp_server)
                   for number in range(COUNT)})
    return start_up(path, "--all", listeners=COUNT)


@pytest.fixture
def watch_many(many, tmp):
    """Return a function: culvert status -w of many, in a window that large."""
    opened = []

    def start(columns=100, rows=20):
        one = Terminal(tmp, [*culvert.only(many.dir), culvert.PROGRAM,
                             "status", "-w"],
                       {"XDG_RUNTIME_DIR": many.dir, "TMPDIR": many.dir},
                       columns, rows)
        opened.append(one)
        return one

    yield start
    for one in opened:
        one.close()


def place(screen):
    """Which lines it shows: (first, last, all)."""
    match = screen.wait(r"(\d+)-(\d+) of (\d+)")
    return tuple(map(int, match.groups()))


def wait_place(screen, first, last):
    """Wait until it shows these lines."""
    screen.wait(rf" {first}-{last} of ")


def test_scroll(watch_many):
    """Each key scrolls through 40 idle tunnels."""
    screen = watch_many()
    screen.wait("^culvert .*running")
    first, last, count = place(screen)
    assert (first, last) == (1, 19) and count >= 2 * COUNT
    seen = set()
    while True:
        seen |= set(re.findall(r"t\d+(?=: listening)",
                               "\n".join(screen.screen())))
        if last == count:
            break
        first, last = min(first + 19, count - 18), min(last + 19, count)
        screen.keys("NPage")
        wait_place(screen, first, last)
    assert seen == {f"t{number}" for number in range(COUNT)}
    for key, top in (("k", count - 19), ("Up", count - 20), ("j", count - 19),
                     ("Down", count - 18), ("Down", count - 18),
                     ("PPage", count - 37), ("Home", 1), ("Up", 1),
                     ("End", count - 18), ("Home", 1)):
        screen.keys(key)
        wait_place(screen, top, top + 18)
    screen.resize(100, 30)
    wait_place(screen, 1, 29)
    screen.keys("q")
    assert screen.ended() == 0


def test_hide_idle(watch_many, many, ftp_server, tmp):
    """i hides them; tunnels with a session stay and can be selected."""
    screen = watch_many()
    screen.keys("i")
    screen.wait(f"^{COUNT} idle tunnels are hidden$")
    assert not any(re.search(" of |listening on", line)
                   for line in screen.screen())
    with Ftp(many, ftp_server, 33):
        screen.wait("^  t33: listening on")
        screen.wait("^    session 1: ")
        screen.wait(f"^{COUNT - 1} idle tunnels are hidden$")
        screen.keys("Down")
        until(screen.reversed, "a marked line")
        screen.keys("i")
        # It is still the one that is marked, and on the screen.
        place(screen)
        assert "session 1" in until(screen.reversed, "a marked line")[0]
        screen.keys("i")
    screen.wait(f"^{COUNT} idle tunnels are hidden$")
    screen.keys("q")
    assert screen.ended() == 0


def test_resized_while_it_waits(two, watch):
    """SIGWINCH does not disturb reading from culvert."""
    screen = watch(100, 20)
    os.kill(two.pid, signal.SIGSTOP)
    try:
        time.sleep(1.5)  # it asks once in a second, and waits for the answer
        screen.resize(90, 25)
        time.sleep(0.5)
    finally:
        os.kill(two.pid, signal.SIGCONT)
    screen.keys("q")
    assert screen.ended() == 0


def test_sizes(watch_many):
    """Any size of the window works."""
    screen = watch_many()
    screen.wait("^culvert .*running")
    for columns, rows in ((1, 1), (20, 5), (2, 50), (500, 200), (3, 2), (1, 1)):
        screen.resize(columns, rows)
        for key in "NPage", "j", "i", "e", "n", "k", "PPage", "i", "End", "Home":
            screen.keys(key)
        until(lambda: screen.size() == f"{columns} {rows}", "the size")
        lines = screen.screen()
        assert len(lines) <= rows
        assert all(len(line) <= columns for line in lines)
    screen.resize(100, 20)
    screen.wait("^culvert .*running")
    screen.wait("1-19 of ")
    screen.keys("q")
    assert screen.ended() == 0


def test_rate_is_steady(conf, sshd, ftp_server, start_up, tmp):
    """The rate shown for --rate is steady."""
    one = start_up(conf(plant=to(sshd, ftp_server, "rate = 64K")), "plant",
                   listeners=1)
    screen = Terminal(tmp, [*culvert.only(one.dir), culvert.PROGRAM, "status",
                            "-w"],
                      {"XDG_RUNTIME_DIR": one.dir, "TMPDIR": one.dir}, 120, 20)
    try:
        with download(one, ftp_server, tmp) as (_, data):
            reader = threading.Thread(target=read_all, args=(data.sock,))
            reader.start()
            rates, seen = [], None
            # Each second there is another line; the first ones count the
            # burst at the begin.
            while len(rates) < 10:
                line = until(lambda: (now := screen.wait(
                    r"RETR .* of .* ([\d.]+) kB/s.*")) and now[0] != seen
                    and now, "another line")
                seen = line[0]
                rates.append(float(line[1]))
            data.sock.shutdown(socket.SHUT_RDWR)
            reader.join()
        assert max(rates[-4:]) < 1.1 * min(rates[-4:]), rates
        assert 55 < rates[-1] < 75, rates
    finally:
        screen.close()


def read_all(sock):
    """As a client does that takes what comes."""
    with contextlib.suppress(OSError):
        while sock.recv(65536):
            pass
