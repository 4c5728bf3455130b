"""What FTP clients other than curl and wget can do with the SFTP gateway."""

import contextlib
import os
import random
import re
import shutil
import subprocess
import tempfile
import time

import pytest

from clients import CLIENTS, Target
from gateway_clients import (  # pylint: disable=unused-import
    MORE_CLIENTS, commons_net, folder, settled, target)
from process import until
from servers import need_program

modes = pytest.mark.parametrize("mode", ["active", "passive"])

# A time in the last six months, with a second that LIST does not show.
STAMP = int(time.time()) // 86400 * 86400 - 20 * 86400 + 12345
STAMP_TEXT = time.strftime("%Y%m%d%H%M%S", time.gmtime(STAMP))

NAMES = ["a.txt", "b.txt", "c.dat", "with[brackets].txt", "star*.dat"]


def content(size, seed=0):
    """Return bytes that do not compress."""
    return random.Random(size + seed).randbytes(size)


def fill(path, names):
    """Make these files, with different contents; returns {name: content}."""
    files = {name: content(1000 + number)
             for number, name in enumerate(names)}
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(text)
    return files


def files_in(path):
    """Return {name: content} of the tree."""
    return {str(file.relative_to(path)): file.read_bytes()
            for file in settled(path).rglob("*") if file.is_file()}


@pytest.fixture
def near(tmp):
    """Return the client's directory."""
    path = tmp / "near"
    path.mkdir()
    return path


# ---- tnftp and GNU inetutils' ftp: commands on standard input ----

@pytest.fixture(params=["tnftp", "inetutils-ftp"])
def ftp(request, target, near):
    """Return a function that runs commands in one of them: mode, lines."""
    client = CLIENTS[request.param]

    def run(mode, *lines):
        result = client._run_lines(
            target(), mode, f"lcd {near}", *lines)
        assert result.status == 0, result.output
        return result.output

    run.name = request.param
    return run


@modes
def test_globs_down(mode, ftp, folder, near):
    """mget with globs, one of them in a directory."""
    files = fill(folder, NAMES)
    deep = fill(folder, ["dir/x.txt", "dir/y.txt", "dir/z"])
    (near / "dir").mkdir()
    ftp(mode, "mget *.txt", "mget [ac].d?t", "mget dir/*.txt")
    assert files_in(near) == {
        **{name: files[name] for name in NAMES if name != "star*.dat"},
        **{name: deep[name] for name in ("dir/x.txt", "dir/y.txt")}}


@modes
def test_globs_up(mode, ftp, folder, near):
    """mput with globs, mdelete, and a listing of what matches."""
    files = fill(near, NAMES)
    output = ftp(mode, "mput *.txt", "mput c.*", "nlist *.txt", "ls *.dat")
    assert files_in(folder) == {
        name: files[name] for name in NAMES if name != "star*.dat"}
    for name in "a.txt", "b.txt", "with[brackets].txt", "c.dat":
        assert len(re.findall(
            rf"(?m)(^|\s){re.escape(name)}\r?$", output)) >= 1, output
    ftp(mode, "mdelete [ab].*")
    assert sorted(os.listdir(settled(folder))) == [
        "c.dat", "with[brackets].txt"]


@modes
def test_commands(mode, ftp, folder, near):
    """Commands about files and directories."""
    fill(near, ["file"])
    (folder / "old").write_bytes(b"content")
    os.utime(folder / "old", (STAMP, STAMP))
    output = ftp(
        mode, "put file one", "append file one", "rename one two",
        "mkdir dir", "cd dir", "put ../near/file file", "cdup", "pwd",
        "size two", "modtime old", "chmod 600 two", "umask", "system",
        "status", "delete old", "mkdir gone", "rmdir gone")
    assert files_in(folder) == {
        "two": content(1000) * 2, **(
            {"dir/file": content(1000)} if (folder / "dir/file").exists()
            else {})}
    assert "213 2000" in output or "2000" in output, output
    assert time.strftime("%Y", time.gmtime(STAMP)) in output
    assert str(folder) in output
    assert (folder / "two").stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(settled(folder))) == ["dir", "two"]


@modes
def test_more_commands(mode, ftp, folder, near):
    """Resumed and newer files, unique names, type A."""
    whole = content(100_000)
    (folder / "file").write_bytes(whole)
    (near / "file").write_bytes(whole[:33_333])
    (near / "text").write_bytes(b"one\ntwo\n")
    (near / "old").write_bytes(b"old")
    (folder / "old").write_bytes(b"newer")
    os.utime(near / "old", (STAMP, STAMP))
    ftp(mode, "reget file", "newer old", "sunique", "put text", "put text",
        "sunique", "ascii", "put text ascii", "get ascii back")
    assert (near / "file").read_bytes() == whole
    assert (near / "old").read_bytes() == b"newer"
    assert (folder / "ascii").read_bytes() == b"one\ntwo\n"
    assert (near / "back").read_bytes() == b"one\ntwo\n"
    unique = [path for path in settled(folder).iterdir()
              if path.name.startswith("text")]
    assert [path.read_bytes() for path in unique] == [b"one\ntwo\n"] * 2


def test_machine_listings(target, folder):
    """tnftp's mlsd and mlst, and its list of features."""
    fill(folder, ["file"])
    os.utime(folder / "file", (STAMP, STAMP))
    result = CLIENTS["tnftp"]._run_lines(
        target(), "passive", "features", "mlsd", "mlst file")
    assert result.status == 0, result.output
    for text in f"Modify={STAMP_TEXT};", "Size=1000;", "MLST ":
        assert text.lower() in result.output.lower(), result.output


# ---- lftp ----

@pytest.fixture
def lftp(target, near):
    """Return a function that runs lines in lftp; returns its output."""
    def run(*lines, mode="passive", status=0):
        result = CLIENTS["lftp"]._run_lines(
            target(), mode, "set cmd:fail-exit yes", f"lcd {near}", *lines)
        assert result.status == status, result.output
        return result.output

    return run


def test_lftp_commands(lftp, folder, near):
    """Globs, renames, resumed transfers, parts fetched at the same time."""
    files = fill(folder, NAMES)
    whole = content(1_000_000)
    (folder / "big").write_bytes(whole)
    (near / "resumed").write_bytes(whole[:100_000])
    (folder / "put").write_bytes(whole[:400_000])
    (near / "big").write_bytes(whole)
    lftp("mget *.txt", "get -c big -o resumed", "put -c big -o put",
         "pget -n 4 big -o pieces", "mkdir -p new/deep", "mv c.dat new/deep/",
         "chmod 640 a.txt", "mrm b.*", "rm 'star*.dat'",
         "mput -O new *.txt")
    assert (near / "resumed").read_bytes() == whole
    assert (near / "pieces").read_bytes() == whole
    assert (folder / "put").read_bytes() == whole
    down = [name for name in NAMES if name.endswith(".txt")]
    for name in down:
        assert (near / name).read_bytes() == files[name]
        assert (folder / "new" / name).read_bytes() == files[name]
    assert (folder / "new/deep/c.dat").read_bytes() == files["c.dat"]
    assert (folder / "a.txt").stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(settled(folder))) == [
        "a.txt", "big", "new", "put", "with[brackets].txt"]
    assert lftp("find").split() == [
        "./", "./a.txt", "./big", "./new/", "./new/a.txt", "./new/b.txt",
        "./new/deep/", "./new/deep/c.dat", "./new/with[brackets].txt",
        "./put", "./with[brackets].txt"]


@pytest.mark.parametrize("settings", [
    (), ("set ftp:use-mlsd yes",), ("set ftp:sync-mode no",),
    ("set ftp:use-mlsd yes", "set ftp:sync-mode no",
     "set mirror:parallel-transfer-count 4"),
    ("set ftp:use-feat no", "set ftp:use-size no", "set ftp:use-mdtm no",
     "set ftp:list-options -a"),
    ("set ftp:use-mlsd no", "set ftp:use-stat-for-list yes",
     "set ftp:list-options -a"),
], ids=["default", "mlsd", "pipelined", "parallel", "old", "stat"])
@modes
def test_lftp_mirror(mode, settings, lftp, folder, near):
    """A mirror up and down, with the times; then only what has changed."""
    fill(near / "up", [*NAMES, "a b/c d", "a b/.hidden", "x/y/z/deep"])
    for number, path in enumerate(sorted((near / "up").rglob("*"))):
        os.utime(path, (STAMP - 61 * number,) * 2)
    (near / "up" / "link").symlink_to("a.txt")
    # -L: the file behind a link.
    lftp(*settings, "mirror -RL up there", "mirror there down", mode=mode)
    assert files_in(near / "up") == files_in(folder / "there") == \
        files_in(near / "down")
    exact = "mlsd" in " ".join(settings)
    for name in files_in(near / "up"):
        if name == "link":
            continue
        stamp = int((near / "up" / name).stat().st_mtime)
        if "use-feat no" not in " ".join(settings):
            # MFMT sets seconds.
            assert int((folder / "there" / name).stat().st_mtime) == stamp
        if exact:
            assert int((near / "down" / name).stat().st_mtime) == stamp
    (near / "up" / "a.txt").write_bytes(b"changed")
    (near / "up" / "b.txt").unlink()
    mark = time.time_ns()
    lftp(*settings, "mirror -RL --delete up there",
         "mirror --delete there down", mode=mode)
    assert files_in(near / "up") == files_in(folder / "there") == \
        files_in(near / "down")
    changed = {path.name for path in (folder / "there").rglob("*")
               if path.is_file() and path.stat().st_ctime_ns > mark}
    assert changed <= {"a.txt", "link"}, changed


# ---- ncftp ----

def ncftp(program, to, mode, *words):
    """Run ncftpput and the like."""
    client = CLIENTS["ncftp"]
    result = client.run(to, client._argv(program, to, mode, *words))
    assert result.status == 0, result.output
    return result.output


@modes
def test_ncftp_trees(mode, target, folder, near):
    """ncftpput -R and ncftpget -R, with the times."""
    to = target()
    fill(near / "tree", [*NAMES, "a b/c d", "x/y/z/deep"])
    for path in (near / "tree").rglob("*"):
        os.utime(path, (STAMP, STAMP))
    ncftp("ncftpput", to, mode, "-R", "-m", to.host, "there", near / "tree")
    assert files_in(folder / "there/tree") == files_in(near / "tree")
    (near / "back").mkdir()
    ncftp("ncftpget", to, mode, "-R", "-T", to.host, near / "back",
          "there/tree")
    assert files_in(near / "back/tree") == files_in(near / "tree")
    for name in files_in(near / "tree"):
        assert int((near / "back/tree" / name).stat().st_mtime) \
            // 60 == STAMP // 60, name


def test_ncftp_options(target, folder, near):
    """Appended and resumed files, temporary names, ncftpls."""
    to = target()
    whole = content(50_000)
    (near / "file").write_bytes(whole)
    for options in ["-A"], ["-A"]:
        ncftp("ncftpput", to, "passive", *options, to.host, ".",
              near / "file")
    assert (folder / "file").read_bytes() == whole * 2
    (folder / "part").write_bytes(whole[:20_000])
    shutil.copy(near / "file", near / "part")
    ncftp("ncftpput", to, "passive", "-z", to.host, ".", near / "part")
    assert (folder / "part").read_bytes() == whole
    (near / "part").write_bytes(whole[:20_000])
    ncftp("ncftpget", to, "passive", "-z", to.host, near, "part")
    assert (near / "part").read_bytes() == whole
    ncftp("ncftpput", to, "passive", "-S", ".tmp", "-m", to.host, "new/dir",
          near / "file")
    assert os.listdir(settled(folder / "new/dir")) == ["file"]
    for options in ["-1"], ["-l"], ["-x", "-al"], ["-C"], []:
        output = ncftp("ncftpls", to, "passive", *options, to.url())
        assert "part" in output and "file" in output, output


# ---- wput and busybox ----

@modes
def test_wput(mode, target, folder, near):
    """Makes directories, skips what is there, resumes, sends what is newer."""
    to = target()
    (near / "file").write_bytes(content(50_000))
    need_program("wput")
    wput = MORE_CLIENTS["wput"]
    for remote, before in ("a/b/file", None), ("part", 20_000):
        if before is not None:
            (folder / remote).write_bytes(content(50_000)[:before])
        result = wput.put(to, mode, near / "file", remote)
        assert result.status == 0, result.output
        assert (folder / remote).read_bytes() == content(50_000)
    inode = (folder / "part").stat().st_ino
    result = wput.put(to, mode, near / "file", "part")
    assert "Skipping file" in result.output
    assert (folder / "part").stat().st_ino == inode
    (near / "file").write_bytes(content(60_000, 1))
    result = wput.put(to, mode, near / "file", "part", "--reupload",
                      "--dont-continue")
    assert result.status == 0, result.output
    assert (folder / "part").read_bytes() == content(60_000, 1)


def test_busybox_resume(target, folder, near):
    """busybox ftpget -c fetches what is missing."""
    to = target()
    (folder / "file").write_bytes(content(50_000))
    (near / "file").write_bytes(content(50_000)[:20_000])
    result = MORE_CLIENTS["busybox"].run(to, [
        "busybox", "ftpget", "-c", "-u", to.user, "-p", to.password, "-P",
        to.port, to.host, near / "file", "file"])
    assert result.status == 0, result.output
    assert (near / "file").read_bytes() == content(50_000)


# ---- libraries ----

@modes
def test_perl(mode, target, folder, near):
    """Net::FTP: listings, times, sizes, unique names, appended files."""
    fill(near, ["file"])
    fill(folder, ["dir/one", "dir/two"])
    os.utime(folder / "dir/one", (STAMP, STAMP))
    result = MORE_CLIENTS["perl"].calls(
        target(), mode, "ls dir", "dir dir", "mdtm dir/one", "size dir/two",
        f"put_unique {near}/file", f"append {near}/file grown",
        f"append {near}/file grown", "cwd dir", "pwd", "cdup",
        "mkdir a/b/c 1", "rename dir/two a/b/c/three", "delete dir/one",
        "rmdir dir", f"get grown {near}/grown")
    assert result.status == 0, result.output
    lines = result.output.split("\n")
    for text in "dir/one", str(STAMP), "1001", str(folder / "dir"):
        assert text in lines, result.output
    assert re.search(r"(?m)^-rw.* 1000 .*\bone$", result.output)
    files = files_in(folder)
    assert files.pop("grown") == content(1000) * 2 == \
        (near / "grown").read_bytes()
    assert files.pop("a/b/c/three") == content(1001)
    unique, = files
    assert files[unique] == content(1000)


@modes
def test_perl_trees(mode, target, folder):
    """Net::FTP removes a tree."""
    fill(folder, ["tree/a", "tree/b/c", "tree/b/d/e"])
    result = MORE_CLIENTS["perl"].calls(target(), mode, "rmdir tree 1")
    assert result.status == 0, result.output
    assert not os.listdir(settled(folder))


@modes
def test_php(mode, target, folder, near):
    """PHP: listings, sizes, times, modes, resumed and appended files."""
    fill(near, ["file"])
    fill(folder, ["dir/one", "dir/two"])
    os.utime(folder / "dir/one", (STAMP, STAMP))
    (near / "part").write_bytes(content(1001)[:400])
    result = MORE_CLIENTS["php"].calls(
        target(), mode, "nlist dir", "rawlist dir", "mlsd dir",
        "mdtm dir/one", "size dir/two", "systype",
        f"append grown {near}/file", f"append grown {near}/file",
        f"get {near}/part dir/two 2 400", "mkdir new", "chdir new", "pwd",
        f"put file {near}/file", "cdup", "rename new/file new/renamed",
        "chmod 384 new/renamed", "alloc 1000", "delete dir/one",
        "raw NOOP", f"nb_put nb {near}/file")
    assert result.status == 0, result.output
    lines = [line.strip() for line in result.output.split("\n")]
    for text in "dir/one", str(STAMP), "1001", "UNIX", str(folder / "new"):
        assert text in lines, result.output
    assert f'"modify":"{STAMP_TEXT}"' in result.output
    assert (near / "part").read_bytes() == content(1001)
    assert files_in(folder) == {
        "dir/two": content(1001), "grown": content(1000) * 2,
        "new/renamed": content(1000), "nb": content(1000)}
    assert (folder / "new/renamed").stat().st_mode & 0o777 == 0o600


@modes
def test_commons_net(mode, target, folder, near, commons_net):
    """Java: listings with times and sizes, MFMT, STOU, APPE, REST, renames."""
    fill(near, ["file"])
    fill(folder, ["dir/one", "dir/two", "dir/sub/x"])
    os.utime(folder / "dir/one", (STAMP, STAMP))
    (near / "part").write_bytes(b"")
    result = commons_net.calls(
        target(), mode, "list dir", "mlsd dir", "mlst dir/one", "names dir",
        "size dir/two", "mdtm dir/one", f"append {near}/file grown",
        f"append {near}/file grown", f"unique {near}/file name",
        f"mfmt grown {STAMP_TEXT}", "mkdir new", "rename dir/two new/three",
        "delete dir/one", "cwd new", "restart 400", f"get three {near}/part",
        "feature MLST")
    assert result.status == 0, result.output
    lines = result.output.split("\n")
    when = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(STAMP))
    assert f"f 1000 {when}:00Z one" in lines, result.output  # LIST
    second = time.strftime("%S", time.gmtime(STAMP))
    assert f"f 1000 {when}:{second}Z one" in lines, result.output  # MLSD
    for text in "1001", "dir/one", STAMP_TEXT:
        assert text in lines, result.output
    assert re.search(r"(?m)^d .* sub$", result.output)
    files = files_in(folder)
    assert files.pop("grown") == content(1000) * 2
    assert int((folder / "grown").stat().st_mtime) == STAMP
    assert files.pop("new/three") == content(1001)
    assert (near / "part").read_bytes() == content(1001)[400:]
    del files["dir/sub/x"]
    unique, = files
    assert files[unique] == content(1000)


# ---- curlftpfs ----

@contextlib.contextmanager
def mounted(to, path):
    """Mount the gateway's files there."""
    need_program("curlftpfs")
    if not os.path.exists("/dev/fuse"):
        pytest.skip("there is no /dev/fuse")
    path.mkdir()
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            ["curlftpfs", "-f", "-o", f"user={to.user}:{to.password}",
             f"{to.host}:{to.port}", str(path)],
            stdout=output, stderr=subprocess.STDOUT)
        try:
            until(lambda: os.path.ismount(path) or child.poll() is not None,
                  "it is mounted")
            yield
        finally:
            subprocess.run(["umount", str(path)], check=False)
            child.kill()
            child.wait()


def test_curlftpfs(start_culvert, folder, tmp):
    """Files are read, written, renamed and removed as in a directory.

    In place: a file must be visible as soon as it is being written.
    """
    tunnel = start_culvert(f"sftp/0:{folder}",
                           options=["-v", "--upload", "in-place"])
    fill(folder, ["a", "dir/b"])
    near = tmp / "mount"
    with mounted(Target(*tunnel.listeners[0], "anybody", "anything"), near):
        assert files_in(near) == files_in(folder)
        (near / "dir/new").write_bytes(content(100_000))
        shutil.copy(near / "dir/new", near / "copy")
        (near / "made").mkdir()
        (near / "a").rename(near / "made/a")
        (near / "dir/b").unlink()
        assert files_in(folder) == {
            "dir/new": content(100_000), "copy": content(100_000),
            "made/a": content(1000)}
        (near / "dir/new").unlink()
        (near / "dir").rmdir()
    assert sorted(os.listdir(settled(folder))) == ["copy", "made"]


# ---- rclone ----

def test_rclone(target, folder, near):
    """rclone: a tree up and down, compared, changed and moved."""
    need_program("rclone")
    to = target()
    fill(near / "tree", [*NAMES, "a b/c d", "a b/.hidden", "x/y/z/deep",
                         "[dir]/a*/file", " blank/ file", "-l/-a"])
    for path in (near / "tree").rglob("*"):
        os.utime(path, (STAMP, STAMP))
    rclone = MORE_CLIENTS["rclone"].copy

    def run(*words):
        result = rclone(to, *words)
        assert result.status == 0, result.output
        return result.output

    run("sync", near / "tree", ":there")
    assert files_in(folder / "there") == files_in(near / "tree")
    # MFMT keeps the time to the second.
    assert all(int((folder / "there" / name).stat().st_mtime) == STAMP
               for name in files_in(near / "tree"))
    run("check", "--download", near / "tree", ":there")
    (near / "tree/a.txt").write_bytes(b"changed")
    (near / "tree/b.txt").unlink()
    run("sync", near / "tree", ":there")
    assert files_in(folder / "there") == files_in(near / "tree")
    run("sync", ":there", near / "back")
    assert files_in(near / "back") == files_in(near / "tree")
    run("moveto", ":there/c.dat", ":new/d.dat")
    assert (folder / "new/d.dat").exists()
    run("purge", ":there")
    assert not (folder / "there").exists()
