"""The link comes back: lost links, an sshd that is away, clients that wait."""

import glob
import contextlib
import os
import signal
import socket

import pytest

import scripted
from process import count_fds, descendants, until, wait_gone
from servers import PYTHON
from transfer import Ftp, make_huge, replies_to_end


@pytest.fixture
def tunnel(server, start_sshd, start_culvert):
    """Return a function that starts a culvert to vsftpd, with options.

    It is stopped before any sshd of start_sshd is.
    """
    def start(*options, retry=None, **how):
        return start_culvert(f"0:127.0.0.1:{server('vsftpd').port}",
                             retry=retry, options=options, **how)
    return start


def wait_again(culvert, start=0):
    """Wait until the link is up again."""
    culvert.wait_log(r"connected to files.test again, after \d+ s", start=start)
    culvert.see()


def kill_ssh(culvert):
    """Kill its ssh, and wait until that is gone."""
    pid = culvert.ssh
    os.kill(pid, signal.SIGKILL)
    assert wait_gone(pid)


def go_away(culvert, sshd):
    """Take sshd and the link away; in a first pause of a second or more."""
    kill_ssh(culvert)
    sshd.stop()


def check_login(culvert, server):
    """Fail unless a client can log in and list."""
    with Ftp(culvert, server("vsftpd")) as ftp:
        ftp.exchange("NOOP", "200")


def test_lost_and_back(tunnel, server, tmp):
    """Sessions get 421; the listener stays, and the next session works."""
    culvert = tunnel()
    with Ftp(culvert, server("vsftpd")) as ftp:
        kill_ssh(culvert)
        replies = replies_to_end(ftp)
    assert [text[:3] for text in replies] == ["421"], replies
    assert "SSH" in replies[0]
    culvert.wait_log(r"the SSH connection to files.test was lost: ssh was "
                     r"ended by signal 9; retrying in [12]\.\d s$")
    wait_again(culvert)
    check_login(culvert, server)


def test_a_client_waits(tunnel, server):
    """A client that connects while the link is down waits, and is served."""
    culvert = tunnel()
    kill_ssh(culvert)
    culvert.wait_log("was lost")
    check_login(culvert, server)
    assert "again" in culvert.output


def test_again_and_again(tunnel, server):
    """Lost links leave nothing behind."""
    culvert = tunnel("-v")
    most = None
    for number in range(3):
        place = culvert.mark()
        check_login(culvert, server)
        culvert.wait_log(r"\] ended$", start=place)
        if number == 0:
            most = count_fds(culvert.pid)
        until(lambda: count_fds(culvert.pid) <= most, "no more open files")
        if number < 2:
            kill_ssh(culvert)
            wait_again(culvert, place)


def test_download_cut_then_next(tunnel, server, tmp):
    """A running transfer is cut; the next one is whole."""
    culvert = tunnel()
    one = server("vsftpd")
    place = one.mkdir(tmp.name)
    make_huge(place / "huge")
    (place / "small").write_bytes(b"whole")
    with Ftp(culvert, one) as ftp:
        data = ftp.begin("passive", f"RETR {place.name}/huge")
        data.read(100000)
        kill_ssh(culvert)
        data.expect_reset()
        replies = replies_to_end(ftp)
    assert [text[:3] for text in replies] == ["426", "421"], replies
    with Ftp(culvert, one) as ftp:
        data = ftp.begin("passive", f"RETR {place.name}/small")
        assert data.read_all() == b"whole"


def test_sshd_away(tunnel, server, start_sshd):
    """While sshd is away, culvert retries, and logs it once."""
    sshd = start_sshd()
    culvert = tunnel("-v", sshd=sshd)
    go_away(culvert, sshd)
    culvert.wait_log(r"ssh could not connect to files.test: .*refused; "
                     r"retrying in \d+\.\d s, then repeatedly$")
    culvert.wait_log(r"could not connect .* retrying in",
                     start=culvert.mark())
    sshd.start()
    wait_again(culvert)
    check_login(culvert, server)


def test_link_wait(tunnel, start_sshd):
    """A client that has waited for the time gets 421 with the reason."""
    sshd = start_sshd()
    culvert = tunnel("--link-wait", "1", sshd=sshd)
    go_away(culvert, sshd)
    culvert.wait_log("could not connect")
    with scripted.client(*culvert.listeners[0]) as client:
        replies = replies_to_end(client)
    assert [text[:3] for text in replies] == ["421"], replies
    assert "refused" in replies[0], replies
    culvert.wait_log(r"refused a client from 127\.0\.0\.1:\d+: the SSH "
                     "connection is down: ")


def test_retry_n(tunnel, start_sshd):
    """After so many attempts it ends, and says why."""
    sshd = start_sshd()
    culvert = tunnel(sshd=sshd, retry="1")
    go_away(culvert, sshd)
    with scripted.client(*culvert.listeners[0]) as client:
        assert culvert.process.wait() == 255, culvert.output
        assert [text[:3] for text in replies_to_end(client)] == ["421"]
    assert "could not connect to files.test again: " in culvert.output
    culvert.check_nothing_left()


@pytest.mark.parametrize("retry, status", [(None, 255), ("never", 255),
                                           ("1", 255)])
def test_first_attempt(retry, status, tunnel, start_sshd):
    """The first attempt is repeated only with --retry."""
    sshd = start_sshd()
    sshd.stop()
    culvert = tunnel(sshd=sshd, retry=retry, ready=False)
    assert culvert.process.wait() == status
    assert ("retrying in" in culvert.output) == (retry == "1")
    culvert.check_nothing_left()


def test_first_attempt_forever(tunnel, server, start_sshd):
    """With --retry forever it waits for an sshd that is not there yet."""
    sshd = start_sshd()
    sshd.stop()
    culvert = tunnel(sshd=sshd, retry="forever", ready=False)
    culvert.wait_log("retrying in")
    sshd.start()
    culvert.wait_ready()
    check_login(culvert, server)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM,
                                    signal.SIGUSR1])
def test_stop_while_away(number, tunnel, start_sshd):
    """It can be stopped in a pause; a waiting client gets 421."""
    sshd = start_sshd()
    culvert = tunnel(sshd=sshd)
    go_away(culvert, sshd)
    culvert.wait_log("could not connect")
    with scripted.client(*culvert.listeners[0]) as client:
        # Accepted, and waits.
        until(lambda: socket_is_accepted(culvert, client), "it is accepted")
        culvert.stop(number)
        replies = replies_to_end(client)
    assert [text[:3] for text in replies] == ["421"], replies


def socket_is_accepted(culvert, client):
    """Return whether culvert has more sockets than listeners and a loop."""
    del client
    count = 0
    for fd in os.listdir(f"/proc/{culvert.pid}/fd"):
        try:
            count += os.readlink(
                f"/proc/{culvert.pid}/fd/{fd}").startswith("socket:")
        except FileNotFoundError:
            pass
    return count >= 2


def test_refused_login(tunnel, start_sshd, tmp):
    """A refused login is the end if a password may have been needed."""
    sshd = start_sshd()
    culvert = tunnel(sshd=sshd)
    key = os.path.join(sshd.dir, "user_key.pub")
    os.rename(key, key + ".away")
    kill_ssh(culvert)
    assert culvert.process.wait() == 255, culvert.output
    assert "culvert stores no password" in culvert.output
    assert "Permission denied" in culvert.output
    culvert.check_nothing_left()


def test_refused_login_batch(tunnel, server, start_sshd):
    """With --batch no password was needed: it retries."""
    sshd = start_sshd()
    culvert = tunnel("--batch", sshd=sshd)
    key = os.path.join(sshd.dir, "user_key.pub")
    os.rename(key, key + ".away")
    kill_ssh(culvert)
    culvert.wait_log("Permission denied.*retrying in")
    os.rename(key + ".away", key)
    wait_again(culvert)
    check_login(culvert, server)


def test_on_demand(tunnel, server, ns):
    """ssh starts for the first client, and ends after the last."""
    culvert = tunnel("-v", "--on-demand", "--idle-exit", "1")
    assert not culvert_has_ssh(culvert)
    check_login(culvert, server)
    assert culvert_has_ssh(culvert)
    culvert.see()
    culvert.wait_log("closing the SSH connection")
    until(lambda: not culvert_has_ssh(culvert), "ssh has ended")
    check_login(culvert, server)
    assert culvert_has_ssh(culvert)


def culvert_has_ssh(culvert):
    """Return whether culvert has an ssh."""
    try:
        return bool(culvert.ssh)
    except (AssertionError, FileNotFoundError):
        return False


def test_on_demand_refused(tunnel, start_sshd):
    """If ssh cannot connect, the client gets 421 with the reason."""
    sshd = start_sshd()
    sshd.stop()
    culvert = tunnel("--on-demand", sshd=sshd, retry="never")
    for _ in range(2):
        with scripted.client(*culvert.listeners[0]) as client:
            replies = replies_to_end(client)
        assert [text[:3] for text in replies] == ["421"], replies
        assert "refused" in replies[0], replies


def test_remote_again(ns, server, start_culvert, sshd):
    """-R: sshd listens again on the port that clients know."""
    culvert = start_culvert(
        remotes=[f"0:127.0.0.1:{server('vsftpd').port}"], retry=None)
    port = culvert.port
    kill_ssh(culvert)
    wait_again(culvert)
    until(lambda: ns.call(can_connect, port), "sshd listens again")


def test_remote_port_held(ns, start_sshd, server, start_culvert):
    """-R: culvert retries a port that the dead connection still has."""
    sshd = start_sshd()
    culvert = start_culvert(
        remotes=[f"0:127.0.0.1:{server('vsftpd').port}"], sshd=sshd,
        retry=None)
    port = culvert.port
    # The SSH server's end does not notice.
    held = [pid for pid in sshd_sessions(sshd)]
    for pid in held:
        os.kill(pid, signal.SIGSTOP)
    kill_ssh(culvert)
    culvert.wait_log(r"cannot listen on .*; retrying in .* s, then repeatedly$")
    for pid in held:
        # One may have been ending anyway.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    culvert.wait_log(rf"listening on \S+:{port} of the SSH server again")
    assert ns.call(can_connect, port)


# A ProxyCommand that is silent from the moment on at which ssh is up, the first
# time.
SILENT = """
import glob, os, select, socket, sys
marker, host, port = sys.argv[1:]
def ssh_is_up():
    return glob.glob(os.environ["XDG_RUNTIME_DIR"] + "/culvert.*/ctl")
with socket.create_connection((host, int(port))) as far:
    while True:
        for fd in select.select([0, far], [], [])[0]:
            data = os.read(0, 65536) if fd == 0 else far.recv(65536)
            if not data:
                sys.exit()
            if not os.path.exists(marker) and ssh_is_up():
                open(marker, "w").close()
                while os.read(0, 65536):
                    pass
                sys.exit()
            if fd == 0:
                far.sendall(data)
            else:
                os.write(1, data)
"""


def test_lost_while_tunnels_begin(server, start_culvert, tmp, ns):
    """-R: it also reconnects if the link is lost before sshd listens."""
    script = tmp / "silent.py"
    script.write_text(SILENT)
    culvert = start_culvert(
        remotes=[f"0:127.0.0.1:{server('vsftpd').port}"], retry=None,
        ready=False, options=[
            "-o", f"ProxyCommand={PYTHON} {script} {tmp}/marker %h %p"])
    # It asks sshd to listen.
    until(lambda: glob.glob(f"{culvert.dir}/culvert.*/f*"), "it asks sshd")
    until((tmp / "marker").exists, "the way to sshd falls silent")
    kill_ssh(culvert)
    culvert.wait_log("was lost.*; retrying in")
    culvert.wait_ready()
    assert "cannot listen" not in culvert.output
    assert ns.call(can_connect, culvert.port)


def sshd_sessions(sshd):
    """Return the pids of sshd's processes for its connections."""
    return descendants(sshd.process.pid)


def can_connect(port):
    """Return whether somebody listens at 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True
