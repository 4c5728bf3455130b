"""What curl and wget can do with the SFTP gateway."""

import os
import random
import time

import pytest

from clients import CLIENTS
from gateway_clients import (  # pylint: disable=unused-import
    folder, settled, target)

CURL, WGET = CLIENTS["curl"], CLIENTS["wget"]

methods = pytest.mark.parametrize(
    "method", ["multicwd", "nocwd", "singlecwd"])

# A time in the last six months, so that LIST shows its minute, and a second
# that LIST does not show.
STAMP = int(time.time()) // 86400 * 86400 - 20 * 86400 + 12345


def content(size, seed=0):
    """Return bytes that do not compress."""
    return random.Random(size + seed).randbytes(size)


@pytest.fixture
def curl(target):
    """Return a function that runs curl: a path, and options."""
    def run(path, *options, mode="passive", status=0):
        to = target()
        result = CURL.run(to, CURL._argv(
            to, mode, *options, to.url(path)))
        assert result.status == status, result.output
        return result.output

    return run


@methods
def test_methods(method, curl, folder, tmp):
    """Each way in which curl names a file in a directory."""
    deep = folder / "one two" / "%dir"
    deep.mkdir(parents=True)
    (tmp / "up").write_bytes(content(70_000))
    curl("one%20two/%25dir/file", "--ftp-method", method, "-T", tmp / "up")
    assert (deep / "file").read_bytes() == content(70_000)
    curl("one%20two/%25dir/file", "--ftp-method", method, "-o", tmp / "down")
    assert (tmp / "down").read_bytes() == content(70_000)
    listing = curl("one%20two/%25dir/", "--ftp-method", method, "-l")
    assert listing.rstrip().rsplit("/", 1)[-1] == "file"
    absolute = str(deep / "file").replace("%", "%25").replace(" ", "%20")
    curl(f"/{absolute}", "--ftp-method", method, "-o", tmp / "again")
    assert (tmp / "again").read_bytes() == content(70_000)


def test_create_dirs(curl, folder, tmp):
    """--ftp-create-dirs makes those that are missing."""
    (folder / "a").mkdir()
    (tmp / "up").write_bytes(b"new")
    for name in "a/b/c/file", "a/b/d/file", "a/b/c/other":
        curl(name, "--ftp-create-dirs", "-T", tmp / "up")
        assert (folder / name).read_bytes() == b"new"
    assert "550" in curl("no/file", "-v", "-T", tmp / "up", status=9)
    assert not (folder / "no").exists()


def test_quote(curl, folder):
    """Commands before and after: renames, removals, directories."""
    for name in "one", "two":
        (folder / name).write_text(name)
    curl("", "-Q", "MKD new", "-Q", "RNFR one", "-Q", "RNTO new/three",
         "-Q", "-DELE two", "-Q", "-SITE CHMOD 600 new/three", "-o", "list")
    assert sorted(os.listdir(settled(folder))) == ["new"]
    assert (folder / "new" / "three").read_text() == "one"
    assert (folder / "new" / "three").stat().st_mode & 0o777 == 0o600
    # 21: a command of -Q has failed; with * it may.
    curl("", "-Q", "RMD new", status=21)
    curl("", "-Q", "*RMD new", "-Q", "DELE new/three", "-Q", "RMD new")
    assert not os.listdir(settled(folder))


@pytest.mark.parametrize("mode", ["active", "passive"])
def test_resume(mode, curl, folder, tmp):
    """-C - fetches what is missing, and sends what is missing."""
    whole = content(300_000)
    (folder / "file").write_bytes(whole)
    (tmp / "file").write_bytes(whole[:123_456])
    curl("file", "-C", "-", "-o", tmp / "file", mode=mode)
    assert (tmp / "file").read_bytes() == whole
    (folder / "up").write_bytes(whole[:200_001])
    curl("up", "-C", "-", "-T", tmp / "file", mode=mode)
    assert (folder / "up").read_bytes() == whole
    # There is nothing to resume; and everything was sent before.
    for _ in range(2):
        curl("new", "-C", "-", "-T", tmp / "file", mode=mode)
        assert (folder / "new").read_bytes() == whole


def test_range(curl, folder):
    """Parts of a file."""
    (folder / "file").write_bytes(bytes(range(32, 127)))
    assert curl("file", "-r", "10-19") == "*+,-./0123"
    assert curl("file", "-r", "90-") == "z{|}~"
    assert curl("file", "-r", "-3") == "|}~"


def test_head(curl, folder):
    """-I shows the size and the time; -R keeps the time."""
    (folder / "file").write_bytes(content(4321))
    os.utime(folder / "file", (STAMP, STAMP))
    headers = curl("file", "-I").split("\n")
    when = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(STAMP))
    assert {"Content-Length: 4321", f"Last-Modified: {when}",
            "Accept-ranges: bytes"} <= {line.strip() for line in headers}
    assert "78" in curl("none", "-I", status=78)


def test_remote_time(curl, folder, tmp):
    """-R gives the local file the time of the remote one; -z compares."""
    (folder / "file").write_bytes(b"content")
    os.utime(folder / "file", (STAMP, STAMP))
    curl("file", "-R", "-o", tmp / "down")
    assert int((tmp / "down").stat().st_mtime) == STAMP
    day = time.strftime("%d %b %Y", time.gmtime(STAMP + 2 * 86400))
    assert curl("file", "-z", day) == ""
    assert curl("file", "-z", f"-{day}") == "content"


def test_standard_input(target, folder):
    """-T - stores what comes, of unknown size; --append adds to it."""
    to = target()
    for options in [], ["--append"]:
        result = CURL.run(to, CURL._argv(
            to, "passive", "-T", "-", *options, to.url("file")), "line\n" * 9)
        assert result.status == 0, result.output
    assert (folder / "file").read_text() == "line\n" * 18


def test_ascii(curl, folder, tmp):
    """With -B lines end with CR LF on the wire, and with LF in both files."""
    (folder / "file").write_bytes(b"one\ntwo\n")
    curl("file", "-B", "-o", tmp / "down")
    assert (tmp / "down").read_bytes() == b"one\ntwo\n"
    for options in ["-B"], ["-B", "--crlf"]:
        curl("up", *options, "-T", tmp / "down")
        assert (folder / "up").read_bytes() == b"one\ntwo\n"
    # Not in type I.
    curl("up", "--crlf", "-T", tmp / "down")
    assert (folder / "up").read_bytes() == b"one\r\ntwo\r\n"


def test_without_extended(curl, folder):
    """PASV and PORT in place of EPSV and EPRT."""
    (folder / "file").write_bytes(b"content")
    assert curl("file", "--disable-epsv") == "content"
    assert curl("file", "--disable-eprt", mode="active") == "content"


def test_many_files(target, folder, tmp):
    """Several files in one session, and in several at the same time.

    Not many: curl 7.88 sometimes waits 1 s if the reply to EPSV comes at once.
    """
    to = target()
    names = [f"file{number}" for number in range(8)]
    for name in names:
        (tmp / name).write_bytes(content(1000, int(name[4:])))
    result = CURL.run(to, CURL._argv(
        to, "passive", "-T", f"{{{','.join(str(tmp / n) for n in names)}}}",
        to.url()))
    assert result.status == 0, result.output
    down = tmp / "down"
    down.mkdir()
    result = CURL.run(to, CURL._argv(
        to, "passive", "-Z", "--parallel-max", "4", "-o", f"{down}/#1",
        to.url(f"{{{','.join(names)}}}")))
    assert result.status == 0, result.output
    for name in names:
        assert (folder / name).read_bytes() == (tmp / name).read_bytes()
        assert (down / name).read_bytes() == (tmp / name).read_bytes()
    assert sorted(os.listdir(settled(folder))) == sorted(names)


def test_failures(curl, folder, tmp):
    """Errors of the server are errors of curl."""
    (folder / "directory").mkdir()
    (tmp / "up").write_bytes(b"content")
    curl("none", status=78)
    curl("no/file", status=9)
    curl("directory", status=78)
    curl("directory", "-T", tmp / "up", status=25)
    curl("none/", status=9)
    curl("none/file", "-T", tmp / "up", status=9)


# ---- wget ----

def wget(to, *options, path=""):
    """Run wget."""
    return WGET.run(to, [
        "wget", "--no-config", "-nv", "-t", "1", "-T", "20",
        f"--ftp-user={to.user}", f"--ftp-password={to.password}", *options,
        to.url(path)])


@pytest.mark.parametrize("active", [[], ["--no-passive-ftp"]],
                         ids=["passive", "active"])
def test_wget_mirror(active, target, folder, tmp):
    """A tree with its times; the second time nothing is fetched."""
    old = STAMP - 1000 * 86400
    files = {"a b.txt": STAMP, "dir/[x] *y*": STAMP, "dir/.hidden": old,
             "dir/sub/%'\"": old, "ä/ö": STAMP}
    for number, (name, stamp) in enumerate(files.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(1000 + number))
        os.utime(path, (stamp, stamp))
    (folder / "link").symlink_to("a b.txt")
    mirror = ["-m", "-nH", "-P", str(tmp / "down"), *active,
              "--restrict-file-names=nocontrol"]
    to = target()
    result = wget(to, *mirror)
    assert result.status == 0, result.output
    for name, stamp in files.items():
        assert (tmp / "down" / name).read_bytes() == \
            (folder / name).read_bytes(), name
        # LIST shows minutes, or days.
        unit = 60 if stamp == STAMP else 86400
        assert int((tmp / "down" / name).stat().st_mtime) == \
            stamp // unit * unit, name
    assert (tmp / "down" / "link").read_bytes() == \
        (folder / "a b.txt").read_bytes()
    mark = time.time_ns()
    result = wget(to, *mirror)
    assert result.status == 0, result.output
    assert all((tmp / "down" / name).stat().st_ctime_ns < mark
               for name in files), result.output
    (folder / "a b.txt").write_bytes(b"changed")
    result = wget(to, *mirror)
    assert result.status == 0, result.output
    assert (tmp / "down" / "a b.txt").read_bytes() == b"changed"


def test_wget_glob_and_resume(target, folder, tmp):
    """A glob, which wget applies to a listing; and -c."""
    for number in range(5):
        (folder / f"file{number}.txt").write_bytes(content(50_000 + number))
    (folder / "other").write_bytes(b"")
    (tmp / "file3.txt").write_bytes(content(50_003)[:20_000])
    result = wget(target(), "-c", "-P", str(tmp), path="file[1-3].t*")
    assert result.status == 0, result.output
    for number in range(1, 4):
        assert (tmp / f"file{number}.txt").read_bytes() == \
            content(50_000 + number)
    assert not (tmp / "file4.txt").exists() and not (tmp / "other").exists()
