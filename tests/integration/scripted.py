"""A scripted FTP client and server: for what real ones rarely do.

The test plays both parts itself, line by line, so the order of events is
what it says and nothing is timed:

    client, server = session()
    server.reply("220 hello")
    client.expect("220")
    client.command("PASV")
    server.expect("PASV")
    server.send_pieces(b"227 (127,0,0,1,", b"4,1)", b"\\r", b"\\n")
    ...

Sockets come from a side: a Namespace for the far one, NEAR for ours.  Where
one thread is not enough (both ends of a long transfer), see start().
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
    """The near network, with the interface of Namespace."""

    @staticmethod
    def socket(family=socket.AF_INET):
        return socket.socket(family, socket.SOCK_STREAM)

    @staticmethod
    def call(function, *args):
        return function(*args)


NEAR = _Near()


def start(function, *args):
    """Run a function in a thread; returns a Future.

    Take its result(FAILSAFE), which raises what the function has raised.
    """
    future = concurrent.futures.Future()

    def run():
        try:
            future.set_result(function(*args))
        except BaseException as error:  # handed to whoever asks
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


class Wire:
    """A connected socket that sends exactly what the test says."""

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
        """Our own (address, port)."""
        return self.sock.getsockname()[:2]

    @property
    def peer(self):
        """The other end's (address, port)."""
        return self.sock.getpeername()[:2]

    def send(self, data):
        """Send bytes."""
        self.sock.sendall(data)

    def send_to(self, other, data):
        """Send bytes, and read them at the other end."""
        self.send(data)
        other.expect_bytes(data)

    def send_pieces(self, *pieces):
        """Send each piece when the peer's process has read the last one."""
        for piece in pieces:
            self.send(piece)
            self.wait_taken()

    def send_bytes_singly(self, data):
        """Send one byte at a time, as send_pieces does."""
        self.send_pieces(*(data[i:i + 1] for i in range(len(data))))

    def send_urgent(self, data):
        """Send bytes of which the last one is urgent (MSG_OOB)."""
        self.sock.send(data, socket.MSG_OOB)

    def unsent(self):
        """Return how many bytes the peer has not acknowledged."""
        count = array.array("i", [0])
        fcntl.ioctl(self.sock, termios.TIOCOUTQ, count)
        return count[0]

    def wait_taken(self):
        """Wait until the peer's process, not its kernel, has read all.

        The peer must live in the same network: culvert near, sshd far.
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
        """Read exactly so many bytes."""
        while len(self._buffer) < count:
            assert self._fill(), \
                f"end of file after {self._buffer!r}, not {count} bytes"
        return self._take(count)

    def read_line(self):
        """Read up to and with the next LF; what is left at the end."""
        while b"\n" not in self._buffer:
            if not self._fill():
                return self._take(len(self._buffer))
        return self._take(self._buffer.index(b"\n") + 1)

    def read_all(self):
        """Read to the end of file.  ConnectionResetError if it is none."""
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
        """Fail unless the peer ends its direction, cleanly, at this point."""
        rest = self.read_all()
        assert rest == b"", f"{rest!r}, not the end of file"

    def expect_reset(self):
        """Fail unless the connection is reset; returns the bytes before."""
        parts = [self._take(len(self._buffer))]
        try:
            while True:
                data = self.sock.recv(1 << 18)
                assert data, "a clean end of file, not a reset"
                parts.append(data)
        except (ConnectionResetError, BrokenPipeError):
            return b"".join(parts)

    def half_close(self):
        """End our direction: a FIN."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        """Close it.  The kernel sends RST if something was not read."""
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
        """Read a command; returns its argument, or without verb all of it."""
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
        """Read a whole reply, with its lines as they came."""
        line = text = self._line()
        code = line[:3]
        if line[3:4] == "-":
            while not line.startswith(code + " "):
                line = self._line()
                assert line, f"end of file within the reply {text!r}"
                text += line
        return text

    def expect(self, start):
        """Fail unless the next reply begins so; returns it."""
        text = self.read_reply()
        assert text.startswith(start), f"{text!r}, not {start!r}"
        return text

    def exchange(self, command, start):
        """Send a command; returns its reply, which must begin so."""
        self.command(command)
        return self.expect(start)


def dial(host, port, side=NEAR, kind=Wire, source=None, rcvbuf=None):
    """Connect from a side; source is an (address, port) to come from."""
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
    """Return whether nobody listens there (any more)."""
    try:
        dial(*there).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass
    return False


class Listener:
    """A listening socket of a side, on a port of the kernel's choice.

    kind is the class of what accept() returns.  A small rcvbuf makes a
    reader that is slow to take what it is sent.
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

    # In the notation of a client or a server.

    def port_argument(self):
        """Return it in the form of PORT and 227: h1,h2,h3,h4,p1,p2."""
        return port_argument(self.address, self.port)

    def eprt_argument(self):
        """Return it in the form of EPRT: |1|address|port|."""
        return eprt_argument(self.address, self.port)


def port_argument(address, port):
    """Return an IPv4 host-port in the form of PORT."""
    return f"{address.replace('.', ',')},{port >> 8},{port & 255}"


def eprt_argument(address, port):
    """Return a host-port in the form of EPRT."""
    return f"|{2 if ':' in address else 1}|{address}|{port}|"


def announcement(listener):
    """Return the PORT or EPRT command for a listener."""
    if ":" in listener.address:
        return "EPRT " + listener.eprt_argument()
    return "PORT " + listener.port_argument()


def log_in(client, server):
    """Play the usual beginning of a session, at both ends."""
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
