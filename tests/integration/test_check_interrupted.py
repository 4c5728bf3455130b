"""culvert check: signals, and the loss of the SSH connection."""

import contextlib
import os
import re
import signal

import pytest

import culvert
import scripted
from checker import default_sshd, forward, vsftpd  # noqa: F401
from process import Process


@contextlib.contextmanager
def running(checker, *argv):
    """Start `culvert check`; when it has ended, nothing of it is left."""
    process = Process([culvert.PROGRAM, "check", *argv],
                      env=checker.environment())
    yield process
    assert not culvert.SANITIZER.search(process.output), process.output
    assert not list(checker.home.glob("culvert.*"))


@contextlib.contextmanager
def waiting(ns, sshd, checker):
    """The same, waiting for the FTP server's answer to FEAT."""
    with scripted.server(ns) as listener, \
            running(checker, "-F", sshd.config, "-L",
                    f"0:127.0.0.1:{listener.port}", sshd.host) as process, \
            listener.accept() as control:
        control.reply("220 hello")
        control.expect_command("FEAT")
        yield process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(number, sshd, forward, checker):
    """While sshd sends nothing: it ends at once and leaves nothing."""
    with scripted.Listener() as listener, \
            running(checker, "-F", sshd.config, "-o", "HostName=127.0.0.1",
                    "-p", str(listener.port), "-L", forward,
                    sshd.host) as process, listener.accept():
        assert process.stop(number) == 3, process.output


def test_interrupted_in_a_transfer(ns, sshd, checker):
    """While the FTP server does not answer."""
    with waiting(ns, sshd, checker) as process:
        assert process.stop() == 3, process.output


def test_link_lost(ns, sshd, checker):
    """The SSH connection is lost: it is reported, and the check ends."""
    with waiting(ns, sshd, checker) as process:
        ssh, = culvert.all_ssh_of(process.pid)
        os.kill(ssh, signal.SIGTERM)
        assert process.wait() == 1
    assert re.search("^WRONG +ssh +", process.output, re.M), process.output
