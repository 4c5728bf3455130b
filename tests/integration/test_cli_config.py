"""A user's ssh_config: all of it counts, none hurts.

Settings that are legal, and useful for a login, but would bind ports, share
or detach the connection, or ask.
"""

import pytest

import cli
import scripted
from transfer import MODES

SETTINGS = {
    "sharing": ["ControlMaster auto", "ControlPath {tmp}/cm-%r@%h:%p",
                "ControlPersist yes"],
    "sharing-asks": ["ControlMaster autoask", "ControlPath {tmp}/cm-%C"],
    "fork": ["ForkAfterAuthentication yes"],
    "command": ["RemoteCommand exit 3", "RequestTTY force"],
    "no-session": ["SessionType none", "StdinNull yes"],
    "subsystem": ["SessionType subsystem", "RemoteCommand sftp"],
    "forwards": ["LocalForward {port} localhost:21",
                 "RemoteForward {port} localhost:22",
                 "DynamicForward {port}", "ExitOnForwardFailure yes"],
    "forwards-kept": ["ClearAllForwardings no",
                      "LocalForward {port} localhost:21",
                      "ExitOnForwardFailure yes"],
    "quiet": ["LogLevel QUIET"],
    "loud": ["LogLevel DEBUG3"],
    "escape": ["EscapeChar none", "EnableEscapeCommandline yes"],
    "local-command": ["PermitLocalCommand yes",
                      "LocalCommand touch {tmp}/touched"],
    "agent": ["ForwardAgent yes", "ForwardX11 yes", "ForwardX11Trusted yes",
              "AddKeysToAgent yes"],
    "tunnel": ["Tunnel yes", "TunnelDevice any:any"],
    "gateway": ["GatewayPorts yes", "StreamLocalBindUnlink yes",
                "StreamLocalBindMask 0111"],
    "proxy": ["ProxyUseFdpass no", "CanonicalizeHostname no",
              "VisualHostKey yes", "HashKnownHosts yes", "TCPKeepAlive no",
              "Compression yes", "ServerAliveInterval 1", "IPQoS none",
              "BatchMode yes", "AddressFamily inet",
              "SendEnv LANG", "SetEnv A=B"],
}


def check_transfers(one):
    """Fail unless data go both ways, in both modes."""
    for mode in MODES:
        near, far = one.data(mode, "RETR file")
        far.send_to(near, b"down")
        near.send_to(far, b"up")
        far.close()
        near.expect_end()
        one.say("226 done")


def stop(one):
    """Stop culvert, whose session has ended."""
    one.client.close()
    one.server.close()
    one.culvert.stop()


@pytest.fixture
def configured(sshd, session, tmp, ns):
    """Return a function: lines of ssh_config to a session through them."""

    class Configured:
        """What start_culvert() needs of an sshd."""

    def start(lines, **how):
        with scripted.Listener() as taken:
            one = Configured()
            one.config = cli.ssh_config(tmp, sshd, *(
                line.format(tmp=tmp, port=taken.port) for line in lines))
            # The port is in use: binding it would fail.
            return session(sshd=one, **how)

    yield start
    left = {path.name for path in tmp.iterdir()} - {"config", "touched"}
    assert not left, left


@pytest.mark.parametrize("lines", SETTINGS.values(), ids=SETTINGS.keys())
def test_setting(lines, configured):
    """The tunnel works with the setting, and it has no other effect."""
    one = configured(lines)
    check_transfers(one)
    stop(one)


def test_local_command(configured, tmp):
    """LocalCommand, which opens and shares nothing, is obeyed."""
    configured(SETTINGS["local-command"])
    assert (tmp / "touched").exists()


def test_all_settings(configured):
    """All of them at once."""
    one = configured([line for name, lines in SETTINGS.items()
                      if name != "proxy" for line in lines])
    check_transfers(one)
    stop(one)


def test_own_master_is_left_alone(sshd, session, tmp):
    """A control master of the user's is neither used nor ended."""
    path = tmp / "cm"
    config = cli.ssh_config(tmp, sshd, "ControlMaster auto",
                            f"ControlPath {path}", "ControlPersist no")
    master = cli.Process(["ssh", "-v", "-N", "-F", config, "files.test"],
                         env=cli.environment(tmp))
    try:
        master.wait_line("Entering interactive session")
        mark = master.mark()

        class Configured:
            """What start_culvert() needs of an sshd."""

        Configured.config = config
        one = session(sshd=Configured)
        check_transfers(one)
        stop(one)
        assert master.alive()
        assert path.exists()
        assert not [line for line in master.lines[mark:]
                    if "mux" in line or "multiplexing" in line]
    finally:
        master.stop()


def test_words_in_spite_of_quiet(tmp, sshd):
    """LogLevel QUIET hides ssh's message; the exit status is the same."""
    config = cli.ssh_config(tmp, sshd, "LogLevel QUIET",
                            "HostKeyAlias unknown")
    status, said = cli.run(tmp, "-F", config, "-L", "0:h:21", "files.test")
    assert status == 255, said
    assert "ssh could not connect to files.test: " in said, said
