"""The real sshd in the far namespace, and the ssh configuration for it."""

import os
import re
import subprocess

from process import Process, until

# OpenSSH's default key exchange, sntrup761x25519, takes ssh ten times as long:
# if all tests used it, a third of their time.
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
Subsystem sftp internal-sftp
"""

# Since 9.8 sshd refuses addresses for a while from which a login has failed,
# or that only connected: here by the test before.
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

HOSTS = """\
127.0.0.1 localhost
::1 localhost
"""

# ip netns exec gives a mount namespace of its own, so that the privilege
# separation directory, a root account that is not locked, and a localhost of
# both families are seen by this sshd only.  root's shell is sh, which reads no
# start-up file of whoever owns this machine.
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
    """Return this host's /etc/passwd, with that shell for root."""
    with open("/etc/passwd") as file:
        return re.sub("(?m)^(root:.*:).*$", rf"\1{shell}", file.read())


def make_keys(directory):
    """Make a host key and a user's key."""
    for key in "host_key", "user_key":
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key,
             "-f", f"{directory}/{key}"], check=True)


class Sshd:
    """An sshd; options are more lines of sshd_config, and come first.

    config is the file for `culvert -F`, host the name to give it (host6
    goes there over IPv6).
    """

    host = "files.test"
    host6 = "files6.test"

    def __init__(self, ns, directory, options=()):
        self.ns, self.dir, self.options = ns, directory, list(options)
        self.port = ns.free_port(ns.far4)
        ns.let_in(self.port)
        make_keys(directory)
        names = {"dir": directory, "port": self.port,
                 "far4": ns.far4, "far6": ns.far6}
        with open(f"{directory}/host_key.pub") as file:
            write_file(f"{directory}/known_hosts", f"files.test {file.read()}")
        write_file(f"{directory}/shadow", "root:*:19000:0:99999:7:::\n")
        write_file(f"{directory}/passwd", passwd(), 0o644)
        write_file(f"{directory}/hosts", HOSTS, 0o644)
        # The first value of an option counts.
        write_file(f"{directory}/sshd_config",
               "".join(f"{line}\n" for line in self.options)
               + CONFIG.format(**names)
               + (PENALTIES if openssh_version() >= (9, 8) else ""))
        self.config = f"{directory}/ssh_config"
        write_file(self.config, CLIENT.format(**names))
        self.process = None
        self.start()

    def start(self):
        """Start it, again on the same port after stop(); returns when up."""
        self.process = Process(
            self.ns.argv(["sh", "-euc", START, "sshd",
                          *(f"{self.dir}/{name}" for name in (
                              "shadow", "passwd", "hosts", "sshd_config"))]),
            "sshd")
        # One line for each of its two addresses, in either order.
        until(lambda: self.process.output.count("Server listening on ") == 2
              or not self.process.alive(), "sshd listens")
        assert self.process.alive(), f"sshd said: {self.process.output}"

    def stop(self):
        """Stop the listening sshd; connections it has accepted live on."""
        if self.process:
            self.process.stop()
            self.process = None
