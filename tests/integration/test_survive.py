"""--survive: sessions and transfers that outlive the SSH connection."""

import hashlib
import json
import os
import signal
import struct
import time

import pytest

import scripted
from culvert import sanitized
from process import kill_descendants, until
from servers import KINDS
from transfer import Ftp, make_huge, modes, wait_size

SURVIVE = ["--survive", "100", "-v"]


def blocks(size):
    """Return a file with a counter in every 8 bytes."""
    return b"".join(struct.pack(">Q", at) for at in range(size // 8))


@pytest.fixture
def tunnel(start_culvert):
    """Return a function: a server to a culvert whose sessions survive."""
    def start(one, *options):
        return start_culvert(f"0:127.0.0.1:{one.port}", retry=None,
                             options=[*SURVIVE, *options])
    return start


def kill_ssh(culvert):
    """Kill the ssh of a culvert."""
    os.kill(culvert.ssh, signal.SIGKILL)


@pytest.mark.parametrize("kind", KINDS)
def test_idle_session(kind, server, tunnel, tmp):
    """It logs in again, is where it was, and has the type that it had."""
    one = server(kind)
    one.mkdir(tmp.name).joinpath("file").write_bytes(b"a\r\nb\n")
    culvert = tunnel(one)
    with Ftp(culvert, one) as ftp:
        ftp.exchange(f"CWD {tmp.name}", "250")
        ftp.exchange("TYPE I", "200")
        for _ in range(3):
            kill_ssh(culvert)
            assert ftp.fetch("passive", "RETR file") == b"a\r\nb\n"


@modes
@pytest.mark.parametrize("kind", KINDS)
def test_download(kind, mode, server, tunnel, tmp):
    """It goes on in the same data connection, with no byte wrong."""
    one = server(kind)
    content = blocks(6 << 20)
    one.mkdir(tmp.name).joinpath("file").write_bytes(content)
    culvert = tunnel(one)
    with Ftp(culvert, one) as ftp:
        ftp.exchange("TYPE I", "200")
        with ftp.begin(mode, f"RETR {tmp.name}/file") as data:
            got = data.read(1 << 20)
            kill_ssh(culvert)
            got += data.read_all()
        ftp.expect("226")
        assert got == content
        ftp.exchange("NOOP", "200")


def test_record(server, tunnel, tmp):
    """The record says how often, and has the SHA-256 of the whole file."""
    one = server("vsftpd")
    content = blocks(64 << 20)
    (one.mkdir(tmp.name) / "file").write_bytes(content)
    culvert = tunnel(one, "--transfer-log", tmp / "log")
    with Ftp(culvert, one) as ftp:
        with ftp.begin("passive", f"RETR {tmp.name}/file") as data:
            data.read(1 << 20)
            kill_ssh(culvert)
            data.read_all()
        ftp.expect("226")
        ftp.fetch("passive", "NLST")
    culvert.wait_log("complete.*; the SSH connection was lost 1 time, for ")
    file, listing = map(json.loads, (tmp / "log").read_text().splitlines())
    assert file["losses"] == 1 and 0 < file["lost_seconds"] < 100
    assert file["bytes"] == len(content)
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert "losses" not in listing


@pytest.mark.parametrize("kind", KINDS)
def test_append(kind, server, tunnel, tmp):
    """APPE goes on behind what the server has of it."""
    one = server(kind)
    content = blocks(4 << 20)
    place = one.mkdir(tmp.name)
    (place / "file").write_bytes(b"before")
    os.chmod(place / "file", 0o666)
    culvert = tunnel(one)
    with Ftp(culvert, one) as ftp:
        with ftp.begin("passive", f"APPE {tmp.name}/file") as data:
            data.send(content[:3 << 20])
            kill_ssh(culvert)
            data.send(content[3 << 20:])
            data.half_close()
            ftp.expect("226")
        assert (place / "file").read_bytes() == b"before" + content


@pytest.mark.parametrize("kind", KINDS)
def test_many_losses(kind, server, tunnel, sshd, tmp):
    """ssh and sshd are killed by turns, in downloads and uploads."""
    one = server(kind)
    content = blocks(12 << 20)
    place = one.mkdir(tmp.name)
    (place / "down").write_bytes(content)
    culvert = tunnel(one, "--rate", "4M")
    with Ftp(culvert, one) as ftp:
        for command in "RETR", "STOR":
            with ftp.begin("passive", f"{command} {tmp.name}/"
                           f"{'down' if command == 'RETR' else 'up'}") as data:
                worker = scripted.start(
                    data.read_all if command == "RETR" else data.send,
                    *([] if command == "RETR" else [content]))
                for turn in range(3):
                    time.sleep(0.5)
                    lose(culvert, sshd, turn)
                got = worker.result(100)
                if command == "STOR":
                    data.half_close()
                ftp.expect("226")
            if command == "RETR":
                assert got == content
    assert (place / "up").read_bytes() == content


def lose(culvert, sshd, turn):
    """Kill ssh or its sshd, and wait for the next SSH connection."""
    known = culvert.ssh
    if turn % 2:
        kill_descendants(sshd.process.pid, ())
    else:
        kill_ssh(culvert)
    until(lambda: culvert.all_ssh() and known not in culvert.all_ssh(),
          "the next ssh runs")
    culvert.wait_log("connected to files.test again")


@modes
@pytest.mark.parametrize("kind", KINDS)
def test_upload(kind, mode, server, tunnel, tmp):
    """It goes on behind what the server has, with no byte wrong."""
    one = server(kind)
    content = blocks(6 << 20)
    place = one.mkdir(tmp.name)
    culvert = tunnel(one)
    with Ftp(culvert, one) as ftp:
        with ftp.begin(mode, f"STOR {tmp.name}/file") as data:
            data.send(content[:3 << 20])
            kill_ssh(culvert)
            data.send(content[3 << 20:])
            data.half_close()
            ftp.expect("226")
        assert (place / "file").read_bytes() == content
        ftp.exchange("NOOP", "200")


# ---- what does not survive ends honestly ----

def test_no_connection_in_time(server, start_culvert, tmp):
    """426 and 421, and a reset, when the time is over."""
    one = server("vsftpd")
    make_huge(one.mkdir(tmp.name) / "huge")
    wrapper = tmp / "ssh"
    wrapper.write_text(f"#!/bin/sh\ntest ! -e {tmp}/down && exec ssh \"$@\"\n"
                       "exit 255\n")
    wrapper.chmod(0o755)
    culvert = start_culvert(f"0:127.0.0.1:{one.port}", retry=None,
                            options=["--survive", "3", "--ssh", wrapper])
    with Ftp(culvert, one) as ftp, Ftp(culvert, one) as idle:
        with ftp.begin("passive", f"RETR {tmp.name}/huge") as data:
            data.read(1 << 20)
            (tmp / "down").touch()
            kill_ssh(culvert)
            data.expect_reset()
        ftp.expect("426")
        ftp.expect("421")
        idle.expect("421")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["longer", "newer", "other", "gone"])
def test_file_changes_meanwhile(what, kind, server, tunnel, tmp):
    """A download of another file ends with a reset and 426."""
    one = server(kind)
    file = one.mkdir(tmp.name) / "file"
    content = blocks(64 << 20)
    file.write_bytes(content)
    os.utime(file, (1.7e9, 1.7e9))
    culvert = tunnel(one)
    with Ftp(culvert, one) as ftp:
        with ftp.begin("passive", f"RETR {tmp.name}/file") as data:
            data.read(1 << 20)
            kill_ssh(culvert)
            if what == "gone":
                file.unlink()
            elif what == "longer":
                file.write_bytes(content + b"more")
            elif what == "other":
                file.write_bytes(bytes(len(content)))
            if what in ("longer", "other"):
                os.utime(file, (1.7e9, 1.7e9))
            if what == "newer":
                os.utime(file, (1.7e9 + 1, 1.7e9 + 1))
            data.expect_reset()
        ftp.expect("426")
        ftp.exchange("NOOP", "200")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["shorter", "longer", "other"])
def test_stored_part_changes_meanwhile(what, kind, server, tunnel, tmp):
    """An upload to another file ends with 426."""
    one = server(kind)
    place = one.mkdir(tmp.name)
    content = blocks(40 << 20)
    culvert = tunnel(one, "--survive-memory", "1M")
    with Ftp(culvert, one) as ftp:
        with ftp.begin("passive", f"STOR {tmp.name}/file") as data:
            data.send(content[:30 << 20])
            wait_size(place / "file", 20 << 20)
            kill_ssh(culvert)
            with open(place / "file", "r+b") as file:
                if what == "shorter":
                    file.truncate(1 << 20)
                elif what == "longer":
                    file.truncate(50 << 20)
                else:
                    size = file.seek(0, os.SEEK_END)
                    file.seek(size - 8192)
                    file.write(bytes(4096))
            ftp.expect("426")
        ftp.exchange("NOOP", "200")


@pytest.mark.skipif(sanitized(), reason="with a sanitizer, mlock() does nothing")
def test_no_locked_memory(server, start_culvert, tmp):
    """A session whose password cannot be kept safely does not survive."""
    one = server("vsftpd")
    (one.mkdir(tmp.name) / "file").write_bytes(b"content")
    culvert = start_culvert(f"0:127.0.0.1:{one.port}", retry=None,
                            options=SURVIVE, wrap=["prlimit", "--memlock=0"])
    with Ftp(culvert, one) as ftp:
        for mode in "passive", "active":
            assert ftp.fetch(mode, f"RETR {tmp.name}/file") == b"content"
        assert "no memory can be locked" in culvert.output
        kill_ssh(culvert)
        ftp.expect("421")
