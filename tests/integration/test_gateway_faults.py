"""Uploads of the gateway never lie: faults at every point of an upload.

After each fault the target is the old file or the complete new one, and the
new one only if its client has sent all data and their end; nobody gets a 2xx
for what is not there; and no temporary file is left.  A fault of the link, or
of culvert, strikes all sessions of its test at once.
"""

import os
import signal
import time

import pytest

from gatewaycell import (CLIENT_FAULTS, LINK_FAULTS, cells_in, check_all,
                         go_on, killed, playing, settle, strike_each)


@pytest.mark.parametrize("name", CLIENT_FAULTS)
def test_session(name, gateway, holder, tmp):
    """A fault of each session; the link stays."""
    cells = cells_in(tmp)
    with playing(cells, gateway, holder):
        strike_each(name, cells)
        settle(cells)
        check_all(cells, name == "server-killed")
    gateway.stop()
    check_all(cells, name == "server-killed")


@pytest.mark.parametrize("name", LINK_FAULTS)
def test_link(name, gateway, holder, held_sshd, tmp):
    """The link is lost in all sessions."""
    cells = cells_in(tmp)
    with playing(cells, gateway, holder):
        LINK_FAULTS[name](gateway, held_sshd)
        go_on(cells)
        settle(cells)
        check_all(cells, True)
    gateway.stop()
    check_all(cells, True)
    assert "TRUNCATED" not in gateway.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL],
                         ids=["SIGTERM", "SIGKILL"])
def test_culvert_ends(number, gateway, holder, tmp):
    """culvert is stopped, or killed; a temporary file stays only then."""
    cells = cells_in(tmp)
    with playing(cells, gateway, holder):
        gateway.process.send_signal(number)
        go_on(cells)
        gateway.process.wait()
        if number != signal.SIGKILL:
            settle(cells)
        for cell in cells:
            cell.check(True)
        assert "TRUNCATED" not in gateway.output


def test_drain(gateway, holder, tmp):
    """Transfers that have begun end well; then culvert ends."""
    cells = [cell for cell in cells_in(tmp) if cell.point.sent is not None]
    with playing(cells, gateway, holder):
        gateway.process.send_signal(signal.SIGUSR1)
        go_on(cells)
        assert gateway.process.wait() == 0
        check_all(cells, True)
    for cell in cells:
        assert cell.codes == ["226", "421"], f"{cell}: {cell.codes}"


@pytest.mark.parametrize("name", ["killed", "aborted"])
def test_ssh_stopped(name, gateway, holder, tmp):
    """ssh is stopped while each session is cut; then it is killed."""
    cells = cells_in(tmp)
    with playing(cells, gateway, holder):
        os.kill(gateway.ssh, signal.SIGSTOP)
        for cell in cells:
            if name == "killed":
                killed("data", "control")(cell)
            else:
                cell.ftp.command("ABOR")
                cell.ftp.wait_taken()
        os.kill(gateway.ssh, signal.SIGKILL)
        settle(cells)
        check_all(cells)
    gateway.stop()
    check_all(cells)


@pytest.mark.parametrize("quit_first", [False, True])
def test_slow_death(quit_first, gateway, holder, tmp):
    """On a busy machine, the kernel takes some time between the two ends.

    A QUIT behind the command is no sign that the client lives.
    """
    cells = [cell for cell in cells_in(tmp) if cell.point.name in
             ("begun", "middle", "sent", "waiting")]
    with playing(cells, gateway, holder):
        time.sleep(0.4)
        slow = []
        for cell in cells:
            if quit_first:
                cell.ftp.command("QUIT")
            begin = time.monotonic()
            cell.data.close()
            time.sleep(0.03)
            cell.ftp.close()
            # The engine waits for 100 ms; this process may be stopped, too.
            if time.monotonic() - begin > 0.08:
                slow.append(cell)
        settle(cells)
        cells = [cell for cell in cells if cell not in slow]
        assert cells
        check_all(cells)
    gateway.stop()
    check_all(cells)
