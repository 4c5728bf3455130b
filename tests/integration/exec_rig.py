"""What the tests of culvert exec share.

The command runs on near of the four hosts (topology.py), and the FTP server on
far_end, at port 21.  No packet could go from one to the other, even if a
connection were not captured; and tcpdump shows that none but SSH is sent.
"""

import dataclasses
import functools
import os
import signal
import subprocess

import pytest

import cli
import culvert
from clients import Target
from gateway_clients import (ALL_CANNOT, ALL_CLIENTS, PROGRAMS, Busybox,
                             Library)
from process import FAILSAFE, Process, children, descendants, until
from servers import DEBS
from ssh_servers import BUILT

# A name that only the far side knows.
NAME = "files.plant"


class PythonFtp(Library):
    """ftplib, in a process of its own."""

    name = "ftplib"
    program = "/usr/bin/python3", PROGRAMS / "ftp_lib.py"


class BusyboxStatic(Busybox):
    """The static busybox, from another package."""

    name = "busybox-static"
    program = next(DEBS.glob("**/bin/busybox"), None)


class Go(Library):
    """A static program: no libc whose functions could be replaced."""

    name = "go"
    program = BUILT / "go-ftp",


class Node(Library):
    """The npm package basic-ftp."""

    name = "node"
    program = ("env", f"NODE_PATH={BUILT / 'node_modules'}", "node",
               PROGRAMS / "basic_ftp.js")


EXEC_CLIENTS = {**ALL_CLIENTS, **{
    client.name: client
    for client in (PythonFtp(), BusyboxStatic(), Go(), Node())}}

EXEC_CANNOT = {
    **ALL_CANNOT,
    ("busybox-static", "active"): "busybox has only passive mode",
    ("busybox-static", "list"): "busybox cannot list",
    ("go", "active"): "github.com/jlaffaye/ftp has only passive mode",
    ("node", "active"): "basic-ftp has only passive mode",
}


def exec_cannot(client, *whats):
    """Return whether the client cannot do one of these."""
    return any((client, what) in EXEC_CANNOT for what in whats)


@dataclasses.dataclass
class Exec:
    """Runs culvert exec on near."""

    topology: object
    sshd: object
    home: object

    def argv(self, *command, options=()):
        """Return the whole command, for any process."""
        return self.topology.near.argv([
            culvert.PROGRAM, "exec", "-F", self.sshd.config, *options,
            self.sshd.host, "--", *map(str, command)])

    def run(self, *command, options=(), text=True, **how):
        """Run a command to its end.

        Returns its exit status, and what it and culvert have written.
        """
        how.setdefault("stdin", subprocess.DEVNULL)
        how.setdefault("timeout", FAILSAFE * 2)
        done = subprocess.run(
            self.argv(*command, options=options), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=text,
            env=cli.environment(self.home), **how)
        self.check(done.stdout if text else done.stdout.decode())
        return done.returncode, done.stdout

    def start(self, *command, options=()):
        """Start a command; returns the Process, which the caller must end."""
        return Process(self.argv(*command, options=options), "exec",
                       env=cli.environment(self.home))

    def check(self, output):
        """Fail if a sanitizer has found something, or anything is left."""
        assert not culvert.SANITIZER.search(output), output
        left = list(self.home.glob("culvert.*"))
        assert not left, "a private directory is left"

    def target(self, server, host=NAME, options=()):
        """Return a Target for clients.Client: each run is an exec."""
        return Target(
            host, server.port, server.user, server.password,
            lambda argv: self.argv(*argv, options=(
                "--map", f"{NAME}={server.address}", *options)))


@pytest.fixture
def execute(topology, tmp):
    """Return an Exec whose destination is the sshd of far."""
    home = tmp / "home"
    home.mkdir()
    return Exec(topology, topology.sshd(), home)


@pytest.fixture
def server21(topology):
    """Return a function that returns vsftpd on far_end, at port 21.

    Only for this test: others want that port.
    """
    start = functools.cache(lambda family: topology.start_server(
        "vsftpd", "far_end", family, port=21))
    return lambda family="ipv4": start(family)


@pytest.fixture(scope="session")
def bypass(directories):
    """Return the program bypass.c, compiled."""
    path = directories() / "bypass"
    subprocess.run(["cc", "-pthread", "-o", path, PROGRAMS / "bypass.c"],
                   check=True)
    return path


def main_of(child):
    """Return the pid of the main process of a culvert exec."""
    return next(pid for pid in children(child.pid)
                if culvert.process_name(pid) == "culvert")


def ssh_of(child):
    """Return the pid of the ssh of a culvert exec, when it runs."""
    monitor = culvert.monitor_of(main_of(child))
    return until(lambda: next(
        (pid for pid in descendants(monitor)
         if culvert.process_name(pid) == "ssh"), None), "ssh runs")


def connect_script(host, port):
    """Return a command that connects, and prints what the server says."""
    return ["/usr/bin/python3", "-c", f"""
import socket
try:
    with socket.create_connection(({host!r}, {port})) as one:
        print(one.recv(100).decode().strip())
except OSError as error:
    print(error.strerror or error)
"""]


def end(process, number=signal.SIGTERM):
    """Send a signal and wait; returns the exit status."""
    os.kill(process.pid, number)
    return process.wait()
