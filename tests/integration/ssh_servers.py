"""SSH servers other than OpenSSH's, in the far namespace.

Each has the interface of sshd.Sshd: config is the file for `culvert -F`, host
the destination.  need_ssh_servers in scripts/lib.sh installs what they need.
For libraries, ssh_programs has small programs that run a server.
"""

import os
import pathlib
import signal
import subprocess

from process import Process, descendants, until, wait_gone
from sshd import CLIENT, make_keys, write_file

HERE = pathlib.Path(__file__).resolve().parent
PROGRAMS = HERE / "ssh_programs"
# What need_ssh_servers builds and fetches from npm.
BUILT = HERE.parents[1] / "build" / "ssh-servers"
PYTHON = "/usr/bin/python3"


class SshServer:
    """An SSH server; a subclass has the command that starts it.

    halves: whether it passes on the end of one direction of a forwarded
    connection, while the other direction stays open.  remote_forwards: whether
    they work.
    """

    host = "files.test"
    host_key = "host_key"
    ready = "^listening"
    halves = remote_forwards = True

    def __init__(self, ns, directory):
        self.ns, self.dir = ns, directory
        self.port = ns.free_port(ns.far4)
        ns.let_in(self.port)
        make_keys(directory)
        with open(f"{directory}/host_key.pub") as file:
            write_file(f"{directory}/known_hosts", f"files.test {file.read()}")
        self.config = f"{directory}/ssh_config"
        write_file(self.config, CLIENT.format(
            dir=directory, port=self.port, far4=ns.far4, far6=ns.far6))
        self.prepare()
        self.process = None
        self.start()

    def prepare(self):
        """Make what the server needs besides its keys."""

    def argv(self):
        """Return the command that runs the server."""
        raise NotImplementedError

    def environment(self):
        """Return variables to add to its environment."""
        return {}

    def start(self):
        """Start it, after stop() on the same port; returns when it listens."""
        self.process = Process(
            self.ns.argv([str(word) for word in self.argv()]),
            type(self).__name__,
            env={**os.environ, **self.environment()})
        if self.ready:
            self.process.wait_line(self.ready)
        until(lambda: self.ns.listening(self.port)
              or not self.process.alive(), "the SSH server listens")
        assert self.process.alive(), self.process.output

    def kill(self):
        """Kill it, and the processes of its connections."""
        pids = [*descendants(self.process.pid), self.process.pid]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for pid in pids[:-1]:
            wait_gone(pid)
        self.process.kill()
        self.process = None

    def stop(self):
        """End it and its connections."""
        if self.process:
            self.kill()


# Root's own account and keys, as this server sees them.
DROPBEAR = """\
mount --bind "$1/home" /root
mount --bind "$1/shadow" /etc/shadow
shift
exec dropbear "$@"
"""


class Dropbear(SshServer):
    """Debian's dropbear."""

    ready = None

    def prepare(self):
        home = pathlib.Path(self.dir, "home")
        (home / ".ssh").mkdir(parents=True)
        keys = pathlib.Path(self.dir, "user_key.pub").read_text()
        write_file(home / ".ssh" / "authorized_keys", keys)
        write_file(f"{self.dir}/shadow", "root:*:19000:0:99999:7:::\n")
        subprocess.run(
            ["dropbearconvert", "openssh", "dropbear", f"{self.dir}/host_key",
             f"{self.dir}/dropbear_key"], check=True, capture_output=True)

    def argv(self):
        return ["sh", "-euc", DROPBEAR, "dropbear", self.dir, "-F", "-E",
                "-s", "-r", f"{self.dir}/dropbear_key",
                "-p", f"{self.ns.far4}:{self.port}", "-P", f"{self.dir}/pid"]


class Library(SshServer):
    """A server in ssh_programs."""

    program = ()

    def argv(self):
        return [*self.program, self.ns.far4, self.port,
                f"{self.dir}/host_key"]


class Asyncssh(Library):
    """asyncssh 2.10: remote forwards to a port of its choice do not work.

    It names port 0 when it passes on a connection, so ssh refuses that.
    """

    program = PYTHON, "-W", "ignore", PROGRAMS / "asyncssh_server.py"
    remote_forwards = False


class Paramiko(Library):
    """paramiko, in a server that ends each direction separately."""

    program = PYTHON, "-W", "ignore", PROGRAMS / "paramiko_server.py"


class Ssh2(Library):
    """npm's ssh2: it sends CLOSE immediately after EOF."""

    program = "node", PROGRAMS / "ssh2.js"
    halves = False

    def environment(self):
        return {"NODE_PATH": str(BUILT / "node_modules")}


class Gliderlabs(Library):
    """Go's gliderlabs/ssh: it sends CLOSE, and never EOF."""

    program = (BUILT / "gliderlabs",)
    halves = False


SSH_SERVERS = {"dropbear": Dropbear, "asyncssh": Asyncssh,
               "paramiko": Paramiko, "ssh2": Ssh2, "gliderlabs": Gliderlabs}
