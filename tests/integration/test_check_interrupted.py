"""culvert check: signals, and the loss of the SSH connection."""

import re
import signal

import pytest

import culvert
import scripted
from checker import default_sshd, forward, vsftpd  # noqa: F401
from process import Process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(number, sshd, forward, checker):
    """While sshd says nothing: it ends at once, and leaves nothing."""
    with scripted.Listener() as listener:
        process = Process(
            [culvert.PROGRAM, "check", "-F", sshd.config, "-o",
             "HostName=127.0.0.1", "-p", str(listener.port), "-L", forward,
             sshd.host], env=checker.environment())
        with listener.accept():
            assert process.stop(number) == 3, process.output
    assert not culvert.SANITIZER.search(process.output), process.output
    assert not list(checker.home.glob("culvert.*"))


def test_interrupted_in_a_transfer(ns, sshd, checker):
    """While the FTP server does not answer."""
    with scripted.server(ns) as listener:
        process = Process(
            [culvert.PROGRAM, "check", "-F", sshd.config, "-L",
             f"0:127.0.0.1:{listener.port}", sshd.host],
            env=checker.environment())
        with listener.accept() as control:
            control.reply("220 hello")
            control.expect_command("FEAT")
            assert process.stop() == 3, process.output
    assert not culvert.SANITIZER.search(process.output), process.output
    assert not list(checker.home.glob("culvert.*"))


def test_lost(ns, sshd, checker):
    """The SSH connection is lost in the middle: said, and the end."""
    with scripted.server(ns) as listener:
        process = Process(
            [culvert.PROGRAM, "check", "-F", sshd.config, "-L",
             f"0:127.0.0.1:{listener.port}", sshd.host],
            env=checker.environment())
        with listener.accept() as control:
            control.reply("220 hello")
            control.expect_command("FEAT")
            monitor, = culvert.children(process.pid)
            ssh, = [pid for pid in culvert.children(monitor)
                    if culvert.process_name(pid) == "ssh"]
            culvert.os.kill(ssh, signal.SIGTERM)
            assert process.wait() == 1
    assert re.search("^WRONG +ssh +", process.output, re.M), process.output
    assert not culvert.SANITIZER.search(process.output), process.output
