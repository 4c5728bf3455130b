"""The two processes under their names: ps, pidof, pgrep, pkill."""

import os
import signal
import subprocess

import cli
import culvert
from process import FAILSAFE, Process, children, until

MONITOR = "culvert-monitor"


def ps(pid, column):
    """What ps shows of a process."""
    return subprocess.run(["ps", "-ww", "-o", f"{column}=", "-p", str(pid)],
                          stdout=subprocess.PIPE, text=True, check=True,
                          timeout=FAILSAFE).stdout.strip()


def pids(*argv):
    """The pids that a command prints."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True,
                          timeout=FAILSAFE)
    return {int(word) for word in done.stdout.split()}


def test_names(start_culvert):
    """Each has its name; the first process keeps its arguments."""
    one = start_culvert("0:127.0.0.1:21", options=["-v"])
    assert ps(one.pid, "comm") == "culvert"
    assert ps(one.pid, "args") == " ".join(one.process.popen.args[4:])
    assert ps(one.monitor, "comm") == MONITOR
    assert ps(one.monitor, "args") == MONITOR
    assert ps(one.ssh, "comm") == "ssh"
    # Only the first process is the one to signal.
    for found in pids("pidof", "culvert"), pids("pgrep", "-x", "culvert"):
        assert one.pid in found and one.monitor not in found
    assert {one.pid, one.monitor} <= pids("pgrep", "culvert")


def test_short_command_line(tmp):
    """The arguments have less room than the name."""
    (tmp / "culvert").mkdir()
    (tmp / "culvert/culvert.conf").write_text(
        "[tunnel p]\ndestination = h\nL = 0:h:21\nssh = /bin/false\n")
    (tmp / "c").symlink_to(culvert.PROGRAM)
    env = cli.environment(tmp, XDG_CONFIG_HOME=str(tmp), MARK="it stays")
    one = Process(["env", "-C", str(tmp), "PATH=.", "c", "up", "p"], env=env)
    try:
        monitor, = until(lambda: children(one.pid), "the monitor")
        until(lambda: ps(monitor, "args") == MONITOR, "its name")
        assert ps(one.pid, "args") == "c up p"
    finally:
        one.stop()


def test_environment_stays(start_culvert):
    """ssh still gets the whole environment."""
    mark = {f"MARK_{n}": "x" * n for n in (1, 100, 3000)}
    one = start_culvert("0:127.0.0.1:21", env=mark)
    with open(f"/proc/{one.ssh}/environ") as file:
        found = dict(text.split("=", 1) for text in file.read().split("\0")
                     if "=" in text)
    assert mark.items() <= found.items()


def test_pkill(start_culvert):
    """A signal to both is an ordinary stop."""
    one = start_culvert("0:127.0.0.1:21")
    for pid in one.monitor, one.pid:
        os.kill(pid, signal.SIGTERM)
    one.process.wait()
    one.stop()
