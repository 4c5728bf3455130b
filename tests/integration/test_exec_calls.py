"""What connect(2) does in culvert exec, for whoever calls it, and how."""

import os
import shutil
import signal
import subprocess

import pytest

import cli
import culvert
from exec_rig import NAME, bypass, ssh_of  # noqa: F401
from process import FAILSAFE
from servers import NOBODY, NOGROUP

PYTHON = "/usr/bin/python3", "-u", "-c"
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOGROUP}",
             "--clear-groups")


# ---- which thread ----

@pytest.mark.parametrize("thread", ["alone", "own-descriptors"])
def test_threads(execute, server21, bypass, thread):
    """A thread whose process has no first thread any more; one with a table of
    descriptors of its own.
    """
    status, said = execute.run(bypass, thread, server21().address, 21)
    if tuple(map(int, os.uname().release.split(".")[:2])) < (6, 9):
        assert "this needs Linux 6.9" in said, said
    else:
        assert (status, said[:4]) == (0, "220 "), said


# ---- which user ----

LIST = """
import ftplib, sys
host, user, password, passive, trust = sys.argv[1:]
with ftplib.FTP(host, user, password, timeout=30) as client:
    client.set_pasv(passive == "passive")
    client.trust_server_pasv_ipv4_address = trust == "reply"
    print(client.nlst())
"""


@pytest.mark.parametrize("mode", ["passive", "active"])
@pytest.mark.parametrize("host, trust", [
    ("name", "peer"), ("address", "peer"), ("address", "reply")])
def test_root_becomes_another_user(execute, server21, host, trust, mode):
    """Root's command may run programs as other users: they can connect."""
    server = server21()
    status, said = execute.run(
        *AS_NOBODY, *PYTHON, LIST, NAME if host == "name" else server.address,
        server.user, server.password, mode, trust,
        options=["--map", f"{NAME}={server.address}"])
    assert status == 0 and "refused" not in said, said


@pytest.mark.parametrize("mode", ["passive", "active"])
def test_without_privileges(execute, server21, topology, mode):
    """Nothing of it needs root."""
    server, home = server21(), execute.home
    there = execute.sshd.dir
    config = open(execute.sshd.config).read()
    (home / "config").write_text(config.replace(str(there), str(home)))
    for name in "known_hosts", "user_key":
        shutil.copy(f"{there}/{name}", home / name)
    for path in home, *home.iterdir():
        os.chown(path, NOBODY, NOGROUP)
    done = subprocess.run(
        topology.near.argv([
            *AS_NOBODY, culvert.PROGRAM, "exec", "-F", home / "config",
            "--map", f"{NAME}={server.address}", execute.sshd.host, "--",
            *PYTHON, LIST, NAME, server.user, server.password, mode,
            "peer"]),
        capture_output=True, text=True, env=cli.environment(home),
        cwd="/", timeout=FAILSAFE, check=False)
    assert done.returncode == 0, done.stderr
    execute.check(done.stderr)


# ---- data connections ----

CONNECT_AGAIN = """
import errno, ftplib, socket, select, sys

def connect(one, to):
    code = one.connect_ex(to)
    return errno.errorcode.get(code, code)

def four_times(to):
    with socket.socket() as one:
        one.setblocking(False)
        for _ in range(4):
            print(connect(one, to), end=" ")
            select.select([], [one], [])

host, user, password = sys.argv[1:]
client = ftplib.FTP(host, user, password)
data = ftplib.parse227(client.sendcmd("PASV"))
four_times((host, 21))
four_times(data)
client.sendcmd("NOOP")
client.quit()
print(connect(socket.socket(), data))
"""


@pytest.mark.parametrize("options", [[], ["--only"]])
@pytest.mark.parametrize("host", ["name", "address"])
def test_connect_again(execute, server21, host, options):
    """A program may call connect(2) until the connection is made.  When a data
    connection is over, nobody connects to its port of the server: it was
    culvert's.
    """
    server = server21()
    status, said = execute.run(
        *PYTHON, CONNECT_AGAIN, NAME if host == "name" else server.address,
        server.user, server.password,
        options=["--map", f"{NAME}={server.address}", *options])
    assert status == 0, said
    assert said.startswith("EINPROGRESS 0 0 0 EINPROGRESS 0 0 0 "), said
    assert said.endswith("\nECONNREFUSED\n"), said
    assert "the data connection there is over" in said


LINK_LOST = """
import ftplib, socket, sys
host, user, password = sys.argv[1:]
client = ftplib.FTP(host, user, password)
data = ftplib.parse227(client.sendcmd("PASV"))
print("announced")
print(client.getmultiline())
try:
    socket.create_connection(data)
except OSError as error:
    print(error.strerror)
"""


def test_link_lost_before_the_data_connection(execute, server21, topology):
    """Then it does not go to the server without SSH."""
    server = server21()
    child = execute.start(*PYTHON, LINK_LOST, server.address, server.user,
                          server.password)
    child.wait_line("^announced$")
    os.kill(ssh_of(child), signal.SIGKILL)
    child.wait_line("^421 ")
    child.wait_line("^Connection refused$")
    assert child.wait() == 0
    execute.check(child.output)
    topology.capture.check()


# ---- many hosts ----

MANY = """
import collections, os, socket
codes = collections.Counter()
for i in range(140):
    with socket.socket() as one:
        codes[one.connect_ex((f"203.0.113.{i + 1}", 21))] += 1
print([(os.strerror(code), n) for code, n in codes.items()])
"""


def test_too_many_hosts(execute):
    """From a number of hosts on they fail; the reason is logged once."""
    status, said = execute.run(*PYTHON, MANY)
    assert status == 0
    assert said.endswith("[('Success', 128), ('No route to host', 12)]\n")
    assert said.count("has connected to more than 128 hosts and ports") == 1


# ---- which address ----

LONG = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
with socket.socket(socket.AF_UNIX) as one:
    for size in 2, 3, 110, 111, 128, 129, 1 << 20:
        address = ctypes.create_string_buffer(
            bytes([socket.AF_UNIX, 0]) + b"x" * max(0, size - 2))
        libc.connect(one.fileno(), address, size)
        print(size, os.strerror(ctypes.get_errno()))
"""


def test_long_address(execute):
    """An address that is longer than any: what the kernel says of it."""
    plain = subprocess.run([*PYTHON, LONG], check=True, capture_output=True,
                           text=True).stdout
    assert execute.run(*PYTHON, LONG, options=["--map", NAME]) == (0, plain)
