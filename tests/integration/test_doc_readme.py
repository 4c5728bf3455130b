"""README.md: what it shows of the SFTP gateway, done as it is printed.

The other examples are in doc/topologies.md as well.
"""

import contextlib
import re

import documents_sftp
from culvert import REPO
from documents import PrintedCulvert, _world, world  # noqa: F401

# pylint: disable=redefined-outer-name

TEXT = (REPO / "README.md").read_text()
SECTION = re.search(r"^## FTP clients, and an SFTP server$(.*?)^## ", TEXT,
                    re.MULTILINE | re.DOTALL)[1]
# [(command, what it prints), ...]
SHOWN = [(command, "".join(line[4:] + "\n" for line in said.splitlines()))
         for command, said in re.findall(
             r"^    \$ (.*)\n((?:    [^$].*\n)*)", SECTION, re.MULTILINE)]


def plain(listing):
    """Return a listing without owners, groups and times; in any order."""
    return sorted(re.sub(r"\d+ +\d+ +(\d+) \w{3} .{2} .{5} ", r"\1 ", line)
                  for line in listing.splitlines())


def test_the_gateway(request, world, directories, tmp):
    """Each command does what is printed below it."""
    world.authorize('restrict,command="internal-sftp"'
                    " ssh-ed25519 AAAA... culvert")
    files = documents_sftp.SftpFiles(world, "README")
    (files.root / "report.csv").write_bytes(bytes(range(250)) * 400)
    (tmp / "orders.csv").write_bytes(b"x" * 4711)
    (command, ready), *others = SHOWN
    assert [words.split()[0] for words, _ in others] == ["curl"] * 3
    with contextlib.ExitStack() as stack:
        stack.callback(files.stop)
        stack.enter_context(world.sshd())
        one = PrintedCulvert(world, command, directories())
        request.node.culverts = [(one, 0)]
        stack.enter_context(one.running(ready.rstrip("\n")))
        for command, said in others:
            done = world.run("near", command + " -sS", tmp)
            assert done.returncode == 0, done.stdout
            assert plain(done.stdout) == plain(said)
        for name, stored in ("report.csv", "report.csv"), \
                ("orders.csv", "in/orders.csv"):
            assert (tmp / name).read_bytes() \
                == (files.root / stored).read_bytes()
