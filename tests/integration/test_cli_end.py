"""How culvert ends: signals, failures, statuses."""

import contextlib
import os
import pathlib
import signal
import socket
import stat
import subprocess

import pytest

import cli
import culvert
import netns
import scripted
from process import FAILSAFE, until, wait_gone
from servers import NOBODY, PYTHON
from transfer import modes, no_success, replies_to_end

signals = pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM],
    ids=lambda number: number.name)


# ---- stopped ----

def stop(one, number=signal.SIGTERM):
    """Stop culvert; returns all that the session's client is told.

    Fails unless nothing is left, and the status is 0.
    """
    one.culvert.see()
    one.culvert.process.send_signal(number)
    replies = replies_to_end(one.client)
    one.client.close()
    assert one.culvert.process.wait() == 0, one.culvert.output
    one.culvert.check()
    one.culvert.check_nothing_left()
    return replies


@signals
def test_stopped(number, session):
    """Sessions get 421, nothing is left, and the status is 0."""
    one = session()
    replies = stop(one, number)
    assert [text[:3] for text in replies] == ["421"], replies
    assert "stopping" in replies[0], replies


@modes
@pytest.mark.parametrize("command", ["RETR file", "STOR file"])
def test_stopped_in_a_transfer(mode, command, session):
    """A transfer is cut: reset, 426 and 421."""
    one = session()
    near, far = one.data(mode, command)
    if command == "RETR file":
        far.send_to(near, b"a part")
    else:
        near.send_to(far, b"a part")
    replies = stop(one)
    assert near.expect_reset() == b""
    no_success(replies)
    assert [text[:3] for text in replies] == ["426", "421"], replies
    verdict = "TRUNCATED" if command == "STOR file" else "cut"
    one.culvert.wait_log(rf'"file", 6 bytes: {verdict}: ')


def test_stopped_with_a_client_that_does_not_read(session):
    """A client that does not read cannot keep it alive."""
    one = session()
    near, far = one.data("passive", "RETR file", rcvbuf=4096)
    far.send(bytes(500_000))
    near.read(1)
    one.culvert.stop()


def test_stopped_twice(session):
    """A second signal changes nothing."""
    one = session()
    one.culvert.see()
    for _ in range(3):
        with contextlib.suppress(ProcessLookupError):
            one.culvert.process.send_signal(signal.SIGINT)
    assert one.culvert.process.wait() == 0
    one.culvert.check_nothing_left()


def test_stopped_while_ssh_connects(tmp):
    """The same before the link is up."""
    with scripted.Listener() as silent:
        one = cli.Background(tmp, "-F", "/dev/null", "-p", str(silent.port),
                             "-L", "0:h:21", "127.0.0.1")
        with silent.accept():  # ssh waits for sshd's first word
            assert one.stop() == 0, one.output
    assert not list(tmp.glob("culvert.*"))


def test_killed(session):
    """SIGKILL: ssh ends, too, and no process is left."""
    one = session()
    ssh = one.culvert.ssh
    one.culvert.process.kill()
    assert wait_gone(ssh, FAILSAFE)
    # The server's control connection ends, so no session hangs there.
    assert one.server.read_all() == b""


# ---- 1: it failed ----

def test_address_in_use(tmp, sshd):
    """Status 1, before ssh could ask for a password."""
    with scripted.Listener() as taken:
        status, said = cli.run(tmp, "-F", sshd.config, "--ssh", "/bin/false",
                               "-L", f"{taken.port}:h:21", "files.test")
    assert status == 1, said
    assert f"port {taken.port}: Address already in use" in said, said


@pytest.mark.parametrize("bind, why", [
    ("192.0.2.1", "assign"), ("no-such-name.invalid", "no-such-name.invalid"),
])
def test_impossible_address(bind, why, tmp, sshd):
    """Status 1: an address of another host, an unknown name."""
    status, said = cli.run(tmp, "-F", sshd.config, "--ssh", "/bin/false",
                           "--allow", "::/0", "-L", f"{bind}:0:h:21",
                           "files.test")
    assert status == 1, said
    assert "cannot listen on" in said and why in said, said


def test_ssh_killed(session):
    """Status 1, with the reason, if the link is lost later."""
    one = session()
    os.kill(one.culvert.ssh, signal.SIGKILL)
    assert one.culvert.process.wait() == 1
    one.culvert.check_nothing_left()
    assert "culvert: the SSH connection to files.test was lost: ssh was " \
        "ended by signal 9" in one.culvert.output


@pytest.mark.parametrize("program", ["/no/such/ssh", "no-such-ssh", "/etc"])
def test_no_ssh(program, tmp):
    """Status 1 if the program does not exist: that is not a failed connection.
    """
    status, said = cli.run(tmp, "--ssh", program, "-L", "0:h:21", "host")
    assert status == 1, said
    assert f"cannot run {program}: " in said, said


def test_ssh_goes_away(tmp):
    """Status 1 also if the program vanishes after ssh -G."""
    program = tmp / "ssh-once"
    program.write_text(f'#!/bin/sh\nrm -f {program}\nexit 1\n')
    program.chmod(0o755)
    status, said = cli.run(tmp, "--ssh", program, "-L", "0:h:21", "host")
    if "could not connect" in said:
        pytest.skip("this CPU has no AES instructions: nothing is asked")
    assert status == 1, said
    assert f"cannot run {program}: No such file" in said, said


@pytest.mark.parametrize("variable", ["XDG_RUNTIME_DIR", "TMPDIR"])
def test_no_such_directory(variable, tmp, sshd):
    """A directory that does not exist is skipped."""
    one = cli.Background(tmp, "-F", sshd.config, "-L", "0:h:21", "files.test",
                         **{variable: "/no/such/directory"})
    one.wait_line("listening on")
    assert len(list(tmp.glob("culvert.*"))) == 1
    assert one.stop() == 0


# ---- 255: ssh could not connect ----

@pytest.mark.parametrize("options, words", [
    (["-o", "IdentityFile=none", "-o", "PubkeyAuthentication=no"],
     "Permission denied"),
    (["-o", "HostKeyAlias=unknown"], "Host key verification failed"),
    (["-o", "HostName=no-such-name.invalid"], "Could not resolve hostname"),
    # One that ends before ssh has written may end ssh without a word; and ssh
    # has none for it at LogLevel ERROR since 9.8.
    (["-o", "ProxyCommand=sleep 0.3", "-o", "LogLevel=INFO"],
     "Connection closed"),
    (["-o", "Nonsense=yes"], "Bad configuration option"),
    (["-F", "/no/such/file"], "/no/such/file"),
])
def test_not_connected(options, words, tmp, sshd):
    """Status 255, with ssh's message."""
    status, said = cli.run(tmp, "-F", sshd.config, *options, "-L", "0:h:21",
                           "files.test")
    assert status == 255, said
    assert words in said, said
    assert "ssh could not connect to files.test: " in said, said
    assert "listening on" not in said


def test_refused_connection(tmp):
    """Status 255 if nothing listens on the SSH port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        status, said = cli.run(
            tmp, "-F", "/dev/null", "-p", str(free.getsockname()[1]), "-L",
            "0:h:21", "127.0.0.1")
    assert status == 255, said
    assert "Connection refused" in said, said


def test_batch(tmp, sshd):
    """--batch: an unknown host key is status 255, without a prompt."""
    known = tmp / "known_hosts"
    config = cli.ssh_config(tmp, sshd, "StrictHostKeyChecking ask",
                            f"UserKnownHostsFile {known}")
    status, said = cli.run(tmp, "--batch", "-F", config, "-L", "0:h:21",
                           "files.test")
    assert status == 255, said
    assert "Host key verification failed." in said, said
    assert not known.exists()


# ---- nobody else ----

REACH = """\
import os, socket, sys
for action in (lambda: os.listdir(sys.argv[1]),
               lambda: socket.socket(socket.AF_UNIX).connect(sys.argv[2])):
    try:
        action()
        print("reached")
    except PermissionError:
        print("denied")
"""


def test_private_directory(session):
    """Mode 0700: another user cannot reach the control socket."""
    one = session()
    private, = pathlib.Path(one.culvert.dir).glob("culvert.*")
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    sockets = [path for path in private.iterdir() if path.is_socket()]
    assert sockets
    for path in sockets:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        child = subprocess.run(
            [PYTHON, "-c", REACH, str(private), str(path)], user=NOBODY,
            group=NOBODY, extra_groups=[], cwd="/", capture_output=True,
            text=True, timeout=FAILSAFE)
        assert child.stdout == "denied\ndenied\n", child.stdout + child.stderr


def test_far_listener_is_private(session):
    """The same for the Unix socket of a far listener."""
    one = session()
    near, far = one.data("active", "RETR file")
    private, = pathlib.Path(one.culvert.dir).glob("culvert.*")
    names = [path.name for path in private.iterdir()]
    assert len(names) == 3, names
    for path in private.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", "<&-", ">&-", "2>&-",
                                    "<&- >&-"])
def test_standard_closed(closed, sshd, tmp, server):
    """Started without standard input, output or error."""
    port = server("vsftpd").port
    at = netns.Here.free_port()
    argv = [culvert.PROGRAM, "-L", f"{at}:127.0.0.1:{port}", "-F",
            sshd.config, "files.test"]
    with subprocess.Popen(
            ["sh", "-c", f'exec "$@" {closed}', "sh", *argv],
            env=cli.environment(tmp), start_new_session=True) as process:
        def answers():
            try:
                with scripted.client("127.0.0.1", at) as client:
                    client.expect("220")
            except ConnectionRefusedError:
                assert process.poll() is None, process.returncode
                return False
            return True
        until(answers, "culvert takes a client")
        process.terminate()
        assert process.wait(FAILSAFE) == 0
    assert not [name for name in os.listdir(tmp)
                if name.startswith("culvert.")]
