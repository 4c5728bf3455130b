"""A scripted FTP client and server, for what real ones rarely do.

The test itself plays both parts, line by line.  So it determines the order of
events, and nothing depends on time:

    client, server = session()
    server.reply("220 hello")
    client.expect("220")
    client.command("PASV")
    server.expect("PASV")
    server.send_pieces(b"227 (127,0,0,1,", b"4,1)", b"\\r", b"\\n")
    ...

A side is what sockets are made with: a Namespace for the far network, NEAR for
ours.  If one thread is not enough (both ends of a long transfer), see start().
"""

import array
import concurrent.futures
import fcntl
import re
import socket
import struct
import termios
import threading

from process import FAILSAFE, until


class _Near:
    """The near network, with those methods of Namespace that are used here."""

    @staticmethod
    def socket(family=socket.AF_INET):
        return socket.socket(family, socket.SOCK_STREAM)

    @staticmethod
    def call(function, *args):
        return function(*args)


NEAR = _Near()


def start(function, *args):
    """Run a function in a thread; returns a Future.

    Its result(FAILSAFE) raises the exception that the function has raised.
    """
    future = concurrent.futures.Future()

    def run():
        try:
            future.set_result(function(*args))
        except BaseException as error:  # raised by result()
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


class Wire:
    """A connected socket that sends exactly the bytes that it is given."""

    def __init__(self, sock, side):
        self.sock, self.side = sock, side
        sock.settimeout(FAILSAFE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def name(self):
        """The (address, port) of this end."""
        return self.sock.getsockname()[:2]

    @property
    def peer(self):
        """The (address, port) of the other end."""
        return self.sock.getpeername()[:2]

    def send(self, data):
        """Send bytes."""
        self.sock.sendall(data)

    def send_to(self, other, data):
        """Send bytes, and read them at the other end."""
        self.send(data)
        other.expect_bytes(data)

    def send_pieces(self, *pieces):
        """Send each piece when the peer's process has read the one before."""
        for piece in pieces:
            self.send(piece)
            self.wait_taken()

    def send_bytes_singly(self, data):
        """Send one byte at a time, as send_pieces does."""
        self.send_pieces(*(data[i:i + 1] for i in range(len(data))))

    def send_urgent(self, data):
        """Send bytes; the last one is urgent data (MSG_OOB)."""
        self.sock.send(data, socket.MSG_OOB)

    def unsent(self):
        """Return how many bytes the peer has not acknowledged."""
        count = array.array("i", [0])
        fcntl.ioctl(self.sock, termios.TIOCOUTQ, count)
        return count[0]

    def wait_taken(self):
        """Wait until the peer's process, not only its kernel, has read all.

        The peer must be in the same network: culvert near, sshd far.
        """
        here, there = self.sock.getsockname()[1], self.sock.getpeername()[1]

        def taken():
            for name in "tcp", "tcp6":
                with open(f"/proc/thread-self/net/{name}") as file:
                    for line in file.readlines()[1:]:
                        words = line.split()
                        if words[1].endswith(f":{there:04X}") and \
                                words[2].endswith(f":{here:04X}"):
                            return words[4].endswith(":00000000")
            return True  # the peer has gone

        until(lambda: self.unsent() == 0 and self.side.call(taken),
              "the peer reads what was sent")

    def _fill(self):
        data = self.sock.recv(1 << 16)
        self._buffer += data
        return bool(data)

    def _take(self, count):
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def read(self, count):
        """Read exactly count bytes."""
        while len(self._buffer) < count:
            assert self._fill(), \
                f"end of file after {self._buffer!r}, not {count} bytes"
        return self._take(count)

    def read_line(self):
        """Read up to the next LF, inclusive, or to the end of file."""
        while b"\n" not in self._buffer:
            if not self._fill():
                return self._take(len(self._buffer))
        return self._take(self._buffer.index(b"\n") + 1)

    def read_all(self):
        """Read to the end of file.  Raises ConnectionResetError at a reset."""
        parts = [self._take(len(self._buffer))]
        while True:
            data = self.sock.recv(1 << 18)
            if not data:
                return b"".join(parts)
            parts.append(data)

    def expect_bytes(self, data):
        """Fail unless the next bytes are these."""
        got = self.read(len(data))
        assert got == data, f"{got!r}, not {data!r}"

    def expect_end(self):
        """Fail unless the next thing is a clean end of file."""
        rest = self.read_all()
        assert rest == b"", f"{rest!r}, not the end of file"

    def expect_reset(self):
        """Fail unless the connection is reset; returns what came before."""
        parts = [self._take(len(self._buffer))]
        try:
            while True:
                data = self.sock.recv(1 << 18)
                assert data, "a clean end of file, not a reset"
                parts.append(data)
        except (ConnectionResetError, BrokenPipeError):
            return b"".join(parts)

    def half_close(self):
        """End this direction, with a FIN."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        """Close it.  The kernel sends an RST if some bytes were not read."""
        self.sock.close()

    def reset(self):
        """Close it with an RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.sock.close()


class Control(Wire):
    """A control connection, of the client or of the server."""

    encoding = "latin-1"

    def _line(self):
        return self.read_line().decode(self.encoding)

    # The server's part.

    def reply(self, *lines):
        """Send reply lines, all in one piece."""
        self.send("".join(f"{line}\r\n" for line in lines)
                  .encode(self.encoding))

    def expect_command(self, command):
        """Fail unless the next line is this command."""
        line = self._line()
        assert line == f"{command}\r\n", f"{line!r}, not {command!r}"

    def read_command(self, verb=None):
        """Read a command; returns its argument, or, without verb, all."""
        line = self._line()
        assert line.endswith("\r\n"), f"{line!r} has no CR LF"
        if verb is None:
            return line[:-2]
        got, _, argument = line[:-2].partition(" ")
        assert got == verb, f"{line!r}, not {verb}"
        return argument

    # The client's part.

    def command(self, *lines):
        """Send commands, all in one piece."""
        self.reply(*lines)

    def read_reply(self):
        """Read a whole reply; returns its lines unchanged."""
        line = text = self._line()
        code = line[:3]
        if line[3:4] == "-":
            while not line.startswith(code + " "):
                line = self._line()
                assert line, f"end of file within the reply {text!r}"
                text += line
        return text

    def expect(self, start):
        """Fail unless the next reply begins with start; returns it."""
        text = self.read_reply()
        assert text.startswith(start), f"{text!r}, not {start!r}"
        return text

    def exchange(self, command, start):
        """Send a command; returns its reply, which must begin with start."""
        self.command(command)
        return self.expect(start)


def dial(host, port, side=NEAR, kind=Wire, source=None, rcvbuf=None):
    """Connect from a side; source is the (address, port) to connect from."""
    sock = side.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        sock.settimeout(FAILSAFE)
        if rcvbuf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if source:
            sock.bind(source)
        sock.connect((host, port))
    except BaseException:
        sock.close()
        raise
    return kind(sock, side)


def is_closed(there):
    """Return whether nothing listens there."""
    try:
        dial(*there).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass
    return False


class Listener:
    """A listening socket of a side; by default the kernel chooses the port.

    kind is the class of what accept() returns; rcvbuf the size of its receive
    buffer.
    """

    def __init__(self, side=NEAR, address="127.0.0.1", port=0, kind=Wire,
                 rcvbuf=None):
        self.side, self.address, self.kind = side, address, kind
        self.sock = side.socket(
            socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.bind((address, port))
        self.sock.listen(64)
        self.sock.settimeout(FAILSAFE)
        self.port = self.sock.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def accept(self):
        """Wait for the next connection."""
        return self.kind(self.sock.accept()[0], self.side)

    def close(self):
        """Close it: further connections are refused."""
        self.sock.close()

    # Its address and port as arguments of commands.

    def port_argument(self):
        """Return the argument of PORT: h1,h2,h3,h4,p1,p2."""
        return port_argument(self.address, self.port)

    def eprt_argument(self):
        """Return the argument of EPRT: |1|address|port|."""
        return eprt_argument(self.address, self.port)


def port_argument(address, port):
    """Return the argument of PORT, which is also in a 227."""
    return f"{address.replace('.', ',')},{port >> 8},{port & 255}"


def eprt_argument(address, port):
    """Return the argument of EPRT."""
    return f"|{2 if ':' in address else 1}|{address}|{port}|"


def announcement(listener):
    """Return the PORT or EPRT command for a listener."""
    if ":" in listener.address:
        return "EPRT " + listener.eprt_argument()
    return "PORT " + listener.port_argument()


def log_in(client, server):
    """Play the greeting and the login, at both ends."""
    server.reply("220 scripted")
    client.expect("220")
    client.command("USER tester")
    server.expect_command("USER tester")
    server.reply("230 come in")
    client.expect("230")


def parse_port(text):
    """Return (address, port) from a PORT argument or a 227 reply."""
    numbers = re.search(r"(\d+,\d+,\d+,\d+),(\d+),(\d+)", text)
    return (numbers[1].replace(",", "."),
            int(numbers[2]) << 8 | int(numbers[3]))


def parse_eprt(text):
    """Return (address, port) from an EPRT argument."""
    return text.split(text[0])[2], int(text.split(text[0])[3])


def parse_epsv(text):
    """Return the port from a 229 reply."""
    return int(re.search(r"\((.)\1\1(\d+)\1\)", text)[2])


def server(ns, address="127.0.0.1", **how):
    """Return the listener of a scripted FTP server in the far network."""
    return Listener(ns, address, kind=Control, **how)


def client(host, port, **how):
    """Return the control connection of a scripted FTP client, near."""
    return dial(host, port, kind=Control, **how)
