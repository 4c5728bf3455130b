"""culvert check: the options that it advises for authorized_keys."""

import subprocess

import pytest

import scripted
from checker import (  # noqa: F401
    default_sshd, forward, set_key_options, vsftpd)


def run_ssh(sshd, *argv):
    """Run ssh with that sshd's user; returns (status, its words)."""
    done = subprocess.run(
        ["ssh", "-F", sshd.config, *argv], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=20)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("mode", ["same", "passive", "active"])
def test_key_line(mode, ns, start_sshd, vsftpd, forward, checker,
                  start_culvert):
    """With exactly that line culvert works; everything else is forbidden."""
    sshd = start_sshd()
    argv = ["--server-mode", mode, "-F", sshd.config, "-L", forward,
            sshd.host]
    line = checker(*argv).json["authorized_keys"]
    set_key_options(sshd, line)
    checker(*argv).all_well()
    (vsftpd.root / "file").write_bytes(b"hello")
    tunnel = start_culvert(forward, sshd=sshd,
                           options=["--server-mode", mode])
    for how in ["--ftp-pasv"], ["-P", "-"]:
        got = subprocess.run(
            ["curl", "-sS", *how, "-u", "tester:secret",
             f"ftp://127.0.0.1:{tunnel.port}/file"], check=True,
            capture_output=True, timeout=20).stdout
        assert got == b"hello"
    # No shell, no other host, no other address to listen at.
    assert run_ssh(sshd, sshd.host, "echo shell")[1] == ""
    status, said = run_ssh(sshd, "-W", f"{ns.far4}:{sshd.port}", sshd.host)
    assert status != 0 and "stdio forwarding failed" in said, said
    for at in "*:0", "localhost:0", "127.0.0.1:0":
        allowed = at == "127.0.0.1:0" and mode != "passive"
        status, said = run_ssh(
            sshd, "-oExitOnForwardFailure=yes", "-R", f"{at}:127.0.0.1:9",
            sshd.host, "true")
        assert ("remote port forwarding failed" in said) != allowed, (at, said)
    if mode == "active":
        with scripted.Listener(ns) as other:
            status, said = run_ssh(sshd, "-W", f"127.0.0.1:{other.port}",
                                   sshd.host)
            assert "stdio forwarding failed" in said, said
