"""SIGHUP to culvert up: the file is read again."""

import os
import resource
import signal

import pytest

import scripted
from process import children, until
from test_status import run
from test_up import conf, fetch, ftp_server, to  # noqa: F401
from transfer import Ftp

# pylint: disable=redefined-outer-name


def reload(one, said):
    """Send SIGHUP, and wait until it has said that it has read the file."""
    mark = one.mark()
    one.see()
    one.process.send_signal(signal.SIGHUP)
    one.wait_log(said, start=mark)
    one.see()


def with_port(lines, port):
    """The same tunnel with a listening port of its own."""
    return [line.replace("L = 0:", f"L = {port}:") for line in lines]


@pytest.fixture
def port():
    """A port that is free now."""
    with scripted.Listener() as listener:
        return listener.port


def test_nothing_changed(conf, sshd, ftp_server, start_up, tmp):
    """Sessions, transfers and links are unaffected."""
    path = conf(plant=to(sshd, ftp_server))
    (ftp_server.root / tmp.name / "file").write_bytes(b"x" * 500_000)
    one = start_up(path, "--all")
    ssh = one.all_ssh()
    with Ftp(one, ftp_server) as ftp:
        with ftp.begin("passive", f"RETR {tmp.name}/file") as data:
            for _ in range(3):
                reload(one, "1 tunnel unchanged, 0 removed, 0 new")
            assert len(data.read_all()) == 500_000
        ftp.expect("226")
        ftp.exchange("NOOP", "200")
    assert one.all_ssh() == ssh


def test_added_and_removed(conf, sshd, ftp_server, start_up, tmp):
    """A second tunnel to the same destination uses the same ssh; then it is
    removed.
    """
    path = conf(plant=to(sshd, ftp_server))
    one = start_up(path, "--all")
    ssh = one.all_ssh()
    with Ftp(one, ftp_server) as plant:
        conf(plant=to(sshd, ftp_server),
             bank=to(sshd, ftp_server, "allow-tls = yes"))
        reload(one, "1 tunnel unchanged, 0 removed, 1 new")
        one.wait_log("^culvert: bank: listening on ")
        one.wait_ready(2)
        fetch(one, 1, ftp_server, tmp.name)
        with Ftp(one, ftp_server, 1) as bank:
            conf(plant=to(sshd, ftp_server))
            reload(one, "1 tunnel unchanged, 1 removed, 0 new")
            assert bank.read_reply().startswith("421 ")
            bank.expect_end()
        with pytest.raises(ConnectionRefusedError):
            scripted.dial(*one.listeners[1])
        plant.exchange("NOOP", "200")
    assert one.all_ssh() == ssh
    fetch(one, 0, ftp_server, tmp.name)


def test_changed(conf, sshd, ftp_server, start_up, port, tmp):
    """An option has changed: the same port, and a transfer ends well."""
    lines = with_port(to(sshd, ftp_server), port)
    path = conf(plant=lines)
    (ftp_server.root / tmp.name / "large").write_bytes(b"x" * 500_000)
    one = start_up(path, "--all", options=["-v", "-v"])
    ssh = one.all_ssh()
    with Ftp(one, ftp_server) as ftp:
        with ftp.begin("passive", f"RETR {tmp.name}/large") as data:
            conf(plant=[*lines, "server-mode = active"])
            reload(one, "0 tunnels unchanged, 1 removed, 1 new")
            one.wait_ready(2)
            assert {at[1] for at in one.listeners} == {port}
            fetch(one, 0, ftp_server, tmp.name)
            one.wait_log(r"-> (PORT|EPRT) ")
            assert len(data.read_all()) == 500_000
        ftp.expect("226")
    assert one.all_ssh() == ssh


def test_verbose(conf, sshd, ftp_server, start_up):
    """-vvv applies to a destination that a reload adds, too."""
    path = conf(plant=to(sshd, ftp_server))
    one = start_up(path, "--all", options=["-vvv"])
    one.wait_log("ssh to files.test: debug1: ")
    conf(plant=to(sshd, ftp_server), bank=to(sshd, ftp_server, "c = aes256-ctr"))
    mark = one.mark()
    reload(one, "1 tunnel unchanged, 0 removed, 1 new")
    one.wait_log("ssh to files.test: debug1: .*aes256-ctr", start=mark)


def test_other_destination(conf, sshd, start_sshd, ftp_server, start_up, tmp):
    """A new destination gets an ssh, and an unused one loses it."""
    path = conf(plant=to(sshd, ftp_server))
    one = start_up(path, "--all")
    first, = one.all_ssh()
    other = start_sshd()
    for _ in range(3):  # its place is used again
        conf(plant=to(sshd, ftp_server), bank=to(other, ftp_server))
        before = len(one.listeners)
        reload(one, "1 tunnel unchanged, 0 removed, 1 new")
        one.wait_ready(before + 1)
        fetch(one, before, ftp_server, tmp.name)
        fetch(one, 0, ftp_server, tmp.name)
        assert len(one.all_ssh()) == 2
        conf(plant=to(sshd, ftp_server))
        reload(one, "1 tunnel unchanged, 1 removed, 0 new")
        until(lambda: one.all_ssh() == [first], "the other ssh ends")


def test_moved(conf, sshd, start_sshd, ftp_server, start_up, tmp):
    """The only tunnel gets another destination."""
    path = conf(plant=to(sshd, ftp_server))
    one = start_up(path, "plant")
    before = one.all_ssh()
    conf(plant=to(start_sshd(), ftp_server))
    reload(one, "0 tunnels unchanged, 1 removed, 1 new")
    one.wait_ready(2)
    fetch(one, 1, ftp_server, tmp.name)
    until(lambda: len(one.all_ssh()) == 1 and one.all_ssh() != before,
          "the ssh of before ends")


def test_several_links(conf, sshd, start_sshd, ftp_server, start_up, tmp):
    """A destination with several ssh goes when the last of them has ended."""
    plant = to(start_sshd(), ftp_server, "links = 2")
    path = conf(plant=plant, bank=to(sshd, ftp_server))
    (ftp_server.root / tmp.name / "file").write_bytes(b"x" * 50_000_000)
    one = start_up(path, "--all", listeners=2)
    number = int(": plant: " not in one.output.split("listening on")[0])
    with Ftp(one, ftp_server, number) as first, \
            Ftp(one, ftp_server, number) as second:
        before = one.all_ssh()
        for ftp in first, second:
            ftp.begin("passive", f"RETR {tmp.name}/file", rcvbuf=10000)
        until(lambda: len(one.all_ssh()) == 3, "one more ssh")
        further, = set(one.all_ssh()) - set(before)
        until(lambda: "2 SSH connections" in run(one, "status"), "it is up")
        os.kill(further, signal.SIGSTOP)
        conf(bank=to(sshd, ftp_server))
        reload(one, "1 tunnel unchanged, 1 removed, 0 new")
    until(lambda: len(one.all_ssh()) == 1, "all of them have ended")
    run(one, "status")
    fetch(one, 1 - number, ftp_server, tmp.name)


def test_too_late(conf, sshd, ftp_server, start_up):
    """The last tunnel was stopped, but a client has not closed yet."""
    one = start_up(conf(plant=to(sshd, ftp_server, "on-demand = yes")),
                   "--all")
    with Ftp(one, ftp_server) as ftp:
        control = os.path.join(one.dir, os.listdir(one.dir)[0], "control")
        run(one, "stop", "plant")
        ftp.expect("421")
        until(lambda: not os.path.exists(control), "nothing is left to do")
        for _ in range(3):
            one.process.send_signal(signal.SIGHUP)
    assert one.process.wait() == 0
    assert "reloaded" not in one.output


@pytest.mark.parametrize("wrong, words", [
    ("alow-tls = yes", 'there is no "alow-tls"; did you mean "allow-tls"?'),
    ("max-data = 9", "expected a number from 1 to 4"),
    ("[tunnel", "neither"),
])
def test_broken(conf, sshd, ftp_server, start_up, tmp, wrong, words):
    """It logs the error, and changes nothing."""
    path = conf(plant=to(sshd, ftp_server))
    one = start_up(path, "--all")
    with Ftp(one, ftp_server) as ftp:
        conf(bank=to(sshd, ftp_server, wrong))
        reload(one, "nothing has been changed")
        assert words in one.output, one.output
        ftp.exchange("NOOP", "200")
    path.unlink()
    reload(one, "nothing has been changed")
    one.wait_log("cannot open .*: No such file")
    fetch(one, 0, ftp_server, tmp.name)
    conf(plant=to(sshd, ftp_server))
    reload(one, "1 tunnel unchanged")


def test_limit_of_files(conf, sshd, ftp_server, start_up):
    """ulimit -f: why the file is not read; later it is."""
    one = start_up(conf(plant=to(sshd, ftp_server)), "--all")
    monitor, = children(one.pid)
    resource.prlimit(monitor, resource.RLIMIT_FSIZE,
                     (0, resource.RLIM_INFINITY))
    reload(one, "^culvert: nothing has been changed$")
    one.wait_log(r"^culvert: cannot reload \S+: File too large \(.*ulimit -f")
    resource.prlimit(monitor, resource.RLIMIT_FSIZE,
                     (resource.RLIM_INFINITY,) * 2)
    reload(one, "1 tunnel unchanged, 0 removed, 0 new")


def test_once_more(conf, sshd, ftp_server, start_up):
    """A change after the first of two signals is not missed."""
    path = conf(plant=to(sshd, ftp_server))
    one = start_up(path, "--all")
    os.kill(one.monitor, signal.SIGSTOP)
    try:
        one.process.send_signal(signal.SIGHUP)
        # The second comes while the first waits.
        until(lambda: pending(one.pid) == 0, "it takes the signal")
        one.process.send_signal(signal.SIGHUP)
        until(lambda: pending(one.pid) == 0, "and the next")
    finally:
        os.kill(one.monitor, signal.SIGCONT)
    for _ in range(2):
        one.wait_log("1 tunnel unchanged, 0 removed, 0 new")
    until(lambda: one.output.count("reloaded") == 2, "it was read twice")


def pending(pid):
    """The signals that wait for a process."""
    with open(f"/proc/{pid}/status") as file:
        bits = [int(line.split()[1], 16) for line in file
                if line.startswith(("SigPnd", "ShdPnd"))]
    return sum(bits)


def test_port_taken(conf, sshd, ftp_server, start_up, tmp):
    """A new tunnel whose port is taken is missing; the others continue."""
    path = conf(plant=to(sshd, ftp_server))
    one = start_up(path, "--all")
    with scripted.Listener() as taken, scripted.Listener() as second:
        conf(plant=to(sshd, ftp_server),
             bank=with_port(to(sshd, ftp_server), taken.port),
             other=["destination = other.test", f"F = {sshd.config}",
                    f"L = {second.port}:h:21"])
        reload(one, "1 tunnel unchanged, 0 removed, 0 new")
        for name, port in ("bank", taken.port), ("other", second.port):
            one.wait_log(f"^culvert: {name}: cannot listen on port {port}")
    fetch(one, 0, ftp_server, tmp.name)
    # Now they are free.
    reload(one, "1 tunnel unchanged, 0 removed, 2 new")


def test_none_left(conf, sshd, ftp_server, start_up):
    """Its only tunnel cannot be started: a failure, but culvert continues."""
    path = conf(plant=to(sshd, ftp_server))
    one = start_up(path, "--all")
    with scripted.Listener() as taken:
        conf(plant=with_port(to(sshd, ftp_server), taken.port))
        reload(one, "0 tunnels unchanged, 1 removed, 0 new")
        assert one.process.wait() == 1, one.output
    one.wait_log("no tunnel is left")
    one.check_nothing_left()


def test_of_the_process(conf, sshd, ftp_server, start_up):
    """Options of the process do not change, and the log says so."""
    path = conf(plant=to(sshd, ftp_server))
    one = start_up(path, "--all")
    assert path == conf(["max-sessions = 7"], plant=to(sshd, ftp_server))
    reload(one, "1 tunnel unchanged, 0 removed, 0 new")
    one.wait_log("when culvert is restarted")


def test_names(conf, sshd, ftp_server, start_up):
    """A named tunnel was removed; one that was not named is not started."""
    path = conf(plant=to(sshd, ftp_server), bank=to(sshd, ftp_server))
    one = start_up(path, "plant", "bank", listeners=2)
    conf(plant=to(sshd, ftp_server), more=to(sshd, ftp_server))
    reload(one, "1 tunnel unchanged, 1 removed, 0 new")
    one.wait_log(r"there is no \[tunnel bank\] in ")


def test_confined(conf, sshd, ftp_server, start_up, tmp):
    """As another user, who can read the file."""
    path = conf(["user = nobody"], plant=to(sshd, ftp_server))
    path.chmod(0o600)
    one = start_up(path, "--all", listeners=None)
    # His ssh may not read the test's key; what counts is who reads the file.
    one.wait_log("retrying in")
    reload(one, "nothing has been changed")
    one.wait_log(f"cannot open {path}: Permission denied")


def test_far_listener(conf, sshd, ns, start_up):
    """A far port is released and requested again."""
    with scripted.Listener(kind=scripted.Control) as near, \
            scripted.Listener(ns, "127.0.0.1") as free:
        lines = ["destination = files.test", f"F = {sshd.config}",
                 f"R = 127.0.0.1:{free.port}:127.0.0.1:{near.port}"]
        free.close()
        path = conf(plant=lines)
        one = start_up(path, "--all")
        conf(plant=[*lines, "keepalive = 60"])
        reload(one, "0 tunnels unchanged, 1 removed, 1 new")
        one.wait_ready(2)
        with scripted.dial("127.0.0.1", free.port, side=ns,
                           kind=scripted.Control) as client, \
                near.accept() as server:
            server.reply("220 ready")
            client.expect("220 ready")
    assert os.path.exists(path)
