"""A passive port that cannot be connected to: the next form, then active mode.

Real servers behind an sshd whose PermitOpen lets nobody but the control
connection through, and scripted ones whose passive ports are dead.
"""

import contextlib
import filecmp

import pytest

import scripted
from clients import CLIENTS, Target, make_file
from process import until
from servers import ACTIVE, KINDS, PASSIVE
from topology import server_modes

# As administrators write it; {port} is the FTP server's.
CONTROL_ONLY = [
    "PermitOpen 127.0.0.1:{port}",
    "PermitOpen localhost:{port} 127.0.0.1:{port} [::1]:{port}",
    "PermitOpen 127.0.0.1:{port} 127.0.0.1:1 127.0.0.1:2",
]


def both_ways(target, client, mode, server, tmp, size=100000):
    """Get and put a file with a client, in a directory of the server."""
    place = server.mkdir(tmp.name)
    make_file(place / "file", size)
    make_file(tmp / "new", size)
    result = client.get(target, mode, f"{tmp.name}/file", tmp / "got")
    assert result.status == 0, result.output
    result = client.put(target, mode, tmp / "new", f"{tmp.name}/new")
    assert result.status == 0, result.output
    assert filecmp.cmp(place / "file", tmp / "got", False)
    assert filecmp.cmp(tmp / "new", place / "new", False)


@pytest.mark.parametrize("client", ["curl", "lftp", "tnftp",
                                    "inetutils-ftp", "ftplib"])
@pytest.mark.parametrize("kind", KINDS)
def test_permit_open_for_control_only(kind, client, server, start_sshd,
                                      start_culvert, tmp):
    """Passive clients are served in active mode, with one log line."""
    one = server(kind)
    number = (KINDS.index(kind) + len(client)) % len(CONTROL_ONLY)
    sshd = start_sshd(CONTROL_ONLY[number].format(port=one.port))
    tunnel = start_culvert(f"0:127.0.0.1:{one.port}", sshd=sshd,
                           options=["-v", "-v"])
    target = Target.behind(tunnel, one)
    both_ways(target, CLIENTS[client], "passive", one, tmp)
    asked = server_modes(tunnel, 0, 2)
    assert asked and set(asked[-2:]) <= ACTIVE, asked
    tunnel.wait_log("passive mode does not work with the server .*"
                    "administratively prohibited: open failed.*PermitOpen.*: "
                    "translated to active mode from now on")
    assert tunnel.output.count("from now on") == 1
    # It is known: the server is not asked for a passive port again.
    mark = tunnel.mark()
    result = CLIENTS[client].list(target, "passive", tmp.name)
    assert result.status == 0 and "new" in result.output, result.output
    assert not set(server_modes(tunnel, mark, 1)) & PASSIVE


def test_permit_open_in_authorized_keys(server, sshd, start_sshd,
                                        start_culvert, tmp):
    """permitopen="..." of a key has the effect of PermitOpen."""
    one = server("vsftpd")
    other = start_sshd(f"AuthorizedKeysFile {tmp}/keys")
    with open(f"{other.dir}/user_key.pub") as file:
        key = file.read()
    (tmp / "keys").write_text(f'permitopen="127.0.0.1:{one.port}" {key}')
    tunnel = start_culvert(f"0:127.0.0.1:{one.port}", sshd=other,
                           options=["-v", "-v"])
    both_ways(Target.behind(tunnel, one), CLIENTS["curl"], "passive", one, tmp)
    assert set(server_modes(tunnel, 0, 2)[-2:]) <= ACTIVE


@pytest.mark.parametrize("client", ["curl", "ftplib"])
def test_nothing_is_permitted_but_control(client, server, start_sshd,
                                          start_culvert, tmp):
    """Neither mode: one reply that quotes sshd and names the directive."""
    one = server("vsftpd")
    sshd = start_sshd(f"PermitOpen 127.0.0.1:{one.port}", "PermitListen none")
    tunnel = start_culvert(f"0:127.0.0.1:{one.port}", sshd=sshd,
                           options=["-v", "-v"])
    place = one.mkdir(tmp.name)
    make_file(place / "file", 10)
    result = CLIENTS[client].get(Target.behind(tunnel, one), "passive",
                                 f"{tmp.name}/file", tmp / "got")
    assert result.status != 0, result.output
    tunnel.wait_log(r"<- 425 No data connection: .*administratively "
                    r"prohibited: open failed.*PermitOpen")
    tunnel.wait_log("no data connection for [EP][PA]SV: 425 ")


def test_permit_open_and_server_mode_passive(server, start_sshd,
                                             start_culvert, tmp):
    """A mode that the user excludes is not used; the log says what would help.
    """
    one = server("vsftpd")
    sshd = start_sshd(f"PermitOpen 127.0.0.1:{one.port}")
    tunnel = start_culvert(f"0:127.0.0.1:{one.port}", sshd=sshd, options=[
        "-v", "-v", "--server-mode", "passive"])
    one.mkdir(tmp.name)
    result = CLIENTS["curl"].list(
        Target.behind(tunnel, one), "passive", tmp.name)
    assert result.status != 0
    tunnel.wait_log("--server-mode same would try both modes")
    assert not set(server_modes(tunnel, 0, 0)) & ACTIVE


def test_permit_open_with_one_client_port(server, start_sshd, start_culvert,
                                          ns, tmp):
    """The one client port is free again for each further variant."""
    one = server("proftpd")
    sshd = start_sshd(f"PermitOpen 127.0.0.1:{one.port}")
    with contextlib.closing(scripted.Listener()) as listener:
        port = listener.port
    tunnel = start_culvert(f"0:127.0.0.1:{one.port}", sshd=sshd, options=[
        "-v", "-v", "--client-ports", f"{port}-{port}"])
    both_ways(Target.behind(tunnel, one), CLIENTS["curl"], "passive", one, tmp)


# ---- dead ports ----

def dead_port(ns):
    """Return a port at which nobody listens."""
    with contextlib.closing(scripted.Listener(ns)) as listener:
        return listener.port


def announce_dead(one):
    """The server's reply to EPSV is a port at which nobody listens."""
    one.server.reply(f"229 (|||{dead_port(one.ns)}|)")


def test_dead_epsv_port(session):
    """curl's test 1233: 229 with a dead port; PASV works."""
    one = session(options=["-v"])
    client, server = one
    for times in range(2):
        client.command("EPSV", "RETR file")
        if times == 0:
            server.expect_command("EPSV")
            announce_dead(one)
        server.expect_command("PASV")
        with scripted.Listener(one.ns) as listener:
            server.reply(f"227 Passive ({listener.port_argument()})")
            port = scripted.parse_epsv(client.expect("229 "))
            with scripted.dial("127.0.0.1", port) as mine, \
                    listener.accept() as theirs:
                server.expect_command("RETR file")
                server.reply("150 go")
                client.expect("150 ")
                theirs.send(b"bytes")
                theirs.close()
                assert mine.read_all() == b"bytes"
                mine.close()
            server.reply("226 done")
            client.expect("226 ")
    one.culvert.wait_log(r"the server does not accept EPSV \(425 No data "
                         r"connection: .*Connection refused.*\): "
                         r"culvert sends it PASV from now on")
    assert "[warn" not in one.culvert.output


def test_dead_ports_and_no_active_mode(session):
    """One 425 when no variant works; then a good port is used."""
    one = session()
    client, server = one
    one.command("PASV")
    server.reply("227 (%s)" % scripted.port_argument("1.2.3.4",
                                                     dead_port(one.ns)))
    server.expect_command("EPSV")
    announce_dead(one)
    for verb in "PORT", "EPRT":
        server.read_command(verb)
        server.reply("500 no active mode")
    reply = client.expect("425 No data connection: ")
    assert "Connection refused" in reply
    one.command("PASV")
    with scripted.Listener(one.ns) as listener:
        server.reply(f"227 Passive ({listener.port_argument()})")
        client.expect("227 Passive (127,0,0,1,")


def test_variant_that_was_good_dies(session):
    """The client's connect is refused; the next request falls back."""
    one = session()
    client, server = one
    with scripted.Listener(one.ns) as listener:
        one.command("EPSV")
        server.reply(f"229 (|||{listener.port}|)")
        client.expect("229 (|||")
    one.command("EPSV")
    announce_dead(one)
    port = scripted.parse_epsv(client.expect("229 "))
    until(lambda: scripted.is_closed(("127.0.0.1", port)),
          "culvert's listener closes")
    one.command("EPSV")
    announce_dead(one)
    server.expect_command("PASV")
    with scripted.Listener(one.ns) as listener:
        server.reply(f"227 Passive ({listener.port_argument()})")
        client.expect("229 ")


def test_one_connection_is_made(session):
    """The data connection itself shows that the port is open."""
    one = session()
    client, server = one
    one.command("PASV")
    with scripted.Listener(one.ns) as listener:
        server.reply(f"227 Passive ({listener.port_argument()})")
        to = scripted.parse_port(client.expect("227 "))
        theirs = listener.accept()
        listener.sock.setblocking(False)
        with scripted.dial(*to) as mine, theirs:
            mine.send_to(theirs, b"x")
        with pytest.raises(BlockingIOError):
            listener.sock.accept()
