"""AUTH TLS: refused, or let through opaque."""

import ftplib
import ssl
import subprocess

import pytest

import clients
import scripted
import servers
from process import FAILSAFE
from scripted import start

FEATURES = ["211-Extensions supported:", " EPRT", " AUTH TLS", " PBSZ",
            " PROT", " CCC", " AUTHOR", " UTF8", "211 End."]


def make_certificate(directory):
    """Return the path of a new key and certificate, in one file."""
    path = f"{directory}/tls.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=ftp.test",
         "-days", "2", "-keyout", "-"], check=True, capture_output=True)
    with open(path, "wb") as file:
        file.write(made.stdout)
    return path


class TlsServer(servers.Server):
    """vsftpd or pure-ftpd with TLS, which a client may use or not."""

    def _prepare_vsftpd(self):
        argv = super()._prepare_vsftpd()
        with open(self.dir / "vsftpd.conf", "a") as file:
            file.write("ssl_enable=YES\nforce_local_logins_ssl=NO\n"
                       "force_local_data_ssl=NO\nrequire_ssl_reuse=NO\n"
                       "ssl_ciphers=HIGH\n"
                       f"rsa_cert_file={make_certificate(self.dir)}\n")
        return argv

    def _prepare_pureftpd(self):
        return [*super()._prepare_pureftpd(), "-Y", "1", "-2",
                make_certificate(self.dir)]


@pytest.fixture(params=["vsftpd", "pure-ftpd"])
def tls_server(request, ns, directories):
    """Return a real FTP server that speaks TLS."""
    server = TlsServer(request.param, ns, directories())
    yield server
    server.stop()


@pytest.fixture
def context(tmp):
    """Return what a TLS client and server need: (client, server)."""
    path = make_certificate(tmp)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    client = ssl.create_default_context(cafile=path)
    client.check_hostname = False
    return client, server


# ---- refused ----

@pytest.mark.parametrize("command", ["AUTH TLS", "auth ssl", "AUTH GSSAPI"])
def test_refused(command, session):
    """534 with the reason; the server gets nothing."""
    one = session(options=["-v"])
    one.client.command(command, "NOOP")
    assert "SSH" in one.client.expect("534")
    one.culvert.wait_log("refused AUTH: .*--allow-tls")
    one.answer("NOOP", "200 noop")


def test_not_offered(session):
    """FEAT passes without the lines about TLS."""
    one = session()
    one.command("FEAT")
    one.server.reply(*FEATURES)
    got = one.client.expect("211").split("\r\n")
    assert got == ["211-Extensions supported:", " EPRT", " AUTHOR", " UTF8",
                   "211 End.", ""]


def test_real_server(tls_server, start_culvert):
    """The same with real servers."""
    tunnel = start_culvert(f"0:127.0.0.1:{tls_server.port}")
    with ftplib.FTP(timeout=FAILSAFE) as ftp:
        ftp.connect(*tunnel.listeners[0])
        features = ftp.sendcmd("FEAT")
        assert "EPSV" in features and "MDTM" in features, features
        for word in "AUTH", "PBSZ", "PROT":
            assert word not in features, features
        with pytest.raises(ftplib.error_perm, match="534"):
            ftp.sendcmd("AUTH TLS")
        ftp.login(tls_server.user, tls_server.password)


def test_lftp_falls_back(tls_server, start_culvert, tmp):
    """lftp, which tries AUTH by itself, continues without TLS."""
    (tls_server.root / "file").write_bytes(b"hello")
    tunnel = start_culvert(f"0:127.0.0.1:{tls_server.port}")
    target = clients.Target.behind(tunnel, tls_server)
    result = clients.CLIENTS["lftp"].get(target, "passive", "file",
                                         tmp / "file")
    assert result.status == 0, result.output
    assert (tmp / "file").read_bytes() == b"hello"


# ---- let through ----

class Tls:
    """One end of TLS over a wire, to be driven by hand."""

    def __init__(self, wire, context, server_side):
        self.wire = wire
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side)

    def hello(self):
        """Return the bytes that begin the handshake."""
        with pytest.raises(ssl.SSLWantReadError):
            self._tls.do_handshake()
        return self._out.read()

    def _do(self, function, *args):
        while True:
            try:
                result = function(*args)
                self.wire.send(self._out.read())
                return result
            except ssl.SSLWantReadError:
                self.wire.send(self._out.read())
                self._in.write(self._more())

    def _more(self):
        if not self.wire._buffer:
            assert self.wire._fill(), "the end, within TLS"
        return self.wire._take(len(self.wire._buffer))

    def handshake(self):
        """Complete the handshake."""
        self._do(self._tls.do_handshake)

    def send(self, data):
        """Send bytes, encrypted."""
        self._do(self._tls.write, data)

    def read(self):
        """Return the bytes of the next record."""
        return self._do(self._tls.read, 1 << 16)


@pytest.mark.parametrize("impatient", [True, False])
def test_allowed(impatient, session, context):
    """Everything is opaque after the 234, also a ClientHello before it."""
    one = session(options=["--allow-tls"])
    client = Tls(one.client, context[0], False)
    server = Tls(one.server, context[1], True)
    hello = client.hello()
    one.client.send(b"AUTH TLS\r\n" + (hello if impatient else b""))
    one.answer("AUTH TLS", "234 go ahead")
    if not impatient:
        one.client.send(hello)
    other = start(server.handshake)
    client.handshake()
    other.result(FAILSAFE)
    one.culvert.wait_log("the session uses TLS from here on")
    for line in b"PORT 10,9,8,7,1,2\r\n", b"no line end, \xff\0\n":
        client.send(line)
        assert server.read() == line
        server.send(line[::-1])
        assert client.read() == line[::-1]
    # More than one record, and more than a line may hold.
    client.send(b"x" * 16384)
    assert server.read() == b"x" * 16384


def test_allowed_but_refused_by_the_server(session):
    """The server refuses AUTH: commands are still read and rewritten."""
    one = session(options=["--allow-tls"])
    with scripted.Listener() as listener:
        one.client.command("AUTH TLS",
                           f"PORT {listener.port_argument()}")
        one.answer("AUTH TLS", "502 no TLS here")
        there = scripted.parse_port(one.server.read_command("PORT"))
        assert there[1] != listener.port


def test_allowed_in_feat(session):
    """With --allow-tls FEAT is unchanged."""
    one = session(options=["--allow-tls"])
    one.command("FEAT")
    one.server.reply(*FEATURES)
    assert one.client.expect("211").split("\r\n") == [*FEATURES, ""]


def test_allowed_real_server(tls_server, start_culvert):
    """A real client logs in at a real server, by TLS through SSH."""
    tunnel = start_culvert(f"0:127.0.0.1:{tls_server.port}",
                           options=["--allow-tls"])
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with ftplib.FTP_TLS(timeout=FAILSAFE, context=context) as ftp:
        ftp.connect(*tunnel.listeners[0])
        ftp.login(tls_server.user, tls_server.password)  # AUTH TLS first
        assert ftp.pwd() == "/"
        assert isinstance(ftp.sock, ssl.SSLSocket)
    tunnel.wait_log("the session uses TLS from here on")
