"""No Nagle's algorithm on the SSH connection, and what refuses it."""

import contextlib
import ctypes
import errno
import ftplib
import io
import os
import socket

import pytest

import cli
import culvert
import sshd as sshd_module
from process import descendants

SIZE = 4096
LIBC = ctypes.CDLL(None, use_errno=True)
SYS_PIDFD_GETFD = 438


def peers_without_delay(sshd, before):
    """Return whether TCP_NODELAY is set on each of sshd's connections.

    Only on those of its processes that were not there before.
    """
    found = {}
    for pid in set(descendants(sshd.process.pid)) - before:
        # Processes end, and files are closed, while this looks.
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                look_at(sshd, pid, name, found)
    return list(found.values())


def look_at(sshd, pid, name, found):
    """Note TCP_NODELAY of that file, if it is sshd's end of a connection."""
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        link = os.readlink(f"/proc/{pid}/fd/{name}")
        if not link.startswith("socket:"):
            return
        with fetched(pid, int(name)) as one, \
                contextlib.suppress(OSError, IndexError, TypeError):
            if one.type == socket.SOCK_STREAM and \
                    one.getsockname()[1] == sshd.port:
                found[link] = one.getsockopt(socket.IPPROTO_TCP,
                                             socket.TCP_NODELAY)


def fetched(pid, number):
    """Return a copy of a process's socket."""
    process = os.pidfd_open(pid)
    fd = LIBC.syscall(SYS_PIDFD_GETFD, process, number, 0)
    error = ctypes.get_errno()
    os.close(process)
    if fd < 0 and error == errno.EBADF:
        raise FileNotFoundError
    assert fd >= 0, os.strerror(error)
    return socket.socket(fileno=fd)


def test_nagle_is_off(server, start_sshd, start_culvert):
    """sshd does not wait for acknowledgements before it sends.

    Without the session it does, at least up to OpenSSH 9: a small packet
    waits up to 40 ms while another one is not acknowledged.
    """
    one, sshd = server("vsftpd"), start_sshd()
    nagle = sshd_module.openssh_version() < (10, 0)
    for options, without_delay in ([], 1), (["--no-session"], int(not nagle)):
        before = set(descendants(sshd.process.pid))
        tunnel = start_culvert(f"0:127.0.0.1:{one.port}", sshd=sshd,
                               options=["-v", *options])
        if not options:
            tunnel.wait_log(
                "^culvert: sshd sends small packets without delay now$")
        works(one, tunnel)
        assert peers_without_delay(sshd, before) == [without_delay]
        tunnel.stop()
        assert ("small packets" in tunnel.output) == (not options)


REFUSALS = {
    # sshd_config's lines: how the line at -v begins and ends.
    ("ForceCommand internal-sftp",): ("sshd sends", "now"),
    ("ForceCommand /bin/false",): ("sshd sends", "now"),
    ("ForceCommand /usr/sbin/nologin",): ("sshd sends", "now"),
    ("ForceCommand exec sleep 3",): ("sshd sends", "now"),
    ("MaxSessions 0",): (
        "sshd may send small packets late: sshd refused a session (",
        "see MaxSessions (sshd_config)"),
}


def works(server, tunnel):
    """Fail unless active and passive transfers pass."""
    for passive in True, False:
        ftp = ftplib.FTP()
        ftp.connect(*tunnel.listeners[0])
        ftp.login(server.user, server.password)
        ftp.set_pasv(passive)
        got = bytearray()
        ftp.storbinary("STOR nodelay", io.BytesIO(b"x" * SIZE))
        ftp.retrbinary("RETR nodelay", got.extend)
        assert len(got) == SIZE
        ftp.quit()


@pytest.mark.parametrize("lines", REFUSALS, ids=lambda lines: lines[0])
def test_sshd(lines, server, start_sshd, start_culvert):
    """The link works; one line at -v says what the session did."""
    one, sshd = server("vsftpd"), start_sshd(*lines)
    tunnel = start_culvert(f"0:127.0.0.1:{one.port}", sshd=sshd,
                           options=["-v"])
    begins, ends = REFUSALS[lines]
    line = tunnel.wait_log("^culvert: sshd .*small packets").string
    assert line.startswith(f"culvert: {begins}"), line
    assert line.endswith(ends), line
    works(one, tunnel)
    tunnel.stop()
    assert tunnel.output.count("small packets") == 1


def restart(sshd, subsystem=""):
    """Give an sshd another Subsystem line, or none, and start it again."""
    path = f"{sshd.dir}/sshd_config"
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(text.replace("Subsystem sftp internal-sftp\n", subsystem))
    sshd.stop()
    sshd.start()
    return sshd


def test_no_subsystem(server, start_sshd, start_culvert):
    """The same without the subsystem."""
    one, sshd = server("vsftpd"), restart(start_sshd())
    tunnel = start_culvert(f"0:127.0.0.1:{one.port}", sshd=sshd,
                           options=["-v"])
    tunnel.wait_log("^culvert: sshd may send small packets late: "
                    "sshd has no subsystem sftp$")
    works(one, tunnel)


def test_nologin(server, start_sshd, start_culvert):
    """An account whose shell ends at once: that is sufficient."""
    one, sshd = server("vsftpd"), start_sshd()
    sshd_module.write_file(f"{sshd.dir}/passwd",
                           sshd_module.passwd("/usr/sbin/nologin"), 0o644)
    restart(sshd, "Subsystem sftp /usr/lib/openssh/sftp-server\n")
    tunnel = start_culvert(f"0:127.0.0.1:{one.port}", sshd=sshd,
                           options=["-v"])
    tunnel.wait_log("^culvert: sshd sends small packets without delay now$")
    works(one, tunnel)


@pytest.mark.parametrize("lines", [*REFUSALS, ()],
                         ids=lambda lines: lines[0] if lines else "no sftp")
def test_nothing_is_logged(lines, server, start_sshd, tmp):
    """Nothing about the session is logged without -v."""
    sshd = start_sshd(*lines) if lines else restart(start_sshd())
    one = server("vsftpd")
    # Not the LogLevel ERROR of the other tests: all that ssh has to say.
    run = cli.Background(tmp, "-F", sshd.config, "-o", "LogLevel=INFO", "-L",
                         f"0:127.0.0.1:{one.port}", "files.test")
    try:
        port = int(run.wait_line(r"listening on 127\.0\.0\.1:(\d+),")[1])
        run.listeners = [("127.0.0.1", port)]
        works(one, run)
    finally:
        assert run.stop() == 0, run.output
    assert culvert.said(run.output).count("\n") == 0, run.output
