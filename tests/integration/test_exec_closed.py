"""culvert exec fails closed: what is captured never goes another way.

The server here is on near_end, which the command could reach directly, and the
far side cannot.
"""

import contextlib
import os
import platform
import re
import signal
import socket
import subprocess

import pytest

import culvert
import netns
import scripted
from exec_rig import (  # noqa: F401
    BUILT, bypass, connect_script, main_of, ssh_of)
from process import FAILSAFE, until
from transfer import PART

# On near_end, beside its address that all tests share.
OWN_ADDRESS = "192.0.2.99"


@pytest.fixture
def near_server(topology):
    """Return the address of a listener at port 21 of near_end; no connection
    may come.

    Its address is its own: other tests have servers at that port.
    """
    host = topology.near_end
    netns.ip("-n", host.name, "addr", "add", f"{OWN_ADDRESS}/24", "dev",
             "near")
    try:
        with host.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((OWN_ADDRESS, 21))
            listener.listen()
            listener.setblocking(False)
            yield OWN_ADDRESS
            with pytest.raises(BlockingIOError):
                listener.accept()
    finally:
        netns.ip("-n", host.name, "addr", "del", f"{OWN_ADDRESS}/24", "dev",
                 "near")


# ---- attempts to bypass ----

def test_direct_server_can_be_reached(topology, near_server):
    """Without culvert exec, it can; or the other tests would show nothing."""
    with topology.near_end.socket() as listener:
        listener.bind((near_server, 0))
        listener.listen()
        topology.near.run(["/usr/bin/python3", "-c", "import socket;"
                           "socket.create_connection("
                           f"{listener.getsockname()!r}, 5)"])


def test_captured(execute, near_server):
    """A plain connection: the far side cannot reach that host."""
    status, said = execute.run(*connect_script(near_server, 21))
    assert re.search("^421 ", said, re.M), said


@pytest.mark.parametrize("how, errno", [
    ("fastopen", "Operation not supported"),
    ("fastopen-message", "Operation not supported"),
    ("ring", "Function not implemented")])
def test_other_calls(execute, near_server, bypass, how, errno):
    """Calls that connect without connect(2) fail as where they do not exist.
    """
    assert execute.run(bypass, how, near_server, 21) == (0, f"{errno}\n")


@pytest.mark.parametrize("script", [
    "setsid \"$@\"", "(\"$@\") & wait", "nohup \"$@\"", "env -i \"$@\"",
    "nice \"$@\"", "bash -c 'exec \"$@\"' bash \"$@\"",
    "unshare --user --map-root-user \"$@\"", "unshare --pid --fork \"$@\"",
    "LD_PRELOAD= \"$@\"", "timeout 30 \"$@\"", "chroot / \"$@\""])
def test_what_the_command_starts(execute, near_server, script):
    """Its children are captured too, however they are started."""
    status, said = execute.run("bash", "-c", script, "bash",
                               *connect_script(near_server, 21))
    assert re.search("^421 ", said, re.M), said


def test_static_program(execute, near_server):
    """A static program, with a thread for each connection."""
    status, said = execute.run(BUILT / "go-ftp", near_server, "21", "storm",
                               "20")
    assert "421 " in said, said


def test_change_of_the_address(execute, near_server, bypass, topology):
    """--only: an address that another thread changes while it is checked."""
    with topology.near.socket() as decoy:
        decoy.bind(("127.0.0.1", 0))
        decoy.listen(4096)
        # Port 22, where nobody would be captured.
        status, said = execute.run(
            bypass, "race", near_server, 22, decoy.getsockname()[1],
            options=["--only", "-q"], timeout=120)
    assert status == 0, said
    assert re.search(r"^here [1-9]\d*, refused [1-9]\d*$", said, re.M), said


def test_signals_of_children(execute, bypass):
    """A connect(2) that does not wait is not interrupted by SIGCHLD, as it is
    not without culvert; lftp would give up.
    """
    assert execute.run(bypass, "children", "127.0.0.1", 9) == \
        (0, "interrupted 0\n")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86 only")
def test_32_bit_program(execute, tmp):
    """It is ended, with a line that says why."""
    (tmp / "one.s").write_text(
        ".globl _start\n_start: movl $1, %eax\nmovl $7, %ebx\nint $0x80\n")
    subprocess.run(["as", "--32", "-o", tmp / "one.o", tmp / "one.s"],
                   check=True)
    subprocess.run(["ld", "-m", "elf_i386", "-o", tmp / "one", tmp / "one.o"],
                   check=True)
    if subprocess.run([tmp / "one"], check=False).returncode != 7:
        pytest.skip("this kernel runs no 32-bit programs")
    status, said = execute.run(tmp / "one")
    assert status == -signal.SIGKILL
    assert said == "culvert: one: ended, because it is a program of another " \
        "architecture (32-bit?), whose connections culvert exec cannot " \
        "capture\n"


# ---- the link, and the processes ----

def start_client(execute, host, options=()):
    """Start a command that connects once for each line that it reads."""
    script = connect_script(host, 21)[2]
    return execute.start(
        "/usr/bin/python3", "-u", "-c", "import os, time\n"
        f"print('ready')\nwhile True:\n open('{execute.home}/go').read()\n "
        f"exec({script!r})\n", options=options)


@contextlib.contextmanager
def client(execute, host, options=()):
    """Give such a client, and a function that lets it connect."""
    os.mkfifo(execute.home / "go")
    child = start_client(execute, host, options)

    def go():
        place = child.mark()
        with open(execute.home / "go", "w") as fifo:
            fifo.write("go")
        return child.wait_line("^[^c].*", start=place).string

    try:
        child.wait_line("^ready$")
        yield child, go
    finally:
        child.stop()
        execute.check(child.output)


def test_link_killed(execute, near_server):
    """A connection while there is no link gets a 421, or waits for the link.
    """
    with client(execute, near_server) as (child, go):
        for _ in range(3):
            os.kill(ssh_of(child), signal.SIGKILL)
            assert go().startswith("421 ")


def test_link_killed_for_good(execute, near_server):
    """Without --retry the main process ends; then connections fail at once."""
    with client(execute, near_server, ["--retry", "0"]) as (child, go):
        os.kill(ssh_of(child), signal.SIGKILL)
        child.wait_line("^culvert: the SSH connection is not available")
        assert go() == "No route to host"


def test_main_process_killed(execute, near_server):
    """The same."""
    with client(execute, near_server) as (child, go):
        assert go().startswith("421 ")
        os.kill(main_of(child), signal.SIGKILL)
        child.wait_line("^culvert: the SSH connection is not available")
        assert go() == "No route to host"


def test_main_process_stopped(execute, near_server):
    """It cannot say where to; so the connection fails after a while."""
    with client(execute, near_server) as (child, go):
        main = main_of(child)
        os.kill(main, signal.SIGSTOP)
        try:
            assert go() == "No route to host"
        finally:
            os.kill(main, signal.SIGCONT)
        assert go().startswith("421 ")


@pytest.mark.parametrize("what", ["ssh", "main"])
@pytest.mark.parametrize("way", ["download", "upload"])
def test_killed_in_a_transfer(execute, server21, tmp, way, what):
    """The client does not take a part for the whole file."""
    server = server21()
    place = server.mkdir(tmp.name)
    url = f"ftp://{server.user}:{server.password}@{server.address}" \
        f"/{tmp.name}/file"
    os.mkfifo(tmp / "up")
    if way == "download":
        with open(place / "file", "wb") as file:
            file.truncate(64 << 30)
        words = ["-o", tmp / "down", url]
    else:
        words = ["-T", tmp / "up", url]
    child = execute.start("curl", "-sS", *words)
    if way == "upload":
        up = open(tmp / "up", "wb")
        up.write(bytes(PART))
        up.flush()
    path = place / "file" if way == "upload" else tmp / "down"
    until(lambda: path.exists() and path.stat().st_size > 0, "it runs")
    os.kill(ssh_of(child) if what == "ssh" else main_of(child),
            signal.SIGKILL)
    if way == "upload":
        with contextlib.suppress(BrokenPipeError):
            up.close()
    assert child.wait() not in (0, -signal.SIGKILL), child.output
    assert "complete" not in child.output
    execute.check(child.output)


def greet_all(listener, count):
    """Greet so many connections; keeps them until all have come."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            one = stack.enter_context(listener.accept()[0])
            one.sendall(b"220 hello\r\n")


def test_storm(execute, topology):
    """1,000 connections at the same time, each in its own thread."""
    with topology.far_end.socket() as listener:
        listener.bind((topology.far_end.address("ipv4"), 0))
        listener.listen(1000)
        host, port = listener.getsockname()
        greeter = scripted.start(greet_all, listener, 1000)
        status, said = execute.run(
            BUILT / "go-ftp", host, port, "storm", 1000, options=[
                "-q", "--max-sessions", "1000", "--capture",
                f"{host}:{port}"], timeout=120)
        assert (status, said) == (0, "all 1000\n")
        greeter.result(FAILSAFE)
    topology.capture.check()
