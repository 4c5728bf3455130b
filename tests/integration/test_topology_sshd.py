"""What sshd may be set to: what can work does, the rest says why.

Lines of sshd_config, and options of authorized_keys, which begin in lower
case.  The capture on the link sees nothing but SSH in any of these cases.
test_refusals.py has those that refuse a local tunnel its control connection.
"""

import pytest

import scripted
from process import Timeout, until
from topology import (CURL, FAMILIES, MODES, SHAPES, Layout, get, put,
                      server_modes)

KIND = "vsftpd"
L_TWO, R_TWO = Layout("L", *SHAPES["two"]), Layout("R", *SHAPES["two"])
L_FOUR, R_FOUR = Layout("L", *SHAPES["four"]), Layout("R", *SHAPES["four"])

NATIVE = {"active": {"PORT", "EPRT"}, "passive": {"PASV", "EPSV"}}


def start_sshd(topology, *lines):
    """Return the sshd with those lines, at most one of authorized_keys."""
    keys = [line for line in lines if line[0].islower()]
    return topology.sshd(*(line for line in lines if line not in keys),
                         key="".join(keys))


class Case:
    """A tunnel through such an sshd, and a place on its server."""

    def __init__(self, topology, layout, lines, tmp, *, address=None,
                 options=(), family="ipv4", forward=None):
        self.topology, self.layout, self.tmp = topology, layout, tmp
        self.family = family
        self.server = topology.server(KIND, layout.server_role, family,
                                      address=address)
        self.place = self.server.mkdir(tmp.name)
        self.sshd = start_sshd(topology, *(
            line.format(port=self.server.port) for line in lines))
        self.tunnel = topology.start_culvert(
            layout.direction,
            [forward or layout.forward(family, self.server)], self.sshd,
            options=["-v", "-v", *layout.allow(), *options])

    @property
    def target(self):
        """Where its client goes."""
        return self.topology.target(
            self.layout, self.family, self.tunnel, self.server)

    def carry(self, mode, server_mode=None):
        """Fail unless files pass; server_mode: what the server is asked."""
        mark = self.tunnel.mark()
        get(self.target, mode, self.place, self.tmp)
        put(self.target, mode, self.place, self.tmp)
        asked = server_modes(self.tunnel, mark, 2)
        assert set(asked) <= NATIVE[server_mode or mode], asked

    def fails(self, mode, *words):
        """Fail unless a download does, and a line of the log has words."""
        (self.place / "file").write_bytes(b"file")
        mark = self.tunnel.mark()
        got = self.tmp / "never"
        result = CURL.get(self.target, mode, f"{self.place.name}/file", got)
        assert result.status != 0, result.output
        assert not got.exists() or got.read_bytes() == b"", result.output
        self.says(*words, start=mark)

    def log(self, start=0):
        """Return what culvert has said, without ssh's debugging."""
        return [line for line in self.tunnel.process.lines[start:]
                if "ssh: debug" not in line]

    def says(self, *words, start=0):
        """Fail unless one line of culvert's own has all these words."""
        try:
            until(lambda: any(all(word in line for word in words)
                              for line in self.log(start)), "", timeout=2)
        except Timeout:
            pytest.fail(f"no line of culvert's has {words}")

    def count(self, word):
        """Return how many lines of the log have that word."""
        return sum(word in line for line in self.log())


# ---- local tunnels ----

NO_LISTENER = {
    "AllowTcpForwarding local": "AllowTcpForwarding",
    "PermitListen none": "PermitListen",
    "PermitListen 127.0.0.1:4711": "PermitListen",
    'permitlisten="4711"': "permitlisten",
    'restrict,port-forwarding,permitlisten="localhost:1"': "permitlisten",
}


@pytest.mark.parametrize("line", NO_LISTENER)
@pytest.mark.parametrize("layout", [
    pytest.param(L_TWO, id="two"), pytest.param(L_FOUR, id="four")])
def test_local_without_listeners(topology, layout, line, tmp):
    """No remote forward: active becomes passive, with one log line."""
    loopback = None if layout.server_apart else "127.0.0.1"
    case = Case(topology, layout, [line], tmp, address=loopback)
    case.carry("passive")
    assert case.count("translated") == 0
    case.carry("active", "passive")
    case.says(NO_LISTENER[line], "translated to passive")
    case.carry("active", "passive")
    assert case.count("translated") == 1


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("gateway", ["no", "yes", "clientspecified"])
def test_local_gateway_ports(topology, gateway, family, tmp):
    """With any GatewayPorts, both modes serve a server on loopback."""
    case = Case(topology, L_TWO, [f"GatewayPorts {gateway}"], tmp,
                address="::1" if family == "ipv6" else "127.0.0.1",
                family=family)
    for mode in MODES:
        case.carry(mode)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("gateway", ["yes", "clientspecified"])
def test_far_address(topology, gateway, family, tmp):
    """--far-address: the server on another host connects back."""
    case = Case(topology, L_FOUR, [f"GatewayPorts {gateway}"], tmp,
                family=family,
                options=["--far-address", topology.far.address(family)])
    case.carry("active")
    case.carry("passive")


@pytest.mark.parametrize("line, address, words", [
    ("GatewayPorts no", None, ["GatewayPorts", "clientspecified"]),
    # The default is no.
    ("LogLevel VERBOSE", None, ["GatewayPorts", "clientspecified"]),
    ("GatewayPorts clientspecified", "203.0.113.99", ["203.0.113.99"]),
    ("AllowTcpForwarding local", None, ["AllowTcpForwarding"]),
    ("PermitListen localhost:*", None, ["PermitListen"]),
    ('permitlisten="localhost:*"', None, ["permitlisten"]),
], ids=["GatewayPorts no", "GatewayPorts by default", "not its address",
        "AllowTcpForwarding local", "PermitListen", "permitlisten"])
def test_far_address_refused(topology, line, address, words, tmp):
    """sshd does not listen there: the log says why, and passive mode is used.
    """
    case = Case(topology, L_FOUR, [line], tmp, options=[
        "--far-address", address or topology.far.address("ipv4")])
    case.carry("active", "passive")
    case.says(*words, "translated to passive")
    case.carry("active", "passive")
    assert case.count("translated") == 1


@pytest.mark.parametrize("line", [
    "PermitOpen 127.0.0.1:{port}",
    'permitopen="127.0.0.1:{port}"',
])
def test_local_control_only(topology, line, tmp):
    """PermitOpen has only the control port: passive becomes active."""
    case = Case(topology, L_TWO, [line], tmp, address="127.0.0.1")
    case.carry("active")
    case.carry("passive", "active")
    case.says(line.split()[0].split("=")[0], "translated to active")
    case.carry("passive", "active")
    assert case.count("translated") == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("line", [
    'restrict,port-forwarding,permitopen="127.0.0.1:*",'
    'permitlisten="127.0.0.1:*"',
    "PermitOpen 127.0.0.1:*",
    "PermitListen 127.0.0.1:*",
])
def test_local_least(topology, line, mode, tmp):
    """The least that both modes need."""
    case = Case(topology, L_TWO, [line], tmp, address="127.0.0.1")
    case.carry(mode)


def test_local_least_passive(topology, tmp):
    """The least for a server on another host: no listener.

    (In authorized_keys that is a listener that nobody requests.)
    """
    case = Case(topology, L_FOUR, [
        'restrict,port-forwarding,permitopen="203.0.113.4:*",'
        'permitlisten="localhost:1"'], tmp)
    case.carry("passive")
    case.carry("active", "passive")


def test_local_least_far_address(topology, tmp):
    """The least for one that connects back."""
    case = Case(topology, L_FOUR, [
        'restrict,port-forwarding,permitopen="203.0.113.4:*",'
        'permitlisten="203.0.113.3:*"', "GatewayPorts clientspecified"], tmp,
        options=["--far-address", "203.0.113.3"])
    case.carry("passive")
    case.carry("active")


# ---- remote tunnels ----

def refused(topology, layout, lines, forward=None):
    """Return what culvert says that cannot start; its status is 1."""
    server = topology.server(KIND, layout.server_role, "ipv4")
    one = topology.start_culvert(
        "R", [forward or layout.forward("ipv4", server)],
        start_sshd(topology, *lines), options=layout.allow(), ready=False)
    assert one.process.wait() == 1, one.output
    one.check()
    one.check_nothing_left()
    assert "listening on" not in one.output, one.output
    return one.output


@pytest.mark.parametrize("line, word", [
    ("AllowTcpForwarding local", "AllowTcpForwarding"),
    ("AllowTcpForwarding no", "AllowTcpForwarding"),
    ("DisableForwarding yes", "DisableForwarding"),
    ("PermitListen none", "PermitListen"),
    ("PermitListen localhost:4711", "PermitListen"),
    ('permitlisten="localhost:4711"', "permitlisten"),
    ("no-port-forwarding", "authorized_keys"),
])
def test_remote_refused(topology, line, word):
    """sshd does not listen: status 1, and the directive to look at."""
    assert word in refused(topology, R_TWO, [line])


@pytest.mark.parametrize("lines", [
    ["GatewayPorts no"], []], ids=["no", "default"])
@pytest.mark.parametrize("bind", ["203.0.113.3", "2001:db8:3::3"])
def test_remote_gateway_ports_no(topology, lines, bind):
    """An address that GatewayPorts forbids: the same."""
    at = f"[{bind}]" if ":" in bind else bind
    said = refused(topology, R_FOUR, lines, f"{at}:0:192.0.2.2:21")
    assert "GatewayPorts" in said and "clientspecified" in said, said


def test_remote_not_its_own(topology):
    """An address that the SSH server's host does not have."""
    said = refused(topology, R_FOUR, ["GatewayPorts clientspecified"],
                   "203.0.113.99:0:192.0.2.2:21")
    assert "203.0.113.99" in said, said


def test_remote_port_taken(topology):
    """A port that is in use there."""
    with scripted.Listener(topology.far, "127.0.0.1") as one:
        said = refused(topology, R_TWO, [], f"{one.port}:192.0.2.2:21")
    assert f"port {one.port}" in said and "in use" in said, said


def test_remote_without_allow(topology):
    """Beyond loopback and without --allow: an error at the start."""
    one = topology.start_culvert(
        "R", ["203.0.113.3:0:192.0.2.2:21"],
        topology.sshd("GatewayPorts clientspecified"), ready=False)
    assert one.process.wait() in (1, 2), one.output
    assert "--allow" in one.output, one.output
    one.check_nothing_left()


@pytest.mark.parametrize("line, word", [
    ("AllowTcpForwarding remote", "AllowTcpForwarding"),
    ("PermitOpen none", "PermitOpen"),
    ("PermitOpen 127.0.0.1:4711", "PermitOpen"),
    ('permitopen="127.0.0.1:4711"', "permitopen"),
])
def test_remote_without_connecting(topology, line, word, tmp):
    """sshd may not connect to clients: passive works, active says why."""
    case = Case(topology, R_TWO, [line], tmp)
    case.carry("passive")
    case.fails("active", word)
    case.carry("passive")


@pytest.mark.parametrize("line, word", [
    ("PermitListen localhost:{0}", "PermitListen"),
    ('permitlisten="localhost:{0}"', "permitlisten"),
])
def test_remote_without_data_listeners(topology, line, word, tmp):
    """sshd may listen only on the control port: active works."""
    port = topology.far.free_port()
    line = line.format(port)
    server = topology.server(KIND, R_TWO.server_role, "ipv4")
    case = Case(topology, R_TWO, [line], tmp,
                forward=f"{port}:{server.address}:{server.port}")
    case.carry("active")
    case.fails("passive", word)
    case.carry("active")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("gateway", ["no", "yes", "clientspecified"])
def test_remote_on_loopback(topology, gateway, family, mode, tmp):
    """With any GatewayPorts, a client on the SSH server's host is served."""
    case = Case(topology, R_TWO, [f"GatewayPorts {gateway}"], tmp,
                family=family)
    case.carry(mode)
    # Whom else does sshd let in?
    beyond = topology.far.address(family), case.tunnel.port
    if gateway == "yes":
        case.says("GatewayPorts yes")
        scripted.dial(*beyond, side=topology.far_end).close()
    else:
        assert case.count("GatewayPorts") == 0
        with pytest.raises(ConnectionRefusedError):
            scripted.dial(*beyond, side=topology.far_end)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("gateway", ["yes", "clientspecified"])
def test_remote_beyond_loopback(topology, gateway, family, mode, tmp):
    """GatewayPorts yes or clientspecified: clients of other hosts, too."""
    case = Case(topology, R_FOUR, [f"GatewayPorts {gateway}"], tmp,
                family=family)
    case.carry(mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("layout, lines", [
    (R_TWO, ['restrict,port-forwarding,permitopen="127.0.0.1:*",'
             'permitlisten="localhost:*"']),
    (R_FOUR, ['restrict,port-forwarding,permitopen="203.0.113.4:*",'
              'permitlisten="203.0.113.3:*"',
              "GatewayPorts clientspecified"]),
], ids=["two", "four"])
def test_remote_least(topology, layout, lines, mode, tmp):
    """The least that both modes need."""
    Case(topology, layout, lines, tmp).carry(mode)
