"""culvert check on remote tunnels: -R."""

import pathlib

import pytest

import scripted
from checker import set_key_options

ALLOW = "--allow", "203.0.113.0/24"


class Case:
    """The FTP server is on culvert's host, and clients are beyond sshd."""

    def __init__(self, topology, checker):
        self.topology, self.checker = topology, checker
        self.server = topology.server("vsftpd", "near", "ipv4",
                                      address="127.0.0.1")
        checker.netrc(self.server)

    def check(self, sshd, *argv, bind="", port=0):
        """Return the report on a -R through that sshd."""
        return self.checker(
            "-F", sshd.config, *argv, "-R",
            f"{bind}{port}:127.0.0.1:{self.server.port}", sshd.host,
            ns=self.topology.near)


@pytest.fixture(autouse=True)
def default_key_exchange(topology):
    """On other ones than sshd's own check has a word."""
    quick, topology.key_exchange = topology.key_exchange, ()
    yield
    topology.key_exchange = quick


@pytest.fixture
def case(topology, checker):
    """Return a Case."""
    return Case(topology, checker)


def test_well(case, topology):
    """Everything works, also with the suggested key line."""
    sshd = topology.sshd(key="no-pty")
    report = case.check(sshd)
    report.all_well()
    for step in "remote forward", "passive clients", "active clients":
        assert report.find(step)["status"] == "ok"
    assert "this host reaches 127.0.0.1" in report.find("connect")["text"]
    assert report.json["authorized_keys"] == \
        'restrict,port-forwarding,command="/bin/false",' \
        'permitopen="127.0.0.1:*",permitopen="[::1]:*",' \
        'permitlisten="localhost:*"'
    before = pathlib.Path(sshd.dir, "user_key.pub").read_text()
    try:
        set_key_options(sshd, report.json["authorized_keys"])
        case.check(sshd).all_well()
    finally:
        pathlib.Path(sshd.dir, "user_key.pub").write_text(before)


@pytest.mark.parametrize("lines, step, status, fix", [
    (["AllowTcpForwarding local"], "remote forward", "WRONG",
     "AllowTcpForwarding yes"),
    (["PermitListen none"], "remote forward", "WRONG",
     "PermitListen localhost:*"),
    (["AllowTcpForwarding remote"], "active clients", "note",
     "AllowTcpForwarding yes"),
    (["PermitOpen none"], "active clients", "note",
     "PermitOpen 127.0.0.1:* [::1]:*"),
])
def test_sshd(lines, step, status, fix, case, topology):
    """sshd forbids it; the suggested line permits it."""
    report = case.check(topology.sshd(*lines))
    assert report.find(step)["status"] == status, report.brief()
    assert report.status == (1 if status == "WRONG" else 0)
    assert fix in [line for _, line in report.fixes(step)]
    case.check(topology.sshd(fix)).all_well()


def test_gateway_ports(case, topology):
    """An address beyond loopback needs GatewayPorts."""
    bind = f"{topology.far.address('ipv4')}:"
    report = case.check(topology.sshd(), *ALLOW, bind=bind)
    assert report.status == 1
    assert report.find("remote forward")["status"] == "WRONG"
    line = "GatewayPorts clientspecified"
    assert report.fixes("remote forward")[0][1] == line
    assert 'see "remote forward" above' in \
        report.find("passive clients")["text"]
    assert not report.fixes("passive clients")
    report = case.check(topology.sshd(line), *ALLOW, bind=bind)
    report.all_well()
    assert f'permitlisten="{bind}*"' in report.json["authorized_keys"]


def test_allow_is_missing(case, topology):
    """Beyond loopback it needs --allow, as culvert itself says."""
    report = case.check(topology.sshd("GatewayPorts clientspecified"),
                      bind=f"{topology.far.address('ipv4')}:")
    assert report.status == 1
    finding = report.find("listen")
    assert finding["status"] == "WRONG"
    assert "--allow" in finding["text"]
    assert report.fixes("listen") == [
        ("culvert's command line", "--allow NETWORK")]
    assert " --allow NETWORK " in report.json["command"]


@pytest.mark.parametrize("bind, lines", [
    ("*", []),
    ("*", ["PermitListen none"]),
    ("0.0.0.0", ["PermitListen localhost:*", "GatewayPorts yes"]),
    ("FAR", ["PermitListen localhost:*"]),
    ("FAR", ["AllowTcpForwarding local"]),
    ("FAR", ["DisableForwarding yes"]),
    ("203.0.113.99", []),
    ("203.0.113.99", ["GatewayPorts clientspecified"]),
], ids=lambda value: " ".join([value] if isinstance(value, str) else value))
def test_the_advice_helps(bind, lines, case, topology):
    """Applying the first fix again and again leads to a good report."""
    far = topology.far.address("ipv4")
    bind, lines, argv = bind.replace("FAR", far), list(lines), []
    for _ in range(4):
        report = case.check(topology.sshd(*lines), *argv, bind=f"{bind}:")
        if report.status == 0:
            break
        for finding in report.checks:
            if finding["status"] != "WRONG" or not finding["fixes"]:
                continue
            # The first fix that was not tried yet.
            put = next(fix["put"] for fix in finding["fixes"]
                       if fix["put"] not in lines
                       and not (bind == far and
                                fix["put"].endswith("in front")))
            if put == "--allow NETWORK":
                argv += ["--allow", "203.0.113.0/24"]
            elif put == "--client-address ADDRESS":
                argv += ["--client-address", far]
            elif put.endswith("in front"):
                bind = far
            else:  # the first value of an option counts
                lines.insert(0, put)
    assert report.status == 0, report.brief()


def test_clients_of_other_hosts(case, topology):
    """sshd must be permitted to connect to the hosts of --allow."""
    far = topology.far.address("ipv4")
    sshd = topology.sshd("GatewayPorts clientspecified", "PermitOpen none")
    for allow, put in (("203.0.113.4", "PermitOpen 203.0.113.4:*"),
                       ("203.0.113.0/24", "PermitOpen any")):
        report = case.check(sshd, "--allow", allow, bind=f"{far}:")
        assert put in [line for _, line in report.fixes("active clients")]
    case.check(topology.sshd("GatewayPorts clientspecified", put), "--allow",
             allow, bind=f"{far}:").all_well()


def test_port_in_use(case, topology):
    """The port is in use there, perhaps by culvert."""
    def serve(one):
        while True:
            one.accept().close()

    with scripted.Listener(topology.far) as one:
        scripted.start(serve, one)
        report = case.check(topology.sshd(), port=one.port)
    finding = report.find("remote forward")
    assert finding["status"] == "note", report.brief()
    assert "is in use on the SSH server" in finding["text"]


def test_closed_port(case, topology, checker):
    """The FTP server on this side does not run."""
    port = topology.near.free_port()
    sshd = topology.sshd()
    report = checker("-F", sshd.config, "-R", f"0:127.0.0.1:{port}",
                    sshd.host, ns=topology.near)
    assert report.status == 1
    assert f"nothing listens on 127.0.0.1:{port}, as seen from this host" in \
        report.find("connect")["text"]


def test_both(case, topology, checker):
    """-L and -R of one command, each with its results."""
    far = topology.server("vsftpd", "far", "ipv4", address="127.0.0.1")
    sshd = topology.sshd()
    report = checker(
        "-F", sshd.config, "-L", f"0:127.0.0.1:{far.port}",
        "-R", f"0:127.0.0.1:{case.server.port}", sshd.host,
        ns=topology.near)
    report.all_well()
    forwards = [one["forward"] for one in report.checks if "forward" in one]
    assert forwards == sorted(forwards)
    assert {one[:2] for one in forwards} == {"-L", "-R"}
    assert 'permitlisten="127.0.0.1:*"' in report.json["authorized_keys"]
    assert 'permitlisten="localhost:*"' in report.json["authorized_keys"]


def test_server_on_another_host(case, topology, checker):
    """A server on the near LAN: active mode works, too."""
    server = topology.server("proftpd", "near_end", "ipv4")
    checker.netrc(server)
    sshd = topology.sshd()
    report = checker("-F", sshd.config, "-R",
                    f"0:{server.address}:{server.port}", sshd.host,
                    ns=topology.near)
    report.all_well()
    assert server.address in report.find("address in 227")["text"]
