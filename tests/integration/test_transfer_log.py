"""--transfer-log: a record of each transfer."""

import datetime
import hashlib
import json
import os
import re
import resource
import signal
import subprocess

import pytest

import as_service
import culvert
from process import until
from test_activation import Journal
from test_up import conf, ftp_server, to  # noqa: F401
from transfer import Ftp, modes, wait_size

# pylint: disable=redefined-outer-name


class Log:
    """A transfer log that a culvert writes."""

    def __init__(self, path):
        self.path = path

    def lines(self, count):
        """Its lines, once it has as many."""
        def read():
            return self.path.read_text().splitlines() \
                if self.path.exists() else []
        until(lambda: len(read()) >= count, f"{count} records")
        lines = read()
        assert len(lines) == count, lines
        return lines

    def records(self, count):
        """The same as objects."""
        return [json.loads(line) for line in self.lines(count)]


@pytest.fixture
def log(tmp):
    """Where the log of this test is."""
    return Log(tmp / "transfers")


@pytest.fixture
def start_logged(log, sshd, ftp_server, start_culvert):
    """Return a function that starts a culvert with that log."""
    def start(*options, **how):
        return start_culvert(f"0:127.0.0.1:{ftp_server.port}",
                             options=["--transfer-log", str(log.path),
                                      *options], **how)
    return start


def sha256(content):
    """Its digest as the log has it."""
    return hashlib.sha256(content).hexdigest()


@modes
def test_download(mode, log, start_logged, ftp_server, tmp):
    """All members of the record of a download."""
    content = os.urandom(700_001)
    (ftp_server.root / tmp.name / "a file").write_bytes(content)
    one = start_logged()
    with Ftp(one, ftp_server) as ftp:
        host, port = ftp.sock.getsockname()
        assert ftp.fetch(mode, f"RETR {tmp.name}/a file") == content
    record, = log.records(1)
    time = datetime.datetime.fromisoformat(record.pop("time"))
    age = datetime.datetime.now(datetime.timezone.utc) - time
    assert 0 <= age.total_seconds() < 20
    assert 0 <= record.pop("seconds") < 20
    sides = record.pop("client_side"), record.pop("server_side")
    for side in sides:
        verb = "PASV" if mode == "passive" else "PORT"
        assert side["mode"] == mode and side["verb"] == verb
        assert re.fullmatch(r"127\.0\.0\.1:\d+", side["address"])
    assert sides[0]["address"] != sides[1]["address"]
    assert record == {
        "tunnel": None, "session": 1, "client": f"{host}:{port}",
        "user": ftp_server.user, "verb": "RETR", "path": f"{tmp.name}/a file",
        "direction": "download", "type": "I", "offset": 0, "size": 700_001,
        "bytes": 700_001, "sha256": sha256(content), "outcome": "complete",
        "server_reply": 226, "client_reply": 226, "why": None}


def test_upload_by_a_client(log, start_logged, ftp_server, tmp):
    """A real client's upload; the SHA-256 is the file's."""
    content = os.urandom(300_000)
    (tmp / "up").write_bytes(content)
    one = start_logged()
    subprocess.run(
        ["curl", "-sS", "-T", str(tmp / "up"), "--user",
         f"{ftp_server.user}:{ftp_server.password}",
         f"ftp://127.0.0.1:{one.port}/{tmp.name}/up"], check=True, timeout=60)
    record, = log.records(1)
    assert (record["direction"], record["verb"], record["path"]) \
        == ("upload", "STOR", "up")
    assert record["sha256"] == sha256(content)
    assert (record["bytes"], record["size"]) == (300_000, None)
    assert record["outcome"] == "complete"


def test_offset(log, start_logged, ftp_server, tmp):
    """REST: the SHA-256 is that of the part."""
    content = os.urandom(5000)
    (ftp_server.root / tmp.name / "file").write_bytes(content)
    one = start_logged()
    with Ftp(one, ftp_server) as ftp:
        ftp.exchange("REST 4000", "350")
        with ftp.begin("passive", f"RETR {tmp.name}/file") as data:
            assert data.read_all() == content[4000:]
        ftp.expect("226")
    record, = log.records(1)
    assert (record["offset"], record["bytes"]) == (4000, 1000)
    assert record["sha256"] == sha256(content[4000:])


def test_refused_and_listing(log, start_logged, ftp_server, tmp):
    """A refused transfer, and a listing."""
    one = start_logged()
    with Ftp(one, ftp_server) as ftp:
        with ftp.begin("passive", f"LIST {tmp.name}") as data:
            data.read_all()
        ftp.expect("226")
        ftp.exchange("PASV", "227")
        ftp.exchange("RETR none/at/all", "550")
    listing, refused = log.records(2)
    assert (listing["verb"], listing["outcome"]) == ("LIST", "complete")
    assert listing["sha256"] == sha256(b"")
    assert (refused["outcome"], refused["seconds"]) == ("refused", None)
    assert (refused["server_reply"], refused["client_reply"]) == (550, 550)


def test_cut(log, start_logged, ftp_server, tmp):
    """A cut upload: client and server got different replies."""
    one = start_logged()
    with Ftp(one, ftp_server) as ftp:
        data = ftp.begin("passive", f"STOR {tmp.name}/part")
        data.sock.sendall(b"x" * 1000)
        wait_size(ftp_server.root / tmp.name / "part", 1000)
        data.reset()
        ftp.expect("426")
    record, = log.records(1)
    assert record["outcome"] in ("aborted", "truncated")
    assert record["bytes"] == 1000 and record["why"]
    assert record["sha256"] == sha256(b"x" * 1000)
    assert record["client_reply"] == 426


def test_link_lost(log, start_logged, ftp_server, tmp):
    """No reply of the server: null."""
    (ftp_server.root / tmp.name / "file").write_bytes(b"x" * 30_000_000)
    one = start_logged()
    with Ftp(one, ftp_server) as ftp:
        with ftp.begin("passive", f"RETR {tmp.name}/file") as data:
            data.sock.recv(1000)
            os.kill(one.ssh, signal.SIGKILL)
            record, = log.records(1)
    assert record["outcome"] == "aborted"
    assert (record["server_reply"], record["client_reply"]) == (None, 426)
    one.process.wait()


def test_translated(log, start_logged, ftp_server, tmp):
    """The mode on each side: passive here, active there."""
    (ftp_server.root / tmp.name / "file").write_bytes(b"abc")
    one = start_logged("--server-mode", "active")
    with Ftp(one, ftp_server) as ftp:
        assert ftp.fetch("passive", f"RETR {tmp.name}/file") == b"abc"
    record, = log.records(1)
    assert record["client_side"]["verb"] == "PASV"
    assert record["server_side"]["verb"] == "PORT"
    assert record["server_side"]["mode"] == "active"


def test_name_of_bytes(log, ns, session):
    """No UTF-8, line ends, control characters for a terminal."""
    one = session(options=["--transfer-log", str(log.path)])
    for name in (b"caf\xe9", "ü\"\\\x01".encode(), b"a\xc2\x9b2J"):
        one.client.send(b"RETR " + name + b"\r\n")
        one.server.read_line()
        one.say("550 no")
    first, second, third = log.records(3)
    assert first["path"] == "caf\\xe9"
    assert bytes.fromhex(first["path_hex"]) == b"caf\xe9"
    assert second["path"] == "ü\"\\\x01" and "path_hex" not in second
    assert third["path"] == "a\\xc2\\x9b2J"
    assert bytes.fromhex(third["path_hex"]) == b"a\xc2\x9b2J"


def test_named_tunnel(log, conf, sshd, ftp_server, start_up, tmp):
    """The name of a tunnel of culvert up."""
    (ftp_server.root / tmp.name / "file").write_bytes(b"abc")
    path = conf([f"transfer-log = {log.path}"], plant=to(sshd, ftp_server))
    one = start_up(path, "plant")
    with Ftp(one, ftp_server) as ftp:
        assert ftp.fetch("passive", f"RETR {tmp.name}/file") == b"abc"
    assert log.records(1)[0]["tunnel"] == "plant"


def test_xferlog(log, start_logged, ftp_server, tmp):
    """wu-ftpd's format: files only, one line each, no blanks in names."""
    (ftp_server.root / tmp.name / "a file").write_bytes(b"abc")
    one = start_logged("--transfer-log-format", "xferlog")
    with Ftp(one, ftp_server) as ftp:
        with ftp.begin("passive", f"LIST {tmp.name}") as data:
            data.read_all()
        ftp.expect("226")
        assert ftp.fetch("passive", f"RETR {tmp.name}/a file") == b"abc"
        ftp.exchange("PASV", "227")
        ftp.exchange("RETR none", "550")
        ftp.exchange("TYPE A", "200")
        with ftp.begin("passive", f"STOR {tmp.name}/up") as data:
            data.sock.sendall(b"12345")
        ftp.expect("226")
    down, up = log.lines(2)
    when = r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}"
    assert re.fullmatch(
        rf"{when} 1 127\.0\.0\.1 3 {tmp.name}/a_file b _ o r "
        rf"{ftp_server.user} ftp 0 \* c", down), down
    assert re.fullmatch(
        rf"{when} 1 127\.0\.0\.1 5 {tmp.name}/up a _ i r "
        rf"{ftp_server.user} ftp 0 \* c", up), up


# ---- the file ----

def fetch(ftp, server, tmp):
    """One transfer, which makes one record."""
    (server.root / tmp.name / "file").write_bytes(b"abc")
    assert ftp.fetch("passive", f"RETR {tmp.name}/file") == b"abc"


def test_appends_and_mode(log, start_logged, ftp_server, tmp):
    """Records are appended; the mode of a new file is 0640."""
    for count in (1, 2):
        one = start_logged()
        with Ftp(one, ftp_server) as ftp:
            fetch(ftp, ftp_server, tmp)
        log.records(count)
        one.stop()
    assert log.path.stat().st_mode & 0o7777 == 0o640 & ~os.umask(0o22)


def test_rotation(log, start_logged, ftp_server, tmp):
    """SIGUSR2: a new file, and no record is lost; the process is confined."""
    one = start_logged("-v")
    with Ftp(one, ftp_server) as ftp:
        fetch(ftp, ftp_server, tmp)
        log.records(1)
        old = log.path.rename(tmp / "transfers.1")
        fetch(ftp, ftp_server, tmp)
        one.process.send_signal(signal.SIGUSR2)
        one.wait_log("reopened the transfer log")
        fetch(ftp, ftp_server, tmp)
        log.records(1)
        assert len(old.read_text().splitlines()) == 2


def test_rotation_twice(log, start_logged, ftp_server, tmp):
    """A second signal before the first has been processed is not lost."""
    one = start_logged("-v")
    with Ftp(one, ftp_server) as ftp:
        os.kill(one.monitor, signal.SIGSTOP)
        one.process.send_signal(signal.SIGUSR2)
        fetch(ftp, ftp_server, tmp)
        one.process.send_signal(signal.SIGUSR2)
        fetch(ftp, ftp_server, tmp)
        os.kill(one.monitor, signal.SIGCONT)
        until(lambda: one.output.count("reopened the transfer log") == 2,
              "it is opened twice")
        fetch(ftp, ftp_server, tmp)
    log.records(3)


def test_rotation_fails(log, start_logged, ftp_server, tmp):
    """If the new file cannot be opened, the old one is used."""
    one = start_logged()
    with Ftp(one, ftp_server) as ftp:
        fetch(ftp, ftp_server, tmp)
        old = Log(log.path.rename(tmp / "old"))
        log.path.mkdir()
        one.process.send_signal(signal.SIGUSR2)
        one.wait_log("cannot reopen the transfer log .*: Is a directory")
        fetch(ftp, ftp_server, tmp)
        old.records(2)


def test_logrotate(log, start_logged, ftp_server, tmp):
    """logrotate itself, with the file of the package."""
    snippet = (culvert.REPO / "dist/logrotate/culvert").read_text()
    assert "/var/log/culvert/transfers.log" in snippet
    one = start_logged("-v")
    with Ftp(one, ftp_server) as ftp:
        fetch(ftp, ftp_server, tmp)
        text = snippet.replace("/var/log/culvert/transfers.log",
                               str(log.path))
        text = re.sub(r"(?m)^\s*systemctl .*$",
                      f"kill -USR2 {one.pid}", text)
        text = text.replace("su culvert culvert", "su root root")
        (tmp / "conf").write_text(text)
        os.chmod(tmp / "conf", 0o644)
        subprocess.run(["logrotate", "-f", "-s", str(tmp / "state"),
                        str(tmp / "conf")], check=True, timeout=60)
        one.wait_log("reopened the transfer log")
        fetch(ftp, ftp_server, tmp)
        log.records(1)
        assert len(list(tmp.glob("transfers*"))) == 2


def test_cannot_open(start_culvert, ftp_server, tmp):
    """At the start: name and cause, and culvert does not start."""
    one = start_culvert(f"0:127.0.0.1:{ftp_server.port}", ready=False,
                        options=["--transfer-log", f"{tmp}/none/log"])
    assert one.process.wait() == 1
    one.wait_log(f"cannot open the transfer log {tmp}/none/log: No such file")
    one.check_nothing_left()


def test_full_disk(start_culvert, ftp_server, tmp):
    """A record that cannot be written affects no transfer, and is logged."""
    one = start_culvert(f"0:127.0.0.1:{ftp_server.port}",
                        options=["--transfer-log", "/dev/full"])
    with Ftp(one, ftp_server) as ftp:
        fetch(ftp, ftp_server, tmp)
        fetch(ftp, ftp_server, tmp)
    one.wait_log(r"\[1\] cannot write to the transfer log: "
                 "No space left on device; this record is lost")
    one.stop()
    assert one.output.count("cannot write to the transfer log") == 1
    one.wait_log("the transfer log could not be written until the end: "
                 "2 records were lost")


def check_recovery(one, log, ftp, again):
    """Until again() nothing can be written, not even half a line."""
    before = log.path.read_bytes()
    for _ in range(3):
        ftp()
    one.wait_log("cannot write to the transfer log: ")
    assert log.path.read_bytes() == before
    again()
    ftp()
    lost = int(one.wait_log("the transfer log can be written again: "
                            r"(\d) records? w")[1])
    # The last of the three may have been written when there was room again.
    log.lines(before.count(b"\n") + 4 - lost)
    assert one.output.count("cannot write to the transfer log") == 1
    text = log.path.read_bytes()
    assert text.startswith(before) and text.endswith(b"\n")
    for line in text[len(before):].splitlines():
        assert json.loads(line)["outcome"] == "complete"


@pytest.mark.parametrize("room", [0, 1, 50])
def test_too_large(room, log, start_logged, ftp_server, tmp):
    """The same with a limit of the file size."""
    one = start_logged()
    with Ftp(one, ftp_server) as ftp:
        fetch(ftp, ftp_server, tmp)
        log.records(1)
        resource.prlimit(one.pid, resource.RLIMIT_FSIZE,
                         (log.path.stat().st_size + room,
                          resource.RLIM_INFINITY))
        check_recovery(
            one, log, lambda: fetch(ftp, ftp_server, tmp),
            lambda: resource.prlimit(one.pid, resource.RLIMIT_FSIZE,
                                     (resource.RLIM_INFINITY,) * 2))


def test_disk_fills_up(small_disk, start_culvert, ftp_server, tmp):
    """Only whole lines, wherever in a line the disk gets full."""
    disk = small_disk("64k")
    log = Log(disk / "log")
    one = start_culvert(f"0:127.0.0.1:{ftp_server.port}",
                        options=["--transfer-log", str(log.path)])
    rest = disk / "rest"
    with Ftp(one, ftp_server) as ftp:
        fetch(ftp, ftp_server, tmp)
        log.records(1)
        # The last page of the disk is the log's own, and nearly full.
        with open(log.path, "ab") as file:
            file.write(b" " * (4096 - 100 - log.path.stat().st_size) + b"{}\n")
        with pytest.raises(OSError):
            rest.write_bytes(b"x" * 65536)
        check_recovery(one, log, lambda: fetch(ftp, ftp_server, tmp),
                       rest.unlink)


def test_user(log, ftp_server, start_culvert, tmp):
    """With --user the file belongs to that user."""
    tmp.chmod(0o777)
    one = start_culvert(f"0:127.0.0.1:{ftp_server.port}", ready=False,
                        options=["--user", "nobody", "--any-user",
                                 "--transfer-log", str(log.path)],
                        open_to_all=True)
    until(log.path.exists, "the log")
    assert log.path.stat().st_uid == 65534
    one.kill()


def test_journal(tmp, conf, sshd, ftp_server, start_up):
    """To the journal, with its fields."""
    journal = Journal(tmp / "journal")
    path = conf(["transfer-log = journal"], plant=to(sshd, ftp_server))
    one = start_up(path, "plant", listeners=None,
                   wrap=as_service.argv(journal=journal.directory))
    entry = journal.until("listening on")
    one.listeners = [("127.0.0.1", int(re.search(
        r"127\.0\.0\.1:(\d+)", entry["MESSAGE"])[1]))]
    with Ftp(one, ftp_server) as ftp:
        fetch(ftp, ftp_server, tmp)
    entry = journal.until("^{")
    assert json.loads(entry["MESSAGE"])["sha256"] == sha256(b"abc")
    assert (entry["TUNNEL"], entry["SESSION"]) == ("plant", "1")
    journal.sock.close()
