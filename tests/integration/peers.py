#!/usr/bin/python3
"""An FTP client and an FTP server, as processes that can be killed or stopped.

    peers.py client POINT MODE DIRECTION SIZE PORT
    peers.py server POINT MODE DIRECTION SIZE PORT

They know only as much FTP as a session needs, and behave as real ones do, but
one of them waits at a point of the session: it prints "at POINT", and
continues after a line on its standard input.  Both print what they see, one
line each: "reply 227 ...", "command PORT", "have 100000" (bytes), "data reset
100000 of 300000", "control end", "done".  The server's lines begin with the
number of the session, from 0.  The server waits only in session WARM; those
before it warm up, and those after it show that everything still works.

A point is where gate() is called; faults.py has the list of points.  The file
has SIZE bytes, which depend only on SIZE.  At "middle", PART of them have been
sent.  Nothing here has a time-out: the test has them.
"""

import contextlib
import os
import random
import select
import socket
import struct
import sys
import threading

WARM = 2
PART = 100_000
FEW = 1000            # bytes that a slow reader reads before it waits
# The receive buffers of slow readers, by the point.  At "full" it must not be
# too small, because a big file has to pass through it later.
BUFFERS = {"unread": 4096, "full": 65_536}
FULL = 0.3            # after these seconds the sender prints "blocked"
CHUNK = 1 << 16

_CONTENT = {}


def content(size):
    """Return the file of that size."""
    if size not in _CONTENT:
        _CONTENT[size] = random.Random(size).randbytes(size)
    return _CONTENT[size]


class Ended(Exception):
    """The session cannot continue: a connection ended, or a reply is bad."""


def say_line(text):
    """Print a line at once and in one piece; any thread may call this."""
    os.write(1, text.encode() + b"\n")


def wait_for_go():
    """Wait for a line from the test."""
    sys.stdin.readline()


def limit_buffer(sock, point):
    """Set the receive buffer of a socket for the point, before connecting."""
    if point in BUFFERS:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFERS[point])


class Party:
    """What client and server have in common: the two connections.

    point is where to wait, or None; say(text) is called with what is seen.
    """

    def __init__(self, point, size, say):
        self.point, self.size, self.say = point, size, say
        self.control = self.data = None
        self._buffer, self._got = b"", bytearray()
        self._data_over, self._control_over = None, False

    def gate(self, point):
        """Wait here, if this is the point."""
        if self.point == point:
            self.point = None
            self.say(f"at {point}")
            wait_for_go()

    def sender_gates(self):
        """Return the points of the file's sender: {bytes sent: function}."""
        return {1: lambda: self.gate("first"),
                PART: lambda: self.gate("middle"),
                self.size: lambda: self.gate("last")}

    # ---- control ----

    def send_line(self, line):
        """Send a line.  Errors are ignored: the next read will fail."""
        with contextlib.suppress(OSError):
            self.control.sendall(line.encode() + b"\r\n")

    def control_ended(self, how):
        """Report once how the control connection has ended."""
        if not self._control_over:
            self._control_over = True
            self.say(f"control {how}")

    def read_line(self):
        """Return the next line; raises Ended at the end of the connection."""
        while b"\r\n" not in self._buffer:
            try:
                piece = self.control.recv(4096)
            except OSError:
                self.control_ended("reset")
                raise Ended from None
            if not piece:
                self.control_ended("end")
                raise Ended
            self._buffer += piece
        line, self._buffer = self._buffer.split(b"\r\n", 1)
        return line.decode("latin-1")

    # ---- data ----

    def data_ended(self, how, count):
        """Report once how, and after how many bytes, the data has ended."""
        if not self._data_over:
            self._data_over = how
            self.say(f"data {how} {count} of {self.size}")

    def close_data(self, reset=False):
        """Close the data connection, or reset it."""
        if self.data is not None and reset:
            self.data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack("ii", 1, 0))
        if self.data is not None:
            self.data.close()
        self.data = None

    def transfer_send(self, gates, watch_control):
        """Send the file; gates is as returned by sender_gates().

        With watch_control, stops when the control connection has a line, or
        has ended.  Returns whether the whole file was sent.
        """
        whole, sent, said = content(self.size), 0, False
        self.data.setblocking(False)
        while sent < self.size:
            if sent in gates:
                gates[sent]()
            until = min([place for place in gates if place > sent]
                        + [self.size, sent + CHUNK])
            watched = [self.control] if watch_control else []
            readable, writable, _ = select.select(
                watched, [self.data], [], None if said else FULL)
            if readable:
                return False
            if not writable:
                self.say("blocked")
                said = True
                continue
            try:
                sent += self.data.send(whole[sent:until])
            except OSError:
                self.data_ended("reset", sent)
                return False
        self.data.setblocking(True)
        if sent in gates:
            gates[sent]()
        try:
            self.data.shutdown(socket.SHUT_WR)
        except OSError:
            self.data_ended("reset", sent)
            return False
        return True

    def transfer_receive(self, gates, watch_control):
        """Read the file to its end; returns whether all of it has come.

        gates: {bytes read: function}; watch_control as in transfer_send().
        """
        got, place = self._got, 0
        got.clear()
        marks = {1, PART, self.size}
        while True:
            if place in gates:
                gates.pop(place)()
            watched = [self.control] if watch_control else []
            readable, _, _ = select.select([self.data, *watched], [], [])
            if self.data not in readable:
                return False
            most = min([mark for mark in {*gates, *marks} if mark > place]
                       + [place + CHUNK]) - place
            try:
                piece = self.data.recv(most)
            except OSError:
                self.data_ended("reset", place)
                return False
            if not piece:
                break
            got += piece
            place = len(got)
            if place in marks:
                self.say(f"have {place}")
        return self.data_came_to_end()

    def data_came_to_end(self):
        """Report a clean end of the data; returns whether all is there."""
        got, whole = self._got, content(self.size)
        how = "whole" if got == whole else \
            "end" if whole.startswith(got) else "WRONG"
        self.data_ended(how, len(got))
        return how == "whole"

    def drain_data(self):
        """Read the rest of the data connection."""
        if self.data is None:
            return
        self.data.setblocking(True)
        try:
            while piece := self.data.recv(CHUNK):
                self._got += piece
        except OSError:
            self.data_ended("reset", len(self._got))
        else:
            self.data_came_to_end()


class Client(Party):
    """An FTP client: one session, with one transfer."""

    def __init__(self, point, mode, direction, size, port, say=say_line):
        super().__init__(point, size, say)
        self.mode, self.direction, self.port = mode, direction, port

    def run(self):
        """Play the session, successful or not."""
        try:
            self._session()
        except Ended:
            self._give_up()
        self.close_data()
        if self.control is not None:
            self.control.close()
        self.say("done")

    def reply(self, start):
        """Read a reply; raises Ended unless it begins with start."""
        line = self.read_line()
        self.say(f"reply {line}")
        if not line.startswith(start):
            raise Ended
        return line

    def ask(self, command, start):
        """Send a command; returns its reply, which must begin with start."""
        self.send_line(command)
        return self.reply(start)

    def _session(self):
        try:
            self.control = socket.create_connection(("127.0.0.1", self.port))
        except OSError:
            self.say("control refused")
            raise Ended from None
        self.reply("220")
        self.ask("USER tester", "331")
        self.gate("user")
        self.ask("PASS secret", "230")
        self.gate("idle")
        self.ask("TYPE I", "200")
        self._transfer()
        self.gate("stored")
        self.ask("QUIT", "221")
        with contextlib.suppress(Ended):
            while True:
                self.reply("")

    def _transfer(self):
        verb = "RETR" if self.direction == "download" else "STOR"
        if self.mode == "passive":
            self._dial(self.ask("PASV", "227"))
            self.gate("connected")
            self.ask(f"{verb} file-{self.size}", "150")
        else:
            self._listen(f"{verb} file-{self.size}")
        (self._download if verb == "RETR" else self._upload)()

    def _dial(self, reply):
        self.gate("answered")
        numbers = reply[reply.index("(") + 1:reply.index(")")].split(",")
        data = socket.socket()
        limit_buffer(data, self.point)
        try:
            data.connect((".".join(numbers[:4]),
                          int(numbers[4]) << 8 | int(numbers[5])))
        except OSError:
            self.data_ended("refused", 0)
            raise Ended from None
        self.data = data

    def _listen(self, command):
        with socket.socket() as listener:
            limit_buffer(listener, self.point)
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            port = listener.getsockname()[1]
            self.ask(f"PORT 127,0,0,1,{port >> 8},{port & 255}", "200")
            self.gate("answered")
            self.send_line(command)
            readable, _, _ = select.select([listener, self.control], [], [])
            if listener not in readable:
                self.reply("none")  # a reply, but no connection; raises Ended
            self.data = listener.accept()[0]
        self.reply("150")

    def _download(self):
        gates = {}
        if self.point in BUFFERS:
            gates[FEW] = lambda: self.gate(self.point)
        if self.point == "aborting":
            gates[PART] = lambda: self.send_line("ABOR")
        whole = self.transfer_receive(gates, False)
        self.close_data()
        if self.point == "aborting":
            self.reply("4")
        self.reply("226")
        if not whole and self.point != "aborting":
            self.say("LIE")

    def _upload(self):
        self.gate("opened")
        if self.point == "aborting":
            self.data.sendall(content(self.size)[:PART])
            self.send_line("ABOR")
            self.reply("4")
            self.reply("226")
            self.close_data()
            return
        if not self.transfer_send(self.sender_gates(), True):
            raise Ended
        self.reply("226")
        self.close_data()

    def _give_up(self):
        """After a failure, read what still comes on both connections."""
        self.drain_data()
        if self.control is None or self._control_over:
            return
        self.send_line("QUIT")
        with contextlib.suppress(Ended):
            while True:
                self.reply("")


class Session(Party):
    """An FTP server's side of one session."""

    def __init__(self, control, number, point, size):
        super().__init__(
            point, size, lambda text: say_line(f"{number}: {text}"))
        self.control = control
        self._listener = self._target = None

    def run(self):
        """Answer commands until the client has gone."""
        with contextlib.suppress(Ended):
            self.gate("greeting")
            self.send_line("220 ready")
            while True:
                verb, _, argument = self.read_line().partition(" ")
                self.say(f"command {verb}")
                if verb == "QUIT":
                    self.gate("quit")
                    self.send_line("221 bye")
                    break
                self._answer(verb, argument)
        with contextlib.suppress(OSError):
            self.control.shutdown(socket.SHUT_WR)
        with contextlib.suppress(Ended):
            while True:
                self.read_line()
        self.close_data()
        if self._listener is not None:
            self._listener.close()
        self.control.close()
        self.say("done")

    def _answer(self, verb, argument):
        if verb == "PASV":
            self._passive()
        elif verb == "PORT":
            numbers = argument.split(",")
            self._target = (".".join(numbers[:4]),
                            int(numbers[4]) << 8 | int(numbers[5]))
            self.gate("asked")
            self.send_line("200 PORT")
        elif verb in ("RETR", "STOR"):
            self.size = int(argument.split("-")[1])
            self._transfer(verb)
        elif verb == "ABOR":
            self.send_line("226 nothing to abort")
        else:
            self.send_line({"USER": "331 who?", "PASS": "230 welcome",
                            "TYPE": "200 binary"}.get(verb, "502 what?"))

    def _passive(self):
        self.gate("asked")
        self._listener = socket.create_server(("127.0.0.1", 0))
        limit_buffer(self._listener, self.point)
        port = self._listener.getsockname()[1]
        self.send_line(f"227 ok (127,0,0,1,{port >> 8},{port & 255})")

    def _connect(self):
        """Make the data connection.  Returns whether it was made.

        In passive mode, stops when the control connection has a line or ends.
        """
        if self._listener is None:
            self.data = socket.socket()
            limit_buffer(self.data, self.point)
            try:
                self.data.connect(self._target)
            except OSError:
                self.data_ended("refused", 0)
                return False
            return True
        readable, _, _ = select.select([self._listener, self.control], [], [])
        if self._listener not in readable:
            return False
        self.data = self._listener.accept()[0]
        self._listener.close()
        self._listener = None
        return True

    def _transfer(self, verb):
        self.gate("commanded")
        self._data_over = None
        if not self._connect():
            self.send_line("425 no data connection")
            return
        self.send_line("150 here it comes")
        good = (self._send if verb == "RETR" else self._receive)()
        if good:
            self.send_line("226 done")
            self.say("said 226")
        else:
            self._stop_transfer()
        self.close_data()

    def _send(self):
        self.gate("opened")
        gates = self.sender_gates()
        if self.point == "aborting":
            gates[PART] = lambda: select.select([self.control], [], [])
        if not self.transfer_send(gates, True):
            return False
        self.data_ended("sent", self.size)
        self.close_data()
        self.gate("ended")
        return True

    def _receive(self):
        gates = {}
        if self.point == "full":
            gates[FEW] = lambda: self.gate("full")
        self.transfer_receive(gates, True)
        # A server takes any clean end for the end of the file.
        if self._data_over == "reset" or not self._data_over:
            return False
        self.gate("ended")
        return True

    def _stop_transfer(self):
        """The client has sent a command, or the data connection was reset."""
        if self._data_over:
            self.send_line("426 the data connection was lost")
            return
        try:
            line = self.read_line()
        except Ended:
            self.drain_data()
            raise
        self.say(f"command {line}")
        self.gate("aborting")
        self.close_data(reset=True)
        self.data_ended("aborted", len(self._got))
        self.send_line("426 aborted")
        self.send_line("226 ABOR done")


def serve(point, size, port):
    """Serve sessions for ever."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        say_line(f"port {listener.getsockname()[1]}")
        number = 0
        while True:
            control, _ = listener.accept()
            session = Session(control, number,
                              point if number == WARM else None, size)
            say_line(f"{number}: accepted")
            threading.Thread(target=session.run, daemon=True).start()
            number += 1


def main(role, point, mode, direction, size, port):
    """Run the client or the server."""
    if role == "server":
        serve(point, int(size), int(port))
    else:
        Client(point, mode, direction, int(size), int(port)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
