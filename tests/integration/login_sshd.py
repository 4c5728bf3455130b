"""An sshd with accounts that have passwords, for --login ssh."""

import ctypes
import json
import pathlib

import sshd
from sftp_servers import make_root
from ssh_servers import PROGRAMS, PYTHON, Library
from sshd import write_file

LIBCRYPT = ctypes.CDLL("libcrypt.so.1")
LIBCRYPT.crypt.restype = ctypes.c_char_p

FIRST_UID = 20001

# Options of sshd_config: how it asks for the password.
PASSWORD = ("PasswordAuthentication yes",)
KEYBOARD = ("UsePAM yes", "KbdInteractiveAuthentication yes")
BOTH = KEYBOARD + PASSWORD
PAM_PASSWORD = ("UsePAM yes",) + PASSWORD

# Fields of shadow(5) behind the hash: good; the password must be changed; the
# account has expired.
GOOD = "19000:0:99999:7:::"
EXPIRED = "1:0:1:7:::"
ACCOUNT_EXPIRED = "19000:0:99999:7::1:"


def hashed(password):
    """Return the hash of a password of at most 511 bytes, as bytes or text."""
    if isinstance(password, str):
        password = password.encode()
    return LIBCRYPT.crypt(password, b"$6$rounds=1000$salt$").decode()


def forget_account(config):
    """Take account and key out of an ssh_config: the FTP client has them."""
    text = pathlib.Path(config).read_text()
    write_file(config, "".join(
        line + "\n" for line in text.splitlines()
        if line.split()[0] not in ("User", "IdentityFile", "IdentitiesOnly")))


class LoginSshd(sshd.Sshd):
    """users: {name: password, or (password, fields of shadow)}.

    All have the same directory, root.
    """

    def __init__(self, ns, directory, users, *options):
        self.users = users
        self.root = make_root(directory)
        super().__init__(ns, directory, [sshd.QUICK, *options])
        forget_account(self.config)

    def start(self):
        """Give the users passwords, and start it."""
        with open(f"{self.dir}/shadow", "a") as shadow, \
                open(f"{self.dir}/passwd", "a") as passwd:
            for uid, (name, entry) in enumerate(self.users.items(), FIRST_UID):
                password, fields = \
                    entry if isinstance(entry, tuple) else (entry, GOOD)
                shadow.write(f"{name}:{hashed(password)}:{fields}\n")
                passwd.write(f"{name}:x:{uid}:65534::{self.root}:/bin/sh\n")
        super().start()

    def uid(self, name):
        """The user id of one of the users."""
        return FIRST_UID + list(self.users).index(name)


class Asks(Library):
    """An SSH server that asks what how says (ssh_programs/asks.py)."""

    program = PYTHON, "-W", "ignore", PROGRAMS / "asks.py"

    def __init__(self, ns, directory, **how):
        self.root = make_root(directory)
        self.how = {"home": str(self.root), **how}
        super().__init__(ns, directory)
        forget_account(self.config)

    def argv(self):
        return [*super().argv(), json.dumps(self.how)]
