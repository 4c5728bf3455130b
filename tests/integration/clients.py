"""The FTP clients of Debian, in active or passive mode.

A client fetches, stores, lists, and aborts a download.  The result has the
exit status and the output.  Callers must compare the files, because some
clients end with status 0 after failures.
"""

import contextlib
import dataclasses
import ftplib
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
from typing import Callable

from process import FAILSAFE, Timeout

# A download is aborted after so many bytes.
BEGUN = 1 << 20

# What a client cannot do, even without culvert.
CANNOT = {
    ("ncftp", "ipv6"): "ncftp 3.2.6 does not support IPv6",
    ("wget", "put"): "wget only downloads",
}


@dataclasses.dataclass
class Target:
    """Where a client connects, and as which user.

    argv turns a command into one that runs in the network where the target can
    be reached; call calls a Python function there.
    """

    host: str
    port: int
    user: str
    password: str
    argv: Callable = list
    call: Callable = lambda function: function()

    @classmethod
    def behind(cls, culvert, server, number=0):
        """Return a listener of culvert, with the server's user, as target."""
        return cls(*culvert.listeners[number], server.user, server.password)

    def url(self, path=""):
        """Return the target, or a path on it, as a URL without the user."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ftp://{host}:{self.port}/{path}"


@dataclasses.dataclass
class Result:
    """The exit status of a client, and its output."""

    status: int
    output: str


class Drain:
    """A FIFO that a client downloads into; what it writes is thrown away.

    wait() returns when the download has begun.  So it can be aborted in the
    middle, and the disk does not fill.
    """

    def __init__(self, path):
        self.path = path
        os.mkfifo(path)
        # Also for writing, so that there is no end of file here when the
        # client closes the FIFO.
        self._fd = os.open(path, os.O_RDWR)
        self._begun = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        count = 0
        while not self._stopped:
            count += len(os.read(self._fd, 1 << 16))
            if count >= BEGUN:
                self._begun.set()

    def wait(self):
        """Wait until the download has begun."""
        if not self._begun.wait(FAILSAFE):
            raise Timeout("the download has not begun")

    def close(self):
        """Stop reading, and remove the FIFO."""
        self._stopped = True
        os.set_blocking(self._fd, False)
        with contextlib.suppress(BlockingIOError):
            os.write(self._fd, b"\0")  # wakes the reader
        os.set_blocking(self._fd, True)
        self._thread.join(FAILSAFE)
        os.close(self._fd)
        os.unlink(self.path)


class Client:
    """What the clients have in common; a subclass has the commands.

    mode is "active" or "passive"; local is a path, remote a name below
    the server's directory.
    """

    name = None
    session = False  # whether it continues its session after an abort
    patience = FAILSAFE * 2  # seconds that a run may take

    def run(self, target, argv, script=None):
        """Run a command to its end; script is its standard input."""
        with self._started(target, argv) as child:
            return self._finish(child, script)

    @contextlib.contextmanager
    def _started(self, target, argv):
        with tempfile.TemporaryDirectory(prefix="cvt-") as home:
            env = {"HOME": home, "PATH": os.environ["PATH"], "LC_ALL": "C",
                   "TERM": "dumb"}
            child = subprocess.Popen(
                target.argv([str(word) for word in argv]), cwd=home, env=env,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT)
            try:
                yield child
            finally:
                if child.poll() is None:
                    child.kill()
                child.communicate()

    def _finish(self, child, script=None):
        try:
            output, _ = child.communicate(
                script.encode() if script else None, self.patience)
        except subprocess.TimeoutExpired as error:
            child.kill()
            output, _ = child.communicate()
            raise Timeout(f"{self.name} does not end; it printed:\n"
                          + output.decode(errors="replace")) from error
        return Result(child.returncode, output.decode(errors="replace"))

    def get(self, target, mode, remote, local):
        """Fetch a file."""
        raise NotImplementedError

    def put(self, target, mode, local, remote):
        """Store a file."""
        raise NotImplementedError

    def list(self, target, mode, directory):
        """List a directory; the names are in the output."""
        raise NotImplementedError

    def abort(self, target, mode, remote, small=None, local=None):
        """Interrupt the download of remote in the middle.

        If small is given, a client that continues its session then fetches
        small as local.
        """
        with tempfile.TemporaryDirectory(prefix="cvt-") as directory:
            drain = Drain(os.path.join(directory, "fifo"))
            try:
                return self._abort(target, mode, remote, small, local, drain)
            finally:
                drain.close()

    def _abort(self, target, mode, remote, small, local, drain):
        argv = self.get_argv(target, mode, remote, drain.path)
        with self._started(target, argv) as child:
            drain.wait()
            child.send_signal(signal.SIGINT)
            return self._finish(child)


class Curl(Client):
    """curl: EPSV or EPRT first."""

    name = "curl"

    def _argv(self, target, mode, *more):
        active = ["--ftp-port", "-"] if mode == "active" else []
        return ["curl", "-q", "-sS", "-m", str(FAILSAFE), *active,
                "-u", f"{target.user}:{target.password}", *more]

    def get_argv(self, target, mode, remote, local):
        return self._argv(target, mode, "-o", local, target.url(remote))

    def get(self, target, mode, remote, local):
        return self.run(target, self.get_argv(target, mode, remote, local))

    def put(self, target, mode, local, remote):
        return self.run(target, self._argv(
            target, mode, "-T", local, target.url(remote)))

    def list(self, target, mode, directory):
        return self.run(target, self._argv(
            target, mode, target.url(f"{directory}/")))


class Wget(Client):
    """wget: PASV or PORT on IPv4."""

    name = "wget"

    def get_argv(self, target, mode, remote, local):
        active = ["--no-passive-ftp"] if mode == "active" else []
        return ["wget", "--no-config", "-nv", "-t", "1", "-T", str(FAILSAFE),
                *active, f"--ftp-user={target.user}",
                f"--ftp-password={target.password}", "-O", local,
                target.url(remote)]

    def get(self, target, mode, remote, local):
        return self.run(target, self.get_argv(target, mode, remote, local))

    def list(self, target, mode, directory):
        return self.run(target, self.get_argv(
            target, mode, f"{directory}/", "-"))


class Ncftp(Client):
    """ncftpget, ncftpput and ncftpls: PASV or PORT."""

    name = "ncftp"

    def _argv(self, program, target, mode, *more):
        return [program, "-E" if mode == "active" else "-F", "-t",
                str(FAILSAFE), "-u", target.user, "-p", target.password,
                "-P", str(target.port), *more]

    def get_argv(self, target, mode, remote, local):
        return self._argv("ncftpget", target, mode, "-V", "-Z", "-C",
                          target.host, remote, local)

    def get(self, target, mode, remote, local):
        return self.run(target, self.get_argv(target, mode, remote, local))

    def put(self, target, mode, local, remote):
        return self.run(target, self._argv(
            "ncftpput", target, mode, "-V", "-Z", "-C", target.host,
            local, remote))

    def list(self, target, mode, directory):
        return self.run(target, self._argv(
            # By default ncftpls sends NLST -CF, which servers that do not run
            # ls may reject.
            "ncftpls", target, mode, "-l", target.url(f"{directory}/")))


class Interactive(Client):
    """Clients that read commands from standard input."""

    session = True
    login = "user {} {}\nbinary\n"
    interrupt = None

    def argv(self, target, mode):
        raise NotImplementedError

    def _script(self, target, *lines):
        return (self.login.format(target.user, target.password)
                + "".join(f"{line}\n" for line in lines))

    def _run_lines(self, target, mode, *lines):
        return self.run(target, self.argv(target, mode),
                        self._script(target, *lines, "bye"))

    def get_line(self, remote, local):
        return f"get {remote} {local}"

    def abort_line(self, remote, local):
        return self.get_line(remote, local)

    def put_line(self, local, remote):
        return f"put {local} {remote}"

    def get(self, target, mode, remote, local):
        return self._run_lines(target, mode, self.get_line(remote, local))

    def put(self, target, mode, local, remote):
        return self._run_lines(target, mode, self.put_line(local, remote))

    def list(self, target, mode, directory):
        return self._run_lines(target, mode, f"ls {directory}")

    def _abort(self, target, mode, remote, small, local, drain):
        with self._started(target, self.argv(target, mode)) as child:
            begin = self.abort_line(remote, drain.path)
            child.stdin.write(self._script(target, begin).encode())
            child.stdin.flush()
            drain.wait()
            stop = self.interrupt
            if stop is None:
                child.send_signal(signal.SIGINT)
            lines = [stop] if stop else []
            lines += [self.get_line(small, local)] if small else []
            return self._finish(child, "".join(
                f"{line}\n" for line in [*lines, "bye"]))


class Tnftp(Interactive):
    """tnftp: EPSV or EPRT first."""

    name = "tnftp"

    def argv(self, target, mode):
        return ["tnftp", "-inv", "-A" if mode == "active" else "-p",
                target.host, str(target.port)]


class InetutilsFtp(Interactive):
    """GNU inetutils ftp: PASV or PORT on IPv4, EPSV or EPRT on IPv6."""

    name = "inetutils-ftp"

    def argv(self, target, mode):
        return ["inetutils-ftp", "-inv", "-A" if mode == "active" else "-p",
                target.host, str(target.port)]


class Lftp(Interactive):
    """lftp: PASV or PORT on IPv4, EPSV or EPRT on IPv6.

    It sends several commands at once.
    """

    name = "lftp"
    interrupt = "kill all"

    def argv(self, target, mode):
        return ["lftp", "--norc"]

    def _script(self, target, *lines):
        return "".join(f"{line}\n" for line in (
            "set net:max-retries 1", f"set net:timeout {FAILSAFE}",
            f"open -u {target.user},{target.password}"
            f" -p {target.port} {target.host}", *lines))

    def _run_lines(self, target, mode, *lines):
        return super()._run_lines(target, mode, self._mode(mode), *lines)

    def _mode(self, mode):
        return f"set ftp:passive-mode {'no' if mode == 'active' else 'yes'}"

    def get_line(self, remote, local):
        return f"get {remote} -o {local}"

    def abort_line(self, remote, local):
        # In the background; and not `get`, because that does not open a FIFO.
        return f"cat {remote} >{local} &"

    def put_line(self, local, remote):
        return f"put {local} -o {remote}"


class Ftplib(Client):
    """Python's ftplib, in this process.

    PASV or PORT on IPv4, EPSV or EPRT on IPv6.
    """

    name = "ftplib"
    session = True

    def _with(self, target, mode, action):
        def session():
            ftp = ftplib.FTP(timeout=FAILSAFE)
            try:
                ftp.connect(target.host, target.port)
                ftp.login(target.user, target.password)
                ftp.set_pasv(mode == "passive")
                output = action(ftp)
                ftp.quit()
                return Result(0, output)
            except (ftplib.Error, OSError, EOFError) as error:
                return Result(1, repr(error))
            finally:
                ftp.close()
        return target.call(session)

    def get(self, target, mode, remote, local):
        def action(ftp):
            with open(local, "wb") as file:
                return ftp.retrbinary(f"RETR {remote}", file.write)
        return self._with(target, mode, action)

    def put(self, target, mode, local, remote):
        def action(ftp):
            with open(local, "rb") as file:
                return ftp.storbinary(f"STOR {remote}", file)
        return self._with(target, mode, action)

    def list(self, target, mode, directory):
        def action(ftp):
            lines = []
            ftp.retrlines(f"LIST {directory}", lines.append)
            return "\n".join(lines)
        return self._with(target, mode, action)

    def abort(self, target, mode, remote, small=None, local=None):
        # Not ftp.abort().  It sends ABOR as urgent data, of which vsftpd and
        # pure-ftpd lose the last byte; and it waits for the reply with the
        # data connection open, but proftpd reads no command before that has
        # ended.
        def action(ftp):
            ftp.voidcmd("TYPE I")
            with ftp.transfercmd(f"RETR {remote}") as data:
                count = 0
                while count < BEGUN:
                    count += len(data.recv(1 << 16))
            ftp.putcmd("ABOR")
            replies = [ftp.getmultiline()]
            # The reply to PWD follows the replies to ABOR, of which there are
            # one, two or three.  PWD is sent after the first one, because
            # pure-ftpd drops what it reads together with ABOR.
            ftp.putcmd("PWD")
            while not replies[-1].startswith("257"):
                replies.append(ftp.getmultiline())
            if small:
                with open(local, "wb") as file:
                    replies.append(
                        ftp.retrbinary(f"RETR {small}", file.write))
            return "\n".join(replies)
        return self._with(target, mode, action)


CLIENTS = {client.name: client for client in (
    Curl(), Lftp(), Tnftp(), InetutilsFtp(), Ncftp(), Ftplib(), Wget())}


def make_file(path, size):
    """Write a file of that size with bytes that do not compress."""
    pathlib.Path(path).write_bytes(os.urandom(size))
