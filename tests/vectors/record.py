#!/usr/bin/python3
"""Records transcript-SERVER-CLIENT.txt: real servers with real clients.

    unshare -m tests/vectors/record.py SERVERS OUT

Run as root, in a mount namespace of its own: a copy of /etc with a user joe is
mounted over it.  SERVERS is a directory into which
the Debian packages that cannot be installed beside each other were unpacked:

    apt-get download proftpd-core pure-ftpd inetutils-ftpd
    for deb in *.deb; do dpkg -x $deb ${deb%%_*}; done

with the libraries that proftpd needs unpacked into SERVERS/lib.  vsftpd,
python3-pyftpdlib, curl and lftp are taken from the system.  A relay on the
control connection writes down what it passes on; data connections go directly.
"""
import crypt
import ftplib
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time

PASSWORD = "swordfish"
HOST = "127.0.0.1"


def escape(line):
    named = {13: "\\r", 10: "\\n", 9: "\\t", 92: "\\\\"}
    return "".join(named.get(byte) or
                   (chr(byte) if 32 <= byte < 127 else "\\x%02x" % byte)
                   for byte in line)


class Relay:
    """Passes control connections on, one after another, and writes lines."""

    def __init__(self, port):
        self.server_port = port
        self.lines = []
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            if self.lines:
                self.lines.append("# a new connection")
            self.session(client, socket.create_connection(
                (HOST, self.server_port)))

    def session(self, client, server):
        other = {client: server, server: client}
        side = {client: "C", server: "S"}
        rest = {client: b"", server: b""}
        for sock in other:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        while other:
            for sock in select.select(list(other), [], [])[0]:
                try:
                    data = sock.recv(65536)
                    if data:
                        (server if sock is client else client).sendall(data)
                except OSError:
                    data = b""
                if not data:
                    try:
                        other.pop(sock).shutdown(socket.SHUT_WR)
                    except OSError:
                        pass
                *whole, rest[sock] = (rest[sock] + data).split(b"\n")
                whole = [line + b"\n" for line in whole]
                if not data and rest[sock]:
                    whole.append(rest[sock])
                self.lines += [side[sock] + ": " + escape(line)
                               for line in whole]
        client.close()
        server.close()

    def write(self, path, words):
        self.listener.close()
        with open(path, "w", encoding="ascii") as out:
            out.write("# %s\n" % words)
            out.writelines(line + "\n" for line in self.lines)


def user_joe(work):
    """A user of that name, in this mount namespace only: a copy of /etc."""
    home = work + "/joe"
    secret = crypt.crypt(PASSWORD, crypt.mksalt(crypt.METHOD_SHA512))
    os.mkdir(home)
    subprocess.run(["cp", "-a", "/etc", work + "/etc"], check=True)
    for name, line in (
            ("passwd", "joe:x:4242:65534:Joe:%s:/bin/sh" % home),
            ("shadow", "joe:%s:19000:0:99999:7:::" % secret)):
        with open(work + "/etc/" + name, "a", encoding="utf-8") as file:
            file.write(line + "\n")
    subprocess.run(["mount", "--bind", work + "/etc", "/etc"], check=True)
    return home


def fill(home):
    for name in os.listdir(home):
        os.remove(os.path.join(home, name))
    for name, size in (("small", 500), ("empty", 0), ("big", 16 << 20)):
        with open(os.path.join(home, name), "wb") as file:
            file.write(b"y" * size)
    subprocess.run(["chown", "-R", "4242:65534", home], check=True)


def free_port():
    with socket.create_server((HOST, 0)) as sock:
        return sock.getsockname()[1]


def config(work, name, text):
    path = os.path.join(work, name)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    return path


def inetd(argv, port):
    """A server that wants its connection as standard input and output."""
    listener = socket.create_server((HOST, port))

    def run():
        while True:
            sock = listener.accept()[0]
            subprocess.Popen(argv, stdin=sock, stdout=sock)
            sock.close()
    threading.Thread(target=run, daemon=True).start()


PYFTPDLIB = """
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer
authorizer = DummyAuthorizer()
authorizer.add_user("joe", "%s", sys.argv[1], perm="elradfmwMT")
FTPHandler.authorizer = authorizer
FTPServer(("127.0.0.1", int(sys.argv[2])), FTPHandler).serve_forever()
"""


def start(name, servers, work, home):
    """Starts a server; returns its port and its process, if it has one."""
    port = free_port()
    if name == "vsftpd":
        argv = ["vsftpd", config(work, "vsftpd.conf", """listen=YES
listen_address=127.0.0.1
listen_port=%d
background=NO
local_enable=YES
write_enable=YES
anonymous_enable=NO
async_abor_enable=YES
seccomp_sandbox=NO
""" % port)]
    elif name == "proftpd":
        argv = [servers + "/proftpd-core/usr/sbin/proftpd", "-n", "-q", "-c",
                config(work, "proftpd.conf", """ServerType standalone
DefaultAddress 127.0.0.1
SocketBindTight on
Port %d
User nobody
Group nogroup
AuthOrder mod_auth_unix.c
ScoreboardFile %s/scoreboard
PidFile %s/proftpd.pid
DelayEngine off
UseReverseDNS off
WtmpLog off
TransferLog none
AllowOverwrite on
AllowStoreRestart on
""" % (port, work, work))]
    elif name == "pure-ftpd":
        argv = [servers + "/pure-ftpd/usr/sbin/pure-ftpd", "-l", "unix",
                "-E", "-H", "-S", "%s,%d" % (HOST, port),
                "-g", work + "/pure-ftpd.pid"]
    elif name == "pyftpdlib":
        argv = ["/usr/bin/python3", "-c", PYFTPDLIB % PASSWORD, home,
                str(port)]
    else:
        inetd([servers + "/inetutils-ftpd/usr/sbin/ftpd", "-a", "default"],
              port)
        return port, None
    env = dict(os.environ, LD_LIBRARY_PATH=servers +
               "/lib/usr/lib/x86_64-linux-gnu")
    process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL)
    for _ in range(100):
        try:
            socket.create_connection((HOST, port)).close()
            break
        except OSError:
            time.sleep(0.1)
    return port, process


def replies_until_quiet(ftp):
    """The answers to ABOR: each server has another number of them."""
    while select.select([ftp.sock], [], [], 1.5)[0]:
        try:
            ftp.getmultiline()
        except (EOFError, OSError):
            return


def passive(ftp, command, transfer, data=None, part=None):
    """One transfer on what PASV, EPSV, LPSV or the like announced."""
    text = ftp.sendcmd(command)
    if text.startswith("229"):
        port = ftplib.parse229(text, (HOST, 0))[1]
    else:
        numbers = text[text.rindex("(") + 1:text.rindex(")")].split(",")
        port = int(numbers[-2]) * 256 + int(numbers[-1])
    sock = socket.create_connection((HOST, port), 20)
    ftp.sendcmd(transfer)
    if data is not None:
        sock.sendall(data)
    elif part is not None:
        sock.recv(part)
        return sock
    else:
        while sock.recv(65536):
            pass
    sock.close()
    ftp.voidresp()
    return None


def abort(ftp):
    """ABOR as tnftp sends it, in the midst of a file."""
    sock = passive(ftp, "PASV", "RETR big", part=1000)
    ftp.sock.send(b"\xff\xf4")
    ftp.sock.send(b"\xff", socket.MSG_OOB)
    ftp.sock.send(b"\xf2ABOR\r\n")
    time.sleep(0.3)
    sock.close()
    replies_until_quiet(ftp)


def active(ftp, extended):
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(20)
        port = listener.getsockname()[1]
        if extended:
            ftp.sendeprt(HOST, port)
        else:
            ftp.sendport(HOST, port)
        # inetutils answers 150 only once it is connected.
        ftp.putcmd("NLST" if extended else "LIST")
        sock = listener.accept()[0]
        while sock.recv(65536):
            pass
        sock.close()
        ftp.getresp()
        ftp.voidresp()


def client_ftplib(port):
    ftp = ftplib.FTP(timeout=20)
    ftp.connect(HOST, port)
    ftp.login("joe", PASSWORD)

    def attempt(function, *arguments):
        try:
            function(*arguments)
        except (ftplib.Error, OSError, EOFError) as error:
            print("   ", str(error).replace("\n", " / "))
    for command in ("FEAT", "SYST", "TYPE I", "PWD", "HELP", "STAT", "XYZZY",
                    "NOOP"):
        attempt(ftp.sendcmd, command)
    passive(ftp, "PASV", "RETR small")
    passive(ftp, "PASV", "RETR empty")
    passive(ftp, "EPSV", "STOR upload", data=b"x" * 1000)
    passive(ftp, "EPSV", "APPE upload", data=b"")
    attempt(passive, ftp, "PASV", "MLSD")
    attempt(passive, ftp, "LPSV", "RETR small")
    attempt(passive, ftp, "P@SW", "RETR small")
    attempt(passive, ftp, "CPSV", "RETR small")
    attempt(passive, ftp, "PASV", "STOU", b"stou")
    attempt(active, ftp, False)
    attempt(active, ftp, True)
    attempt(ftp.sendcmd, "PORT 192,0,2,1,4,5")
    attempt(ftp.sendcmd, "PORT 127,0,0,1,300,5")
    attempt(ftp.sendcmd, "PORT 127,0,0,1,4,5,6")
    attempt(ftp.sendcmd, "PORT 127, 0, 0, 1, 4, 5")
    attempt(ftp.sendcmd, "LPRT 4,4,127,0,0,1,2,0,9")
    attempt(ftp.sendcmd, "RETR nosuch")
    attempt(ftp.sendcmd, "SIZE nosuch")
    attempt(ftp.sendcmd, "AUTH TLS")
    attempt(abort, ftp)
    attempt(ftp.sendcmd, "EPRT |3|x|1029|")
    attempt(ftp.sendcmd, "EPSV ALL")
    attempt(ftp.sendcmd, "MODE Z")
    attempt(ftp.quit)


def client_curl(port):
    url = "ftp://joe:%s@%s:%d/" % (PASSWORD, HOST, port)
    subprocess.run(
        ["curl", "-sS", url + "small", "-o", "/dev/null",
         "--next", "-sS", "-T", "/etc/hostname", url + "upload",
         "--next", "-sS", "--disable-epsv", url, "-o", "/dev/null",
         "--next", "-sS", "-P", HOST, url + "small", "-o", "/dev/null",
         "--next", "-sS", "-P", HOST, "--disable-eprt", "-l", url,
         "-o", "/dev/null", "--next", "-sS", "-I", url + "small",
         "-o", "/dev/null", "--next", "-sS", url + "nosuch"], check=False)


def client_lftp(port):
    subprocess.run(
        ["lftp", "-e", """set net:max-retries 1; set net:timeout 8;
set cmd:fail-exit no; set xfer:clobber on; open -u joe,%s -p %d %s; cls -l; get small -o /dev/null;
put /etc/hostname -o upload; set ftp:passive-mode off; nlist;
get small -o /dev/null; mkdir directory; mv upload other; rm other;
rmdir directory; cat nosuch; quit""" % (PASSWORD, port, HOST)], check=False,
        stdout=subprocess.DEVNULL)


def main():
    servers, out = (os.path.abspath(path) for path in sys.argv[1:3])
    clients = {"ftplib": client_ftplib, "curl": client_curl,
               "lftp": client_lftp}
    with tempfile.TemporaryDirectory() as work:
        os.chmod(work, 0o755)
        home = user_joe(work)
        for name in ("vsftpd", "proftpd", "pure-ftpd", "pyftpdlib",
                     "inetutils"):
            fill(home)
            port, process = start(name, servers, work, home)
            for client, run in clients.items():
                print(name, client, flush=True)
                relay = Relay(port)
                try:
                    run(relay.port)
                except (ftplib.Error, OSError, EOFError) as error:
                    print("   ", error)
                time.sleep(0.5)
                relay.write("%s/transcript-%s-%s.txt" % (out, name, client),
                            "%s with %s, on loopback" % (name, client))
            if process is not None:
                process.terminate()
                process.wait()
        subprocess.run(["umount", "/etc"], check=True)


main()
