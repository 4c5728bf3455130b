"""No Nagle's algorithm on the SSH connection, and what refuses it."""

import ftplib
import io
import time

import pytest

import cli
import culvert
import sshd as sshd_module

SIZE = 4096
ROUNDS = 10


def times(server, tunnel):
    """Return the seconds that so many active transfers take."""
    ftp = ftplib.FTP()
    ftp.connect(*tunnel.listeners[0])
    ftp.login(server.user, server.password)
    ftp.set_pasv(False)
    ftp.storbinary("STOR nodelay", io.BytesIO(b"x" * SIZE))
    taken = []
    for _ in range(ROUNDS):
        got = bytearray()
        before = time.monotonic()
        ftp.retrbinary("RETR nodelay", got.extend)
        taken.append(time.monotonic() - before)
        assert len(got) == SIZE
    ftp.quit()
    return taken


def test_faster(server, start_culvert):
    """sshd does not wait 40 ms for acknowledgements.

    Without the session it does, at least up to OpenSSH 9: a small packet
    waits while another one is not acknowledged. On a busy machine that
    may be acknowledged earlier, so it does not happen to all.
    """
    one = server("vsftpd")
    forward = f"0:127.0.0.1:{one.port}"
    on = start_culvert(forward, options=["-v"])
    off = start_culvert(forward, options=["-v", "--no-session"])
    on.wait_log("^culvert: sshd sends small packets without delay now$")
    # Interleaved, so that the machine is the same for both.
    fast, slow = [], []
    for _ in range(2):
        fast += times(one, on)
        slow += times(one, off)
    late = [sum(one > 0.030 for one in them) for them in (fast, slow)]
    assert late[0] < len(fast) / 2, (fast, slow)
    if sshd_module.openssh_version() < (10, 0):
        assert late[1] > 2 * late[0], (fast, slow)
    assert "small packets" not in off.output


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
