"""Tunnels on the command line: -R, -L and -R, --allow, ready lines.
"""

import os
import re
import signal

import pytest

import cli
import culvert
import scripted
from cli import greet
from process import until

ALL = ["--allow", "0.0.0.0/0", "--allow", "::/0"]


def port_of(one, number=0):
    """Return the port in its ready line with this number, once it is there."""
    lines = until(lambda: len(found := [
        line for line in one.lines if "listening on" in line]) > number
        and found, "the ready line")
    return int(re.search(r"listening on \S*:(\d+)[, ]", lines[number])[1])


@pytest.fixture
def near_server():
    """Return a scripted FTP server's listener on our own side."""
    with scripted.Listener(kind=scripted.Control) as one:
        yield one


@pytest.fixture
def start(tmp, sshd, start_sshd):
    """Return a function: options to a culvert that runs them."""
    del start_sshd  # what it has started is stopped after culvert
    started = []

    def run(*argv, sshd=sshd, host="files.test"):
        started.append(cli.Background(tmp, *argv, "-F", sshd.config, host))
        return started[-1]

    yield run
    for one in started:
        assert one.stop() == 0, one.output
    assert not list(tmp.glob("culvert.*"))


# ---- -R ----

@pytest.mark.parametrize("forward, address, shown", [
    ("0", "127.0.0.1", r"127\.0\.0\.1:{port}"),
    ("ftp/0", "127.0.0.1", r"127\.0\.0\.1:{port}"),
    ("localhost:0", "127.0.0.1", r"127\.0\.0\.1:{port}"),
    ("localhost:0", "::1", r"127\.0\.0\.1:{port}"),
    ("127.0.0.1:0", "127.0.0.1", r"127\.0\.0\.1:{port}"),
    ("[::1]:0", "::1", r"\[::1\]:{port}"),
])
def test_remote(forward, address, shown, start, ns, near_server):
    """Each form of -R: the line has sshd's port, and clients can connect."""
    one = start("-R", f"{forward}:127.0.0.1:{near_server.port}",
                host="root@files.test")
    port = port_of(one)
    assert re.fullmatch(
        rf"culvert: listening on {shown.format(port=port)} of "
        rf"root@files\.test, to 127\.0\.0\.1:{near_server.port}",
        culvert.said(one.output)), one.output
    for _ in range(3):
        greet(near_server, address, port, side=ns)


def test_remote_port(start, ns, near_server):
    """A port that is given is used."""
    port = ns.free_port()
    one = start("-R", f"{port}:localhost:{near_server.port}")
    assert port_of(one) == port
    greet(near_server, "127.0.0.1", port, side=ns)


def test_remote_alone(start, near_server):
    """With -R and no -L there is no default tunnel."""
    one = start("-R", f"0:127.0.0.1:{near_server.port}")
    port_of(one)
    assert culvert.said(one.output).count("\n") == 0 and ":21" not in one.output


def test_remote_ipv6_server(start, ns):
    """The FTP server's address is in brackets, in the line too."""
    with scripted.Listener(address="::1", kind=scripted.Control) as server:
        one = start("-R", f"0:[::1]:{server.port}")
        port = port_of(one)
        assert one.output.endswith(f"files.test, to [::1]:{server.port}")
        greet(server, "127.0.0.1", port, side=ns)


def test_both(start, ns, near_server, far_server):
    """-R, -L, -R: their lines in that order, all on one ssh."""
    one = start("-R", f"0:127.0.0.1:{near_server.port}",
                "-L", f"0:127.0.0.1:{far_server.port}",
                "-R", f"localhost:0:localhost:{near_server.port}")
    first, second, third = (port_of(one, number) for number in range(3))
    lines = culvert.said(one.output).split("\n")
    assert len(lines) == 3, one.output
    assert " of files.test, to 127.0.0.1:" in lines[0]
    assert ", through files.test to 127.0.0.1:" in lines[1]
    assert " of files.test, to localhost:" in lines[2]
    greet(near_server, "127.0.0.1", first, side=ns)
    greet(far_server, "127.0.0.1", second)
    greet(near_server, "127.0.0.1", third, side=ns)


@pytest.mark.parametrize("forward, options, shown", [
    ("{far4}:0", [], r"{far4}:\d+"),
    ("[{far6}]:0", [], r"\[{far6}\]:\d+"),
    ("*:0", ["--client-address", "{far4}"], r"\*:\d+"),
    (":0", ["--client-address", "{far4}"], r"\*:\d+"),
    ("0.0.0.0:0", ["--client-address", "{far4}"], r"0\.0\.0\.0:\d+"),
])
def test_remote_beyond_loopback(forward, options, shown, start, start_sshd,
                                ns, near_server):
    """With --allow, and an sshd that permits it."""
    names = {"far4": ns.far4, "far6": ns.far6}
    one = start(*ALL, *(word.format(**names) for word in options), "-R",
                f"{forward.format(**names)}:127.0.0.1:{near_server.port}",
                sshd=start_sshd("GatewayPorts clientspecified"))
    port = port_of(one)
    assert re.fullmatch(
        rf"culvert: listening on {shown.format(**names)} of files\.test, "
        rf"to 127\.0\.0\.1:{near_server.port}",
        culvert.said(one.output)), one.output
    greet(near_server, ns.far6 if "far6" in forward else ns.far4, port,
          side=ns)


def test_remote_client_is_not_known(start, ns, near_server):
    """--allow cannot refuse clients there: sshd does not say who they are."""
    one = start("--allow", "192.0.2.1", "-R",
                f"0:127.0.0.1:{near_server.port}")
    greet(near_server, "127.0.0.1", port_of(one), side=ns)


def test_remote_max_sessions(start, ns, near_server):
    """One client too many gets 421, and the log names the listener."""
    one = start("--max-sessions", "1", "-R",
                f"0:127.0.0.1:{near_server.port}")
    port = port_of(one)
    with scripted.client("127.0.0.1", port, side=ns) as client, \
            near_server.accept() as server:
        server.reply("220 hello")
        client.expect("220")
        with scripted.client("127.0.0.1", port, side=ns) as other:
            other.expect("421 Too many")
            other.expect_end()
        one.wait_line(rf"refused a client at 127\.0\.0\.1:{port} of the SSH "
                      "server: 1 sessions are running")


def test_remote_stopped(tmp, sshd, ns, near_server):
    """Its sessions get 421, sshd stops listening, and status 0."""
    one = cli.Background(tmp, "-R", f"0:127.0.0.1:{near_server.port}", "-F",
                         sshd.config, "files.test")
    port = port_of(one)
    assert ns.listening(port)
    with scripted.client("127.0.0.1", port, side=ns) as client, \
            near_server.accept() as server:
        server.reply("220 hello")
        client.expect("220")
        one.send_signal(signal.SIGTERM)
        client.expect("421")
        client.expect_end()
    assert one.wait() == 0, one.output
    until(lambda: not ns.listening(port), "sshd has let go of it")
    assert not list(tmp.glob("culvert.*"))


@pytest.mark.parametrize("signals", [1, 2])
def test_remote_stopped_with_a_client_that_stays(signals, tmp, sshd, ns,
                                                 near_server):
    """It gets a limited time; a second signal has no effect."""
    one = cli.Background(tmp, "-R", f"0:127.0.0.1:{near_server.port}", "-F",
                         sshd.config, "files.test")
    with scripted.client("127.0.0.1", port_of(one), side=ns) as client, \
            near_server.accept() as server:
        server.reply("220 hello")
        client.expect("220")
        one.send_signal(signal.SIGTERM)
        client.expect("421")
        if signals == 2:
            one.send_signal(signal.SIGTERM)
        assert one.wait() == 0, one.output
    assert not list(tmp.glob("culvert.*"))


def test_remote_link_lost(start_culvert, ns, near_server):
    """Status 1, with a message about the link, not the listener."""
    one = start_culvert(remotes=[f"0:127.0.0.1:{near_server.port}"])
    ssh = one.ssh
    os.kill(ssh, signal.SIGKILL)
    assert one.process.wait() == 1
    one.check_nothing_left()
    assert culvert.said(one.output).split("\n")[1:] == [
        "culvert: the SSH connection to files.test was lost: ssh was ended"
        " by signal 9"], one.output


# ---- what cannot be had ----

@pytest.mark.parametrize("argv, words", [
    # Bound beyond loopback.
    (["-L", "*:0:h:21"], ["on * port 0", "--allow FROM", "0.0.0.0/0", "::/0"]),
    (["-L", ":0:h:21"], ["--allow FROM"]),
    (["-L", "0.0.0.0:0:h:21"], ["on 0.0.0.0 port 0:", "--allow FROM"]),
    (["-L", "[::]:0:h:21"], ["--allow FROM"]),
    (["-L", "192.0.2.1:21:h:21"], ["--allow FROM"]),
    (["-R", "*:0:h:21"], ["port 0 of the SSH server:", "--allow FROM",
                          "does not tell who connects", "0.0.0.0/0"]),
    (["-R", "192.0.2.1:0:h:21"], ["--allow FROM"]),
    (["-L", "0:h:21", "-R", ":0:h:21"], ["--allow FROM"]),
    # What -R needs.
    (["-R", "files.test:0:h:21"], ["on files.test port 0 of the SSH server",
                                   "must not be a host name"]),
    ([*ALL, "-R", "files.test:0:h:21"], ["must not be a host name"]),
    ([*ALL, "-R", "*:0:h:21"], ["PASV", "--client-address ADDR"]),
    ([*ALL, "-R", "0.0.0.0:0:h:21"], ["--client-address ADDR"]),
    ([*ALL, "-R", "[::]:0:h:21"], ["--client-address ADDR"]),
    ([*ALL, "--client-data-host", "control", "-R", "192.0.2.1:0:h:21"],
     ["--client-data-host control", "sshd does not tell"]),
])
def test_refused(argv, words, tmp):
    """Status 1 before ssh is started, with the cause and the fix."""
    status, said = cli.run(tmp, "--ssh", "/bin/false", *argv, "host")
    assert status == 1, said
    said = culvert.said(said)
    assert said.startswith("culvert: cannot listen on "), said
    assert said.count("\n") == 1, said
    for word in words:
        assert word in said, said


def test_remote_port_taken(tmp, sshd, ns, near_server, far_server):
    """Status 1 if one port is taken; no line for the others."""
    with scripted.Listener(ns, "::1", far_server.port):
        status, said = cli.run(
            tmp, "-F", sshd.config, "-L", f"0:127.0.0.1:{far_server.port}",
            "-R", f"{far_server.port}:127.0.0.1:{near_server.port}",
            "files.test")
    assert status == 1, said
    assert f"cannot listen on port {far_server.port} of the SSH server: " \
        in said, said
    assert "listening on" not in said and "was lost" not in said, said


@pytest.mark.parametrize("line, named", [
    ("AllowTcpForwarding no", "AllowTcpForwarding"),
    ("AllowTcpForwarding local", "AllowTcpForwarding"),
    ("PermitListen none", "PermitListen"),
    ("DisableForwarding yes", "DisableForwarding"),
])
def test_remote_forbidden(line, named, tmp, start_sshd):
    """Status 1, with the directives that may be the cause."""
    sshd = start_sshd(line)
    status, said = cli.run(tmp, "-F", sshd.config, "-R", "0:h:21",
                           "files.test")
    assert status == 1, said
    assert named in said and "of the SSH server: " in said, said
    assert "listening on" not in said and "was lost" not in said, said


def test_remote_without_gateway_ports(tmp, sshd, ns):
    """GatewayPorts no: sshd would listen on loopback without saying so."""
    status, said = cli.run(tmp, "-F", sshd.config, *ALL, "-R",
                           f"{ns.far4}:0:h:21", "files.test")
    assert status == 1, said
    assert "GatewayPorts" in said, said
    assert "listening on" not in said, said


# ---- --allow ----

def refused(one, host, port, source):
    """Fail unless a client from there gets 421, and a line in the log."""
    mark = one.mark()
    with scripted.client(host, port, source=(source, 0)) as client:
        client.expect("421")
        client.expect_end()
        shown = f"[{source}]" if ":" in source else source
        one.wait_line(
            re.escape(f"culvert: refused a client from {shown}:"
                      f"{client.name[1]}: ") + ".*--allow", start=mark)


def test_allow(start, far_server):
    """Addresses and networks, of both families, on one listener."""
    one = start("--allow", "127.0.0.1", "--allow", "127.1.0.0/16",
                "-L", f"*:0:127.0.0.1:{far_server.port}")
    port = port_of(one)
    greet(far_server, "127.0.0.1", port, source=("127.0.0.1", 0))
    greet(far_server, "127.0.0.1", port, source=("127.1.2.3", 0))
    refused(one, "127.0.0.1", port, "127.0.0.2")
    refused(one, "127.0.0.1", port, "127.2.0.1")
    refused(one, "::1", port, "::1")
    assert one.output.count("refused") == 3, one.output
    greet(far_server, "127.0.0.1", port, source=("127.0.0.1", 0))


def test_allow_ipv6(start, far_server):
    """An IPv6 network permits nobody over IPv4."""
    one = start("--allow", "::/0", "-L", f"*:0:127.0.0.1:{far_server.port}")
    port = port_of(one)
    greet(far_server, "::1", port)
    refused(one, "127.0.0.1", port, "127.0.0.1")


def test_allow_on_loopback(start, far_server):
    """It also applies to loopback; without it everybody there may connect."""
    one = start("--allow", "127.0.0.2", "-L",
                f"0:127.0.0.1:{far_server.port}")
    port = port_of(one)
    greet(far_server, "127.0.0.1", port, source=("127.0.0.2", 0))
    refused(one, "127.0.0.1", port, "127.0.0.1")


def test_allow_from_another_host(start, ns, far_server):
    """A client that is not on this host."""
    one = start("--allow", f"{ns.near4}/30", "-L",
                f"{ns.near4}:0:127.0.0.1:{far_server.port}")
    port = port_of(one)
    greet(far_server, ns.near4, port, source=(ns.near4, 0))
