"""doc/operations.md, done as it is printed, on a Debian with its own systemd.

A fenced block of the document is
    sh               a command, of root's
    text             what the one before it prints, but for numbers
    conf, yaml PATH  a file
    authorized_keys  a line for the account that is named, its key to be replaced
The steps are tests, in their order.
"""

import re
import subprocess

import pytest

from machine import Machine
from process import until
from root import REPO

TEXT = (REPO / "doc/operations.md").read_text()

# What the far side of the document has, and what any Debian has.
PACKAGES = """\
apt-get -qq update
apt-get -qq -y --no-install-recommends install systemd systemd-sysv dbus \
    openssh-server vsftpd iproute2 nftables
apt-get -qq -y --no-install-recommends --download-only install prometheus \
    openssh-client libuv1 libmnl0 libseccomp2 libjansson4 \
    libmicrohttpd12 libncursesw6 libnettle8
apt-get -qq -y --download-only install curl jq
"""

HOSTS = "127.0.0.1 files.example.com gate.example.net ftp.bank.example\n"

FAR_SIDE = """\
useradd -m -s /bin/sh alice
install -d -m 700 -o alice -g alice ~alice/.ssh
useradd -m plc
echo plc:secret | chpasswd
mkdir ~plc/in
echo a,b,c1 >~plc/report.csv
chown -R plc:plc ~plc
printf 'listen=YES\\nlisten_ipv6=NO\\nlocal_enable=YES\\nwrite_enable=YES\\n' \
    >/etc/vsftpd.conf
systemctl restart vsftpd
printf 'machine localhost login plc password secret\\n' >~/.netrc
echo 1,23 >~/orders.csv
"""


def blocks():
    """Return what is to be done: [(kind, argument, text), ...]."""
    found = re.findall(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", TEXT,
                       re.MULTILINE | re.DOTALL)
    assert {kind for kind, _, _ in found} \
        == {"sh", "text", "conf", "yaml", "authorized_keys"}
    return found


BLOCKS = blocks()


def deb():
    """The package that scripts/deb has built."""
    one, = (REPO / "build").glob("culvert_*.deb")
    return one


def prepare(machine):
    """Make what is elsewhere in the document."""
    machine.run(FAR_SIDE)
    machine.write("/root/culvert_0.1.0_amd64.deb", deb().read_bytes())


@pytest.fixture(scope="module")
def machine(directories):
    """A clean Debian, and in it what is elsewhere in the document."""
    one = Machine(directories(), PACKAGES, HOSTS)
    try:
        prepare(one)
        yield one
    finally:
        one.close()


def without_numbers(text):
    """The text, so that two of different moments are the same."""
    return re.sub(r"\d+(\.\d+)?", "N", text).strip()


def authorize(machine, user, line):
    """Put the line into the user's authorized_keys, with the key there is."""
    key = machine.run("cat /var/lib/culvert/.ssh/id_ed25519.pub").split()[1]
    assert "AAAA..." in line
    path = f"/home/{user}/.ssh/authorized_keys"
    machine.write(path, line.replace("AAAA...", key))
    machine.run(f"chown {user} {path}")


def do(machine, kind, argument, text):
    """Do what a block says; returns what a command prints."""
    if kind == "sh":
        return machine.run("cd; " + text)
    if kind in ("conf", "yaml"):
        machine.write(argument, text)
    elif kind == "authorized_keys":
        authorize(machine, argument, text)
    return None


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_step(machine, number):
    """One block."""
    said = do(machine, *BLOCKS[number])
    if BLOCKS[number + 1:] and BLOCKS[number + 1][0] == "text":
        want = BLOCKS[number + 1][2]
        assert without_numbers(said) == without_numbers(want), said


def test_afterwards(machine):
    """Sockets, an upgrade's end: the next client has a new culvert."""
    until(lambda: machine.run("systemctl is-active culvert || true").strip()
          == "inactive", "it has ended")
    for number in 2121, 2122:
        assert machine.run("cd; curl -sS -n "
                           f"ftp://localhost:{number}/report.csv") == "a,b,c1\n"
    assert machine.run("systemctl is-active culvert") == "active\n"


def test_journal(machine):
    """Fields, and priorities, as the journal has them."""
    said = machine.run("journalctl -u culvert -o json --no-pager "
                       "TUNNEL=plant | jq -r '[.PRIORITY, "
                       ".SYSLOG_IDENTIFIER, .MESSAGE] | @tsv'")
    assert "6\tculvert\tplant: listening on 127.0.0.1:2121" in said


def test_watchdog_and_restart(machine):
    """systemd starts it again: when it was killed, and when it hangs."""
    for signal in "KILL", "STOP":
        pid = machine.run("systemctl show -P MainPID culvert").strip()
        if signal == "STOP":
            # Not to wait a minute.
            machine.write("/run/systemd/system/culvert.service.d/x.conf",
                          "[Service]\nWatchdogSec=1\n")
            machine.run("systemctl daemon-reload; systemctl restart culvert")
            pid = machine.run("systemctl show -P MainPID culvert").strip()
        machine.run(f"kill -{signal} {pid}")
        until(lambda: machine.run("systemctl show -P MainPID culvert").strip()
              not in ("0", pid), f"another one after SIG{signal}", 60)
        until(lambda: "active" == machine.run(
            "systemctl is-active culvert || true").strip(), "ready", 60)
    assert "watchdog" in machine.run(
        "journalctl -u culvert --no-pager -p 0..4 _PID=1")


def test_template(machine):
    """culvert@NAME, beside it."""
    assert machine.run("cd; curl -sS -n ftp://localhost:2300/report.csv") \
        == "a,b,c1\n"
    # Its ssh is not to end with it, but when the transfers have.
    assert machine.run("systemctl show -P KillMode culvert@scanner culvert") \
        == "mixed\n\nmixed\n"
    machine.run("systemctl stop culvert@scanner")
    assert machine.run("systemctl show -P Result culvert@scanner") \
        == "success\n"


CAPTURE = """\
cp /etc/culvert/culvert.conf ~/before.conf
cat >>/etc/culvert/culvert.conf <<END
[tunnel lan]
destination = files.example.com
L = *:2199
allow = 192.0.2.0/24
capture = {capture}
client-ports = 50000-50009
[rule plant]
match-host = 203.0.113.7
match-port = 21
action = tunnel lan
END
systemctl start culvert-capture@lan
"""


@pytest.mark.parametrize("capture", ["redirect", "tproxy"])
def test_capture_unit(machine, capture):
    """The rules of nft, and the route, are there while it is started."""
    lines = CAPTURE.format(capture=capture)
    if capture == "tproxy":
        lines = lines.replace("client-ports = 50000-50009\n", "")
    try:
        machine.run(lines)
        assert "203.0.113.7" in machine.run("nft list table inet culvert-lan")
        assert "fwmark 0x2121 " in machine.run("ip -4 rule show")
        machine.run("sed -i s/203.0.113.7/203.0.113.8/ "
                    "/etc/culvert/culvert.conf; "
                    "systemctl reload culvert-capture@lan")
        rules = machine.run("nft list table inet culvert-lan")
        assert "203.0.113.8" in rules and "203.0.113.7" not in rules
        machine.run("systemctl stop culvert-capture@lan")
        assert machine.run("nft list tables") == ""
        assert "fwmark" not in machine.run("ip -4 rule show")
        assert machine.run("systemctl show -P Result culvert-capture@lan") \
            == "success\n"
    finally:
        machine.run("mv ~/before.conf /etc/culvert/culvert.conf")


def test_alerts(machine):
    """Prometheus reads the rules, and has our counters."""
    def up():
        return '"value"' in machine.run(
            "curl -s 'http://localhost:9090/api/v1/query?query="
            "culvert_tunnel_listening'")
    machine.run("sed -i s/15s/1s/ /etc/prometheus/prometheus.yml; "
                "systemctl reload prometheus")
    until(up, "Prometheus has it", 60)
    rules = machine.run("curl -s http://localhost:9090/api/v1/rules")
    for name in re.findall("alert: (\\w+)", TEXT):
        assert name in rules


def test_document():
    """Each command of README's way to the package is there."""
    assert "scripts/deb" in TEXT and "apt-get -y install ./culvert_" in TEXT
    version = subprocess.run([REPO / "build/culvert", "--version"], text=True,
                             stdout=subprocess.PIPE, check=True).stdout.split()
    assert f"./culvert_{version[1]}_amd64.deb" in TEXT
