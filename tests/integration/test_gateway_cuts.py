"""Transfers of the gateway that are cut, beside test_gateway_faults.py.

Uploads in place, uploads that the server refuses, several sessions with one
file, and downloads.
"""

import contextlib
import os
import signal
import subprocess

import pytest

import sshd as sshd_module
from clients import Target
from gatewaycell import (BEGUN, BIG, LINK_FAULTS, OLD, POINTS, Cell, Point,
                         aborted, check_all, go_on, in_place_cells, kill_ssh,
                         killed, name_of, playing, settle, strike_each,
                         subsystem)
from process import until
from transfer import Ftp


@pytest.mark.parametrize("name", ["killed-data-first", "data-reset", "abor",
                                  "server-killed"])
def test_in_place(name, in_place, holder, tmp):
    """What is left has no gap, and nothing old behind it."""
    cells = in_place_cells(tmp)
    with playing(cells, in_place, holder):
        strike_each(name, cells)
        settle(cells)
    in_place.stop()
    check_all(cells)


def test_in_place_link(in_place, holder, tmp):
    """The same if the link is lost."""
    cells = in_place_cells(tmp)
    with playing(cells, in_place, holder):
        kill_ssh(in_place, None)
        go_on(cells)
    in_place.stop()
    check_all(cells)


# ---- the server refuses ----

REFUSALS = {
    "OPEN": ("fail OPEN 1 3", "553"),
    "first-WRITE": ("fail WRITE 1 4", "552"),
    "WRITE": ("fail WRITE 5 4", "552"),
    "no-space": ("fail WRITE 5 14", "552"),
    "quota": ("fail CLOSE 1 15", "552"),
    "CLOSE": ("fail CLOSE 1 4", "552"),
    "RENAME": ("fail RENAME 1 4", "553"),
}


def refused(name, folder, **how):
    """Return a cell whose upload is refused by the server, and the reply."""
    rule, code = REFUSALS[name]
    cell = Cell(Point(name, rule, 0), BIG, "passive", folder / name, **how)
    return cell, code


def play_refused(cells, gateway, holder):
    """Play uploads that the server refuses."""
    for cell, code in cells:
        cell.open(gateway, holder)
        try:
            cell.run()
            assert cell.codes == [code], cell
        finally:
            cell.give_up()
    settle([cell for cell, _ in cells])
    check_all([cell for cell, _ in cells])


def test_refused(gateway, holder, tmp):
    """A request of the upload is refused."""
    play_refused([refused(name, tmp) for name in REFUSALS], gateway, holder)


def test_refused_in_place(in_place, holder, tmp):
    """The same in place: what was written before stays, without a gap."""
    play_refused([
        refused(name, tmp / kind, kind=kind, in_place=True)
        for name in REFUSALS if name != "RENAME"
        for kind in ("STOR", "APPE", "REST")], in_place, holder)


@pytest.mark.parametrize("upload", ["atomic", "in-place"])
@pytest.mark.parametrize("how", ["full", "read-only"])
def test_disk(how, upload, small_disk, start_sshd, start_culvert):
    """A disk that is full, or read-only."""
    disk = small_disk("3m")
    cell = Cell(BEGUN, BIG, "passive", disk / "folder")
    cell.in_place = upload == "in-place"
    if how == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    # It sees the mounts that exist now.
    gateway = start_culvert("sftp/0", sshd=start_sshd(sshd_module.QUICK),
                           options=["-vv", "--upload", upload])
    with Ftp(Target(*gateway.listeners[0], "anybody", "x")) as cell.ftp:
        cell.run()
        assert cell.codes == ["552" if how == "full" else "553"]
    gateway.stop()
    check_all([cell])


# ---- several sessions ----

def test_two_in_place(in_place, holder, tmp):
    """Two uploads to one file in place do not mix: the second gets 450."""
    first, second = (Cell(BEGUN, BIG, "passive", tmp / name)
                     for name in ("first", "second"))
    second.path = first.path
    for cell in first, second:
        cell.open(in_place, holder)
    with first.ftp, second.ftp:
        first.start()
        first.data.send(first.new[:1000])
        for verb in "STOR", "APPE":
            connect = second.ftp.prepare("passive")
            data = connect()
            second.ftp.exchange(f"{verb} {first.path}", "450")
            data.expect_reset()
        first.data.send(first.new[1000:])
        first.data.half_close()
        first.ftp.expect("226")
        assert first.path.read_bytes() == first.new
        second.ftp.store("passive", f"APPE {first.path}", b"more")
    assert first.path.read_bytes() == first.new + b"more"


def test_two_atomic(gateway, holder, tmp):
    """Of two uploads to one name at the same time, the last one stays."""
    cells = [Cell(BEGUN, size, "passive", tmp / str(size))
             for size in (BIG, BIG + 1)]
    cells[1].path = cells[0].path
    for cell in cells:
        cell.open(gateway, holder)
        cell.start()
    part = 100_000
    for place in range(0, BIG, part):
        for cell in cells:
            cell.data.send(cell.new[place:place + part])
    for cell in cells:
        assert cell.path.read_bytes() == OLD
    cells[1].data.send(cells[1].new[BIG:])
    for cell in reversed(cells):
        cell.data.half_close()
        cell.ftp.expect("226")
        got = cell.path.read_bytes()
        assert len(got) == cell.size and got == cell.new
        cell.give_up()
    settle(cells)


@pytest.mark.parametrize("how", ["killed", "abor", "ssh-killed"])
def test_stou(how, gateway, holder, tmp):
    """What STOU has made is removed."""
    cells = [Cell(point, BIG, "passive", tmp / point.name, kind="STOU")
             for point in POINTS if point.name in ("opening", "begun", "sent")]
    with playing(cells, gateway, holder):
        if how == "ssh-killed":
            kill_ssh(gateway, None)
        for cell in cells:
            if how == "killed":
                killed("data", "control")(cell)
            elif how == "abor":
                aborted(cell, False)
        settle(cells)
    check_all(cells)


# ---- downloads ----

def begin_download(gateway, holder, path, rule=None):
    """Begin to download a big file; returns (session, held, data)."""
    with open(path, "wb") as file:
        os.truncate(file.fileno(), 1 << 30)
    ftp, held = holder.open(rule, lambda: Ftp(
        Target(*gateway.listeners[0], "anybody", "x")))
    data = ftp.begin("passive", f"RETR {path}")
    data.read(1000)
    return ftp, held, data


def truncate(gateway, held_sshd, held, path):
    """Truncate the file."""
    del gateway, held_sshd, held
    os.truncate(path, 10_000)


def kill_server(gateway, held_sshd, held, path):
    """Kill sftp-server."""
    del gateway, held_sshd, path
    os.kill(held.server, signal.SIGKILL)


DOWNLOAD_FAULTS = {
    "truncated": (truncate, ("451",)),
    "server-killed": (kill_server, ("426",)),
    "refused": (lambda *_: None, ("451",)),
    **{name: (lambda gateway, held_sshd, held, path, fault=fault:
              fault(gateway, held_sshd), ("426",))
       for name, fault in LINK_FAULTS.items()},
}


@pytest.mark.parametrize("name", DOWNLOAD_FAULTS)
def test_download(name, gateway, holder, held_sshd, tmp):
    """A download that is cut does not end as a whole one does."""
    fault, codes = DOWNLOAD_FAULTS[name]
    ftp, held, data = begin_download(
        gateway, holder, tmp / "file",
        "fail READ 300 4" if name == "refused" else None)
    with ftp, data:
        fault(gateway, held_sshd, held, tmp / "file")
        data.expect_reset()
        assert ftp.read_reply()[:3] in codes
        if name in ("truncated", "refused"):
            ftp.exchange("PWD", "257")
        else:
            ftp.expect("421")


# ---- other sessions ----

def test_slow_server(gateway, holder, tmp):
    """A server may be slow, however many sessions end meanwhile.

    LIMIT_SFTP_REPLY_S is 60: each of their ends counted as a second.
    """
    (tmp / "file").touch()
    ftp, held = holder.open("hold reply REMOVE 1", lambda: Ftp(
        Target(*gateway.listeners[0], "anybody", "anything")))
    with ftp:
        ftp.command(f"DELE {tmp}/file")
        held.wait()
        for _ in range(70):
            with Ftp(Target(*gateway.listeners[0], "a", "a")) as other:
                other.exchange("QUIT", "221")
        held.go()
        ftp.expect("250")
    holder.forget()


# ---- a server without posix-rename@openssh.com ----

# RENAME: to the target, which is in use; of the old file to a backup name; to
# the target again.  Then REMOVE of the backup.
STEPS = [("reply RENAME", 1), ("request RENAME", 2), ("reply RENAME", 2),
         ("request RENAME", 3), ("reply RENAME", 3), ("request REMOVE", 1),
         ("reply REMOVE", 1)]


def step_cells(folder):
    """Return cells that stop in each step."""
    return [Cell(Point(f"{step} {n}", f"hold {step} {n}", 1, True), 5000,
                 "passive", folder / f"{step[:3]}-{step[-6:]}-{n}")
            for step, n in STEPS]


@pytest.fixture
def no_posix(holder, start_sshd, start_culvert):
    """Return a culvert whose server has no posix-rename@openssh.com."""
    return start_culvert("sftp/0", options=["-vv", "--survive", "0"],
                         retry="forever",
                         sshd=start_sshd(sshd_module.QUICK,
                                         "MaxSessions 500", subsystem(
                                             holder, "-P", "posix-rename")))


ALL_CUTS = ["killed-data-first", "server-killed", "ssh-killed", "SIGTERM"]


def strike_all(how, culvert, cells):
    """Cut them: all at once by ssh or culvert, or one after the other."""
    if how == "ssh-killed":
        kill_ssh(culvert, None)
    elif how == "SIGTERM":
        culvert.process.send_signal(signal.SIGTERM)
    else:
        strike_each(how, cells)


@pytest.mark.parametrize("how", ALL_CUTS)
def test_backup(how, no_posix, holder, tmp):
    """When the old file has only a backup name, it gets its own back."""
    cells = step_cells(tmp)
    with playing(cells, no_posix, holder):
        strike_all(how, no_posix, cells)
        settle(cells)
        check_all(cells)


def test_backup_after_sigkill(no_posix, holder, tmp):
    """If culvert is killed, it does not.

    Then both files are there and whole, as culvert-gateway(7) says.
    """
    cells, gone = step_cells(tmp), 0
    with playing(cells, no_posix, holder):
        no_posix.process.send_signal(signal.SIGKILL)
        no_posix.process.wait()
        for cell in cells:
            cell.held.go()
        for cell in cells:
            cell.read_to_end()
            until(lambda pid=cell.held.proxy: not name_of(pid), "it has ended")
            if cell.path.exists():
                cell.check(True)
                continue
            gone += 1
            old, new = sorted((cell.folder / name for name in cell.left()),
                              key=lambda path: path.stat().st_mtime_ns)
            assert old.read_bytes() == OLD
            assert new.read_bytes() == cell.new
    assert gone > 0


# ---- the temporary file of the next upload ----

@pytest.mark.parametrize("how", ALL_CUTS)
def test_spare(how, gateway, holder, tmp):
    """It is opened with the rename of the file before, and removed."""
    # OPENs of three uploads, and that of the next file.
    cells = [Cell(Point(name, rule, 1, True), 5000, "passive", tmp / name)
             for name, rule in (("opening", "hold reply OPEN 4"),
                                ("open", "go"))]
    with contextlib.ExitStack() as stack:
        for cell in cells:
            cell.open(gateway, holder)
            stack.callback(cell.give_up)
            stack.callback(cell.held.go)
            for _ in range(3):
                cell.ftp.store("passive", f"STOR {cell.path}", cell.new)
            if cell.point.rule != "go":
                cell.held.wait()
        strike_all(how, gateway, cells)
        settle(cells)
        for cell in cells:
            assert cell.path.read_bytes() == cell.new
