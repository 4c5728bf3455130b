"""The FTP servers of Debian, in a namespace.

Each listens on one address there, serves a directory of its own, and has one
user, who may read and write there.  Except for pyftpdlib, which is a module,
they are not installed but only unpacked (fetch_deb in scripts/lib.sh).  Their
checks of the peer's address remain enabled, because culvert must work with
them.  A server that needs system users gets an /etc/passwd of its own, in the
mount namespace that `ip netns exec` makes.
"""

import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from process import Process, descendants, until, wait_gone

REPO = pathlib.Path(__file__).resolve().parents[2]
DEBS = REPO / "build" / "debs"
PYTHON = "/usr/bin/python3"
NOBODY, NOGROUP = 65534, 65534

VSFTPD = """\
{listen}=YES
{address_key}={address}
listen_port={port}
background=NO
anonymous_enable=NO
local_enable=YES
pam_service_name=ftp
write_enable=YES
local_umask=022
chroot_local_user=YES
allow_writeable_chroot=YES
nopriv_user=nobody
secure_chroot_dir={dir}/empty
isolate_network=NO
seccomp_sandbox=NO
async_abor_enable=YES
"""

PROFTPD = """\
ServerName "proftpd"
ServerType standalone
UseIPv6 on
DefaultAddress {address}
SocketBindTight on
Port {port}
User nobody
Group nogroup
AuthOrder mod_auth_file.c
AuthUserFile {dir}/passwd
RequireValidShell off
DefaultRoot ~
UseReverseDNS off
WtmpLog off
TransferLog none
DelayEngine off
PidFile {dir}/pid
ScoreboardFile {dir}/scoreboard
SystemLog {dir}/log
"""

# With a process for each session, because pyftpdlib's single loop loses a
# session that begins while the descriptors of another one are being closed.
PYFTPDLIB = """\
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import MultiprocessFTPServer

address, port, root, user, password, *without = sys.argv[1:]
FTPHandler.proto_cmds = {verb: how for verb, how in
                         FTPHandler.proto_cmds.items() if verb not in without}
FTPHandler.authorizer = DummyAuthorizer()
FTPHandler.authorizer.add_user(user, password, root, perm="elradfmwMT")
MultiprocessFTPServer((address, int(port)), FTPHandler).serve_forever()
"""

# inetutils ftpd serves its standard input; this program takes inetd's place.
INETD = """\
import signal, socket, subprocess, sys
address, port, *argv = sys.argv[1:]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
listener = socket.socket(family)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((address, int(port)))
listener.listen(64)
running = []
while True:
    conn, _ = listener.accept()
    running = [child for child in running if child.poll() is None]
    running.append(subprocess.Popen(argv, stdin=conn, stdout=conn))
    conn.close()
"""

# Gives a server users and a PAM configuration of its own.
OWN_USERS = """\
mount -t tmpfs tmpfs /run
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/shadow" /etc/shadow
mount --bind "$1/pam.d" /etc/pam.d
shift
exec "$@"
"""

# pure-ftpd keeps the list of its sessions below /run.
PUREFTPD = """\
mount -t tmpfs -o mode=755 tmpfs /run
exec "$@"
"""


ACTIVE, PASSIVE = {"PORT", "EPRT"}, {"PASV", "EPSV"}

# The packages of those servers that have another name.
PACKAGES = {"proftpd": "proftpd-core", "inetutils": "inetutils-ftpd"}


def need_package(name):
    """Skip the test if this release of Debian has no such package."""
    if (DEBS / f".lacks-{name}").exists():
        pytest.skip(f"this release of Debian has no {name}")


def need_program(name):
    """Skip the test if this release of Debian has no such program."""
    if shutil.which(name) is None:
        pytest.skip(f"this release of Debian has no {name}")


def proftpd(directory, address, port, password, root, lines, modules=()):
    """Configure proftpd in that directory; returns the command that runs it.

    password: a hash; root: of the user "tester"; lines: further ones of the
    configuration; modules: further ones.
    """
    passwd = directory / "passwd"
    passwd.write_text(
        f"tester:{password}:{NOBODY}:{NOGROUP}::{root}:/bin/false\n")
    passwd.chmod(0o600)
    # These are modules in Debian 13, and in the program in Debian 12.
    path = DEBS / "usr/lib/proftpd"
    config = directory / "proftpd.conf"
    config.write_text(
        f"ModulePath {path}\n"
        + "".join(f"LoadModule mod_{name}.c\n"
                  for name in ("xfer", "ls", "delay", *modules)
                  if (path / f"mod_{name}.so").exists())
        + PROFTPD.format(dir=directory, address=address, port=port)
        + "".join(f"{line}\n" for line in lines))
    return [DEBS / "usr/sbin/proftpd", "--nodaemon", "-c", config]


class Server:
    """An FTP server on one address of a namespace.

    kind is a name of ALL_KINDS.  root is the path of the directory that it
    serves.  user and password are for clients.  without: the commands that it
    is to refuse (pure-ftpd can refuse only PASV and EPSV, both together).
    lines: more lines for the configuration of vsftpd or proftpd.  port: None
    for a free one.
    """

    def __init__(self, kind, ns, directory, address="127.0.0.1", without=(),
                 lines=(), port=None):
        need_package(PACKAGES.get(kind, kind))
        self.kind, self.ns, self.address = kind, ns, address
        self.without, self.lines = set(without), lines
        self.dir = pathlib.Path(directory)
        self.root = self.dir / "root"
        self.user, self.password = "tester", "secret"
        self.port = port or ns.free_port(address)
        os.chmod(directory, 0o755)
        (self.dir / "empty").mkdir()
        self.mkdir("")
        self.argv = getattr(self, "_prepare_" + kind.replace("-", ""))()
        self.process = None
        self.start()

    def mkdir(self, name):
        """Make a directory that the server's user may write; returns it."""
        path = self.root / name
        path.mkdir()
        os.chown(path, NOBODY, NOGROUP)
        return path

    def start(self):
        """Start it; after stop() or kill(), on the same port as before."""
        self.process = Process(self.ns.argv(self.argv), self.kind)
        until(lambda: not self.process.alive()
              or self.ns.listening(self.port, self.address),
              f"{self.kind} listens")
        assert self.process.alive(), \
            f"{self.kind} has ended:\n{self.process.output}"

    def pids(self):
        """Return the pids of its sessions, and at last its own."""
        return [*descendants(self.process.pid), self.process.pid]

    def kill(self):
        """Kill it and all its sessions."""
        self._end(signal.SIGKILL)

    def stop(self):
        """End it and all its sessions."""
        self._end(signal.SIGTERM)

    def _end(self, number):
        if self.process is None:
            return
        pids = self.pids()
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        for pid in pids:
            if pid != self.process.pid and not wait_gone(pid, 2):
                os.kill(pid, signal.SIGKILL)
        self.process.stop()
        self.process = None

    def _names(self):
        return {"dir": self.dir, "root": self.root, "address": self.address,
                "port": self.port}

    def _prepare_vsftpd(self):
        v6 = ":" in self.address
        config = self.dir / "vsftpd.conf"
        config.write_text(VSFTPD.format(
            listen="listen_ipv6" if v6 else "listen",
            address_key="listen_address6" if v6 else "listen_address",
            **self._names()) + self._without_vsftpd()
            + "".join(f"{line}\n" for line in self.lines))
        return self._with_own_users([DEBS / "usr/sbin/vsftpd", config])

    def _without_vsftpd(self):
        lines, left = "", set(self.without)
        for key, verbs in ("port", ACTIVE), ("pasv", PASSIVE):
            if verbs <= left:
                lines += f"{key}_enable=NO\n"
                left -= verbs
        return lines + (f"cmds_denied={','.join(left)}\n" if left else "")

    def _crypt(self):
        return subprocess.run(
            ["openssl", "passwd", "-6", self.password], check=True,
            capture_output=True, text=True).stdout.strip()

    def _prepare_proftpd(self):
        limit = [f"<Limit {' '.join(self.without)}>", "DenyAll", "</Limit>"]
        return proftpd(
            self.dir, self.address, self.port, self._crypt(), self.root,
            ["AllowOverwrite on", "AllowStoreRestart on",
             "AllowRetrieveRestart on", *(limit if self.without else []),
             *self.lines])

    def _prepare_pureftpd(self):
        assert self.without in (set(), PASSIVE), "pure-ftpd has no option"
        passwd, database = self.dir / "passwd", self.dir / "passwd.pdb"
        # Not by pure-pw useradd, whose hash takes seconds to calculate.
        passwd.write_text(f"{self.user}:{self._crypt()}:{NOBODY}:{NOGROUP}"
                          f"::{self.root}/./" + ":" * 12 + "\n")
        subprocess.run([DEBS / "usr/bin/pure-pw", "mkdb", database,
                        "-f", passwd], check=True)
        return ["sh", "-euc", PUREFTPD, "pure-ftpd",
                DEBS / "usr/sbin/pure-ftpd", "-l", f"puredb:{database}",
                "-S", f"{self.address},{self.port}", "-E", "-H", "-c", "200",
                "-C", "200", "-g", self.dir / "pid",
                *(["-N"] if self.without else [])]

    def _prepare_pyftpdlib(self):
        return [PYTHON, "-c", PYFTPDLIB, self.address, str(self.port),
                self.root, self.user, self.password, *self.without]

    def _prepare_inetutils(self):
        return self._with_own_users(
            [PYTHON, "-c", INETD, self.address, str(self.port),
             DEBS / "usr/sbin/ftpd"])

    def _with_own_users(self, argv):
        passwd = self.dir / "passwd"
        shutil.copy("/etc/passwd", passwd)
        with open(passwd, "a") as file:
            file.write(f"{self.user}:x:{NOBODY}:{NOGROUP}::{self.root}"
                       ":/bin/sh\n")
        (self.dir / "shadow").write_text(
            f"{self.user}:{self._crypt()}:19000:0:99999:7:::\n")
        pam = self.dir / "pam.d"
        pam.mkdir()
        (pam / "ftp").write_text("".join(
            f"{what} required pam_unix.so\n"
            for what in ("auth", "account", "session")))
        shutil.copy(pam / "ftp", pam / "ftpd")
        return ["sh", "-euc", OWN_USERS, self.kind, self.dir, *argv]


# The kinds that test_matrix.py uses, and one more.
KINDS = ["vsftpd", "proftpd", "pure-ftpd", "pyftpdlib"]
MORE_KINDS = ["inetutils"]
ALL_KINDS = [*KINDS, *MORE_KINDS]
