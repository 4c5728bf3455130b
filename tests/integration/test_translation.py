"""Translation between the modes, and what goes with it.

Clients that know one mode, or one form of it, and servers that refuse it: both
transfer, the log says so once, and what was refused is not tried again.  Then
the options for clients and servers that cannot be reached as they are.  Real
clients and servers where they can be made to.
"""

import contextlib
import filecmp
import ftplib

import pytest

import scripted
from clients import CLIENTS, Ftplib, Result, make_file
from process import FAILSAFE, until
from servers import ACTIVE, KINDS, PASSIVE
from topology import (MODES, SHAPES, Layout, get, loopback, put, server_modes)
from transfer import Ftp

SIZES = {"big": 1 << 20, "empty": 0}

TWO = {which: Layout(which, *SHAPES["two"]) for which in "LR"}
L_FOUR = Layout("L", *SHAPES["four"])
VERBS = {"active": ACTIVE, "passive": PASSIVE}
OTHER = {"active": "passive", "passive": "active"}


class Pair:
    """A culvert between one server and its clients.

    With -L the server is on the SSH server's loopback, so that active mode
    can be had of it; with -R at our host's address.
    """

    def __init__(self, topology, layout, kind, tmp, *, without=(), options=(),
                 family="ipv4", server_family=None, lines=None, sshd=()):
        self.topology, self.layout, self.tmp = topology, layout, tmp
        self.family = family
        server_family = server_family or family
        if lines is not None:
            self.server = topology.start_server(
                kind, layout.server_role, server_family, lines=lines)
        else:
            self.server = topology.server(
                kind, layout.server_role, server_family, without=without,
                address=loopback(server_family)
                if layout.server_role == "far" else None)
        self.place = self.server.mkdir(tmp.name)
        self.tunnel = topology.start_culvert(
            layout.direction, [layout.forward(family, self.server)],
            topology.sshd(*sshd),
            options=["-v", "-v", *layout.allow(), *options])
        self.target = topology.target(layout, family, self.tunnel, self.server)

    def both_ways(self, client, mode, names=("big", "empty")):
        """Get and put with a client; returns how the server was asked."""
        mark = self.tunnel.mark()
        for name in names:
            size = SIZES[name]
            make_file(self.place / name, size)
            make_file(self.tmp / f"new-{name}", size)
            result = client.get(self.target, mode,
                                f"{self.place.name}/{name}",
                                self.tmp / f"got-{name}")
            assert result.status == 0, result.output
            result = client.put(self.target, mode, self.tmp / f"new-{name}",
                                f"{self.place.name}/new-{name}")
            assert result.status == 0, result.output
        for name in names:
            assert filecmp.cmp(self.place / name, self.tmp / f"got-{name}",
                               False), name
            assert filecmp.cmp(self.tmp / f"new-{name}",
                               self.place / f"new-{name}", False), name
        return server_modes(self.tunnel, mark, 2 * len(names))

    def count(self, words, start=0):
        """Return how many lines of the log have these words."""
        return sum(words in line for line in self.tunnel.process.lines[start:]
                   if "ssh: debug" not in line)

    def sent(self, verbs, start):
        """Return what of these verbs the server was sent since a mark."""
        return [line for line in self.tunnel.process.lines[start:]
                if any(f"] -> {verb}" in line for verb in verbs)]


# On IPv4 these know PORT and PASV only: one for either kind of tunnel.
OLD = {"L": "inetutils-ftp", "R": "ftplib"}


# ---- clients of one mode, servers without it ----

REFUSING = [
    pytest.param(kind, mode, which, id=f"{kind}-{mode}-only-{which}")
    for kind in KINDS for mode in MODES for which in "LR"
    # It has no option against PORT.
    if (kind, mode) != ("pure-ftpd", "active")
]


@pytest.mark.parametrize("kind, mode, which", REFUSING)
def test_refused_mode(topology, kind, mode, which, tmp):
    """The client requests a mode that the server refuses."""
    one = Pair(topology, TWO[which], kind, tmp, without=VERBS[mode])
    client = CLIENTS[OLD[which]]
    asked = one.both_ways(client, mode)
    assert len(asked) == 4 and set(asked) <= VERBS[OTHER[mode]], asked
    assert one.count(f"translated to {OTHER[mode]}") == 1
    # It is remembered for the tunnel: another session does not try again.
    mark = one.tunnel.mark()
    one.both_ways(client, mode, ["empty"])
    assert not one.sent(VERBS[mode], mark)
    assert one.count("translated to", mark) == 0


@pytest.mark.parametrize("kind, mode, which", REFUSING)
def test_refused_mode_forced(topology, kind, mode, which, tmp):
    """With --server-mode there is no other mode: 5xx or 425."""
    one = Pair(topology, TWO[which], kind, tmp, without=VERBS[mode],
               options=["--server-mode", mode])
    make_file(one.place / "file", 10)
    result = CLIENTS["ftplib"].get(one.target, mode,
                                   f"{one.place.name}/file", tmp / "file")
    assert result.status != 0, result.output
    one.tunnel.wait_log(r"\] ended$")
    assert not one.sent(VERBS[OTHER[mode]], 0)
    if mode == "active":
        assert one.count("--server-mode same"), "no fix in the log"


@pytest.fixture
def firewall(topology):
    """Let nothing connect from the FTP server's host to the SSH server's."""
    host = topology.far_end
    host.run(["nft", "-f", "-"], text=True, input="""
        table inet firewall {
            chain out {
                type filter hook output priority 0; policy accept;
                oifname "far" tcp flags & (syn | ack) == syn reject with \
tcp reset
            }
        }""")
    yield
    host.run(["nft", "delete", "table", "inet", "firewall"])


@pytest.mark.parametrize("client", ["curl", "inetutils-ftp"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_way_back(topology, firewall, kind, client, tmp):
    """The server accepts PORT, but cannot connect: 425, then passive."""
    one = Pair(topology, L_FOUR, kind, tmp,
               sshd=["GatewayPorts clientspecified"],
               options=["--far-address", topology.far.address("ipv4")])
    asked = one.both_ways(CLIENTS[client], "active")
    assert asked and asked[-1] in PASSIVE, asked
    assert one.count("translated to passive") == 1
    mark = one.tunnel.mark()
    asked = one.both_ways(CLIENTS[client], "active", ["empty"])
    assert set(asked) <= PASSIVE, asked
    assert not one.sent(ACTIVE, mark)
    assert one.count("translated to", mark) == 0


# ---- --server-mode ----

@pytest.mark.parametrize("forced", MODES)
@pytest.mark.parametrize("which", "LR")
@pytest.mark.parametrize("kind", KINDS)
def test_server_mode(topology, kind, which, forced, tmp):
    """--server-mode: the server gets that mode, whatever the client uses."""
    one = Pair(topology, TWO[which], kind, tmp,
               options=["--server-mode", forced])
    for mode in MODES:
        place = one.server.mkdir(f"{tmp.name}-{mode}")
        get(one.target, mode, place, tmp)
        put(one.target, mode, place, tmp, old=True)
    asked = server_modes(one.tunnel, 0, 4)
    assert len(asked) == 8 and set(asked) <= VERBS[forced], asked
    assert not one.sent(VERBS[OTHER[forced]], 0)
    # This was requested, so it is not logged.
    assert one.count("translated to") == 0


# ---- one form of a mode ----

# pure-ftpd has no option for these.
FORMS = [
    pytest.param(kind, verb, id=f"{kind}-without-{verb}")
    for kind in KINDS if kind != "pure-ftpd"
    for verb in ("EPSV", "PASV", "EPRT", "PORT")
]


@pytest.mark.parametrize("kind, verb", FORMS)
def test_refused_variant(topology, kind, verb, tmp):
    """A server without one command, and a client that knows no other.

    ftplib knows PORT and PASV on IPv4, EPRT and EPSV on IPv6.
    """
    one = Pair(topology, TWO["L"], kind, tmp, without=[verb],
               family="ipv6" if verb in ("EPSV", "EPRT") else "ipv4",
               server_family="ipv4")
    mode = "passive" if verb in PASSIVE else "active"
    asked = one.both_ways(CLIENTS["ftplib"], mode)
    (other,) = VERBS[mode] - {verb}
    assert set(asked) == {other}, asked
    mark = one.tunnel.mark()
    one.both_ways(CLIENTS["ftplib"], mode, ["empty"])
    assert not one.sent([verb], mark)


@pytest.mark.parametrize("kind", ["vsftpd", "proftpd", "pyftpdlib"])
def test_epsv_all(topology, kind, tmp):
    """EPSV ALL is obeyed: culvert sends no PASV or PORT after it."""
    one = Pair(topology, TWO["L"], kind, tmp)
    with one.topology.near.inside(), Ftp(one.tunnel, one.server) as ftp:
        ftp.exchange("EPSV ALL", "2")
        make_file(one.place / "file", 1000)
        ftp.command("EPSV")
        port = scripted.parse_epsv(ftp.expect("229"))
        with scripted.dial("127.0.0.1", port) as data:
            ftp.exchange(f"RETR {one.place.name}/file", "1")
            assert len(data.read_all()) == 1000
        ftp.expect("226")
        for command in "PASV", "PORT 127,0,0,1,200,1":
            ftp.exchange(command, "5")
    assert set(server_modes(one.tunnel, 0, 1)) == {"EPSV"}


# ---- replies are of the mode that was asked for ----

@pytest.mark.parametrize("verb, code", [
    ("PASV", "227 "), ("EPSV", "229 "), ("EPSV 1", "229 ")])
def test_reply_to_passive(topology, verb, code, tmp):
    """The server is in active mode, the client gets a passive reply."""
    one = Pair(topology, TWO["L"], "vsftpd", tmp,
               options=["--server-mode", "active"])
    make_file(one.place / "file", 1000)
    with one.topology.near.inside(), Ftp(one.tunnel, one.server) as ftp:
        reply = ftp.exchange(verb, code)
        port = scripted.parse_epsv(reply) if verb[0] == "E" else \
            scripted.parse_port(reply)[1]
        with scripted.dial("127.0.0.1", port) as data:
            ftp.exchange(f"RETR {one.place.name}/file", "150 ")
            assert len(data.read_all()) == 1000
        ftp.expect("226 ")


@pytest.mark.parametrize("form", ["PORT", "EPRT"])
def test_reply_to_active(topology, form, tmp):
    """The reverse: 200, which names the client's command."""
    one = Pair(topology, TWO["L"], "vsftpd", tmp,
               options=["--server-mode", "passive"])
    make_file(one.place / "file", 1000)
    with one.topology.near.inside(), Ftp(one.tunnel, one.server) as ftp, \
            scripted.Listener() as listener:
        argument = {
            "PORT": listener.port_argument(),
            "EPRT": listener.eprt_argument()}[form]
        assert form in ftp.exchange(f"{form} {argument}", "200 ")
        ftp.command(f"RETR {one.place.name}/file")
        with listener.accept() as data:
            ftp.expect("150 ")
            assert len(data.read_all()) == 1000
        ftp.expect("226 ")


def test_server_without_150(session):
    """It sends no reply before the file: culvert still connects to the client.
    """
    one = session(options=["--server-mode", "passive"])
    with scripted.Listener() as near, scripted.Listener(one.ns) as far:
        one.client.command(f"PORT {near.port_argument()}", "STOR file")
        one.server.expect_command("EPSV")
        one.server.reply(f"229 (|||{far.port}|)")
        one.client.expect("200")
        one.server.expect_command("STOR file")
        with near.accept() as data, far.accept() as there:
            data.send(b"whole")
            data.half_close()
            there.expect_bytes(b"whole")
            there.expect_end()
            there.close()
            one.say("226 done")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MODES)
def test_refusals_pass_translated(topology, kind, mode, tmp):
    """A 550 of a translated transfer passes unchanged, and the next one works.
    """
    one = Pair(topology, TWO["L"], kind, tmp,
               options=["--server-mode", OTHER[mode]])
    (one.place / "small").write_bytes(b"small")
    with one.topology.near.inside(), Ftp(one.tunnel, one.server) as ftp:
        if mode == "passive":
            there = scripted.parse_port(ftp.exchange("PASV", "227"))
            with scripted.dial(*there):
                ftp.exchange(f"RETR {one.place.name}/none", "550")
        else:
            with scripted.Listener() as listener:
                ftp.exchange(f"PORT {listener.port_argument()}", "200")
                ftp.exchange(f"RETR {one.place.name}/none", "550")
        ftp.exchange("PWD", "257")
        for _ in range(3):
            assert ftp.fetch(mode, f"RETR {one.place.name}/small") == b"small"


# ---- --client-ports ----

@pytest.mark.parametrize("mode", MODES)
def test_client_ports(topology, mode, tmp):
    """Data connections of passive clients use only the range."""
    low = 40100
    one = Pair(topology, L_FOUR, "vsftpd", tmp,
               options=["--client-ports", f"{low}-{low + 1}"])
    for _ in range(3):
        get(one.target, mode, one.place, tmp, old=True)
        put(one.target, mode, one.place, tmp)
    server_modes(one.tunnel, 0, 6)  # all of the log has come
    for line in one.tunnel.process.lines:
        if "] <- 227" in line:
            host, port = scripted.parse_port(line)
            assert host == topology.near.address("ipv4")
            assert low <= port <= low + 1, line


def test_client_ports_full(topology, tmp):
    """One port per data connection; 425 when none is left; then again."""
    low = 40200
    one = Pair(topology, TWO["L"], "vsftpd", tmp,
               options=["--client-ports", f"{low}-{low + 1}"])
    (one.place / "file").write_bytes(b"file")
    with contextlib.ExitStack() as stack:
        stack.enter_context(one.topology.near.inside())
        ftps = [stack.enter_context(Ftp(one.tunnel, one.server))
                for _ in range(3)]
        ports = {scripted.parse_port(ftp.exchange("PASV", "227"))[1]
                 for ftp in ftps[:2]}
        assert ports == {low, low + 1}
        for command in "PASV", "EPSV":
            reply = ftps[2].exchange(command, "425")
            assert f"{low}-{low + 1}" in reply, reply
        one.tunnel.wait_log(f"--client-ports {low}-{low + 1}")
        # An active client takes none.
        assert ftps[2].fetch(
            "active", f"RETR {one.place.name}/file") == b"file"
        # A listener that is replaced is not one more.
        for _ in range(4):
            ftps[0].exchange("PASV", "227")
        ftps[0].exchange("QUIT", "221")
        until(lambda: gets(ftps[2], one.place), "the port is free")


@pytest.mark.parametrize("how", ["unused", "refused", "used", "reset"])
def test_client_ports_one(topology, how, tmp):
    """One port is enough for a session with one transfer at a time."""
    one = Pair(topology, TWO["L"], "vsftpd", tmp,
               options=["--client-ports", "40500-40500"])
    (one.place / "file").write_bytes(b"file")
    with one.topology.near.inside(), Ftp(one.tunnel, one.server) as ftp:
        for _ in range(3):
            if how == "used":
                assert ftp.fetch(
                    "passive", f"RETR {one.place.name}/file") == b"file"
                continue
            there = scripted.parse_port(ftp.exchange("PASV", "227"))
            if how == "refused":
                with scripted.dial(*there):
                    ftp.exchange("RETR none", "550")
            elif how == "reset":
                scripted.dial(*there).reset()
        assert ftp.fetch("passive", f"RETR {one.place.name}/file") == b"file"


def gets(ftp, place):
    """Return whether PASV, and then a download, is possible."""
    ftp.command("PASV")
    reply = ftp.read_reply()
    if reply.startswith("425"):
        return False
    with scripted.dial(*scripted.parse_port(reply)) as data:
        ftp.exchange(f"RETR {place.name}/file", "150")
        assert data.read_all() == b"file"
    ftp.expect("226")
    return True


def test_client_ports_taken(topology, tmp):
    """A port of the range that is in use is skipped."""
    low = 40300
    with scripted.Listener(topology.near, "127.0.0.1", port=low):
        one = Pair(topology, TWO["L"], "vsftpd", tmp,
                   options=["--client-ports", f"{low}-{low + 1}"])
        for _ in range(3):
            get(one.target, "passive", one.place, tmp)


# ---- --client-address ----

NATTED = "192.0.2.200"


@pytest.fixture
def nat(topology):
    """Let the client find culvert's host at NATTED, and only there."""
    host, near = topology.near_end, topology.near.address("ipv4")
    host.run(["nft", "-f", "-"], text=True, input=f"""
        table ip mapped {{
            chain direct {{
                type filter hook output priority -150; policy accept;
                ip daddr {near} tcp flags & (syn | ack) == syn \
reject with tcp reset
            }}
            chain out {{
                type nat hook output priority -100; policy accept;
                ip daddr {NATTED} dnat to {near}
            }}
        }}""")
    yield
    host.run(["nft", "delete", "table", "ip", "mapped"])


@pytest.mark.parametrize("client", ["ftplib-trusting", "curl-trusting",
                                    "tnftp"])
def test_client_address(topology, nat, client, tmp):
    """Behind a NAT: 227 has the address that the client can reach."""
    one = Pair(topology, L_FOUR, "vsftpd", tmp,
               options=["--client-address", NATTED,
                        "--client-ports", "40400-40409"])
    one.target.host = NATTED
    one.both_ways(TRUSTING.get(client) or CLIENTS[client], "passive")
    announced = {scripted.parse_port(line)[0]
                 for line in one.tunnel.process.lines if "] <- 227" in line}
    assert announced <= {NATTED}, announced


def test_without_client_address(topology, nat, tmp):
    """Without the option the client gets an address that it cannot reach."""
    one = Pair(topology, L_FOUR, "vsftpd", tmp)
    one.target.host = NATTED
    make_file(one.place / "file", 10)
    result = TRUSTING["ftplib-trusting"].get(
        one.target, "passive", f"{one.place.name}/file", tmp / "file")
    assert result.status != 0, result.output
    assert "refused" in result.output, result.output


class TrustingFtplib(Ftplib):
    """ftplib that connects to the address in a 227, as it once did.

    claimed: the address it names in PORT, instead of its own.
    """

    def __init__(self, claimed=None):
        self.claimed = claimed

    def _with(self, target, mode, action):
        claimed = self.claimed

        class FTP(ftplib.FTP):
            trust_server_pasv_ipv4_address = True

            def sendport(self, host, port):
                return super().sendport(claimed or host, port)

        def session():
            try:
                with FTP(timeout=FAILSAFE) as ftp:
                    ftp.connect(target.host, target.port)
                    ftp.login(target.user, target.password)
                    ftp.set_pasv(mode == "passive")
                    return Result(0, action(ftp))
            except (ftplib.Error, OSError, EOFError) as error:
                return Result(1, repr(error))
        return target.call(session)


class TrustingCurl(type(CLIENTS["curl"])):
    """curl that connects to the address in a 227, and sends PASV."""

    def _argv(self, target, mode, *more):
        return [*super()._argv(target, mode), "--no-ftp-skip-pasv-ip",
                "--disable-epsv", *more]


TRUSTING = {"ftplib-trusting": TrustingFtplib(),
            "curl-trusting": TrustingCurl()}


# ---- --client-data-host ----

BEHIND = "10.9.8.7"  # what a client behind a NAT believes to be


def test_client_data_host_control(topology, tmp):
    """culvert connects to the control connection's peer, whatever PORT says.
    """
    one = Pair(topology, L_FOUR, "vsftpd", tmp,
               options=["--client-data-host", "control"])
    one.both_ways(TrustingFtplib(BEHIND), "active")
    one.both_ways(TrustingFtplib(), "active")


@pytest.mark.parametrize("options", [[], ["--client-data-host", "command"]],
                         ids=["default", "command"])
def test_client_data_host_command(topology, options, tmp):
    """By default such a PORT is refused; one with the client's own address is
    not.
    """
    one = Pair(topology, L_FOUR, "vsftpd", tmp, options=options)
    make_file(one.place / "file", 10)
    result = TrustingFtplib(BEHIND).get(
        one.target, "active", f"{one.place.name}/file", tmp / "file")
    assert "500 PORT refused by culvert" in result.output, result.output
    one.both_ways(TrustingFtplib(), "active")


# ---- --server-data-host ----

@pytest.mark.parametrize("kind, line", [
    ("vsftpd", "pasv_address=192.168.77.1"),
    ("proftpd", "MasqueradeAddress 192.168.77.1"),
])
@pytest.mark.parametrize("options", [[], ["--server-data-host", "control"]],
                         ids=["default", "control"])
def test_server_data_host_control(topology, kind, line, options, tmp):
    """A server behind a NAT announces an address that nobody reaches: it is
    ignored.
    """
    one = Pair(topology, L_FOUR, kind, tmp, lines=[line], options=options)
    one.both_ways(CLIENTS["ftplib"], "passive")


@pytest.mark.parametrize("kind, line", [
    ("vsftpd", "pasv_address=192.168.77.1"),
    ("proftpd", "MasqueradeAddress 192.168.77.1"),
])
def test_server_data_host_reply(topology, kind, line, tmp):
    """With reply culvert connects to that address and fails; the log has it.
    """
    one = Pair(topology, L_FOUR, kind, tmp, lines=[line],
               options=["--server-data-host", "reply"])
    with topology.near_end.inside(), Ftp(one.tunnel, one.server) as ftp:
        ftp.exchange("PASV", "227")
        one.tunnel.wait_log(r"data connection .*192\.168\.77\.1", timeout=2)


@pytest.fixture
def second_address(topology):
    """Give the FTP server's host another address; returns it."""
    address = "203.0.113.44"
    topology.far_end.run(["ip", "addr", "add", f"{address}/24", "dev", "far"])
    yield address
    topology.far_end.run(["ip", "addr", "del", f"{address}/24", "dev", "far"])


@pytest.mark.parametrize("which", ["reply", "control"])
def test_server_with_data_elsewhere(topology, second_address, which):
    """A server with its data at another address (scripted)."""
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        here, far_end = topology.far_end.address("ipv4"), topology.far_end
        listener = enter(scripted.server(far_end, here))
        tunnel = topology.start_culvert(
            "L", [f"0:{here}:{listener.port}"], topology.sshd(),
            options=["--server-data-host", which])
        client = enter(scripted.client(*tunnel.listeners[0],
                                       side=topology.near))
        server = enter(listener.accept())
        server.reply("220 hello")
        client.expect("220")
        data = enter(scripted.Listener(far_end, second_address))
        at = here if which == "control" else second_address
        if which == "control":  # the right one; the other one is not used
            data = enter(scripted.Listener(far_end, here))
        client.command("PASV")
        server.expect_command("PASV")
        server.reply("227 "
                     f"({scripted.port_argument(second_address, data.port)})")
        there = scripted.parse_port(client.expect("227"))
        near = enter(scripted.dial(*there, side=topology.near))
        far = enter(data.accept())
        assert far.name[0] == at
        far.send_to(near, b"hello")
