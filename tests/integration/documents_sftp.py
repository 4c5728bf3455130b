"""Sections of the documents whose files are on the SFTP server of sshd.

The FTP server is culvert, so there is no other one to start.  sshd sees a
directory of the test as /srv.
"""

import contextlib
import filecmp
import os
import shutil
import subprocess

from documents import ALICE, PLACES, Client, Holder, Leg

LEG = Leg("near", "sftp")

# Of doc/topologies.md.
LEGS = dict.fromkeys(["I. No FTP server, but an SFTP server",
                      "I in one directory"], [LEG]) | {
    "I for the clients of a LAN": [Leg("near_end", "sftp")]}

# Where sessions begin, if not in alice's home.
DIRECTORIES = {"I in one directory": "srv/alice/plant"}


class SftpFiles:
    """The files of alice, in a directory of hers that is empty at first."""

    def __init__(self, world, title):
        self.root = world.dir / DIRECTORIES.get(title, "alice")
        for path in self.root, self.root / "in":
            path.mkdir(parents=True, exist_ok=True)
            os.chown(path, ALICE, ALICE)

    def stop(self):
        """Remove them, but not what else is there (.ssh)."""
        for path in self.root.iterdir():
            if path.is_dir() and not path.name.startswith("."):
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()


class SftpClient(Client):
    """An FTP client whose files are compared; no FTP server has a log."""

    def _check(self, done, pairs, modes):
        assert done.returncode == 0, done.stdout
        for here, there in pairs:
            assert filecmp.cmp(here, self._server.root / there, False), here
        assert not list(self._server.root.rglob(".culvert-*"))


@contextlib.contextmanager
def login_file(world, commands):
    """Run commands that add an FTP user; clients log in as this user.

    Without commands, clients log in as somebody else, and need no file.
    """
    netrc = world.root / ".netrc"
    before = netrc.read_text()
    for command in commands:
        subprocess.run(world.argv("near", ["sh", "-ec", command]), check=True,
                       env=world.env, input="only-for-ftp\n", text=True)
        netrc.write_text('default login scanner password only-for-ftp')
    try:
        yield
    finally:
        netrc.write_text(before)


def check_sftp_only(world, sshd, destination):
    """Fail if the key can do more than SFTP."""
    with Holder(world, sshd, destination) as holder:
        assert holder.logged_in
        start = sshd.mark()
        hosts = [place for place in PLACES if ":" not in place]
        said = holder.ssh(*(f"-W '{host}:22' DEST" for host in hosts)).stdout
        assert said.count("open refused by peer") == len(hosts), said
        assert "refused local port forward: " in "\n".join(sshd.lines[start:])
        said = holder.ssh(*(f"-O forward -R '{host}:0:localhost:9' DEST"
                            for host in hosts)).stdout
        assert said.count("forwarding failed") == len(hosts), said
        assert "uid=" not in holder.ssh("DEST id").stdout
