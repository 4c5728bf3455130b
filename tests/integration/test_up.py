"""culvert up: tunnels of a configuration file in one process."""

import os
import signal

import pytest

import culvert
import scripted
from process import until
from transfer import Ftp, replies_to_end


LIMIT_DESTINATIONS = 64


@pytest.fixture
def conf(tmp):
    """Return a function that writes a configuration file; it gives its path.

    Tunnels are name=[line, ...]; defaults is a list of lines, too.
    """
    def write(defaults=(), **tunnels):
        lines = ["[defaults]", *defaults]
        for name, own in tunnels.items():
            lines += [f"[tunnel {name}]", *own]
        path = tmp / "culvert.conf"
        path.write_text("\n".join([*lines, ""]))
        return path
    return write


def to(sshd, server, *more, letter="L"):
    """Lines of a tunnel that goes by sshd to server."""
    return ["destination = files.test", f"F = {sshd.config}",
            f"{letter} = 0:127.0.0.1:{server.port}", *more]


def fetch(one, number, server, place, mode="passive"):
    """Fetch a file by one of its listeners, and compare."""
    content = os.urandom(200_000)
    (server.root / place / "file").write_bytes(content)
    with Ftp(one, server, number) as ftp:
        assert ftp.fetch(mode, f"RETR {place}/file") == content


@pytest.fixture
def ftp_server(server, tmp):
    """A real server, with a directory for this test."""
    one = server("vsftpd")
    one.mkdir(tmp.name)
    return one


def test_shared(conf, sshd, ftp_server, start_up, tmp):
    """Two tunnels of one destination: one ssh, each with its own options."""
    one = start_up(conf(
        plant=to(sshd, ftp_server, "allow-tls = yes"),
        bank=to(sshd, ftp_server, "server-mode = active")),
        "plant", "bank", listeners=2, options=["-v", "-v"])
    assert len(one.all_ssh()) == 1
    one.wait_log("^culvert: plant: listening on ")
    one.wait_log("^culvert: bank: listening on ")
    for number in range(2):
        fetch(one, number, ftp_server, tmp.name)
    one.wait_log(r"-> (PORT|EPRT) ")  # asked of the server of bank


def test_verbose(conf, sshd, ftp_server, start_up):
    """v = yes three times in the file is -vvv."""
    one = start_up(conf(["v = yes"] * 3, plant=to(sshd, ftp_server)), "plant",
                   listeners=1)
    one.wait_log("ssh to files.test: debug1: ")


def test_many_destinations(conf, sshd, ftp_server, start_up):
    """As many as permitted, started at once: each runs ssh, or retries."""
    path = conf(["batch = yes"], **{
        f"t{number}": to(sshd, ftp_server, f"o = ConnectTimeout={number + 9}",
                         "o = HostKeyAlias=unknown") for number in range(LIMIT_DESTINATIONS)})
    one = start_up(path, "--all", listeners=None)
    until(lambda: one.output.count("ssh could not connect to files.test")
          >= LIMIT_DESTINATIONS, "an attempt of each", timeout=60)
    assert one.alive() and "cannot run" not in one.output


def test_two_destinations(conf, sshd, start_sshd, ftp_server, start_up, tmp):
    """Each has its own ssh, and is unaffected by the loss of the other."""
    other = start_sshd()
    path = conf(plant=to(sshd, ftp_server), bank=to(other, ftp_server))
    one = start_up(path, "--all", listeners=2)
    first, second = one.all_ssh()
    for number in range(2):
        for mode in "passive", "active":
            fetch(one, number, ftp_server, tmp.name, mode)
    mark = one.mark()
    with Ftp(one, ftp_server) as plant, \
            Ftp(one, ftp_server, 1) as bank:
        os.kill(first, signal.SIGKILL)
        alive = [ftp for ftp in (plant, bank) if not hears_421(ftp)]
        assert len(alive) == 1
        alive[0].exchange("NOOP", "200")
    one.wait_log("connected again|is up again|again", start=mark)
    until(lambda: len(one.all_ssh()) == 2, "the other ssh comes back")
    assert second in one.all_ssh()
    for number in range(2):
        fetch(one, number, ftp_server, tmp.name)


def hears_421(ftp):
    """Return whether the session was told of the loss."""
    try:
        ftp.sock.settimeout(2)
        reply = ftp.read_reply()
    except TimeoutError:
        return False
    assert reply.startswith("421"), reply
    return True


def test_remote_and_local(conf, sshd, start_sshd, ftp_server, start_up, ns,
                          tmp):
    """-R of one destination beside -L of the other."""
    near = scripted.Listener(kind=scripted.Control)
    path = conf(plant=to(sshd, near, letter="R"),
                bank=to(start_sshd(), ftp_server))
    with near:
        one = start_up(path, "--all", listeners=2)
        lines = [line for line in one.process.lines if ": listening" in line]
        remote = [" of " in line for line in lines].index(True)
        fetch(one, 1 - remote, ftp_server, tmp.name)
        with scripted.dial("127.0.0.1", one.listeners[remote][1], side=ns,
                           kind=scripted.Control) as client, \
                near.accept() as server:
            server.reply("220 ready")
            client.expect("220")
            one.process.send_signal(signal.SIGTERM)
            assert replies_to_end(client) == ["421 culvert is stopping.\r\n"]


def test_names(conf, sshd, ftp_server, start_up):
    """Only those that are named."""
    path = conf(plant=to(sshd, ftp_server),
                bank=["destination = nowhere.invalid", "L = 0:h:21"])
    one = start_up(path, "plant")
    assert len(one.all_ssh()) == 1
    assert "bank" not in one.output and "nowhere" not in one.output


def test_first_attempt_fails(conf, sshd, ftp_server, start_up, tmp):
    """A destination that cannot be reached does not affect the others."""
    path = conf(plant=to(sshd, ftp_server),
                bank=["destination = nobody@nowhere.invalid", "L = 0:h:21"])
    one = start_up(path, "--all", listeners=1)
    fetch(one, 0, ftp_server, tmp.name)
    one.wait_log("nowhere.invalid.*; retrying in .* s, then repeatedly$")


def test_long_banner(conf, start_sshd, ftp_server, start_up, tmp):
    """A long banner of sshd does not hide why the login failed."""
    (tmp / "banner").write_text(
        "Unauthorised use of this system is punished by law.\n" * 60)
    sshd = start_sshd(f"Banner {tmp}/banner", "DenyUsers root")
    one = start_up(conf(plant=to(sshd, ftp_server, "on-demand = yes",
                                 "link-wait = 1", "o = LogLevel=INFO")),
                   "plant")
    with scripted.client(*one.listeners[0]):
        one.wait_log(r"ssh could not connect to .*; \S+: Permission denied \(")
    with scripted.client(*one.listeners[0]) as client:
        assert client.expect("421").endswith(
            ": Permission denied (publickey).\r\n")


def test_far_port_taken(conf, sshd, ftp_server, ns, start_up):
    """A port that sshd cannot listen on yet is retried."""
    taken = scripted.Listener(ns, "127.0.0.1")
    path = conf(plant=[
        "destination = files.test", f"F = {sshd.config}",
        f"R = 127.0.0.1:{taken.port}:127.0.0.1:{ftp_server.port}"])
    one = start_up(path, "plant", listeners=None)
    one.wait_log("retrying in")
    taken.close()
    one.wait_ready()
    assert one.port == taken.port


def test_near_port_taken(conf, sshd, ftp_server, start_up):
    """A port in use on this host is an error that names it."""
    with scripted.Listener() as taken:
        path = conf(plant=to(sshd, ftp_server), bank=[
            "destination = other.test", f"L = {taken.port}:h:21"])
        one = start_up(path, "--all", listeners=None)
        assert one.process.wait() == 1
    one.wait_log(f"^culvert: bank: cannot listen on port {taken.port}")
    one.check_nothing_left()


def test_is_culvert(conf, sshd, ftp_server, start_up, tmp):
    """SIGUSR1 works as without a file: the transfer ends well."""
    path = conf(plant=to(sshd, ftp_server))
    (ftp_server.root / tmp.name / "file").write_bytes(b"x" * 500_000)
    one = start_up(path, "plant")
    with Ftp(one, ftp_server) as ftp:
        with ftp.begin("passive", f"RETR {tmp.name}/file") as data:
            one.see()
            one.process.send_signal(signal.SIGUSR1)
            assert len(data.read_all()) == 500_000
        ftp.expect("226")
    assert one.process.wait() == 0, one.output
    one.check_nothing_left()


@pytest.mark.parametrize("argv, words", [
    ([], "no tunnel was named"),
    (["--all", "plant"], "use either --all or names"),
    (["plnt"], "there is no [tunnel plnt] in "),
    (["--al1"], "unknown option --al1"),
])
def test_misuse(argv, words, conf, sshd, ftp_server, start_up):
    """The message has the cause, and nothing is started."""
    one = start_up(conf(plant=to(sshd, ftp_server)), *argv, listeners=None)
    assert one.process.wait() in (1, 2)
    assert words in one.output, one.output
    assert culvert.AS_ROOT not in one.output
