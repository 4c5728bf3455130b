"""culvert status, stop, drain and reload."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest

import culvert
import scripted
from process import FAILSAFE, until
from servers import NOBODY
from test_confine import as_nobody, nobodys_sshd  # noqa: F401
from test_up import conf, fetch, ftp_server, to  # noqa: F401
from transfer import Ftp

# pylint: disable=redefined-outer-name


def run(one, *argv, status=0, **env):
    """Run `culvert argv` as who started one; returns what it prints."""
    done = subprocess.run(
        [*culvert.only(one.dir), culvert.PROGRAM, *argv],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=FAILSAFE,
        env={**os.environ, "XDG_RUNTIME_DIR": one.dir, "TMPDIR": one.dir,
             **env})
    assert not culvert.SANITIZER.search(done.stdout), done.stdout
    assert done.returncode == status, done.stdout
    return done.stdout


def status_of(one):
    """What culvert status --json says of it."""
    return json.loads(run(one, "status", "--json"))


def tunnels_of(one):
    """Its tunnels by name."""
    return {tunnel["name"]: tunnel
            for destination in status_of(one)["destinations"]
            for tunnel in destination["tunnels"]}


@pytest.fixture
def two(conf, sshd, ftp_server, start_up):
    """A culvert with the tunnels plant and bank."""
    path = conf(plant=to(sshd, ftp_server), bank=to(sshd, ftp_server))
    one = start_up(path, "--all", listeners=2)
    one.path = path
    return one


@contextlib.contextmanager
def download(one, server, tmp, size=50_000_000):
    """A download of 'big file' that has begun and goes no further."""
    (server.root / tmp.name / "big file").write_bytes(b"x" * size)
    with Ftp(one, server) as ftp:
        with ftp.begin("passive", f"RETR {tmp.name}/big file",
                       rcvbuf=10000) as data:
            data.sock.recv(1000)
            yield ftp, data


# ---- status ----

def test_idle(two):
    """What a culvert shows that does nothing."""
    said = run(two, "status").splitlines()
    assert re.fullmatch(r"culvert \S+, process %d, running for \d+ s, "
                        r"0 sessions" % two.pid, said[0])
    assert re.fullmatch(r"files\.test: up for \d+ s(, round trip [\d.]+ ms)?",
                        said[1]), said
    for number, name in enumerate(("plant", "bank")):
        port = next(port for _, port in two.listeners
                    if f"{name}: listening on 127.0.0.1:{port}," in two.output)
        assert re.fullmatch(rf"  {name}: listening on 127\.0\.0\.1:{port} "
                            r"to 127\.0\.0\.1:\d+", said[2 + 2 * number])
        assert said[3 + 2 * number] == \
            "    transfers: 0 complete; 0 B down, 0 B up"


def test_transfer(two, ftp_server, tmp):
    """A session, and the progress of its transfer."""
    with download(two, ftp_server, tmp) as (ftp, _):
        host, port = ftp.sock.getsockname()
        session = [session for tunnel in tunnels_of(two).values()
                   for session in tunnel["sessions"]]
        assert len(session) == 1
        session, = session
        assert session.pop("seconds") < FAILSAFE
        transfer, = session.pop("transfers")
        assert session == {"session": 1, "client": f"{host}:{port}",
                           "user": ftp_server.user}
        assert 0 < transfer.pop("bytes") < 50_000_000
        assert transfer.pop("rate") > 0
        assert transfer.pop("seconds") < FAILSAFE
        assert transfer == {
            "verb": "RETR", "path": f"{tmp.name}/big file", "size": 50_000_000,
            "direction": "download", "offset": 0, "client_mode": "passive",
            "server_mode": "passive"}
        said = run(two, "status")
        assert re.search(rf"(?m)^    session 1: {host}:{port}, user "
                         rf"{ftp_server.user}, \d+ s$", said)
        assert re.search(rf"(?m)^      RETR {tmp.name}/big file +\d+ % \[#*\.+\] "
                         r"[\d.]+ \w?B of 50\.0 MB  [\d.]+ \w?B/s  .* left$",
                         said), said


def test_counts(two, ftp_server, tmp):
    """Transfers so far, by outcome and direction."""
    fetch(two, 0, ftp_server, tmp.name)
    with Ftp(two, ftp_server) as ftp:
        with ftp.begin("active", f"STOR {tmp.name}/up") as data:
            data.send(b"12345")
        ftp.expect("226")
        ftp.exchange("PASV", "227")
        ftp.exchange("RETR none", "550")
    plant = next(tunnel for tunnel in tunnels_of(two).values()
                 if tunnel["sessions_begun"])
    none = {"complete": 0, "refused": 0, "aborted": 0, "truncated": 0}
    assert plant["transfers"] == {
        "download": {**none, "complete": 1, "refused": 1},
        "upload": {**none, "complete": 1}}
    assert (plant["bytes_down"], plant["bytes_up"]) == (200_000, 5)
    until(lambda: status_of(two)["sessions"] == 0, "no session")


def test_names(two):
    """Of one tunnel only."""
    said = run(two, "status", "bank")
    assert "  bank: " in said and "plant" not in said
    assert "no culvert has such a tunnel" in run(two, "status", "mill",
                                                 status=1)


def test_link_down(two):
    """A link that was lost: since when, and why."""
    two.process.send_signal(signal.SIGSTOP)
    os.kill(two.ssh, signal.SIGKILL)
    two.process.send_signal(signal.SIGCONT)
    two.wait_log("was lost")
    destination, = status_of(two)["destinations"]
    assert destination["losses"] == 1
    two.wait_log("connected to files.test again")
    assert ", lost 1 time" in run(two, "status")


def test_resting(conf, sshd, ftp_server, start_up, tmp):
    """On demand: since its SSH connection was closed, not since the start."""
    one = start_up(conf(plant=to(sshd, ftp_server, "on-demand = yes",
                                 "idle-exit = 1")), "plant")
    fetch(one, 0, ftp_server, tmp.name)

    def now():
        status = status_of(one)
        destination, = status["destinations"]
        return (destination["state"],
                status["seconds"] - destination["seconds"])
    assert now()[0] == "up"
    until(lambda: now()[0] == "resting", "it is closed")
    assert now()[1] > 0.9


def test_plain(start_culvert, ftp_server):
    """The same without a configuration file."""
    one = start_culvert(f"0:127.0.0.1:{ftp_server.port}")
    said = run(one, "status")
    assert re.search(r"(?m)^  listening on 127\.0\.0\.1:\d+ to", said), said


def test_no_text(sshd, start_culvert, tmp):
    """Names on the command line that are not UTF-8."""
    one = start_culvert(b"0:h\xff:21", ready=False, host=b"ho\xffst", options=[
        "--on-demand", "--metrics", f"unix:{tmp}/metrics"])
    one.wait_log("listening on")
    destination, = status_of(one)["destinations"]
    assert destination["destination"] == "ho\\xffst"
    assert destination["tunnels"][0]["server"] == "h\\xff:21"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(FAILSAFE)
        sock.connect(f"{tmp}/metrics")
        sock.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        with sock.makefile("rb") as file:
            assert 'destination="ho\\\\xffst"' in file.read().decode()
    one.kill()


def test_none_running(tmp):
    """None runs: a message, and a failure."""
    class Nobody:
        """Who has started nothing."""
        dir = str(tmp)
    (tmp / "culvert.xxxxxx").mkdir()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp / "culvert.xxxxxx/control"))
    said = run(Nobody, "status", status=1)
    assert "no culvert of this user is running" in said


def test_peers_bytes(start_culvert, ns):
    """Names from peers cannot control a terminal."""
    with scripted.server(ns) as listener:
        one = start_culvert(f"0:127.0.0.1:{listener.port}")
        with scripted.client(*one.listeners[0]) as client, \
                listener.accept() as server:
            server.reply("220 x")
            client.expect("220")
            client.send(b"USER \x1b[31m\xff\r\n")
            server.read_line()
            server.reply("230 x")
            client.expect("230")
            assert "user \\x5cx1b[31m\\x5cxff" in run(one, "status") \
                or "user \\x1b[31m" in run(one, "status")
            assert "\x1b" not in run(one, "status", "--json")


def test_names_and_numbers(session):
    """A name ends at a whole letter, escaped once; the largest offset."""
    one = session()
    name = "ü" * 60
    for path, shown in ((name.encode(), "ü" * 59),
                        (b"x" + name.encode(), "x" + "ü" * 58),
                        (b"a\\b\xff", "a\\x5cb\\xff"),
                        (b"a\\b", "a\\b")):
        one.client.command("REST 9223372036854775807")
        one.server.read_command("REST")
        one.say("350 x")
        one.client.send(b"RETR " + path + b"\r\n")
        one.server.read_line()
        one.say("150 x")
        said = run(one.culvert, "status")
        assert f"\n      RETR {shown}  9223372.0 TB  0 B/s\n" in said
        one.say("550 x")


# ---- the socket ----

def sock_of(one):
    """A connection to its control socket."""
    path, = (os.path.join(one.dir, name, "control")
             for name in os.listdir(one.dir))
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(FAILSAFE)
    sock.connect(path)
    return sock, path


def test_mode(two):
    """No other user can connect."""
    sock, path = sock_of(two)
    sock.close()
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700


def test_credentials(two):
    """Another user who can connect after a chmod is refused."""
    _, path = sock_of(two)
    for directory in (two.dir, os.path.dirname(path)):
        os.chmod(directory, 0o755)
    os.chmod(path, 0o666)
    done = subprocess.run(
        ["setpriv", "--reuid", "65534", "--clear-groups", "--regid", "65534",
         culvert.PROGRAM, "status", "-S", path], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=FAILSAFE)
    assert done.returncode == 1
    os.chmod(os.path.dirname(path), 0o700)


def test_user(as_nobody, ftp_server):
    """With --user it belongs to that user, who can see it; root can with -S.
    """
    one = as_nobody(f"0:127.0.0.1:{ftp_server.port}")
    path, = pathlib.Path(one.dir).glob("culvert.*/control")
    assert (path.stat().st_uid, path.stat().st_mode & 0o777) == \
        (NOBODY, 0o600)
    done = subprocess.run(
        [*culvert.only(one.dir), "setpriv", "--reuid", str(NOBODY),
         "--clear-groups", "--regid", str(NOBODY), culvert.PROGRAM, "status"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=FAILSAFE,
        env={**os.environ, "XDG_RUNTIME_DIR": one.dir})
    assert done.returncode == 0 and "listening on" in done.stdout, done.stdout
    assert "listening on" in run(one, "status", "-S", str(path))


@pytest.mark.parametrize("request_, answer", [
    (b"\n", "the request is not JSON"),
    (b"nonsense\n", "the request is not JSON"),
    (b"[1]\n", "unknown request"),
    (b"{}\n", "unknown request"),
    (b'{"do": 3}\n', "unknown request"),
    (b'{"do": "x"}\n', "unknown request"),
    (b'{"do": "end"}\n', "there is no session with this number"),
    (b'{"do": "end", "session": 99}\n', "there is no session with this number"),
    (b'{"do": "stop", "tunnel": "mill"}\n', "no tunnel mill is running"),
    (b'{"do": "stop", "tunnel": 5}\n', "the name of a tunnel must be a text"),
    (b'{"do": "drain", "tunnel": null}\n', "the name of a tunnel must be a text"),
    pytest.param(b"{" + b" " * 100_000 + b"}\n", "the request is not JSON",
                 id="long"),
])
def test_bad_request(request_, answer, two):
    """An error, and it continues."""
    sock, _ = sock_of(two)
    with sock, sock.makefile("r") as file:
        sock.sendall(request_)
        said = json.loads(file.readline())
        assert said == {"error": answer}
        sock.sendall(b'{"do": "status"}\n')
        assert json.loads(file.readline())["state"] == "running"


def test_too_many_connections(two):
    """Connections beyond the limit are refused; others are served later."""
    socks = [sock_of(two)[0] for _ in range(16)]
    until(lambda: "does not answer" in run(two, "status", status=1)
          or "ended" in run(two, "status", status=1), "turned away")
    for sock in socks:
        sock.close()
    until(lambda: subprocess.run(
        [*culvert.only(two.dir), culvert.PROGRAM, "status"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "XDG_RUNTIME_DIR": two.dir}).returncode == 0,
        "served again")


def test_long_answer(start_culvert, ns):
    """An answer waits for its reader; names of peers cannot make it endless.
    """
    with scripted.server(ns) as listener, contextlib.ExitStack() as stack:
        one = start_culvert(f"0:127.0.0.1:{listener.port}")
        for _ in range(100):
            client = stack.enter_context(scripted.client(*one.listeners[0]))
            server = stack.enter_context(listener.accept())
            server.reply("220 x")
            client.expect("220")
            client.send(b"USER " + b"\x01" * 8000 + b"\r\n")
            server.read_line()
            server.reply("230 x")
            client.expect("230")
        assert len(run(one, "status", "--json")) < 200_000
        sock, _ = sock_of(one)
        with sock, sock.makefile("r") as file:
            sock.sendall(b'{"do": "status"}\n' * 50)
            for _ in range(50):
                assert json.loads(file.readline())["sessions"] == 100


def test_half_closed(two):
    """A client that has ended its direction still gets the answer."""
    for request in b'{"do": "status"}\n', b'{"do": "reload"}\n':
        sock, _ = sock_of(two)
        with sock, sock.makefile("r") as file:
            sock.sendall(request)
            sock.shutdown(socket.SHUT_WR)
            assert "error" not in json.loads(file.readline())
            assert file.readline() == ""


# ---- orders ----

def test_stop(two, ftp_server, tmp):
    """Everything: clients get the reason; --wait returns when it has ended."""
    with download(two, ftp_server, tmp) as (ftp, _):
        run(two, "stop", "--wait")
        assert two.process.wait() == 0
        ftp.expect("426")
        ftp.expect("421")
    two.check_nothing_left()


def test_drain(two, ftp_server, tmp):
    """It ends when the transfer has ended."""
    with download(two, ftp_server, tmp, 3_000_000) as (ftp, data):
        run(two, "drain")
        two.wait_log("stopping when all transfers have ended")
        assert status_of(two)["state"] == "draining"
        data.read_all()
        ftp.expect("226")
    assert two.process.wait() == 0


def test_stop_one(two, ftp_server, tmp):
    """One tunnel; the other one keeps its session; reload starts it again."""
    names = [re.search(rf"culvert: (\w+): listening on 127.0.0.1:{port},",
                       two.output)[1] for _, port in two.listeners]
    with download(two, ftp_server, tmp) as (cut, _), \
            Ftp(two, ftp_server, 1) as kept:
        run(two, "stop", "--wait", names[0])
        cut.expect("426")
        cut.expect("421")
        kept.exchange("NOOP", "200")
        assert list(tunnels_of(two)) == [names[1]]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(two.listeners[0])
        assert f"no tunnel {names[0]} is running" in \
            run(two, "stop", names[0], status=1)
        run(two, "reload", names[0])
        until(lambda: len(tunnels_of(two)) == 2, "it is back")
        kept.exchange("NOOP", "200")


def test_drain_one(two, ftp_server, tmp):
    """Its transfer ends first; the tunnel is shown as leaving."""
    names = [re.search(rf"culvert: (\w+): listening on 127.0.0.1:{port},",
                       two.output)[1] for _, port in two.listeners]
    with download(two, ftp_server, tmp, 3_000_000) as (ftp, data):
        run(two, "drain", names[0])
        assert tunnels_of(two)[names[0]]["state"] == "leaving"
        data.read_all()
        ftp.expect("226")
    until(lambda: list(tunnels_of(two)) == [names[1]], "it is gone")


def test_stop_what_drains(two, ftp_server, tmp):
    """stop ends a tunnel that drains."""
    name = re.search(rf"culvert: (\w+): listening on 127.0.0.1:{two.port},",
                     two.output)[1]
    with download(two, ftp_server, tmp) as (ftp, _):
        run(two, "drain", name)
        run(two, "stop", "--wait", name)
        ftp.expect("426")
        ftp.expect("421")
    assert name not in tunnels_of(two)
    run(two, "stop", name, status=1)


def test_stop_the_last(two):
    """No tunnel is left: culvert ends, with status 0."""
    run(two, "stop", "plant")
    run(two, "stop", "bank")
    assert two.process.wait() == 0
    assert "no tunnel is left" not in two.output


def test_stop_no_text(two):
    """A name that cannot be sent does not stop everything."""
    assert "that is not a valid name of a tunnel" in \
        run(two, "stop", b"\xff", status=1)
    assert len(tunnels_of(two)) == 2


def test_reload_cannot(two, sshd, ftp_server, conf):
    """A tunnel of the file that cannot be started is a failure."""
    with scripted.Listener() as taken:
        lines = [line.replace("L = 0:", f"L = {taken.port}:")
                 for line in to(sshd, ftp_server)]
        conf(plant=to(sshd, ftp_server), bank=to(sshd, ftp_server), mill=lines)
        for argv in ["reload"], ["reload", "mill"]:
            assert "1 tunnel could not be started; the log says why" in \
                run(two, *argv, status=1)
    assert "mill: cannot listen on" in two.output
    run(two, "reload", "mill")
    assert set(tunnels_of(two)) == {"plant", "bank", "mill"}


def test_reload_no_text(two):
    """The error is printed, whatever bytes it quotes."""
    two.path.write_bytes(b"[tunnel plant]\nL = 0:h:21\nn\xff\xfen = 1\n")
    said = run(two, "reload", status=1)
    assert 'there is no "n\\xff\\xfen"' in said, said


def test_reload(two, sshd, ftp_server, conf):
    """The command prints the outcome: success, or the error."""
    run(two, "reload")
    two.wait_log("0 removed, 0 new")
    two.path.write_text("[tunnel plant]\nL = 0:h:21\nnonsense = 1\n")
    said = run(two, "reload", status=1)
    assert "culvert.conf:3: " in said and "nonsense" in said
    two.wait_log("nothing has been changed")
    assert list(tunnels_of(two)) == ["plant", "bank"]
    conf(plant=to(sshd, ftp_server), bank=to(sshd, ftp_server, "max-data = 1"))
    run(two, "reload", "plant")
    assert "bank" not in two.output[two.output.index("nonsense"):]
    run(two, "reload")
    two.wait_log("bank: configuration changed")


def test_reload_of_none(two):
    """A tunnel that is not in the file."""
    said = run(two, "reload", "mill", status=1)
    assert f"there is no [tunnel mill] in {two.path}" in said
    assert set(tunnels_of(two)) == {"plant", "bank"}


def test_reload_in_order(two):
    """Requests after a reload are answered after it, each with its answer."""
    sock, _ = sock_of(two)
    with sock, sock.makefile("r") as file:
        sock.sendall(b'{"do":"reload"}\n{"do":"status"}\n'
                     b'{"do":"reload","tunnel":"mill"}\n{"do":"reload"}\n'
                     b'{"do":"drain","tunnel":"none"}\n')
        sock.shutdown(socket.SHUT_WR)
        said = [json.loads(line) for line in file]
    assert [one.get("error", one.get("ok", one.get("state")))
            for one in said] == [
        True, "running", f"there is no [tunnel mill] in {two.path}", True,
        "no tunnel none is running"]


def test_reload_during_another(two, sshd, ftp_server, conf):
    """Only the named tunnels change, and each request gets its own answer."""
    changed = to(sshd, ftp_server, "max-data = 1")
    conf(plant=changed, bank=changed, mill=to(sshd, ftp_server))
    wanted = {"plant": {"ok": True}, "mill": {"ok": True}, "fen": {
        "error": f"there is no [tunnel fen] in {two.path}"}}
    with contextlib.ExitStack() as stack:
        os.kill(two.monitor, signal.SIGSTOP)
        try:
            for name in (socks := {name: stack.enter_context(sock_of(two)[0])
                                   for name in wanted}):
                socks[name].sendall(json.dumps(
                    {"do": "reload", "tunnel": name}).encode() + b"\n")
                status_of(two)  # then it has taken the request
        finally:
            os.kill(two.monitor, signal.SIGCONT)
        assert {name: json.loads(stack.enter_context(
            sock.makefile("r")).readline())
                for name, sock in socks.items()} == wanted
    assert "plant: configuration changed" in two.output
    assert "bank: configuration changed" not in two.output
    assert {"plant", "bank", "mill"} == set(tunnels_of(two))


@pytest.mark.parametrize("name", ["", "x" * 33])
def test_reload_no_name(name, two):
    """What cannot be a name does not reload anything."""
    assert "that is not a valid name of a tunnel" in run(
        two, "reload", name, status=1)
    assert "reloaded" not in two.output


def test_reload_of_plain(start_culvert, ftp_server):
    """Without a configuration file there is nothing to read."""
    one = start_culvert(f"0:127.0.0.1:{ftp_server.port}")
    assert "this culvert was not started by culvert up" in run(one, "reload", status=1)
    assert "this culvert was not started by culvert up" in run(one, "stop", "x",
                                                     status=1)


def test_which(two, conf, sshd, ftp_server, start_up):
    """With several culverts, a name or -S chooses one; otherwise nothing is
    done.
    """
    other = start_up(conf(mill=to(sshd, ftp_server)), "mill",
                     env={"XDG_RUNTIME_DIR": two.dir, "TMPDIR": two.dir})
    assert len(run(two, "status").split("culvert ")) == 3
    said = run(two, "stop", status=1).splitlines()
    assert said[0] == ("culvert: several culvert processes are running; "
                       "choose the one to stop:")
    paths = {}
    for line in said[1:]:
        path, pid, tunnels = re.fullmatch(
            rf"culvert: culvert stop -S ({two.dir}/culvert\.\w+/control)"
            r"  # process (\d+): (.*)", line).groups()
        paths[path] = int(pid), tunnels
    assert set(paths.values()) == {
        (two.pid, "files.test (plant, bank)"),
        (other.pid, "files.test (mill)")}
    assert run(two, "reload", "none", status=1).splitlines()[1].startswith(
        f"culvert: culvert reload -S {two.dir}/culvert.")
    said = run(two, "drain", "--wait", "none", status=1).splitlines()
    assert "/control none  # process" in said[1], said
    run(two, "stop", "--wait", "mill")
    assert other.process.wait() == 0
    left, = (path for path in paths if os.path.exists(path))
    run(two, "stop", "-S", left)
    assert two.process.wait() == 0


@pytest.mark.parametrize("argv, words", [
    (["status", "--jsn"], "unknown option --jsn"),
    (["status", "-S"], "-S needs a value"),
    (["stop", "a", "b"], "only one name is allowed"),
    (["drain", "--json"], "unknown option --json"),
    (["reload", "--wait"], "unknown option --wait"),
    (["status", "-w"], "-w needs a terminal"),
])
def test_misuse(argv, words, two):
    """The message has the cause, and names the help."""
    assert words in run(two, *argv, status=2)


@pytest.mark.parametrize("name", ["status", "stop", "drain", "reload"])
def test_help(name, tmp):
    """--help."""
    class Nobody:
        """Who has started nothing."""
        dir = str(tmp)
    assert f"culvert {name} " in run(Nobody, name, "--help")
