"""The contenders: ways to transfer files to and from the far host.

They share a Site: the path, one sshd, and two vsftpds with the same files, one
at the far host's address on the path, for direct FTP, the other on its
loopback, for the tunnels.  A rig is a contender on a site.  It is started
once, and verifies what it has transferred: it raises Failed if a file is
missing, has the wrong size or, if it was kept, is different.
"""

import contextlib
import filecmp
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import culvert
import servers
from process import Process, children, descendants, until
from sshd import Sshd

TIMEOUT = 1800  # seconds after which a transfer hangs
TICK = os.sysconf("SC_CLK_TCK")
# The first passive port of each vsftpd; the kernel does not choose these ports
# by itself.
DIRECT_PORTS, TUNNELLED_PORTS = 10_000, 15_000

# No limits for sessions.
VSFTPD = ("max_per_ip=0", "max_clients=0")


class Failed(Exception):
    """A transfer has failed, or the file is different."""


class Unavailable(Exception):
    """This build of culvert lacks an option that the contender needs."""


def again(function):
    """Call a function that reads /proc, until no process ends meanwhile."""
    while True:
        try:
            return function()
        except ProcessLookupError:
            pass


class Work:
    """A directory in memory for all files of a run; removed at the end."""

    PREFIX = "culvert-bench-"

    def __init__(self):
        self._remove_dead()
        self.path = pathlib.Path(tempfile.mkdtemp(
            prefix=f"{self.PREFIX}{os.getpid()}-", dir="/dev/shm"))
        self.path.chmod(0o755)

    def _remove_dead(self):
        for path in pathlib.Path("/dev/shm").glob(f"{self.PREFIX}*"):
            pid = re.match(r"\d+", path.name[len(self.PREFIX):])
            if pid and not os.path.exists(f"/proc/{pid[0]}"):
                shutil.rmtree(path, ignore_errors=True)

    def mkdir(self):
        """Return a new directory in it."""
        return pathlib.Path(tempfile.mkdtemp(dir=self.path))

    def warm(self, size):
        """Allocate so many bytes of memory, and free them.

        A virtual machine gets memory from its host when it first uses it.
        This would slow down the contender that is measured first.
        """
        path = self.path / "warm"
        try:
            with open(path, "wb") as file:
                for _ in range(-(-size >> 20)):
                    file.write(bytes(1 << 20))
        finally:
            path.unlink()

    def close(self):
        """Remove it."""
        shutil.rmtree(self.path, ignore_errors=True)


def make_file(path, size):
    """Write a file of that size, which is different in every MiB.

    Above 1 GiB it is sparse, except for the first page of each MiB.
    """
    step = 1 << 20
    block = os.urandom(step if size <= 1 << 30 else 4096)
    with open(path, "wb") as file:
        for place in range(0, size, step):
            file.seek(place)
            file.write((place.to_bytes(8, "big") + block[8:])[:size - place])
        file.truncate(size)
    path.chmod(0o644)


class Server(servers.Server):
    """The tests' server, with a password hash that takes less time to verify.

    Otherwise 1,000 logins would measure crypt(3) more than the tunnels.
    """

    def _crypt(self):
        return subprocess.run(
            ["openssl", "passwd", "-1", self.password], check=True,
            capture_output=True, text=True).stdout.strip()

    def pids(self):
        return again(super().pids)


class Site:
    """The path, sshd and the FTP servers.

    ports: how many ports the servers may use for passive data; `ssh -L` has to
    forward all of them.  check_size: bytes of the file with which contenders
    are checked; by default more than a window of ssh.
    """

    def __init__(self, work, path, ports=10, check_size=(3 << 20) + 1):
        self.work, self.path, self.check_size = work, path, check_size
        self.near, self.far = path.near, path.far
        self.ports = range(TUNNELLED_PORTS, TUNNELLED_PORTS + ports)
        self._stack = contextlib.ExitStack()
        try:
            self.sshd = Sshd(self.far, work.mkdir(),
                             ["MaxStartups 1000", "MaxSessions 1000",
                              "LogLevel INFO"])
            self._stack.callback(self.sshd.stop)
            self.direct = self._server(self.far.far4, DIRECT_PORTS)
            self.tunnelled = self._server("127.0.0.1", TUNNELLED_PORTS)
        except BaseException:
            self.close()
            raise

    def _server(self, address, first):
        directory = self.work.mkdir()
        lines = [*VSFTPD, f"pasv_min_port={first}",
                 f"pasv_max_port={first + len(self.ports) - 1}"]
        one = Server("vsftpd", self.far, directory, address, lines=lines)
        self._stack.callback(one.stop)
        return one

    @functools.cache
    def file(self, name, size):
        """Return the path of a file that both servers have."""
        path = self.tunnelled.root / name
        make_file(path, size)
        os.link(path, self.direct.root / name)
        return path

    def files(self, count, size):
        """Return the names of count files that both servers have."""
        names = [f"f{size}-{number:05}" for number in range(count)]
        for name in names:
            self.file(name, size)
        return names

    def close(self):
        """End the servers."""
        self._stack.close()


# ---- client programs: each returns (command, its standard input) ----

def curl_get(rig, mode, names, into):
    """Fetch files in one session; prints the size of each."""
    argv = ["curl", "-q", "-sS", "--fail-early", "-w", "%{size_download}\\n",
            *(["--ftp-port", "-"] if mode == "active" else [])]
    lines = [f'user = "{rig.user}:{rig.password}"']
    for name in names:
        lines += [f'url = "ftp://{rig.host}:{rig.port}/{name}"',
                  f'output = "{into / name if into else "/dev/null"}"']
    return [*argv, "-K", "-"], "\n".join(lines)


def curl_put(rig, mode, local, remote):
    """Store one file."""
    return ["curl", "-q", "-sS", "-u", f"{rig.user}:{rig.password}",
            *(["--ftp-port", "-"] if mode == "active" else []), "-T", local,
            f"ftp://{rig.host}:{rig.port}/{remote}"], None


def lftp_get(rig, mode, names, into):
    """Fetch files in one session."""
    return ["lftp", "--norc"], "\n".join((
        "set net:max-retries 1", "set cmd:fail-exit yes",
        f"set ftp:passive-mode {'no' if mode == 'active' else 'yes'}",
        f"open -u {rig.user},{rig.password} -p {rig.port} {rig.host}",
        f"get -O {into} {' '.join(names)}", "bye"))


CLIENTS = {"curl": curl_get, "lftp": lftp_get}


class Rig:
    """A contender that FTP clients use; name is its name in the table."""

    def __init__(self, name, site):
        self.name, self.site = name, site
        self.server = site.tunnelled
        self.user, self.password = self.server.user, self.server.password
        self.host, self.port = "127.0.0.1", None
        self.directory = site.work.mkdir()

    def start(self):
        """Start it, also after close(); returns when it can be used."""

    def close(self):
        """End it."""

    def cpu(self):
        """Return the CPU seconds that it has used: {program: seconds}."""
        return {}

    def pids(self):
        """Return its processes on the near host."""
        return []

    # A subclass that does not use FTP overrides these.

    def get_argv(self, client, mode, names, into):
        """Return a command and its input."""
        return CLIENTS[client](self, mode, names, into)

    def put_argv(self, mode, local, remote):
        """Return a command and its input; the server has it as remote."""
        return curl_put(self, mode, local, remote)

    def run(self, jobs):
        """Run commands, given as (command, input), at the same time on near.

        Returns the seconds until the last one has ended, and their outputs.
        """
        running = []
        home = {"HOME": str(self.directory), "PATH": os.environ["PATH"],
                "LC_ALL": "C", "TERM": "dumb"}
        with contextlib.ExitStack() as stack, self.site.near.inside():
            inputs = []
            for argv, text in jobs:
                file = stack.enter_context(tempfile.TemporaryFile())
                file.write((text or "").encode())
                file.seek(0)
                inputs.append(file)
            begin = time.perf_counter()
            for (argv, _), file in zip(jobs, inputs):
                running.append(subprocess.Popen(
                    [str(word) for word in argv], stdin=file, env=home,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE))
            try:
                outputs = [child.communicate(timeout=TIMEOUT)
                           for child in running]
                seconds = time.perf_counter() - begin
            except subprocess.TimeoutExpired:
                raise Failed(f"{self.name}: not done in {TIMEOUT} s") from None
            finally:
                for child in running:
                    if child.poll() is None:
                        child.kill()
                        child.communicate()
        for child, (out, err) in zip(running, outputs):
            if child.returncode != 0:
                raise Failed(
                    f"{self.name}: {child.args[0]} ended with"
                    f" {child.returncode}: {(out + err).decode()[-2000:]}")
        return seconds, [out.decode() for out, _ in outputs]

    # ---- transfers, verified ----

    def fetch(self, names, client="curl", mode="passive", parallel=1,
              keep=True):
        """Fetch files, in several sessions at the same time; returns seconds.

        Each session fetches all files.  keep: they are stored in memory, and
        compared with the server's; otherwise only their sizes are compared.
        """
        places = [pathlib.Path(tempfile.mkdtemp(dir=self.directory))
                  for _ in range(parallel)]
        try:
            seconds, outputs = self.run(
                [self.get_argv(client, mode, names, place if keep else None)
                 for place in places])
            for place, output in zip(places, outputs):
                if keep:
                    self._compare(names, place)
                else:
                    self._count(names, output)
        finally:
            for place in places:
                shutil.rmtree(place)
        return seconds

    def _compare(self, names, place):
        _, different, failed = filecmp.cmpfiles(
            self.server.root, place, names, shallow=False)
        if different or failed:
            raise Failed(f"{self.name}: these files differ from the server's:"
                         f" {[*different, *failed][:5]}")

    def _count(self, names, output):
        sizes = [(self.server.root / name).stat().st_size for name in names]
        if list(map(int, output.split())) != sizes:
            raise Failed(f"{self.name}: these sizes differ from the server's:"
                         f" {output}")

    def store(self, local, mode="passive", parallel=1, compare=False):
        """Store a file in several sessions at the same time; returns seconds.

        The server's directory is in memory, too.
        """
        place = self.server.mkdir("up")
        try:
            names = [f"up/{number}" for number in range(parallel)]
            seconds, _ = self.run([self.put_argv(mode, local, name)
                                   for name in names])
            for name in names:
                stored = self.server.root / name
                if stored.stat().st_size != local.stat().st_size or (
                        compare and not filecmp.cmp(local, stored, False)):
                    raise Failed(f"{self.name}: {name} at the server differs"
                                 " from what was sent")
        finally:
            shutil.rmtree(place)
        return seconds

    def check(self, parallel=1):
        """Download and upload a file, and compare it.

        With parallel transfers, so that what is opened on demand is already
        open when the measurement begins.
        """
        name = "check"
        path = self.site.file(name, self.site.check_size)
        self.fetch([name], parallel=parallel)
        self.store(path, parallel=parallel, compare=True)


class Direct(Rig):
    """FTP directly, without encryption and without sshd."""

    def __init__(self, name, site):
        super().__init__(name, site)
        self.server = site.direct
        self.host, self.port = self.server.address, self.server.port


class Tunnel(Rig):
    """A contender that uses ssh; ssh_options are for its command line."""

    def __init__(self, name, site, ssh_options=()):
        super().__init__(name, site)
        self.ssh_options = list(ssh_options)
        self.process = None

    def pids(self):
        return [self.process.pid]

    def _ssh(self, *more):
        self.process = Process(self.site.near.argv(
            ["ssh", "-N", *self.ssh_options, "-F", self.site.sshd.config,
             *more, Sshd.host]), "ssh")

    def close(self):
        if self.process:
            self.process.stop()


class SshL(Tunnel):
    """`ssh -N -L` of the control port and of every passive port."""

    def start(self):
        # On one host the server has these ports on 127.0.0.1 itself.
        if self.site.near is self.site.far:
            self.host = "127.0.0.2"
        self.port = self.site.near.free_port()
        ends = [(self.port, self.server.port),
                *((port, port) for port in self.site.ports)]
        words = []
        for near, far in ends:
            words += ["-L", f"{self.host}:{near}:127.0.0.1:{far}"]
        self._ssh("-o", "ExitOnForwardFailure=yes", *words)
        until(lambda: self.site.near.listening(self.site.ports[-1])
              or not self.process.alive(), "ssh -L listens")
        if not self.process.alive():
            raise Failed(f"ssh -L: {self.process.output}")

    def cpu(self):
        return {"ssh": cpu_of(self.process.pid)}


class Sftp(Tunnel):
    """`sftp -b`, over an SSH connection that exists before, as for others."""

    def start(self):
        self.control = self.directory / "control"
        self._ssh("-M", "-S", str(self.control))
        until(lambda: self.control.exists() or not self.process.alive(),
              "ssh -M is connected")
        if not self.process.alive():
            raise Failed(f"ssh -M: {self.process.output}")

    def _sftp(self, line):
        return ["sftp", "-q", "-b", "-", "-F", self.site.sshd.config, "-o",
                f"ControlPath={self.control}", Sshd.host], line

    def get_argv(self, client, mode, names, into):
        root = self.server.root
        return self._sftp("\n".join(f"get {root}/{name} {into}/{name}"
                                    if into else f"get {root}/{name} /dev/null"
                                    for name in names))

    def put_argv(self, mode, local, remote):
        return self._sftp(f"put {local} {self.server.root}/{remote}")

    def _count(self, names, output):
        pass  # sftp prints no sizes; only its exit status counts

    def cpu(self):
        return {"ssh": cpu_of(self.process.pid)}


class Culvert(Tunnel):
    """culvert; unavailable if this build does not know one of options."""

    def __init__(self, name, site, ssh_options=(), options=()):
        super().__init__(name, site, ssh_options)
        self.options = list(options)
        missing = [word for word in options
                   if word.startswith("--") and word not in known_options()]
        if missing:
            raise Unavailable(f"no {' '.join(missing)} in {culvert.PROGRAM}")
        self.culvert = None
        self.forward = f"127.0.0.1:0:127.0.0.1:{self.server.port}"

    def start(self):
        directory = pathlib.Path(tempfile.mkdtemp(dir=self.directory))
        self.culvert = culvert.Culvert(
            directory, [self.forward],
            self.site.sshd.config, ns=self.site.near,
            options=["--max-sessions", "2000", *self.ssh_options,
                     *self.options])
        self.port = self.culvert.port

    @property
    def pid(self):
        """Its process id."""
        return self.culvert.pid

    def pids(self):
        return [self.pid, *descendants(self.pid)]

    def close(self):
        if self.culvert is None:
            return
        try:
            if self.culvert.alive():
                self.culvert.stop()
        finally:
            self.culvert.kill()
        self.culvert = None

    def cpu(self):
        own, reaped = cpu_times(self.pid)
        return {"culvert": own, "ssh": reaped + sum(
            cpu_of(pid) for pid in children(self.pid))}


@functools.cache
def known_options():
    """Return the long options that are in the output of culvert --help."""
    help_text = subprocess.run([culvert.PROGRAM, "--help"], check=True,
                               capture_output=True, text=True).stdout
    return set(re.findall(r"(?<!\S)--[\w-]+", help_text))


def cpu_times(pid):
    """Return the CPU seconds of a process, and of children that it reaped."""
    with open(f"/proc/{pid}/stat") as file:
        words = file.read().rsplit(")", 1)[1].split()
    return (sum(map(int, words[11:13])) / TICK,
            sum(map(int, words[13:15])) / TICK)


def cpu_of(pid):
    """Return the CPU seconds of a process and of its descendants."""
    return sum(sum(cpu_times(one)) for one in [pid, *descendants(pid)])
