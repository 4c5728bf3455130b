"""Passive data connections ahead of time (--prefetch).

Scripted: what the server sees, and when; what it may do to what it was asked
for.  Then real clients and servers: many files in a session, both ways and in
both modes, unharmed, and counted.
"""

import contextlib
import filecmp
import os
import re
import socket

import pytest

import scripted
from clients import CLIENTS, Ftplib, Lftp, Target, make_file
from process import FAILSAFE, until
from ranked import logged_in, ports_of, prepare, quiet
from scripted import Listener
from servers import KINDS, MORE_KINDS, Server
from topology import SHAPES, Layout

pytest_plugins = ["ranked"]

ALL = [*KINDS, *MORE_KINDS]
PREFETCH = ["--prefetch"]
FILES = 12


# ---- scripted: what the server sees ----

@pytest.fixture
def ahead(fresh_pair):
    """Return a Pair, logged in, whose server was asked ahead and has answered.

    With its data: (listener, the server's end of the data connection).
    """
    one = fresh_pair(options=PREFETCH)
    one.asked = answer(one)
    return one


def answer(one, command="EPSV"):
    """Play the server that is asked, by nobody's command; returns its ends."""
    listener = one.listen(one.ns)
    one.server.expect_command(command)
    if command == "EPSV":
        one.server.reply(f"229 Extended (|||{listener.port}|)")
    else:
        one.server.reply(f"227 Passive ({listener.port_argument()})")
    return listener, one.keep(listener.accept())


def take(one, command="PASV"):
    """Ask as the client; returns where to connect."""
    one.client.command(command)
    if command == "PASV":
        return scripted.parse_port(one.client.expect("227 "))
    return one.client.peer[0], scripted.parse_epsv(one.client.expect("229 "))


def download(one, mine, theirs):
    """A whole transfer with both ends there."""
    one.client.command("RETR file")
    one.server.expect_command("RETR file")
    one.say("150 go")
    one.transfer(mine, theirs)


@pytest.mark.parametrize("command", ["PASV", "EPSV"])
def test_the_client_is_answered_without_the_server(ahead, command):
    """The server is asked before the client asks, once a transfer."""
    one, theirs = ahead, ahead.asked[1]
    for _ in range(3):
        to = take(one, command)
        assert quiet(one.server), "nothing of it reaches the server"
        mine = one.dial(to)
        download(one, mine, theirs)
        theirs = answer(one)[1]
    assert quiet(one.client), "and nothing of that the client"


def test_without_the_option_nothing_is_asked(fresh_pair):
    """Off by default."""
    one = fresh_pair()
    assert quiet(one.server)


def test_the_other_form_is_asked_too(fresh_pair):
    """EPSV is refused: PASV, and from then on at once."""
    one = fresh_pair(options=PREFETCH)
    one.server.expect_command("EPSV")
    one.server.reply("500 what")
    theirs = answer(one, "PASV")[1]
    mine = one.dial(take(one, "EPSV"))
    download(one, mine, theirs)
    answer(one, "PASV")
    assert quiet(one.client)


def test_a_client_that_comes_early_waits_for_it(fresh_pair):
    """Its PASV comes while ours is not answered."""
    one = fresh_pair(options=PREFETCH)
    one.client.command("PASV", "RETR file")
    one.server.expect_command("EPSV")
    assert quiet(one.server)
    with one.listen(one.ns) as listener:
        one.server.reply(f"229 Extended (|||{listener.port}|)")
        theirs = one.keep(listener.accept())
    mine = one.dial(scripted.parse_port(one.client.expect("227 ")))
    one.server.expect_command("RETR file")
    one.say("150 go")
    one.transfer(mine, theirs)


@pytest.mark.parametrize("how", ["ends", "resets", "speaks"])
def test_what_the_server_ends_is_not_announced(ahead, how):
    """It is dropped, unseen, and the client's PASV goes to the server."""
    one, theirs = ahead, ahead.asked[1]
    if how == "ends":
        theirs.close()
    elif how == "resets":
        theirs.reset()
    else:
        theirs.send(b"hello")
        with contextlib.suppress(ConnectionResetError):
            theirs.expect_end()
    # An end and the next command go by different ways.
    one.wait_log("given up")
    assert not data_ports(one)
    assert quiet(one.client)
    listener, to = one.passive()
    mine, theirs = one.dial(to), one.keep(listener.accept())
    download(one, mine, theirs)


def data_ports(one):
    """Return the ports on which culvert listens, but for its tunnels'."""
    return ports_of(one.culvert.pid) - {
        port for _, port in one.culvert.listeners}


def test_a_port_where_nobody_listens_is_not_announced(fresh_pair):
    """The dial is refused: nobody is told, and no warning is logged."""
    one = fresh_pair(options=PREFETCH)
    with Listener(one.ns) as closed:
        port = closed.port
    one.server.expect_command("EPSV")
    one.server.reply(f"229 Extended (|||{port}|)")
    one.wait_log("failed")
    listener, to = one.passive()
    mine, theirs = one.dial(to), one.keep(listener.accept())
    download(one, mine, theirs)
    assert not warnings(one.culvert)


def warnings(culvert):
    """Return the lines of the log that are warnings."""
    return [line for line in culvert.process.lines if "warning:" in line]


def test_two_such_ends_are_enough(ahead):
    """Then the session is as without the option."""
    one = ahead
    one.asked[1].close()
    one.wait_log("given up")
    for last in (False, True):
        listener, to = one.passive()
        mine, theirs = one.dial(to), one.keep(listener.accept())
        download(one, mine, theirs)
        if not last:
            answer(one)[1].reset()
            until(lambda: not data_ports(one), "the listener has gone")
    assert quiet(one.server)


def test_an_active_client(ahead):
    """What was asked goes, PORT goes on, and nothing more is asked."""
    one = ahead
    # culvert knows that the server's data connection stands before the reply
    # of a later command comes the same way.
    one.exchange("NOOP", "200 yes")
    for _ in range(2):
        mine, theirs = one.data("active")
        one.transfer(mine, theirs)
        assert quiet(one.server)
    with contextlib.suppress(ConnectionResetError):
        one.asked[1].expect_end()
    listener, to = one.passive()
    mine, theirs = one.dial(to), one.keep(listener.accept())
    download(one, mine, theirs)
    answer(one)


@pytest.mark.parametrize("command", ["STOR file", "RETR file", "LIST"])
def test_no_transfer_without_a_port(ahead, command):
    """The server would take our connection for it."""
    one = ahead
    one.client.command(command)
    one.client.expect("425 ")
    assert quiet(one.server)
    mine = one.dial(take(one))
    download(one, mine, one.asked[1])


@pytest.mark.parametrize("command", ["QUIT", "REIN", "USER other", "ABOR"])
def test_dropped_before_the_command(ahead, command):
    """The server's end sees the end, and the command passes."""
    one = ahead
    one.exchange(command, "221 so be it")
    with contextlib.suppress(ConnectionResetError):
        one.asked[1].expect_end()
    assert not data_ports(one)


def test_a_transfer_that_is_lost_is_cut(ahead):
    """Through what was asked ahead as through any other."""
    one, theirs = ahead, ahead.asked[1]
    mine = one.dial(take(one))
    one.client.command("STOR file")
    one.server.expect_command("STOR file")
    one.say("150 go")
    mine.send(b"x" * 1000)
    theirs.expect_bytes(b"x" * 1000)
    one.server.reply("226 done")  # before its end: it has not got all
    one.client.expect("426 ")
    mine.expect_reset()


@pytest.mark.parametrize("which", ["L", "R"])
def test_both_directions(topology, which):
    """Where the server is near its end is a socket, not a channel."""
    layout = Layout(which, *SHAPES["two"])
    host = topology.near if which == "R" else topology.far
    with contextlib.ExitStack() as stack:
        keep = stack.enter_context
        listener = keep(scripted.server(host))
        tunnel = topology.start_culvert(
            which, [f"0:127.0.0.1:{listener.port}"], topology.sshd(),
            options=["-v", "-v", *PREFETCH, *layout.allow()])
        client = keep(scripted.client(
            *tunnel.listeners[0],
            side=topology.far if which == "R" else topology.near))
        server = keep(listener.accept())
        server.reply("220 hello")
        client.expect("220")
        client.command("USER tester")
        server.expect_command("USER tester")
        server.reply("230 in")
        client.expect("230")
        for how in "used", "ended", "used":
            data = keep(scripted.Listener(host))
            server.expect_command("EPSV")
            server.reply(f"229 Extended (|||{data.port}|)")
            theirs = keep(data.accept())
            if how == "ended":
                mark = tunnel.mark()
                theirs.close()
                tunnel.wait_log("given up", start=mark)
            client.command("PASV")
            if how == "ended":
                server.expect_command("PASV")
                data = keep(scripted.Listener(host))
                server.reply(f"227 ({data.port_argument()})")
                theirs = keep(data.accept())
            there = scripted.parse_port(client.expect("227"))
            mine = keep(scripted.dial(*there, side=client.side))
            client.command("RETR file")
            server.expect_command("RETR file")
            server.reply("150 go")
            client.expect("150 go")
            theirs.send(b"content")
            theirs.close()
            assert mine.read_all() == b"content"
            mine.close()
            server.reply("226 done")
            client.expect("226 done")


def quiet_port():
    """Return a port of ours that the kernel gives to nobody who asks for any."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        end = int(file.read().split()[0])
    for port in range(end - 1 - os.getpid() % (end // 2), 1023, -1):
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port
    raise AssertionError("all ports are in use")


def test_one_client_port_is_for_clients_that_ask(ahead, fresh_pair):
    """--client-ports: not more than half of them are taken ahead."""
    ahead.close()
    port = quiet_port()
    one = fresh_pair(options=[*PREFETCH, "--client-ports", f"{port}-{port}"])
    one.asked = None
    one.server.expect_command("EPSV")
    with one.listen(one.ns) as listener:
        one.server.reply(f"229 Extended (|||{listener.port}|)")
        listener, to = one.passive()
        assert to[1] == port
    mine, theirs = one.dial(to), one.keep(listener.accept())
    download(one, mine, theirs)


# ---- real servers ----

@pytest.fixture
def tunnel(server, start_culvert):
    """Return a function: kind to (target, culvert), with --prefetch."""
    def start(kind, one=None, options=()):
        one = one or server(kind)
        culvert = start_culvert(f"0:127.0.0.1:{one.port}",
                                options=["-vv", *PREFETCH, *options])
        return Target("127.0.0.1", culvert.port, one.user,
                      one.password), culvert
    return start


def fill(path):
    """Make files of several sizes; returns their names."""
    names = [f"f{number}" for number in range(FILES)]
    for number, name in enumerate(names):
        make_file(path / name, number * 9973)
    return names


def is_same(path, tmp, names):
    """Fail unless all files are the same, here and there."""
    for name in names:
        assert filecmp.cmp(path / name, tmp / name, False), name


def ended(culvert, mark=0, sessions=1):
    """Return the log since a mark, once so many sessions have ended."""
    until(lambda: sum(line.endswith("] ended")
                      for line in culvert.process.lines[mark:]) >= sessions,
          f"{sessions} sessions have ended")
    return [line for line in culvert.process.lines[mark:]
            if "ssh: debug" not in line]


def many(client, to, mode, folder, names, tmp):
    """Fetch all files in one session of a client."""
    if client == "curl":
        more = []
        for name in names:
            more += ["-o", tmp / name, to.url(f"{folder}/{name}")]
        return CLIENTS["curl"].run(to, CLIENTS["curl"]._argv(to, mode, *more))
    if client == "wget":
        active = ["--no-passive-ftp"] if mode == "active" else []
        return CLIENTS["wget"].run(to, [
            "wget", "--no-config", "-nv", "-t", "1", "-T", str(FAILSAFE),
            *active, f"--ftp-user={to.user}", f"--ftp-password={to.password}",
            "-r", "-nd", "-P", str(tmp), to.url(f"{folder}/")])
    if client == "ncftp":
        one = CLIENTS["ncftp"]
        return one.run(to, one._argv(
            "ncftpget", to, mode, "-V", "-Z", to.host, tmp,
            *(f"{folder}/{name}" for name in names)))
    if client == "lftp":
        return Lftp()._run_lines(to, mode, f"lcd {tmp}", f"cd {folder}",
                                 f"mget {' '.join(names)}")

    def action(ftp):
        for name in names:
            with open(tmp / name, "wb") as file:
                ftp.retrbinary(f"RETR {folder}/{name}", file.write)
        return ""
    return Ftplib()._with(to, mode, action)


@pytest.mark.parametrize("client", ["curl", "lftp", "ncftp", "wget", "ftplib"])
@pytest.mark.parametrize("kind", ALL)
def test_many_files_passive(kind, client, tunnel, folder, tmp):
    """All of them right, nothing refused, each port named ahead."""
    path, name = folder(kind)
    names = fill(path)
    to, culvert = tunnel(kind)
    result = many(client, to, "passive", name, names, tmp)
    assert result.status == 0, result.output
    is_same(path, tmp, names)
    lines = ended(culvert)
    text = "\n".join(lines)
    done = len(re.findall(r", \d+ bytes: complete", text))
    assert done >= FILES
    assert not re.search(r"\] <- 42[56]|warning:|TRUNCATED|\bcut\b", text)
    served = text.count(" answered ahead")
    told = len(re.findall(r"\] <- 22[79]", text))
    assert told >= FILES
    assert served >= FILES - 1, f"{served} of {told} were named ahead"


@pytest.mark.parametrize("client", ["curl", "lftp", "inetutils-ftp", "ftplib"])
@pytest.mark.parametrize("kind", ALL)
def test_active_clients_are_unharmed(kind, client, tunnel, folder, tmp):
    """The first PORT ends it."""
    path, name = folder(kind)
    names = fill(path)
    to, culvert = tunnel(kind)
    if client == "inetutils-ftp":
        one = CLIENTS[client]
        result = one._run_lines(
            to, "active", f"lcd {tmp}", f"cd {name}",
            *(f"get {each}" for each in names))
    else:
        result = many(client, to, "active", name, names, tmp)
    assert result.status == 0, result.output
    is_same(path, tmp, names)
    text = "\n".join(ended(culvert))
    assert len(re.findall(r"\] -> (?:EPSV|PASV)", text)) <= 1
    assert not re.search(r"\] <- 42[56]|warning:", text)


@pytest.mark.parametrize("client", ["curl", "lftp", "ftplib"])
@pytest.mark.parametrize("kind", ALL)
def test_uploads(kind, client, tunnel, folder, tmp):
    """Several in one session, an empty one among them."""
    path, name = folder(kind)
    names = fill(tmp)
    to, culvert = tunnel(kind)
    if client == "curl":
        result = CLIENTS["curl"].run(to, CLIENTS["curl"]._argv(
            to, "passive", "-T",
            "{" + ",".join(str(tmp / each) for each in names) + "}",
            to.url(f"{name}/")))
    elif client == "lftp":
        result = Lftp()._run_lines(to, "passive", f"lcd {tmp}", f"cd {name}",
                                   f"mput {' '.join(names)}")
    else:
        def action(ftp):
            for each in names:
                with open(tmp / each, "rb") as file:
                    ftp.storbinary(f"STOR {name}/{each}", file)
            return ""
        result = Ftplib()._with(to, "passive", action)
    assert result.status == 0, result.output
    is_same(path, tmp, names)
    text = "\n".join(ended(culvert))
    assert not re.search(r"\] <- 42[56]|warning:|TRUNCATED", text)


@pytest.mark.parametrize("client", ["lftp", "tnftp", "ftplib"])
@pytest.mark.parametrize("kind", KINDS)
def test_abort_and_again(kind, client, tunnel, folder, tmp):
    """A download is aborted in the middle; then another one, if it may."""
    path, name = folder(kind)
    make_file(path / "big", 200 << 20)
    make_file(path / "small", 70000)
    to, culvert = tunnel(kind)
    result = CLIENTS[client].abort(to, "passive", f"{name}/big",
                                   f"{name}/small", tmp / "small")
    assert (tmp / "small").exists(), result.output
    is_same(path, tmp, ["small"])
    ended(culvert)


@pytest.mark.parametrize("kind", ["vsftpd", "proftpd", "pyftpdlib"])
def test_epsv_all(kind, tunnel, folder):
    """Nothing but EPSV goes to the server behind it."""
    path, name = folder(kind)
    (path / "file").write_bytes(b"content")
    to, culvert = tunnel(kind)
    with logged_in(to) as control:
        control.command("EPSV ALL")
        control.expect("2")
        mark = culvert.mark()
        for _ in range(4):
            control.command("EPSV")
            port = scripted.parse_epsv(control.expect("229"))
            with scripted.dial("127.0.0.1", port) as data:
                control.command(f"RETR {name}/file")
                control.expect("1")
                assert data.read_all() == b"content"
            control.expect("226")
        control.command("PASV")
        control.expect("5")
        control.command("QUIT")
        control.expect("221")
    lines = ended(culvert, mark)
    asked = [line for line in lines if re.search(r"-> (PASV|EPSV)", line)]
    assert asked and not [line for line in asked[:-2] if "PASV" in line]


@pytest.mark.parametrize("kind", ALL)
def test_pasv_and_other_commands_between(kind, tunnel, folder):
    """What comes between login, PASV and the transfer changes nothing."""
    path, name = folder(kind)
    (path / "file").write_bytes(b"0123456789")
    to, culvert = tunnel(kind)
    with logged_in(to) as control:
        control.command(f"CWD {name}")
        control.expect("250")
        for commands in (["TYPE A", "TYPE I"], ["REST 0"], ["NOOP", "PWD"],
                         ["RNFR file", "RNTO other", "RNFR other",
                          "RNTO file"], ["MKD d", "RMD d"], ["CWD ."],
                         ["SIZE file"], ["MODE S", "STRU F"], ["STAT"]):
            for command in commands:
                control.command(command)
                assert control.read_reply()[0] in "23", command
            connect = prepare(control, "passive")
            control.command("REST 4", "RETR file")
            control.expect("350")
            with connect() as data:
                control.expect("1")
                assert data.read_all() == b"456789"
            control.expect("226")
        control.command("STOR file")  # no PASV before it
        control.expect("425")
        control.command("QUIT")
        control.expect("221")
        control.expect_end()
    assert (path / "file").read_bytes() == b"0123456789"
    assert "\n".join(ended(culvert)).count(" answered ahead") == 9


@pytest.mark.parametrize("kind, lines, complete", [
    ("vsftpd", ["xferlog_enable=YES", "xferlog_std_format=YES",
                "xferlog_file={}"], "c"),
    ("proftpd", ['LogFormat ours "%F %s"', "ExtendedLog {} READ ours"],
     "226"),
])
def test_the_server_counts_the_transfers(
        kind, lines, complete, ns, directories, tunnel, tmp):
    """Its own log has each of them once, complete, and no others."""
    directory = directories()
    log = directory / "xferlog"
    one = Server(kind, ns, directory,
                 lines=[line.format(log) for line in lines])
    try:
        path = one.mkdir("d")
        names = fill(path)
        to, culvert = tunnel(kind, one)
        result = many("curl", to, "passive", "d", names, tmp)
        assert result.status == 0, result.output
        is_same(path, tmp, names)
        ended(culvert)
        entries = log.read_text().splitlines()
        assert len(entries) == FILES, entries
        assert all(entry.split()[-1] == complete
                   for entry in entries), entries
    finally:
        one.stop()
