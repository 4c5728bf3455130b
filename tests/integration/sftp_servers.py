"""SFTP servers for the gateway, in the far namespace.

Each has the interface of sshd.Sshd, and besides
    root       the directory of this host where its sessions begin
    directory  what `-L sftp/0:DIRECTORY` calls it; "": the server chooses it
    extra      options of culvert that it needs
    owner      user and group of the files
need_servers in scripts/lib.sh installs them.
"""

import functools
import os
import pathlib
import subprocess

import servers
import ssh_servers
import sshd
from servers import DEBS, NOBODY, NOGROUP
from ssh_servers import PROGRAMS, PYTHON
from sshd import write_file

SFTP_SERVER = "/usr/lib/openssh/sftp-server"

# Options of culvert: the path to the server takes 10 ms in each direction, so
# that uploads may use further channels.
FAR = ("-o", f"ProxyCommand={PYTHON} {PROGRAMS}/late.py %h %p 10")


def make_root(directory):
    """Make the directory of the files; every user may write there."""
    root = pathlib.Path(directory, "root")
    root.mkdir()
    root.chmod(0o777)
    return root


class OpenSsh(sshd.Sshd):
    """sshd with further lines of sshd_config."""

    extra = ()
    owner = 0, 0

    def __init__(self, ns, directory, *lines):
        self.root = make_root(directory)
        self.directory = str(self.root)
        super().__init__(ns, directory, [sshd.QUICK, *lines])


def subsystem(*command, extra=()):
    """Return a kind: sshd with such a command as its subsystem."""
    return functools.partial(
        _start_subsystem, " ".join(map(str, ["Subsystem sftp", *command])),
        extra)


def _start_subsystem(line, extra, ns, directory):
    one = OpenSsh(ns, directory, line)
    one.extra = extra
    return one


class Chroot(OpenSsh):
    """sshd that offers nothing but internal-sftp in a chroot.

    All directories above a chroot must belong to root alone, so it is below
    /run of this sshd.
    """

    def __init__(self, ns, directory):
        self.start_script = sshd.START.replace("exec ", (
            "mkdir -p /run/chroot/files\n"
            f'mount --bind "{directory}/root" /run/chroot/files\nexec '))
        super().__init__(
            ns, directory, "ForceCommand internal-sftp",
            "ChrootDirectory /run/chroot", "DisableForwarding yes")
        self.directory = "/files"


class Gesftpserver(OpenSsh):
    """sshd with another SFTP server."""

    def __init__(self, ns, directory):
        servers.need_package("gesftpserver")
        super().__init__(
            ns, directory, f"Subsystem sftp {DEBS}/usr/libexec/gesftpserver")


class Files:
    """For the servers of ssh_servers: they serve this host's files."""

    extra = ()
    owner = 0, 0

    def prepare(self):
        """Make the directory of the files."""
        super().prepare()
        self.root = make_root(self.dir)
        self.directory = str(self.root)


class Dropbear(Files, ssh_servers.Dropbear):
    """dropbear, which runs OpenSSH's sftp-server."""


class Asyncssh(Files, ssh_servers.Asyncssh):
    """asyncssh: it handles requests at the same time."""


class Paramiko(Files, ssh_servers.Paramiko):
    """paramiko, with a RENAME that replaces nothing."""


class Rclone(Files, ssh_servers.SshServer):
    """rclone serve sftp."""

    ready = None

    def argv(self):
        return ["rclone", "--config", "", "serve", "sftp", self.root,
                "--addr", f"{self.ns.far4}:{self.port}",
                "--key", f"{self.dir}/host_key",
                "--authorized-keys", f"{self.dir}/user_key.pub",
                "--dir-cache-time", "0", "--copy-links"]

    def environment(self):
        return {"RCLONE_CACHE_DIR": f"{self.dir}/cache"}

    def prepare(self):
        super().prepare()
        servers.need_program("rclone")
        self.directory = ""


class ModSftp(Files, ssh_servers.SshServer):
    """proftpd with mod_sftp; lines are further ones of its configuration."""

    ready = None
    lines = "AllowOverwrite on", "AllowStoreRestart on"
    extra = "-l", "tester"
    owner = NOBODY, NOGROUP

    def prepare(self):
        super().prepare()
        servers.need_package("proftpd-core")
        servers.need_package("proftpd-mod-crypto")
        self.directory = ""
        os.chown(self.root, *self.owner)
        keys = subprocess.run(
            ["ssh-keygen", "-e", "-f", f"{self.dir}/user_key.pub"],
            check=True, capture_output=True, text=True).stdout
        write_file(f"{self.dir}/user_keys", keys, 0o644)

    def argv(self):
        return servers.proftpd(
            pathlib.Path(self.dir), self.ns.far4, self.port, "*", self.root,
            ["SFTPEngine on", f"SFTPHostKey {self.dir}/host_key",
             f"SFTPAuthorizedUserKeys file:{self.dir}/user_keys",
             *self.lines], ["sftp"])


class ModSftpStrict(ModSftp):
    """mod_sftp that does not permit to overwrite files."""

    lines = ()


# What `sftp-server -P` refuses.
DENIED = ["posix-rename", "limits", "fsync", "statvfs", "lstat", "stat",
          "fstat", "lsetstat", "setstat,fsetstat", "readlink", "open", "close", "read",
          "write", "opendir", "readdir", "remove", "mkdir", "rmdir", "rename",
          "posix-rename,rename"]

SFTP_SERVERS = {
    "internal-sftp": OpenSsh,
    "sftp-server": subsystem(SFTP_SERVER, extra=["--fsync"]),
    "in-place": subsystem(SFTP_SERVER, "-P", "posix-rename,rename",
                          extra=["--upload", "in-place"]),
    "read-only": subsystem(SFTP_SERVER, "-R"),
    "chroot": Chroot,
    **{f"without-{names}": subsystem(SFTP_SERVER, "-P", names,
                                     extra=["--fsync"])
       for names in DENIED},
    "gesftpserver": Gesftpserver,
    "dropbear": Dropbear,
    "asyncssh": Asyncssh,
    "paramiko": Paramiko,
    "mod_sftp": ModSftp,
    "mod_sftp-strict": ModSftpStrict,
    "rclone": Rclone,
}
