"""What tests of the SFTP gateway with real clients share.

More clients than clients.CLIENTS, which only these tests use.  Those that are
libraries are called by the programs in client_programs; each argument of
calls() is a call there: "size file".
"""

import filecmp
import os
import pathlib
import shutil
import subprocess

import pytest

from clients import CANNOT, CLIENTS, Client, Target
from process import FAILSAFE, until

PROGRAMS = pathlib.Path(__file__).parent / "client_programs"
COMMONS_NET = "/usr/share/java/commons-net.jar"


class Library(Client):
    """A program that calls a library."""

    program = ()

    def calls(self, target, mode, *calls):
        """Run the program with these calls."""
        return self.run(target, [
            *self.program, target.host, target.port, target.user,
            target.password, mode, *calls])

    def get(self, target, mode, remote, local):
        return self.calls(target, mode, f"get {remote} {local}")

    def put(self, target, mode, local, remote):
        return self.calls(target, mode, f"put {local} {remote}")

    def list(self, target, mode, directory):
        return self.calls(target, mode, f"list {directory}")


class Perl(Library):
    """Net::FTP: PASV or PORT on IPv4, EPSV or EPRT on IPv6."""

    name = "perl"
    program = "perl", PROGRAMS / "net_ftp.pl"

    def list(self, target, mode, directory):
        return self.calls(target, mode, f"dir {directory}")


class Php(Library):
    """ftp_connect() and its relatives: PASV or PORT."""

    name = "php"
    program = "php", PROGRAMS / "ftp.php"

    def get(self, target, mode, remote, local):
        return self.calls(target, mode, f"get {local} {remote}")

    def put(self, target, mode, local, remote):
        return self.calls(target, mode, f"put {remote} {local}")

    def list(self, target, mode, directory):
        return self.calls(target, mode, f"rawlist {directory}")


class CommonsNet(Library):
    """Apache Commons Net, in Java: PASV or PORT; EPSV or EPRT on IPv6."""

    name = "commons-net"

    def compile(self, directory):
        """Compile the program; it remains in that directory."""
        if shutil.which("javac") is None or not os.path.exists(COMMONS_NET):
            pytest.skip("there is no javac, or no libcommons-net-java")
        subprocess.run(["javac", "-d", directory, "-cp", COMMONS_NET,
                        PROGRAMS / "CommonsNet.java"], check=True)
        self.program = ["java", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
                        "-cp", f"{directory}:{COMMONS_NET}", "CommonsNet"]


class Busybox(Client):
    """busybox ftpget and ftpput: passive mode only, EPSV or PASV."""

    name = "busybox"
    program = "busybox"

    def _run(self, applet, target, *names):
        return self.run(target, [
            self.program, applet, "-u", target.user, "-p", target.password,
            "-P", target.port, target.host, *names])

    def get(self, target, mode, remote, local):
        return self._run("ftpget", target, local, remote)

    def put(self, target, mode, local, remote):
        return self._run("ftpput", target, remote, local)


class Wput(Client):
    """wput: only uploads, PASV or PORT."""

    name = "wput"

    def put(self, target, mode, local, remote, *options):
        active = ["--port-mode"] if mode == "active" else []
        return self.run(target, [
            "wput", "-nv", "-t", "1", "-T", FAILSAFE * 10, "-B", *active,
            *options, "--basename", f"{local.parent}/", local,
            f"ftp://{target.user}:{target.password}@{target.host}:"
            f"{target.port}/{remote}"])


class Rclone(Client):
    """rclone: passive mode only, EPSV."""

    name = "rclone"

    def copy(self, target, verb, *words):
        """Run a command of rclone; ":" begins a path on the server."""
        remote = [f":ftp{word}" if word.startswith(":") else word
                  for word in map(str, words)]
        return self.run(target, [
            "sh", "-euc", 'pass=$(rclone obscure "$0"); exec rclone "$@" '
            '--ftp-pass "$pass"', target.password, verb, "--config=",
            "--ftp-host", target.host, "--ftp-port", target.port,
            "--ftp-user", target.user, "--retries", "1", *remote])

    def get(self, target, mode, remote, local):
        return self.copy(target, "copyto", f":{remote}", local)

    def put(self, target, mode, local, remote):
        return self.copy(target, "copyto", local, f":{remote}")

    def list(self, target, mode, directory):
        return self.copy(target, "lsl", f":{directory}")


MORE_CLIENTS = {client.name: client for client in (
    Perl(), Php(), CommonsNet(), Busybox(), Wput(), Rclone())}
ALL_CLIENTS = {**CLIENTS, **MORE_CLIENTS}

# What they cannot do, even with an FTP server.
ALL_CANNOT = {
    **CANNOT,
    ("busybox", "active"): "busybox has only passive mode",
    ("busybox", "list"): "busybox cannot list",
    ("rclone", "active"): "rclone has only passive mode",
    ("rclone", "ipv6"): "rclone 1.60 puts no brackets around an IPv6 address",
    ("wget", "put"): "wget only downloads",
    ("wput", "get"): "wput only uploads",
    ("wput", "ipv6"): "wput 0.6.2 does not read IPv6 addresses",
    ("wput", "list"): "wput only uploads",
}


def settled(path):
    """Wait until no temporary file is below the path; returns the path.

    The one that was opened for the next upload is removed after the last.
    """
    until(lambda: not list(pathlib.Path(path).rglob(".culvert-*")),
          "temporary files are removed")
    return path


def cannot(client, *whats):
    """Return whether the client cannot do one of these."""
    return any((client, what) in ALL_CANNOT for what in whats)


def same(one, other, result):
    """Fail, with what the client said, unless the files are equal."""
    assert one.exists() and other.exists(), result.output
    assert filecmp.cmp(one, other, False), result.output


# ---- fixtures ----

@pytest.fixture
def folder(tmp):
    """Return the directory in which sessions begin."""
    path = tmp / "files"
    path.mkdir()
    return path


@pytest.fixture
def target(folder, start_culvert):
    """Return a function that returns the gateway, as Target."""
    tunnel = start_culvert(f"sftp/0:{folder}", f"sftp/[::1]:0:{folder}",
                           options=["-v"])

    def get(family="ipv4"):
        host, port = tunnel.listeners[1 if family == "ipv6" else 0]
        return Target(host, port, "anybody", "anything")

    return get


@pytest.fixture(scope="session")
def commons_net(directories):
    """Return that client, compiled."""
    client = MORE_CLIENTS["commons-net"]
    client.compile(directories())
    return client
