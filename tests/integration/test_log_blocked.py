"""Standard error that nobody reads, or that cannot be written.

No session waits for it; lines are dropped whole, and counted.
"""

import contextlib
import fcntl
import os
import pty
import re
import socket
import subprocess
import termios

import pytest

import netns
import scripted
from process import children, until

LINES = 400  # commands of a session, each with several lines at -vv


def read_now(fd):
    """Read what is there."""
    os.set_blocking(fd, False)
    pieces = []
    with contextlib.suppress(BlockingIOError, OSError):
        while piece := os.read(fd, 65536):
            pieces.append(piece)
    return b"".join(pieces).decode().replace("\r\n", "\n")


def small_pipe():
    """A pipe for which a few lines are enough: (reader, writer)."""
    reader, writer = os.pipe()
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    return reader, writer


def stopped_terminal():
    """A terminal on which somebody has typed Ctrl-S."""
    master, slave = pty.openpty()
    termios.tcflow(slave, termios.TCOOFF)
    return master, slave


def small_socket():
    """As an inetd, or rshd, has it."""
    reader, writer = socket.socketpair()
    writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return reader.detach(), writer.detach()


@pytest.fixture
def quiet_session(ns, start_culvert):
    """Return a function: a session whose culvert logs to that descriptor."""
    with scripted.server(ns, "127.0.0.1") as listener, \
            contextlib.ExitStack() as stack:
        def start(fd, *wrap):
            port = netns.Here.free_port()
            one = start_culvert(
                f"{port}:127.0.0.1:{listener.port}", options=["-vv"],
                ready=False, pass_fds=[fd],
                wrap=[*wrap, "bash", "-c", f"exec \"$@\" 2>&{fd}", "bash"])

            def connect():
                try:
                    return scripted.client("127.0.0.1", port)
                except ConnectionRefusedError:
                    assert one.alive()
                    return None
            client = stack.enter_context(until(connect, "it listens"))
            server = stack.enter_context(listener.accept())
            server.reply("220 ready")
            client.expect("220")
            client.command("USER tester")
            server.expect_command("USER tester")
            server.reply("230 in")
            client.expect("230")
            return one, client, server
        yield start


def talk(client, server):
    """So many commands that the log is full."""
    for number in range(LINES):
        client.command(f"NOOP {number}")
        server.expect_command(f"NOOP {number}")
        server.reply(f"200 {number}")
        client.expect(f"200 {number}")


@pytest.mark.parametrize("make", [small_pipe, stopped_terminal, small_socket],
                         ids=lambda make: make.__name__)
def test_nobody_reads(make, quiet_session):
    """Sessions continue; later a line says how many are missing."""
    reader, writer = make()
    flags = fcntl.fcntl(writer, fcntl.F_GETFL)
    one, client, server = quiet_session(writer)
    talk(client, server)
    # The flags of shared descriptors are unchanged.
    assert fcntl.fcntl(writer, fcntl.F_GETFL) == flags
    if make is stopped_terminal:
        termios.tcflow(writer, termios.TCOON)
    text = read_now(reader)
    client.command("HELP")
    server.expect_command("HELP")
    server.reply("214 no")
    client.expect("214")
    text += read_now(reader)
    lost = re.findall(r"^culvert: (\d+) lines were not logged: standard error "
                      r"was full$", text, re.MULTILINE)
    assert sum(map(int, lost)) > LINES, text
    assert "-> HELP" in text
    # Only complete lines.
    for line in text.splitlines():
        assert line.startswith("culvert: ") and line.count("culvert: ") == 1
    one.stop()
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("kind", ["no reader", "/dev/full"])
def test_cannot_be_written(kind, quiet_session):
    """A pipe without a reader, a full disk."""
    if kind == "no reader":
        reader, writer = os.pipe()
        os.close(reader)
    else:
        writer = os.open("/dev/full", os.O_WRONLY)
    one, client, server = quiet_session(writer)
    talk(client, server)
    one.stop()
    os.close(writer)


def test_full_file(quiet_session, tmp):
    """A disk that is full for a while: it is logged afterwards."""
    path = tmp / "log"
    with open(path, "wb") as file:
        one, client, server = quiet_session(file.fileno(), "prlimit",
                                            "--fsize=3000:")
        talk(client, server)
        assert path.stat().st_size <= 3000
        subprocess.run(["prlimit", "--fsize=unlimited", "--pid",
                        str(one.pid)], check=True)
        talk(client, server)
    text = path.read_text()
    assert re.search(r"^culvert: \d+ lines were not logged: cannot write to "
                     r"standard error: File too large$", text, re.MULTILINE)
    for line in text.splitlines():
        assert line.startswith("culvert: ") and line.count("culvert: ") == 1
    one.stop()


def test_monitor(quiet_session):
    """The monitor's own messages do not block it: it still starts ssh."""
    reader, writer = small_pipe()
    one, client, server = quiet_session(writer)
    talk(client, server)
    monitor, = children(one.pid)
    with open(f"/proc/{monitor}/fdinfo/4") as file:
        assert int(file.read().split()[3], 8) & os.O_NONBLOCK
    os.kill(one.ssh, 9)
    client.expect("421")
    one.process.wait()
    os.close(reader)
    os.close(writer)
