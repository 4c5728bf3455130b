"""--metrics: counters for Prometheus, and the process that serves them."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

import culvert
import scripted
from process import FAILSAFE, children, until, wait_gone
from servers import NOBODY
from test_confine import (  # noqa: F401
    as_nobody, check_confined, nobodys_sshd, status)
from test_reload import port, reload, with_port  # noqa: F401
from test_status import download, run
from test_up import conf, fetch, ftp_server, to  # noqa: F401
from transfer import Ftp

# pylint: disable=redefined-outer-name


class UnixHTTP(http.client.HTTPConnection):
    """HTTP by a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=FAILSAFE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(FAILSAFE)
        self.sock.connect(self.path)


def get(path, url="/metrics", method="GET"):
    """Ask it; returns the response, with its body as text."""
    connection = UnixHTTP(str(path))
    connection.request(method, url)
    response = connection.getresponse()
    response.text = response.read().decode()
    connection.close()
    return response


def values(path):
    """All samples, by their names with labels."""
    response = get(path)
    assert response.status == 200
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
            for line in response.text.splitlines()
            if not line.startswith("#")}


@pytest.fixture
def path(tmp):
    """Where the metrics are."""
    return tmp / "metrics"


@pytest.fixture
def two(path, conf, sshd, ftp_server, start_up):
    """A culvert with metrics, and the tunnels plant and bank."""
    return start_up(conf([f"metrics = unix:{path}"],
                         plant=to(sshd, ftp_server),
                         bank=to(sshd, ftp_server, "max-data = 1")),
                    "--all", listeners=2)


def sum_of(samples, name, **labels):
    """Of all samples of that name with these labels."""
    return sum(value for sample, value in samples.items()
               if sample.split("{")[0] == f"culvert_{name}"
               and all(f'{label}="{text}"' in sample
                       for label, text in labels.items()))


def test_counts(two, path, ftp_server, tmp):
    """Sessions, transfers by outcome and direction, bytes, the link."""
    before = values(path)
    assert sum_of(before, "tunnel_listening") == 2
    assert sum_of(before, "link_up", destination="files.test") == 1
    assert not any(sum_of(before, name) for name in (
        "sessions", "sessions_total", "transfers_total",
        "transfer_bytes_total", "clients_refused_total",
        "link_losses_total"))
    name = re.search(r"culvert: (\w+): listening on 127.0.0.1:"
                     f"{two.listeners[0][1]},", two.output)[1]
    fetch(two, 0, ftp_server, tmp.name)
    with download(two, ftp_server, tmp):
        now = values(path)
        assert sum_of(now, "sessions", tunnel=name) == 1
        assert sum_of(now, "transfers", direction="download") == 1
        assert sum_of(now, "transfer_bytes_total", tunnel=name,
                      direction="download") > 200_000
        assert sum_of(now, "window_bytes") > 0
        assert sum_of(now, "link_round_trip_seconds") > 0
    until(lambda: sum_of(values(path), "sessions") == 0, "no session")
    now = values(path)
    assert sum_of(now, "sessions_total", tunnel=name) == 2
    assert sum_of(now, "transfers_total", direction="download",
                  outcome="complete") == 1
    assert sum_of(now, "transfers_total", outcome="aborted") == 1
    other = {"plant": "bank", "bank": "plant"}[name]
    assert sum_of(now, "sessions_total", tunnel=other) == 0
    os.kill(two.ssh, signal.SIGKILL)
    two.wait_log("connected to files.test again")
    assert sum_of(values(path), "link_losses_total") == 1


def test_refusals(path, start_culvert, ftp_server):
    """Refused clients, by reason."""
    one = start_culvert(f"0:127.0.0.1:{ftp_server.port}",
                        options=["--metrics", f"unix:{path}",
                                 "--max-sessions", "1"])
    with Ftp(one, ftp_server):
        with scripted.client(*one.listeners[0]) as more:
            more.expect("421")
    assert sum_of(values(path), "clients_refused_total",
                  reason="max_sessions") == 1
    assert sum_of(values(path), "clients_refused_total") == 1


def test_promtool(two, path):
    """Prometheus' own check of names and format finds nothing."""
    debs = culvert.REPO / "build/debs/usr/bin/promtool"
    promtool = str(debs) if debs.exists() else shutil.which("promtool")
    assert promtool, "no promtool"
    done = subprocess.run([promtool, "check", "metrics"],
                          input=get(path).text, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout == "", done.stdout
    assert two.alive()


def test_label_values(path, conf, sshd, ftp_server, start_up):
    """A destination can be any text: it is escaped."""
    lines = to(sshd, ftp_server)
    lines[0] = 'destination = a"b\\c'
    one = start_up(conf([f"metrics = unix:{path}"], plant=lines), "plant",
                   listeners=None)
    one.wait_log("could not connect")  # the metrics have their socket
    assert r'culvert_link_up{destination="a\"b\\c"} 0' in get(path).text
    one.process.send_signal(signal.SIGTERM)
    one.process.wait()


def test_reload_adds(two, path, conf, sshd, ftp_server, tmp):
    """A changed tunnel has one row, and counts on while both exist."""
    number = [port for _, port in two.listeners]
    with download(two, ftp_server, tmp):
        for name in ("plant", "bank"):
            conf([f"metrics = unix:{path}"], **{
                other: to(sshd, ftp_server, "max-lines = 999")
                for other in ("plant", "bank")})
            assert name
        place = two.mark()
        two.process.send_signal(signal.SIGHUP)
        two.wait_log("reloaded", start=place)
        text = get(path).text
        rows = [line.split(" ")[0] for line in text.splitlines()
                if not line.startswith("#")]
        assert len(rows) == len(set(rows))
        assert sum_of(values(path), "sessions_total") == 1
    assert number


@pytest.mark.parametrize("url, method, status", [
    ("/", "GET", 404), ("/metrics/", "GET", 404), ("/metrics?x=1", "GET", 200),
    ("/metrics", "HEAD", 200), ("/metrics", "POST", 405),
    ("/../metrics", "GET", 404), ("/metrics", "DELETE", 405),
])
def test_http(url, method, status, two, path):
    """Paths that exist, and paths that do not."""
    response = get(path, url, method)
    assert response.status == status
    assert (response.text == "") == (method == "HEAD")
    if status == 200:
        assert response.headers["Content-Type"].startswith(
            "text/plain; version=0.0.4")
    assert two.alive()


@pytest.mark.parametrize("data", [
    b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"\0" * 100_000,
    b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 50_000,
    b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"
    + b"z" * 100_000,
], ids=["tls", "short", "zeros", "headers", "body"])
def test_bad_http(data, two, path):
    """Invalid requests have no effect on others."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        sock.settimeout(FAILSAFE)
        try:
            sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert get(path).status == 200
    assert two.alive()


def test_too_many_connections(two, path):
    """More connections than permitted: the others wait, FTP does not."""
    socks = [socket.socket(socket.AF_UNIX) for _ in range(40)]
    for sock in socks:
        sock.setblocking(False)
        sock.connect(str(path))
    with scripted.client(*two.listeners[0]) as client:
        client.expect("220")
    for sock in socks:
        sock.close()
    assert get(path).status == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]"])
def test_tcp(address, start_culvert, ftp_server):
    """By TCP, as Prometheus connects; a port in use is an error."""
    with scripted.Listener(address=address.strip("[]")) as free:
        port = free.port
    option = ["--metrics", f"{address}:{port}"]
    start_culvert(f"0:127.0.0.1:{ftp_server.port}", options=option)
    connection = http.client.HTTPConnection(address.strip("[]"), port,
                                            timeout=FAILSAFE)
    for _ in range(3):  # one connection
        connection.request("GET", "/metrics")
        assert "culvert_build_info" in connection.getresponse().read().decode()
    connection.close()
    second = start_culvert(f"0:127.0.0.1:{ftp_server.port}", options=option,
                           ready=False)
    assert second.process.wait() == 1
    second.wait_log(f"cannot listen on {re.escape(address)}:{port} for "
                    "--metrics: Address already in use: give this culvert")


def test_stale_socket(path, start_culvert, ftp_server):
    """A socket of a killed culvert is replaced; a file is an error."""
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    one = start_culvert(f"0:127.0.0.1:{ftp_server.port}",
                        options=["--metrics", f"unix:{path}"])
    assert get(path).status == 200
    assert os.stat(path).st_mode & 0o007 == 0
    other = start_culvert(f"0:127.0.0.1:{ftp_server.port}", ready=False,
                          options=["--metrics", f"unix:{path}"])
    assert other.process.wait() == 1
    assert get(path).status == 200  # it is the first one's
    one.stop()
    assert not path.exists()
    path.write_text("precious")
    third = start_culvert(f"0:127.0.0.1:{ftp_server.port}", ready=False,
                          options=["--metrics", f"unix:{path}"])
    assert third.process.wait() == 1
    assert path.read_text() == "precious"


@pytest.mark.parametrize("value", [
    "9721", ":9721", "localhost:9721", "::1:9721", "127.0.0.1:0",
    "127.0.0.1:", "[127.0.0.1]:1", "unix:", "unix:here", "127.0.0.1:70000"])
def test_misuse(value, start_culvert, ftp_server):
    """The message names what is expected."""
    one = start_culvert(f"0:127.0.0.1:{ftp_server.port}", ready=False,
                        options=["--metrics", value])
    assert one.process.wait() == 2
    one.wait_log("an address and a port, as 127.0.0.1:9721")


def test_dashboard(two, path):
    """Each metric and label of the Grafana dashboard exists."""
    dashboard = json.loads(
        (culvert.REPO / "dist/grafana/culvert.json").read_text())
    there = values(path)
    names = {sample.split("{")[0] for sample in there}
    labels = {label for sample in there
              for label in re.findall(r'(\w+)="', sample)}
    exprs = [target["expr"] for panel in dashboard["panels"]
             for target in panel["targets"]]
    used = {name for expr in exprs for name in re.findall(r"culvert_\w+", expr)}
    # Not known before the first transfer.
    used.discard("culvert_link_round_trip_seconds")
    assert len(used) >= 8 and used <= names, used - names
    for expr in exprs:
        for group in re.findall(r"by \(([^)]*)\)", expr):
            assert set(group.split(", ")) <= labels
    assert two.alive()


def test_changed(path, conf, sshd, ftp_server, start_up, port, tmp):
    """A reload: the removed and the new tunnel are one row, and no count is
    lost.
    """
    lines = with_port(to(sshd, ftp_server), port)
    metrics = [f"metrics = unix:{path}"]
    one = start_up(conf(metrics, plant=lines), "--all")
    fetch(one, 0, ftp_server, tmp.name)
    conf(metrics, plant=[*lines, "max-data = 1"])

    def count():
        samples = values(path)
        assert not any('listening=""' in sample for sample in samples)
        return (sum_of(samples, "sessions_total", tunnel="plant"),
                sum_of(samples, "transfers_total", outcome="complete"))

    with download(one, ftp_server, tmp, 3_000_000) as (ftp, data):
        reload(one, "0 tunnels unchanged, 1 removed, 1 new")
        assert count() == (2, 1)
        data.read_all()
        ftp.expect("226")
    fetch(one, 0, ftp_server, tmp.name)
    until(lambda: sum_of(values(path), "sessions") == 0, "no session")
    until(lambda: json.loads(run(one, "status", "--json"))["destinations"][0][
        "tunnels"][1:] == [], "the one of before has gone")
    assert count() == (3, 3)


def test_two_of_one_name(path, conf, sshd, ftp_server, start_up):
    """Of destinations with one name, one that is down is visible."""
    metrics = [f"metrics = unix:{path}"]
    one = start_up(conf(metrics, plant=to(sshd, ftp_server),
                        bank=to(sshd, ftp_server, "ssh = /bin/false",
                                "retry = forever")), "--all")
    assert sum_of(values(path), "link_up") == 0
    assert sum_of(values(path), "links") == 1
    conf(metrics, plant=to(sshd, ftp_server))
    reload(one, "1 tunnel unchanged, 1 removed, 0 new")
    assert sum_of(values(path), "link_up", destination="files.test") == 1


# ---- the exporter: the process that answers ----

# The libraries that libmicrohttpd needs.
LIBRARIES = re.compile(r"/lib(microhttpd|gnutls|p11-kit|gmp|hogweed)\.so")


def exporter(one):
    """The pid of the exporter, as soon as it runs."""
    def find():
        return [pid for pid in children(one.monitor)
                if culvert.process_name(pid) == "culvert-metrics"]
    found, = until(find, "the exporter")
    return found


def libraries(pid):
    """Those of LIBRARIES that a process has."""
    with open(f"/proc/{pid}/maps") as file:
        return set(LIBRARIES.findall(file.read()))


def test_libraries(two, path):
    """Only the exporter has libmicrohttpd and its libraries."""
    assert get(path).status == 200
    assert "microhttpd" in libraries(exporter(two))
    for pid in two.pid, two.monitor:
        assert libraries(pid) == set()


def test_confined(two, path):
    """The exporter is confined as the main process is."""
    assert get(path).status == 200
    pid = exporter(two)
    check_confined(pid)
    assert os.getsid(pid) == pid


def test_not_confined(path, start_culvert, ftp_server):
    """--no-confine applies to the exporter, too."""
    one = start_culvert(f"0:127.0.0.1:{ftp_server.port}", options=[
        "--metrics", f"unix:{path}", "--no-confine"])
    assert get(path).status == 200
    assert status(exporter(one))["Seccomp"] == "0"


def test_user(path, as_nobody, ftp_server):
    """With --user the exporter runs as that user, without privileges."""
    one = as_nobody(f"0:127.0.0.1:{ftp_server.port}",
                    options=["--metrics", f"unix:{path}"])
    assert "culvert_build_info" in get(path).text
    got = status(exporter(one))
    assert set(got["Uid"].split()) == {str(NOBODY)}
    assert got["NoNewPrivs"] == "1" and got["Seccomp"] == "2"
    assert {got[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} \
        == {"0" * 16}


@pytest.mark.parametrize("whom, number", [
    ("pid", signal.SIGTERM), ("pid", signal.SIGKILL),
    ("monitor", signal.SIGKILL)])
@pytest.mark.parametrize("stopped", [False, True], ids=["runs", "stopped"])
def test_exporter_ends(stopped, whom, number, two, path):
    """The exporter ends with culvert, however that ends."""
    assert get(path).status == 200
    pid = exporter(two)
    if stopped:
        os.kill(pid, signal.SIGSTOP)
    os.kill(getattr(two, whom), number)
    two.process.wait()
    wait_gone(pid)
    if number != signal.SIGKILL:
        assert "exporter" not in two.output
        assert not path.exists()


@pytest.mark.parametrize("number", [
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_exporter_ignores(number, two, path):
    """Signals of systemd or a terminal to all processes do not end it."""
    assert get(path).status == 200
    pid = exporter(two)
    os.kill(pid, number)
    assert get(path).status == 200
    assert exporter(two) == pid


def test_exporter_again(two, path):
    """A killed exporter is started again after a pause."""
    assert get(path).status == 200
    first = exporter(two)
    os.kill(first, signal.SIGKILL)
    two.wait_log(r"the metrics exporter has ended \(signal 9\); restarting "
                 r"it in \d\.\d s")
    # Clients that connect meanwhile wait.
    assert get(path).status == 200
    assert exporter(two) != first
    two.stop()


def test_exporter_missing(path, conf, sshd, ftp_server, tmp):
    """Without the program culvert does not start, and names it."""
    shutil.copy(culvert.PROGRAM, tmp / "culvert")
    conf([f"metrics = unix:{path}"], plant=to(sshd, ftp_server))
    done = subprocess.run(
        [tmp / "culvert", "-L", "0:127.0.0.1:21", "--metrics", f"unix:{path}",
         "files.test"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=FAILSAFE, check=False)
    assert done.returncode == 1
    assert re.search(r"cannot run the program for --metrics, "
                     r"\S+/culvert-metrics: No such file", done.stdout)
