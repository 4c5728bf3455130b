"""The real sshd in the far namespace, and the ssh configuration for it."""

import os
import re
import subprocess

from process import Process, until

# ssh needs a tenth of the time for this key exchange that it needs for its
# default, sntrup761x25519, which would take a third of the time of all tests.
QUICK = "KexAlgorithms curve25519-sha256"

CONFIG = """\
Port {port}
ListenAddress {far4}
ListenAddress {far6}
HostKey {dir}/host_key
AuthorizedKeysFile {dir}/user_key.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 1000
LogLevel VERBOSE
"""

# Unless the options have another one: sshd refuses a second line.
SUBSYSTEM = "Subsystem sftp internal-sftp\n"

# From 9.8 on, sshd refuses an address for a while after a failed login, or a
# connection without a login; here these may be from earlier tests.
PENALTIES = "PerSourcePenalties no\n"

CLIENT = """\
Host files.test
    HostName {far4}
Host files6.test
    HostName {far6}
Host *
    Port {port}
    User root
    HostKeyAlias files.test
    UserKnownHostsFile {dir}/known_hosts
    StrictHostKeyChecking yes
    IdentityFile {dir}/user_key
    IdentitiesOnly yes
    LogLevel ERROR
"""

# The second name is that of a host of topology.py.
HOSTS = """\
127.0.0.1 localhost
::1 localhost
203.0.113.4 ftp.plant.test
"""

# `ip netns exec` makes a mount namespace.  In it, only for this sshd, are the
# privilege separation directory, accounts of root and nobody that are not
# locked, and a localhost of both families.  root's shell is sh, which does not read start-up
# files of this machine.
START = """\
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/sshd
mount --bind "$1" /etc/shadow
mount --bind "$2" /etc/passwd
mount --bind "$3" /etc/hosts
exec /usr/sbin/sshd -D -e -f "$4"
"""


def openssh_version():
    """Return the version of this host's OpenSSH: (9, 2)."""
    said = subprocess.run(["ssh", "-V"], check=True, text=True,
                          stderr=subprocess.PIPE).stderr
    major, minor = re.match(r"OpenSSH_(\d+)\.(\d+)", said).groups()
    return int(major), int(minor)


def write_file(path, text, mode=0o600):
    """Write a new file with that mode."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode),
              "w") as file:
        file.write(text)


def passwd(shell="/bin/sh"):
    """Return this host's /etc/passwd, with another shell for root."""
    with open("/etc/passwd") as file:
        return re.sub("(?m)^(root:.*:).*$", rf"\1{shell}", file.read())


def make_keys(directory):
    """Make a host key and a user key."""
    for key in "host_key", "user_key":
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key,
             "-f", f"{directory}/{key}"], check=True)


class Sshd:
    """An sshd.  options are lines that come first in sshd_config.

    config is the file for `culvert -F`, host the destination, host6 the same
    over IPv6.
    """

    host = "files.test"
    host6 = "files6.test"
    start_script = START

    def __init__(self, ns, directory, options=()):
        self.ns, self.dir, self.options = ns, directory, list(options)
        self.port = ns.free_port(ns.far4)
        ns.let_in(self.port)
        make_keys(directory)
        names = {"dir": directory, "port": self.port,
                 "far4": ns.far4, "far6": ns.far6}
        with open(f"{directory}/host_key.pub") as file:
            write_file(f"{directory}/known_hosts", f"files.test {file.read()}")
        write_file(f"{directory}/shadow", "".join(
            f"{user}:*:19000:0:99999:7:::\n" for user in ("root", "nobody")))
        write_file(f"{directory}/passwd", passwd(), 0o644)
        write_file(f"{directory}/hosts", HOSTS, 0o644)
        # The first value of an option counts.
        write_file(f"{directory}/sshd_config",
               "".join(f"{line}\n" for line in self.options)
               + CONFIG.format(**names)
               + ("" if any(line.startswith("Subsystem sftp ")
                            for line in self.options) else SUBSYSTEM)
               + (PENALTIES if openssh_version() >= (9, 8) else ""))
        self.config = f"{directory}/ssh_config"
        write_file(self.config, CLIENT.format(**names))
        self.process = None
        self.start()

    def start(self):
        """Start it, after stop() on the same port; returns when it listens."""
        self.process = Process(
            self.ns.argv(["sh", "-euc", self.start_script, "sshd",
                          *(f"{self.dir}/{name}" for name in (
                              "shadow", "passwd", "hosts", "sshd_config"))]),
            "sshd")
        # One line for each of its two addresses, in either order.
        until(lambda: self.process.output.count("Server listening on ") == 2
              or not self.process.alive(), "sshd listens")
        assert self.process.alive(), f"sshd said: {self.process.output}"

    def stop(self):
        """Stop the listening sshd; connections that it has accepted stay."""
        if self.process:
            self.process.stop()
            self.process = None
