"""culvert status -w: the full-screen view, in a real terminal (issue 6)."""

import os
import re
import signal
import subprocess

import pytest

import culvert
from process import FAILSAFE, until
from test_status import download, two  # noqa: F401
from test_up import At, conf, ftp_server  # noqa: F401
from transfer import Ftp

# pylint: disable=redefined-outer-name


class Terminal:
    """A tmux with one window, in which one program runs."""

    def __init__(self, directory, argv, env, columns, rows):
        self.sock = str(directory / "tmux")
        self.env = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "screen",
                    "SHELL": "/bin/sh", **env}
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
        one = Terminal(tmp, [culvert.PROGRAM, "status", "-w"], env, columns,
                       rows)
        opened.append(one)
        one.wait("^culvert .*running")
        return one

    yield start
    for one in opened:
        one.close()


def test_live(two, watch, ftp_server, tmp):
    """A session comes, its transfer moves, it goes; q quits."""
    screen = watch()
    screen.wait("0 sessions")
    assert not any("session 1" in line for line in screen.screen())
    with download(At(two, 0), ftp_server, tmp) as (_, data):
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
    with download(At(two, 0), ftp_server, tmp):
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
        screen.wait("^q quit   arrows sel")
        screen.resize(120, 40)
        screen.wait(r"RETR \d+/big file +\d+ % \[")
        screen.keys("q")
        assert screen.ended() == 0


def test_end_a_session(two, watch, ftp_server, tmp):
    """k, after a question; n leaves it alone."""
    screen = watch()
    with download(At(two, 0), ftp_server, tmp) as (cut, _), \
            Ftp(At(two, 1), ftp_server) as kept:
        screen.wait("session 2")
        screen.keys("k")
        screen.wait("select a session first")
        screen.keys("Down")
        until(screen.reversed, "a marked line")
        if "session 1" not in screen.reversed()[0]:
            screen.keys("Down")
            until(lambda: "session 1" in screen.reversed()[0], "the other one")
        for answer in ("n", "y"):
            screen.keys("k")
            screen.wait(r"End session 1\? Its transfers are cut. \(y/n\)")
            screen.keys(answer)
            screen.wait("^q quit|session 1 was ended")
        cut.control.expect("426")
        cut.control.expect("421 The session was ended by hand")
        kept.ask("NOOP", "200")
        screen.keys("Up")
        screen.wait("1 session$")
    screen.keys("q")
    assert screen.ended() == 0


def test_culvert_ends(two, watch):
    """With the last one the view ends, and says so."""
    screen = watch()
    two.stop()
    assert screen.ended() == 1
    screen.wait("culvert: culvert has ended")


def test_interrupt(two, watch):
    """Ctrl-C leaves no wreck of the terminal."""
    screen = watch()
    screen.keys("C-c")
    screen.ended()
    assert two.alive()


def test_no_terminal_type(two, tmp):
    """A terminal without a full screen: the cause."""
    one = Terminal(tmp, ["env", "TERM=none-such", culvert.PROGRAM, "status",
                         "-w"], {"XDG_RUNTIME_DIR": two.dir}, 80, 20)
    try:
        assert one.ended() == 1
        one.wait("this terminal has no full screen .TERM.; leave out -w")
    finally:
        one.close()
    two.process.send_signal(signal.SIGTERM)
    assert two.process.wait() == 0
