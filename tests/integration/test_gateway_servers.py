"""The gateway with the SFTP servers that exist, and with limited ones."""

import concurrent.futures
import contextlib
import ftplib
import os
import re

import pytest

from gateways import Gateway, content, fetch, lines, listing, look, store
from process import until
from sftp_servers import FAR, SFTP_SERVERS

SIZES = [5_000_000, 100_000, 1, 0]
OLD = b"the old content, longer than the new one" * 5000
NEW = b"new"
PAST = 1_234_567_890  # the time of files


def start(kind, ns, directories, *extra):
    """Return a gateway to a server of that kind."""
    one = Gateway(SFTP_SERVERS[kind](ns, directories()), directories(), extra)
    one.kind = kind
    return one


@pytest.fixture(scope="module", params=SFTP_SERVERS)
def gateway(request, ns, directories):
    """Return a gateway to an SFTP server of each kind."""
    one = start(request.param, ns, directories)
    yield one
    one.stop()


# ---- what is tested with each server ----

WORKS = {}


def work(**files):
    """Add a function to WORKS; files are there before."""
    def add(function):
        WORKS[function.__name__.replace("_", "-")] = function, files
        return function
    return add


@work()
def put(ftp, path, name):
    """Files of several sizes are stored."""
    for size in SIZES:
        store(ftp, f"{name}/{size}", content(size))
        assert (path / str(size)).read_bytes() == content(size)


@work(**{str(size): content(size) for size in SIZES})
def get(ftp, path, name):
    """Files of several sizes are fetched."""
    for size in SIZES:
        assert fetch(ftp, f"RETR {name}/{size}") == content(size)


@work(file=OLD)
def put_over(ftp, path, name):
    """A file is replaced."""
    store(ftp, f"{name}/file", NEW)
    assert (path / "file").read_bytes() == NEW


@work(file=OLD)
def append(ftp, path, name):
    """APPE writes behind the end."""
    store(ftp, f"{name}/file", NEW, command="APPE")
    assert (path / "file").read_bytes() == OLD + NEW
    store(ftp, f"{name}/other", NEW, command="APPE")
    assert (path / "other").read_bytes() == NEW


@work(file=OLD)
def resume_put(ftp, path, name):
    """REST and STOR write from there on."""
    data = content(300_000)
    store(ftp, f"{name}/file", data[len(OLD):], rest=len(OLD))
    assert (path / "file").read_bytes() == OLD + data[len(OLD):]


@work(file=OLD)
def put_inside(ftp, path, name):
    """After REST the file ends where the upload does."""
    store(ftp, f"{name}/file", NEW, rest=10)
    assert (path / "file").read_bytes() == OLD[:10] + NEW


@work(file=OLD)
def resume_get(ftp, path, name):
    """REST and RETR."""
    assert fetch(ftp, f"RETR {name}/file", rest=1000) == OLD[1000:]


@work()
def put_many(ftp, path, name):
    """Uploads one after the other."""
    for number in range(5):
        store(ftp, f"{name}/{number}", content(1000 + number))
    assert {each: data for each, (_, data) in look(path).items()
            if each[0] != "."} == {
        str(number): content(1000 + number) for number in range(5)}


@work()
def put_new_name(ftp, path, name):
    """STOU says which name it has chosen."""
    reply = store(ftp, f"{name}/x", NEW, command="STOU")
    file, = path.iterdir()
    assert file.read_bytes() == NEW, reply


@work(file=OLD)
def facts(ftp, path, name):
    """SIZE, MDTM."""
    assert ftp.size(f"{name}/file") == len(OLD)
    assert ftp.sendcmd(f"MDTM {name}/file") == "213 20090213233130"


@work(file=OLD)
def set_time(ftp, path, name):
    """MFMT."""
    assert ftp.sendcmd(f"MFMT 20010909014640 {name}/file").startswith(
        "213 Modify=20010909014640; ")
    assert (path / "file").stat().st_mtime == 1_000_000_000


@work(file=OLD)
def set_mode(ftp, path, name):
    """SITE CHMOD."""
    ftp.sendcmd(f"SITE CHMOD 600 {name}/file")
    assert (path / "file").stat().st_mode & 0o7777 == 0o600


NAMES = ["plain", "with two  blanks", "-dash", "ünï", "%25", "*?[a]",
         '"quoted"', "back\\slash"]


@work(**dict.fromkeys(NAMES, OLD), **{"directory/": b""})
def mlsd(ftp, path, name):
    """All names and facts are in the listing."""
    found = listing(ftp, name)
    assert set(found) - {".", ".."} == {*NAMES, "directory"}
    assert found["directory"]["type"] == "dir"
    for each in NAMES:
        assert found[each]["type"] == "file"
        assert found[each]["size"] == str(len(OLD))


@work(**dict.fromkeys(NAMES, OLD), **{"directory/": b""})
def list_long(ftp, path, name):
    """The same by LIST."""
    found = {}
    for line in lines(ftp, f"LIST {name}"):
        words = line.split(None, 8)
        found[line[line.index(words[8][:1], len(line) - len(words[8])):]] \
            = words
    assert set(found) == {*NAMES, "directory"}
    assert found["directory"][0].startswith("d")
    assert all(found[each][0].startswith("-") and found[each][4] ==
               str(len(OLD)) for each in NAMES)


@work(**dict.fromkeys(NAMES, OLD), **{"directory/": b""})
def nlst(ftp, path, name):
    """The same by NLST."""
    assert set(lines(ftp, f"NLST {name}")) == {
        f"{name}/{each}" for each in [*NAMES, "directory"]}


LINK = {"link -> file": b"", "file": OLD}


@work(**LINK)
def list_link(ftp, path, name):
    """LIST shows what a link says."""
    got = lines(ftp, f"LIST {name}")
    assert any(re.match(r"l.* link -> (.*/)?file$", line) for line in got), got


@work(**LINK)
def mlsd_link(ftp, path, name):
    """MLSD has the type of the file behind it."""
    assert listing(ftp, name)["link"]["type"] == "file"


@work(**LINK)
def put_over_link(ftp, path, name):
    """A link stays, and the file behind it is replaced."""
    store(ftp, f"{name}/link", NEW)
    assert os.readlink(path / "link") == "file"
    assert (path / "file").read_bytes() == NEW


@work(**{"away/": b"", "away/file": OLD, "link -> away/file": b""})
def put_behind_link(ftp, path, name):
    """The same if that is in another directory."""
    store(ftp, f"{name}/link", NEW)
    assert os.readlink(path / "link") == "away/file"
    assert (path / "away/file").read_bytes() == NEW


@work(file=OLD)
def rename(ftp, path, name):
    """RNFR and RNTO to a name that is free."""
    ftp.rename(f"{name}/file", f"{name}/other")
    assert (path / "other").read_bytes() == OLD
    assert not (path / "file").exists()


@work(**LINK)
def keep_mode(ftp, path, name):
    """A file that is replaced keeps its mode, also behind a link."""
    for each in "link", "file":
        store(ftp, f"{name}/{each}", NEW)
        assert (path / "file").stat().st_mode & 0o7777 == 0o640


@work(file=NEW, other=OLD)
def rename_over(ftp, path, name):
    """RNFR and RNTO replace a file."""
    ftp.rename(f"{name}/file", f"{name}/other")
    assert (path / "other").read_bytes() == NEW
    assert not (path / "file").exists()


@work()
def make_directory(ftp, path, name):
    """MKD, and CWD, PWD, CDUP."""
    ftp.mkd(f"{name}/sub")
    assert (path / "sub").is_dir()


@work(**{"sub/": b""})
def enter(ftp, path, name):
    """CWD, PWD, CDUP."""
    home = ftp.pwd()
    ftp.cwd(f"{name}/sub")
    assert ftp.pwd() == f"{home.rstrip('/')}/{name}/sub"
    ftp.cwd("..")
    assert ftp.pwd() == f"{home.rstrip('/')}/{name}"


@work(**{"sub/": b""})
def remove_directory(ftp, path, name):
    """RMD."""
    ftp.rmd(f"{name}/sub")
    assert not (path / "sub").exists()


@work(file=OLD)
def delete(ftp, path, name):
    """DELE."""
    ftp.delete(f"{name}/file")
    assert not (path / "file").exists()


@work()
def space(ftp, path, name):
    """AVBL."""
    assert int(ftp.sendcmd(f"AVBL {name}").removeprefix("213 ")) > 0


# ---- the tests ----

UPLOADS = ["put", "put-over", "put-over-link", "put-behind-link", "append",
           "resume-put", "put-inside", "put-new-name", "put-many", "keep-mode"]
DOWNLOADS = ["get", "resume-get"]
LISTINGS = ["mlsd", "list-long", "nlst", "list-link", "mlsd-link"]
RENAMES = ["rename", "rename-over"]


def refused(names, code, text="Permission denied"):
    """Return a part of CANNOT."""
    return dict.fromkeys(names, f"^{code} {text}")


# What a server cannot do, and the FTP error.
CANNOT = {
    "read-only": refused(
        [*UPLOADS, *RENAMES, "set-time", "set-mode", "make-directory",
         "remove-directory", "delete"], "55[03]"),
    "without-statvfs": refused(["space"], 550, "The SFTP server does not"
                               " support statvfs@openssh.com"),
    "in-place": refused(RENAMES, 553),
    "without-stat": refused(["facts"], 550),
    "without-setstat,fsetstat": refused(
        ["set-time", "set-mode", "put-inside"], "55[02]"),
    "without-open": refused(UPLOADS, 553) | refused(DOWNLOADS, 550),
    "without-close": refused(UPLOADS, 552),
    "without-read": refused(DOWNLOADS, 451),
    "without-write": refused(UPLOADS, 552),
    "without-opendir": refused(LISTINGS, 550),
    "without-readdir": refused(LISTINGS, 451),
    "without-remove": refused(["delete"], 550),
    "without-mkdir": refused(["make-directory"], 550),
    "without-rmdir": refused(["remove-directory"], 550),
    "without-posix-rename,rename": refused(
        ["put", "put-over", "put-over-link", "put-behind-link", "put-many",
         "keep-mode"],
        553, r"Permission denied, when the temporary file was renamed \(see"
        r" culvert --upload\)") | refused(RENAMES, 553),
    "mod_sftp-strict": refused(["append", "resume-put", "put-inside"], 553),
    "paramiko": refused(["space"], 550, "The SFTP server does not support"),
    "rclone": refused(["space"], 550, "The SFTP server does not support")
    | refused(["append", "resume-put", "put-inside"], 552, "Illegal seek"),
}
# It was refused when a file had been written in place.
CHANGES = [
    # It empties each file that is opened for writing.
    *(("rclone", each) for each in ("append", "resume-put", "put-inside")),
    ("without-setstat,fsetstat", "put-inside"), ("without-write", "put-inside"),
    *(("without-close", each)
      for each in ("append", "resume-put", "put-inside")),
]
# The temporary file beside the link cannot be removed.
LEAVES = [("without-remove", "put-behind-link")]
# The server says that it has done it.
IGNORES = [
    ("rclone", "set-mode"), ("rclone", "keep-mode"),
    ("without-setstat,fsetstat", "keep-mode"), ("without-stat", "keep-mode"),
    # It hides that they are links.
    *(("rclone", each)
      for each in ("list-link", "put-over-link", "put-behind-link")),
    ("without-readlink", "list-link"),
    ("without-stat", "mlsd-link"),
]


def make(path, files, owner):
    """Make the files of a test."""
    for name, data in files.items():
        file = path / name.split(" -> ")[0]
        if name.endswith("/"):
            file.mkdir()
        elif " -> " in name:
            file.symlink_to(name.split(" -> ")[1])
        else:
            file.write_bytes(data)
            os.utime(file, (PAST, PAST))
            file.chmod(0o640)
        os.chown(file, *owner, follow_symlinks=False)


def expected(kind, name):
    """Return a context for what is expected to happen."""
    if name in CANNOT.get(kind, {}):
        return pytest.raises(ftplib.Error, match=CANNOT[kind][name])
    if (kind, name) in IGNORES:
        return pytest.raises((AssertionError, OSError))
    return contextlib.nullcontext()


@pytest.mark.parametrize("name", WORKS)
def test_works(name, gateway, request):
    """It works; or it is refused, and then nothing has changed."""
    function, files = WORKS[name]
    # For the report.
    request.node.culverts = [(gateway.culvert, gateway.culvert.mark())]
    path, folder = gateway.folder()
    make(path, files, gateway.server.owner)
    before = look(path)
    with gateway.login() as ftp:
        with expected(gateway.kind, name):
            function(ftp, path, folder)
        assert ftp.sendcmd("NOOP").startswith("200")
    # What is temporary may be removed after the reply.
    if (gateway.kind, name) not in LEAVES:
        until(lambda: not list(path.glob("**/.culvert-*")), "it is removed")
    if name in CANNOT.get(gateway.kind, {}) \
            and (gateway.kind, name) not in CHANGES:
        until(lambda: look(path) == before, "all is as before")


def test_sessions_in_a_row(ns, directories):
    """dropbear ends a session that begins when another one ends.

    It does so in about one of ten cases; the session is opened again.
    """
    one = start("dropbear", ns, directories)
    try:
        for _ in range(60):
            with one.login():
                pass
    finally:
        one.stop()


@pytest.mark.parametrize("kind", [
    "internal-sftp", "asyncssh", "mod_sftp", "gesftpserver", "paramiko",
    "rclone"])
def test_sessions_at_once(kind, ns, directories):
    """Sessions that store files at the same time do not mix them.

    mod_sftp takes the beginning of one channel's packet, and what comes next
    on another channel, for one packet.  Not with dropbear 2022: it may fail an
    assertion when a session begins while another one ends (its issue 321).
    """
    one = start(kind, ns, directories)

    def session(path, folder, number):
        data = content(3_000_000 + number)
        with one.login() as ftp:
            store(ftp, f"{folder}/{number}", data)
            assert fetch(ftp, f"RETR {folder}/{number}") == data
        assert (path / str(number)).read_bytes() == data

    try:
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            for each in [pool.submit(session, *one.folder(), number)
                         for number in range(6)]:
                each.result()
    finally:
        one.stop()


def test_upload_yields(ns, directories):
    """An upload gives up its further channels when sessions need them."""
    one = start("internal-sftp", ns, directories, "-vvv", *FAR)
    data, sent = content(30_000_000), 0

    def opened():
        return one.culvert.output.count("new mux-proxy [session]")

    try:
        path, folder = one.folder()
        with one.login() as ftp, contextlib.ExitStack() as others:
            with ftp.transfercmd(f"STOR {folder}/large") as conn:
                while opened() < 8:
                    conn.sendall(data[sent:sent + 100_000])
                    sent += 100_000
                for number in range(6):
                    other = others.enter_context(one.login())
                    store(other, f"{folder}/{number}", NEW)
                    assert (path / str(number)).read_bytes() == NEW
                    conn.sendall(data[sent:sent + 500_000])
                    sent += 500_000
                assert sent < len(data) and not (path / "large").exists()
                conn.sendall(data[sent:])
            ftp.voidresp()
        assert (path / "large").read_bytes() == data
    finally:
        one.stop()


@pytest.mark.parametrize("kind, spreads", [
    ("internal-sftp", True), ("chroot", True), ("dropbear", True),
    ("asyncssh", False), ("mod_sftp", False), ("gesftpserver", False),
    ("paramiko", False), ("rclone", False), ("without-lsetstat", False)])
def test_long_path(kind, spreads, ns, directories):
    """Only where a file can be opened twice, further channels carry it.

    rclone empties it then, and says nothing; mod_sftp would end the connection
    at the eleventh channel of all sessions.
    """
    one = start(kind, ns, directories, "-vvv", *FAR)
    try:
        path, folder = one.folder()
        with one.login() as ftp:
            store(ftp, f"{folder}/file", content(5_000_000))
            assert (path / "file").read_bytes() == content(5_000_000)
        sessions = one.culvert.output.count("new mux-proxy [session]")
        assert sessions > 3 if spreads else sessions <= 2
    finally:
        one.stop()
