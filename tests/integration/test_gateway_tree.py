"""A tree of files with odd names, by the SFTP gateway up and down.

GATEWAY_FILES=N makes a tree of N files.
"""

import ftplib
import io
import os
import random
import time

import pytest

from clients import Lftp
from gateway_clients import (  # pylint: disable=unused-import
    folder, settled, target)

FILES = int(os.environ.get("GATEWAY_FILES", "2000"))

# Names are bytes; %d becomes a number.  CR and LF are out: a line of FTP cannot
# have them.
NAMES = [
    b"plain%d", b"with blank %d", b"  two in front %d", b"behind%d  ",
    b"'quote%d'", b"\"double%d\"", b"`back%d`", b"$HOME%d", b"%%41%d",
    b"back\\slash%d", b"\\%d", b".hidden%d", b"..%d", b"...%d", b"-%d",
    b"--long%d", b"-la %d", b"[%d]", b"[a-z]%d", b"star*%d", b"what?%d", b"{a,%d}",
    b"~%d", b"~root%d", b"#%d", b"%d#", b"a;b&c|d%d", b"<%d>", b"(%d)", b"!%d",
    b"=%d", b"+%d@", b"colon:%d", b"tab\t%d", b"bell\a%d", b"escape\x1b%d",
    b"del\x7f%d", b"\x01%d", "Grüße %d".encode(), "日本語%d".encode(),
    "e\u0301%d".encode(), "😀%d".encode(), "Grüße %d".encode("latin-1"),
    b"\xa0%d", b"\xff%d", b"\xff\xff%d", b"\xfe%d", b"\x80%d\x9f", b"a -> b%d",
    b"Nov 30 2026 %d", b"type=file; %d", b"226 done %d", b"x" * 190 + b"%d",
    "ü".encode() * 95 + b"%d", b"CON%d", b"%d.", b"%d.txt"]


def make_tree(path, count):
    """Make a tree with that many files; in each directory odd directories."""
    chosen = random.Random(count)
    stamp = int(time.time()) - 30 * 86400
    directories = [os.fsencode(path)]
    for number in range(count):
        name = NAMES[number % len(NAMES)] % number
        where = chosen.choice(directories)
        if number % 25 == 0:
            if where.count(b"/") < 12:
                directories.append(os.path.join(where, name + b".d"))
                os.mkdir(directories[-1])
            where = directories[-1]
        file = os.path.join(where, name)
        with open(file, "wb") as out:
            out.write(chosen.randbytes(chosen.choice([0, 1, 100, 5000])))
        os.utime(file, (stamp + number, stamp + number))


def tree(path, times=True):
    """Return {name: (time, content)} of a tree, None for directories."""
    path = os.fsencode(path)
    found = {}
    settled(os.fsdecode(path))
    for where, directories, files in os.walk(path):
        for name in directories:
            found[os.path.relpath(os.path.join(where, name), path)] = None
        for name in files:
            file = os.path.join(where, name)
            with open(file, "rb") as text:
                found[os.path.relpath(file, path)] = (
                    int(os.stat(file).st_mtime) if times else None,
                    text.read())
    return found


def check(one, other, output):
    """Fail, with some of the names, unless the trees are equal."""
    lacks = sorted(set(one) - set(other))
    more = sorted(set(other) - set(one))
    differ = sorted(name for name in one
                    if name in other and one[name] != other[name])
    assert not (lacks or more or differ), \
        f"lacks {lacks[:20]}\nmore {more[:20]}\ndiffer {differ[:20]}\n" \
        f"{output[-3000:]}"


@pytest.fixture
def ftp(target):
    """Return a session of ftplib, whose characters are bytes."""
    to = target()
    with ftplib.FTP(encoding="latin-1") as one:
        one.connect(to.host, to.port)
        one.login(to.user, to.password)
        yield one


def lines(ftp, command):
    """Return the lines of a listing."""
    got = []
    ftp.retrlines(command, got.append)
    return got


@pytest.mark.timeout(900)
@pytest.mark.parametrize("files, settings", [
    (FILES, ["set ftp:use-mlsd yes"]),
    (FILES // 4, ["set ftp:use-mlsd no", "set ftp:list-options -a",
                  "set ftp:passive-mode no"])], ids=["mlsd", "list-active"])
def test_mirror(files, settings, target, folder, tmp):
    """lftp mirrors the tree up and down: names, contents and times."""
    (tmp / "up").mkdir()
    make_tree(tmp / "up", files)
    lftp = Lftp()
    lftp.patience = 800
    result = lftp._run_lines(
        target(), "passive", *settings, "set cmd:fail-exit yes",
        # Every byte is a character.
        "set ftp:use-utf8 no", "set ftp:charset ISO-8859-1",
        "set file:charset ISO-8859-1", "set mirror:parallel-transfer-count 4",
        f"mirror -R {tmp}/up there", f"mirror there {tmp}/down")
    assert result.status == 0, result.output[-3000:]
    exact = "yes" in settings[0]
    up = tree(tmp / "up")
    assert len(up) > files
    check(up, tree(folder / "there"), result.output)
    check(tree(tmp / "up", exact), tree(tmp / "down", exact), result.output)


def test_each_command(ftp, folder):
    """Every command takes each name, of a file and of a directory."""
    for name in NAMES:
        # ftplib does not know that Telnet sends a byte 255 twice.
        if b"\xff\xff" not in name:
            check_name((name % 7).decode("latin-1"), ftp, folder)


def check_name(name, ftp, folder):
    """Check the commands with that name."""
    there = os.path.join(os.fsencode(folder), name.encode("latin-1"))
    ftp.storbinary(f"STOR {name}", io.BytesIO(b"content"))
    ftp.storbinary(f"APPE {name}", io.BytesIO(b" and more"))
    with open(there, "rb") as file:
        assert file.read() == b"content and more"
    ftp.voidcmd(f"MFMT 20260102030405 {name}")
    assert ftp.sendcmd(f"MDTM {name}") == "213 20260102030405"
    assert ftp.size(name) == 16
    got = []
    ftp.retrbinary(f"RETR {name}", got.append)
    assert b"".join(got) == b"content and more"
    ftp.voidcmd(f"SITE CHMOD 640 {name}")
    assert os.stat(there).st_mode & 0o777 == 0o640
    # LIST and NLST would take "-" for an option, and skip blanks.
    assert ftp.nlst(f"./{name}") == [f"./{name}"]
    assert [line for line in lines(ftp, f"LIST ./{name}")
            if line.endswith(f" {name}")]
    assert [line for line in lines(ftp, "MLSD") if line.endswith(f" {name}")]
    assert f" {folder}/{name}\n" in ftp.sendcmd(f"MLST {name}") + "\n"
    ftp.rename(name, f"{name}.d")
    ftp.rename(f"{name}.d", name)
    ftp.delete(name)
    ftp.mkd(name)
    ftp.storbinary(f"STOR {name}/{name}", io.BytesIO(b""))
    assert ftp.nlst(f"./{name}") == (
        [] if name.startswith(".") else [f"./{name}/{name}"])
    assert [facts for facts in lines(ftp, f"MLSD {name}")
            if facts.endswith(f" {name}")]
    ftp.cwd(name)
    assert ftp.pwd() == f"{folder}/{name}"
    ftp.delete(name)
    ftp.cwd("..")
    ftp.rmd(name)
    assert not os.listdir(settled(folder))
