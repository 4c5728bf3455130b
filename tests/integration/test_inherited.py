"""What culvert inherits from the program that starts it.

Signals ignored or blocked, a umask, descriptors, limits, no environment: it
works in the same way, and it can be stopped.
"""

import fcntl
import os
import pathlib
import select
import signal
import subprocess

import pytest

import cli
import culvert
from process import FAILSAFE, children
from transfer import MODES, Ftp

# Each gets the program and its arguments, and executes it.
PERL = "exec { $ARGV[0] } @ARGV or die"
IGNORED = ["perl", "-e", "$SIG{$_} = 'IGNORE' for grep "
           f"!/KILL|STOP|NUM|RTM|CLD|IOT|INT|HUP|QUIT/, keys %SIG; {PERL}"]
BLOCKED = ["perl", "-MPOSIX=:signal_h", "-e",
           "sigprocmask(SIG_BLOCK, POSIX::SigSet->new(1 .. 31)) or die;"
           + PERL]
PENDING = ["perl", "-MPOSIX=:signal_h", "-e",
           "sigprocmask(SIG_BLOCK, POSIX::SigSet->new(1 .. 31)) or die;"
           "kill $_, $$ for 'USR1', 'ALRM', 'PIPE', 'XCPU';" + PERL]
WRAPS = {
    "SIGCHLD ignored by perl": ["perl", "-e",
                                f"$SIG{{CHLD}} = 'IGNORE'; {PERL}"],
    "SIGCHLD ignored by sh": ["sh", "-c", "trap '' CHLD; exec \"$@\"", "sh"],
    "SIGTERM ignored": ["sh", "-c", "trap '' TERM; exec \"$@\"", "sh"],
    "all signals ignored": IGNORED,
    "all signals blocked": BLOCKED,
    "signals pending": PENDING,
    "umask 0777": ["sh", "-c", "umask 0777; exec \"$@\"", "sh"],
    "umask 0": ["sh", "-c", "umask 0; exec \"$@\"", "sh"],
    "no environment": ["env", "-i"],
    "no directory": ["sh", "-c", "cd $(mktemp -d) && rmdir $PWD && exec "
                     "\"$@\"", "sh"],
    "few descriptors": ["sh", "-c", "ulimit -Sn 8; exec \"$@\"", "sh"],
    "no core files": ["sh", "-c", "ulimit -c 0; exec \"$@\"", "sh"],
}


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS.keys())
def test_transfers_and_end(wrap, server, start_culvert, tmp):
    """Transfers in both modes work, and SIGTERM ends it cleanly."""
    ftp_server = server("vsftpd")
    content = os.urandom(100_000)
    (ftp_server.mkdir(tmp.name) / "file").write_bytes(content)
    one = start_culvert(f"0:127.0.0.1:{ftp_server.port}", wrap=wrap)
    with Ftp(one, ftp_server) as ftp:
        for mode in MODES:
            assert ftp.fetch(mode, f"RETR {tmp.name}/file") == content
    one.stop()


@pytest.mark.parametrize("wrap", [IGNORED, BLOCKED, WRAPS["umask 0777"]],
                         ids=["ignored", "blocked", "umask"])
def test_another_ssh(wrap, session):
    """A lost link is noticed, and ssh is started again."""
    one = session(wrap=wrap, retry=None)
    os.kill(one.culvert.ssh, signal.SIGKILL)
    one.client.expect("421")
    one.culvert.wait_log("connected to files.test again")
    one.check_next()


def state(pid, name):
    """One of the sets of signals of a process, as /proc has them."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            bits = int(line.split()[1], 16)
            return {number for number in range(1, 32)
                    if bits >> number - 1 & 1}
    raise AssertionError(name)


@pytest.mark.parametrize("wrap", [IGNORED, BLOCKED],
                         ids=["ignored", "blocked"])
def test_ssh_starts_clean(wrap, start_culvert):
    """ssh has no signal blocked, and ignores only those of a terminal."""
    one = start_culvert("0:127.0.0.1:21", wrap=wrap)
    assert state(one.ssh, "SigBlk") == set()
    terminal = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP}
    # ssh itself ignores SIGPIPE.
    assert state(one.ssh, "SigIgn") - {signal.SIGPIPE} == terminal | (
        {signal.SIGTTIN} if wrap is IGNORED else set())


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT],
                         ids=lambda number: number.name)
def test_stays_ignored(number, session):
    """nohup(1), and a background job of a script.

    The terminal sends the signal to all processes: none of them ends.
    """
    one = session(wrap=["sh", "-c", f"trap '' {number.name[3:]};"
                        " exec \"$@\"", "sh"], options=["-v"])
    near, far = one.data("active", "RETR file")
    for pid in one.culvert.pid, one.culvert.monitor, one.culvert.ssh:
        os.kill(pid, number)
        assert number in state(pid, "SigIgn")
    one.transfer(near, far, b"whole")
    one.culvert.stop()



def test_descriptors(start_culvert):
    """Neither culvert nor ssh keeps descriptors of the caller."""
    reader, writer = os.pipe()
    try:
        one = start_culvert("0:127.0.0.1:21", pass_fds=[writer])
    finally:
        os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert select.select([pipe], [], [], FAILSAFE)[0], "it is still open"
        assert pipe.read() == b""
    assert one.ssh


def test_too_few_descriptors(tmp, sshd):
    """A hard limit that is too low is an error at the start."""
    done = subprocess.run(
        ["sh", "-c", "ulimit -n 20; exec \"$@\"", "sh", culvert.PROGRAM, "-F",
         sshd.config, "-L", "0:h:21", "files.test"], capture_output=True,
        text=True, timeout=FAILSAFE, env=cli.environment(tmp))
    assert done.returncode == 1, done
    assert "at most 20 descriptors are allowed (ulimit -n)" in done.stderr


def test_flags_of_standard_files(start_culvert):
    """O_NONBLOCK would apply to the shell, too: it is not set."""
    reader, writer = os.pipe()
    with os.fdopen(reader), os.fdopen(writer):
        one = start_culvert("0:127.0.0.1:21", stdin=reader)
        assert not fcntl.fcntl(reader, fcntl.F_GETFL) & os.O_NONBLOCK
        for fd in 0, 1, 2:
            flags = pathlib.Path(f"/proc/{one.pid}/fdinfo/{fd}").read_text()
            assert not int(flags.split()[3], 8) & os.O_NONBLOCK, (fd, flags)


def test_alarm(start_culvert):
    """An alarm that was set before exec does not end it."""
    one = start_culvert("0:127.0.0.1:21",
                        wrap=["perl", "-e", f"alarm 1; {PERL}"])
    subprocess.run(["perl", "-e", "alarm 1; sleep 9"])  # later
    assert one.alive()


TIMER = """import os, signal, sys
signal.signal(signal.{name}, signal.SIG_IGN)
signal.setitimer(signal.ITIMER_{kind}, 0.001, 0.001)
os.execvp(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.parametrize("kind, name", [
    ("REAL", "SIGALRM"), ("VIRTUAL", "SIGVTALRM"), ("PROF", "SIGPROF")])
def test_timers(kind, name, session):
    """Nor does a timer of real time or CPU time, which survive exec."""
    one = session(wrap=["/usr/bin/python3", "-c",
                        TIMER.format(kind=kind, name=name)])
    near, far = one.data("passive", "RETR file")
    far.send(bytes(1_000_000))
    far.close()
    assert near.read_all() == bytes(1_000_000)
    one.say("226 done")
    one.culvert.stop()


def test_tostop(sshd, tmp):
    """A line from the background to a terminal with "stty tostop"."""
    script = "set -m; stty tostop; \"$@\" & wait $!"
    one = cli.Terminal(
        ["bash", "-c", script, "bash", culvert.PROGRAM, "-v", "-F",
         sshd.config, "-L", "0:127.0.0.1:21", "files.test"],
        cli.environment(tmp))
    try:
        one.wait_for("listening on ")
        pid, = children(one.pid)
        os.kill(pid, signal.SIGTERM)
        one.wait_for("stopping")
        assert one.wait() == 0, one.text
    finally:
        one.close()
