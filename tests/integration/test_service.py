"""Under systemd: its units, and its notify protocol.

No systemd runs here: the test is what receives the words, on a real socket.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

import culvert
import scripted
from process import FAILSAFE
from test_up import conf, ftp_server, to  # noqa: F401
from transfer import Ftp

# pylint: disable=redefined-outer-name

UNITS = culvert.REPO / "dist/systemd"


class Manager:
    """The service manager's end of NOTIFY_SOCKET."""

    def __init__(self, name):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(name)
        self.sock.settimeout(FAILSAFE)

    def next(self, *but):
        """The next message, but for those that begin with one of these."""
        while True:
            text = self.sock.recv(4096).decode()
            if not text.startswith(but):
                return text

    def until(self, text):
        """Read messages until this one; returns those before it."""
        before = []
        while (one := self.next()) != text:
            before.append(one)
        return before


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp):
    """A service manager; its env is for what it starts."""
    name = str(tmp / "notify")
    if request.param == "abstract":
        name = "\0" + name
    one = Manager(name)
    one.env = {"NOTIFY_SOCKET": name.replace("\0", "@")}
    yield one
    one.sock.close()


def test_ready_and_stopping(manager, conf, sshd, ftp_server, start_up):
    """READY when the listeners are open; the status says what is connected."""
    path = conf(plant=to(sshd, ftp_server))
    one = start_up(path, "plant", env=manager.env)
    assert manager.next() == "READY=1"
    assert manager.next() == "STATUS=0 of 1 SSH destination connected"
    assert manager.next() == "STATUS=1 of 1 SSH destination connected"
    os.kill(one.ssh, signal.SIGKILL)
    assert manager.next() == "STATUS=0 of 1 SSH destination connected"
    assert manager.next() == "STATUS=1 of 1 SSH destination connected"
    one.stop()
    assert manager.next("STATUS") == "STOPPING=1"


def test_reloading(manager, conf, sshd, ftp_server, start_up):
    """RELOADING with the time, then READY: good or bad."""
    path = conf(plant=to(sshd, ftp_server))
    one = start_up(path, "plant", env=manager.env)
    manager.until("STATUS=1 of 1 SSH destination connected")
    for _ in range(2):
        before = time.monotonic_ns() // 1000
        one.process.send_signal(signal.SIGHUP)
        match = re.fullmatch("RELOADING=1\nMONOTONIC_USEC=([0-9]+)",
                             manager.next())
        assert before <= int(match[1]) <= time.monotonic_ns() // 1000
        assert manager.next() == "READY=1"
        assert manager.next().startswith("STATUS=1 of 1")
        path.write_text("nonsense")
    one.wait_log("nothing has been changed")


def test_failure(manager, conf, sshd, ftp_server, start_up):
    """A start that fails never sends READY."""
    with scripted.Listener() as taken:
        path = conf(plant=["destination = h", f"L = {taken.port}:h:21"])
        one = start_up(path, "plant", env=manager.env, listeners=None)
        assert one.process.wait() == 1
    manager.sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.until("READY=1")


def test_plain(manager, ftp_server, start_culvert):
    """The same without a configuration file."""
    start_culvert(f"0:127.0.0.1:{ftp_server.port}", env=manager.env)
    manager.until("READY=1")
    manager.until("STATUS=1 of 1 SSH destination connected")


def test_watchdog(manager, conf, sshd, ftp_server, start_up):
    """WATCHDOG at half the time-out; none when the process hangs."""
    env = {**manager.env, "WATCHDOG_USEC": "400000"}
    # Some may come before it is ready, which takes its time.
    begin = time.monotonic()
    one = start_up(conf(plant=to(sshd, ftp_server)), "plant", env=env)
    for _ in range(10):
        assert manager.next("STATUS", "READY") == "WATCHDOG=1"
    assert 1 < time.monotonic() - begin < FAILSAFE
    one.process.send_signal(signal.SIGSTOP)
    try:
        manager.sock.settimeout(1)
        with pytest.raises(TimeoutError):
            while True:
                manager.next()
    finally:
        one.process.send_signal(signal.SIGCONT)


def test_variables_of_others(manager, conf, sshd, ftp_server, start_up, tmp):
    """ssh gets none of the variables; a watchdog of another process is
    ignored.
    """
    script = tmp / "ssh"
    script.write_text('#!/bin/sh\nenv | grep -e NOTIFY -e WATCHDOG >&2\n'
                      'exec ssh "$@"\n')
    script.chmod(0o755)
    path = conf(plant=to(sshd, ftp_server, f"ssh = {script}"))
    one = start_up(path, "plant", options=["-v"],
                   env={**manager.env, "WATCHDOG_USEC": "400000",
                        "WATCHDOG_PID": "1"})
    manager.until("STATUS=1 of 1 SSH destination connected")
    with Ftp(one, ftp_server) as ftp:
        ftp.exchange("NOOP", "200")
    manager.sock.settimeout(1)
    with pytest.raises(TimeoutError):
        manager.next()
    assert "NOTIFY_SOCKET" not in one.output
    assert "WATCHDOG" not in one.output


@pytest.mark.parametrize("name", ["/none/at/all", "nonsense", "", "@"])
def test_nobody_there(name, conf, sshd, ftp_server, start_up):
    """A socket that does not exist is logged, and has no effect."""
    one = start_up(conf(plant=to(sshd, ftp_server)), "plant",
                   env={"NOTIFY_SOCKET": name})
    one.wait_log("cannot notify the service manager")


# ---- the units ----

@pytest.fixture
def units(tmp):
    """A directory with the units, for the program that is tested."""
    for unit in UNITS.iterdir():
        text = unit.read_text()
        assert "/usr/bin/culvert " in text or unit.suffix == ".socket"
        (tmp / unit.name).write_text(
            text.replace("/usr/bin/culvert", culvert.PROGRAM))
    return tmp


def analyze(*argv):
    """Run systemd-analyze; returns what it says."""
    return subprocess.run(
        ["systemd-analyze", *argv], stdout=subprocess.PIPE, text=True,
        stderr=subprocess.STDOUT, timeout=FAILSAFE, check=True).stdout


@pytest.mark.parametrize("unit", ["culvert.service", "culvert@plant.service",
                                  "culvert.socket",
                                  "culvert-capture@plant.service"])
def test_verify(units, unit):
    """systemd-analyze finds nothing."""
    assert shutil.which("systemd-analyze"), "no systemd-analyze"
    said = analyze("verify", "--man=no", str(units / unit))
    assert not [line for line in said.splitlines() if "culvert" in line], said


@pytest.mark.parametrize("unit", ["culvert.service", "culvert@.service"])
def test_exposure(unit):
    """systemd-analyze rates it better than 2.5."""
    said = analyze("security", "--offline=yes", str(UNITS / unit))
    level = float(re.search("Overall exposure level .*: ([0-9.]+)", said)[1])
    assert level < 2.5, said


def test_units_agree():
    """The two units differ only in the tunnels that they start."""
    one, other = ((UNITS / name).read_text().replace("-%i", "")
                  for name in ("culvert.service", "culvert@.service"))
    assert one.replace("--all", "%i").replace("all tunnels", "tunnel %i") \
        == other


def test_sysusers():
    """The user of the units, made by systemd-sysusers."""
    path = culvert.REPO / "dist/sysusers.d/culvert.conf"
    said = subprocess.run(["systemd-sysusers", "--dry-run", str(path)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=True, timeout=FAILSAFE).stdout
    assert "culvert" in said, said
