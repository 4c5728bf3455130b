"""The gateway with SFTP servers that are odd, or fail.

ssh_programs/sftp_quirks.py has the quirks.
"""

import contextlib
import ftplib
import io
import os

import pytest

import interposer
import limits
from gateways import Gateway, content, fetch, lines, listing, look, store
from process import until
from sftp_servers import FAR, OpenSsh, subsystem
from ssh_servers import PROGRAMS, PYTHON

OLD = b"the old content, longer than the new one" * 5000
NEW = content(300_000)


@pytest.fixture
def gateway(ns, directories, request):
    """Return a function that starts a gateway to a server of that kind."""
    started = []

    def start(kind, *extra, **how):
        one = Gateway(kind(ns, directories()), directories(), extra, **how)
        started.append(one)
        request.node.culverts = [(one.culvert, 0)]
        return one

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def quirk(gateway):
    """Return a function that starts one to a server with a quirk."""
    def start(name, *extra, **how):
        return gateway(subsystem(PYTHON, PROGRAMS / "sftp_quirks.py", name),
                       "--sftp-max-packet", "16K", *extra, **how)
    return start


def prepare(one):
    """Make a directory with a file; returns (path, name for clients)."""
    path, name = one.folder()
    (path / "file").write_bytes(OLD)
    return path, name


# ---- quirks that no client sees ----

def transfers(ftp, path, name):
    """Both ways, also from the middle."""
    store(ftp, f"{name}/new", NEW)
    assert (path / "new").read_bytes() == NEW
    assert fetch(ftp, f"RETR {name}/new") == NEW
    assert fetch(ftp, f"RETR {name}/new", rest=1000) == NEW[1000:]
    store(ftp, f"{name}/file", b"x")
    assert (path / "file").read_bytes() == b"x"
    assert fetch(ftp, f"RETR {name}/file") == b"x"


def resumed(ftp, path, name):
    """Uploads that continue a file."""
    store(ftp, f"{name}/file", NEW, command="APPE")
    assert (path / "file").read_bytes() == OLD + NEW
    store(ftp, f"{name}/file", NEW, rest=len(OLD) + len(NEW))
    assert (path / "file").read_bytes() == OLD + 2 * NEW


def names(ftp, path, name):
    """Directories, listings and renames."""
    ftp.cwd(name)
    ftp.mkd("sub")
    (path / "other").write_bytes(NEW)
    assert set(listing(ftp, "")) - {".", ".."} == {"file", "other", "sub"}
    ftp.rename("other", "file")
    assert (path / "file").read_bytes() == NEW
    ftp.rename("file", "other")
    ftp.delete("other")
    ftp.rmd("sub")
    assert not list(path.iterdir())


TRANSPARENT = ["reversed_replies", "short_reads", "empty_names", "bare_status",
               "other_handles", "one_open", "setstat_unsupported", "no_lstat",
               "stat_after_open", "posix_rename_unsupported", "no_attributes",
               "odd_extensions", "cut_extensions", "drive", "drive_version",
               "rename_replaces"]

# These need to know where the file ends.
REFUSED = {("no_attributes", "resumed"): "^551 The size of the file is not"}


@pytest.mark.parametrize("name", TRANSPARENT)
def test_transparent(name, quirk):
    """Everything works."""
    one = quirk(name)
    for work in transfers, resumed, names:
        path, folder = prepare(one)
        refusal = REFUSED.get((name, work.__name__))
        with one.login() as ftp, \
                pytest.raises(ftplib.error_perm, match=refusal) \
                if refusal else contextlib.nullcontext():
            work(ftp, path, folder)
        until(lambda: not list(path.glob(".culvert-*")), "it is removed")


@pytest.mark.parametrize("name", ["Quirk", "changing_handles",
                                  "parallel_requests", "reversed_replies"])
def test_downloads_in_a_row(name, quirk):
    """Requests that are sent before the server has said the handle."""
    one = quirk(name, *FAR)
    path, folder = one.folder()
    with one.login() as ftp:
        for number in range(12):
            data = content(40_000 + number)
            (path / str(number)).write_bytes(data)
            if number == 7:
                with pytest.raises(ftplib.error_perm, match="^550 No such"):
                    fetch(ftp, f"RETR {folder}/none")
            start = 100 * (number % 3)
            assert fetch(ftp, f"RETR {folder}/{number}", rest=start) \
                == data[start:]


@pytest.mark.parametrize("size", [65_536, 65_537])
def test_read_that_failed_is_sent_again(size, quirk):
    """Also at the end of a file that ends with a whole block."""
    one = quirk("one_read_fails")
    path, folder = one.folder()
    (path / "file").write_bytes(content(size))
    with one.login() as ftp:
        for _ in range(5):
            assert fetch(ftp, f"RETR {folder}/file") == content(size)


# ---- failures ----

UPLOADS_FAIL = {
    "no_space": "552 The SFTP server cannot write; its disk may be full",
    "no_space_said": "552 No space is left on the SFTP server",
    "quota": "552 The quota on the SFTP server is exceeded",
    "close_fails": "552 cannot be written",
    "rename_fails": "553 not now",
    "rename_exists": "553 The file exists already",
    "silent_text": "553 The SFTP server has refused it",
    "ends_in_upload": "426 Transfer cut: .*: the SFTP server has ended",
}


@pytest.mark.parametrize("name", UPLOADS_FAIL)
def test_upload_fails(name, quirk):
    """The old file stays, and nothing else; the reply says why."""
    one = quirk(name)
    path, folder = prepare(one)
    before = look(path)
    with one.login() as ftp:
        with pytest.raises(ftplib.Error, match="^" + UPLOADS_FAIL[name]):
            store(ftp, f"{folder}/file", NEW)
    until(lambda: look(path) == before, "nothing else is there")


@pytest.mark.parametrize("command", ["STOR", "APPE"])
def test_concurrent_writes(command, quirk):
    """A server that cannot seek needs --no-concurrent-writes."""
    for options, refusal in ((), "552 Illegal seek"), \
            (["--no-concurrent-writes"], None):
        one = quirk("one_write", *options)
        path, folder = prepare(one)
        with one.login() as ftp, \
                pytest.raises(ftplib.Error, match=refusal) \
                if refusal else contextlib.nullcontext():
            ftp.storbinary(f"{command} {folder}/file", io.BytesIO(NEW))
        until(lambda: not list(path.glob(".culvert-*")), "it is removed")
        if not refusal:
            assert (path / "file").read_bytes() == \
                (OLD if command == "APPE" else b"") + NEW


@pytest.mark.parametrize("name", ["ends_in_rename", "ends_after_rename"])
def test_replacing_is_cut(name, quirk):
    """Without posix-rename, an old file gets another name for a while.

    If the connection is lost then, the old file has its name again later,
    unless the new one has it.
    """
    one = quirk(name)
    path, folder = prepare(one)
    with one.login() as ftp:
        with pytest.raises(ftplib.error_temp, match="^426 "):
            store(ftp, f"{folder}/file", NEW)
    until(lambda: [file.name for file in path.iterdir()] == ["file"],
          "only the file is there")
    replaced = name == "ends_after_rename"
    assert (path / "file").read_bytes() == (NEW if replaced else OLD)
    one.culvert.wait_log(
        r'the file ".*/file", which was renamed to ".*/\.culvert-.*" by an'
        ' upload that was cut, has'
        f' {"been replaced" if replaced else "its name again"}$')


@pytest.mark.parametrize("rest", [None, len(OLD)], ids=["APPE", "REST"])
def test_no_space_in_place(rest, quirk):
    """The file is cut back to what was written."""
    one = quirk("no_space")
    path, folder = prepare(one)
    with one.login() as ftp:
        with pytest.raises(ftplib.error_perm, match="^552 "):
            store(ftp, f"{folder}/file", NEW, rest=rest,
                  command="STOR" if rest else "APPE")

    def is_cut_back():
        # A WRITE may have less than 16 KiB.
        stored = len((path / "file").read_bytes()) - len(OLD)
        return 0 < stored <= 3 * 16384

    until(is_cut_back, "it is cut back")
    whole = OLD + NEW
    stored = (path / "file").read_bytes()
    assert stored == whole[:len(stored)]


DOWNLOADS_FAIL = {
    "read_fails": "451 bad block",
    "long_reads": "451 The SFTP server has sent another amount of data",
    "empty_data": "451 The SFTP server has sent another amount of data",
}


@pytest.mark.parametrize("name", DOWNLOADS_FAIL)
def test_download_fails(name, quirk):
    """The reply says why; the session goes on."""
    one = quirk(name)
    path, folder = prepare(one)
    (path / "long").write_bytes(NEW)
    with one.login() as ftp:
        with pytest.raises(ftplib.Error, match="^" + DOWNLOADS_FAIL[name]):
            fetch(ftp, f"RETR {folder}/long")
        assert set(listing(ftp, folder)) - {".", ".."} == {"file", "long"}


def test_size_is_unknown(gateway):
    """A file in /proc has a size of 0, and each READ of it comes short."""
    one = gateway(OpenSsh)
    with open("/proc/crypto", "rb") as file:
        expected = file.read()
    with one.login() as ftp:
        assert fetch(ftp, "RETR /proc/crypto") == expected


@pytest.mark.parametrize("name", ["version_4", "version_2"])
def test_version(name, quirk):
    """The client is told why it cannot work."""
    one = quirk(name)
    with pytest.raises(ftplib.error_temp, match="^421 .*the SFTP server does"
                       " not speak version 3"), one.login():
        pass


@pytest.mark.parametrize("name", ["unknown_reply", "wrong_reply"])
def test_violation(name, quirk):
    """The session ends; others do not."""
    one = quirk(name)
    with one.login() as other:
        with one.login() as ftp:
            with pytest.raises(ftplib.error_temp, match="^421 .*the SFTP"
                               " server has"):
                ftp.mkd("sub")
        assert "file" not in listing(other, "")


def test_silence(quirk, tmp):
    """A request without reply is given up after a minute.

    The clock is set forward.  After each second, something else passes: so
    culvert looks at the clock, and sees that ssh is alive.
    """
    faults = interposer.Faults(tmp / "faults")
    one = quirk("silent", env=faults.env)
    _, name = prepare(one)
    with one.login() as other, one.login() as ftp:
        ftp.putcmd("MKD sub")
        for _ in range(limits.LIMIT_SFTP_REPLY_S + 1):
            faults.pass_time(1)
            other.sendcmd("CWD .")
        with pytest.raises(ftplib.error_temp,
                           match="^451 The SFTP server does not answer"):
            ftp.voidresp()
        assert fetch(ftp, f"RETR {name}/file") == OLD


# ---- what sshd runs, or permits ----

def test_one_file_far_away(quirk):
    """Uploads over a long path use one channel if others are refused."""
    one = quirk("one_open", *FAR, "-vv")
    path, name = prepare(one)
    with one.login() as ftp:
        store(ftp, f"{name}/file", content(3_000_000))
    assert (path / "file").read_bytes() == content(3_000_000)


def test_two_sessions(gateway):
    """So do they with an sshd that permits few; more clients get 421."""
    one = gateway(lambda *args: OpenSsh(*args, "MaxSessions 2"), *FAR)
    path, name = prepare(one)
    with one.login() as ftp, one.login():
        with pytest.raises(ftplib.error_temp, match="^421 .*MaxSessions"), \
                one.login():
            pass
        store(ftp, f"{name}/file", content(3_000_000))
    assert (path / "file").read_bytes() == content(3_000_000)


def test_last_session_in_a_row(gateway):
    """A client that has quit may come again, although no more are permitted.

    sshd takes a moment to close a channel.
    """
    one = gateway(lambda *args: OpenSsh(*args, "MaxSessions 2"))
    with one.login():
        for _ in range(10):
            with one.login():
                pass


NO_SFTP = {
    "/bin/false": "the SFTP server has ended",
    "/bin/echo Welcome to this host": "a packet that is too long",
    "/usr/lib/openssh/sftp-server -P realpath":
        "the SFTP server has no directory .*: Permission denied",
}


@pytest.mark.parametrize("command", NO_SFTP, ids=lambda text: text[:12])
def test_no_sftp(command, gateway):
    """The client is told what the matter is."""
    one = gateway(subsystem(command))
    with pytest.raises(ftplib.error_temp, match=f"^421 .*{NO_SFTP[command]}"), \
            one.login():
        pass


# ---- names ----

# All bytes that names may have; CR and LF cannot be in a command.
BYTES = bytes(set(range(1, 256)) - set(b"/\r\n")).decode("latin-1")
ODD = [BYTES, BYTES[:1], "\x7f", "\xff\xfe", " x ", "-l", "~", "*", "x.."]


@pytest.mark.parametrize("name", ODD, ids=range(len(ODD)))
def test_odd_names(name, gateway):
    """Names pass byte for byte, also such that no character set has."""
    one = gateway(OpenSsh)
    path, folder = one.folder()
    file = os.fsencode(path) + b"/" + name.encode("latin-1")
    with one.login("latin-1") as ftp:
        ftp.cwd(folder)
        store(ftp, f"./{name}", NEW)
        with open(file, "rb") as stored:
            assert stored.read() == NEW
        assert fetch(ftp, f"RETR ./{name}") == NEW
        assert set(listing(ftp, "")) - {".", ".."} == {name}
        assert lines(ftp, "NLST") == [name]
        ftp.rename(f"./{name}", "plain")
        ftp.rename("plain", f"./{name}")
        ftp.delete(f"./{name}")
    assert not list(path.iterdir())
