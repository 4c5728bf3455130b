#!/usr/bin/python3
"""An FTP client and an FTP server, processes that can be killed and stopped.

Both know what a session takes and no more, and play one to its end as a real
one does, but for one point, at which the one whose turn it is waits:

    peers.py client POINT MODE DIRECTION SIZE PORT
    peers.py server POINT MODE DIRECTION SIZE PORT

It says "at POINT" and goes on when a line comes on its standard input.  What
each sees is said line by line: "reply 227 ...", "command PORT ...", "have
100000" bytes, "data reset 100000", "control end", "done".  The server's lines
begin with the session's number; it waits in session WARM only, since those
before it warm up, and those behind it show that all is well.  The points are
where gate() is called; faults.py has the list of them, with what stands there.

SIZE bytes make the file, the same for everybody; PART of them have gone when
"middle" comes.  Nothing here has a time-out: that is for the test to say.
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
FEW = 1000            # what a reader has taken that then takes nothing
# The small receive buffer of a slow reader.  At "full" a whole big file passes
# through it in the end.
BUFFERS = {"unread": 4096, "full": 65_536}
FULL = 0.3            # seconds without room: the sender says "blocked"
CHUNK = 1 << 16

_CONTENT = {}


def content(size):
    """Return the file of that size."""
    if size not in _CONTENT:
        _CONTENT[size] = random.Random(size).randbytes(size)
    return _CONTENT[size]


class Ended(Exception):
    """The session cannot go on: a connection ended, or a reply says no."""


def say_line(text):
    """Print a line at once, whole, whichever thread says it."""
    os.write(1, text.encode() + b"\n")


def wait_for_go():
    """Wait until the test says how to go on."""
    sys.stdin.readline()


def limit_buffer(sock, point):
    """Give a socket, before it is connected, the buffer of that point."""
    if point in BUFFERS:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFERS[point])


class Party:
    """What client and server share: a control and a data connection.

    point is where to wait, or None; say takes what is seen.
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
        """Return where who sends the file may wait, by the bytes sent."""
        return {1: lambda: self.gate("first"),
                PART: lambda: self.gate("middle"),
                self.size: lambda: self.gate("last")}

    # ---- control ----

    def send_line(self, line):
        """Send a line; a lost connection is found out by who reads."""
        with contextlib.suppress(OSError):
            self.control.sendall(line.encode() + b"\r\n")

    def control_ended(self, how):
        """Say once how control has ended."""
        if not self._control_over:
            self._control_over = True
            self.say(f"control {how}")

    def read_line(self):
        """Return the next line; Ended at the end of the connection."""
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
        """Say once how the data connection has ended, and after how much."""
        if not self._data_over:
            self._data_over = how
            self.say(f"data {how} {count} of {self.size}")

    def close_data(self, reset=False):
        """Let go of the data connection; the peer may see a reset."""
        if self.data is not None and reset:
            self.data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack("ii", 1, 0))
        if self.data is not None:
            self.data.close()
        self.data = None

    def transfer_send(self, gates, watch_control):
        """Send the file; gates are the offsets at which to wait.

        Returns whether all of it went.  With watch_control a line on control
        ends it, as does the end of control.
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
        """Read the file to its end; gates and the result as above."""
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
        """All that came is here, and a clean end; returns whether whole."""
        got, whole = self._got, content(self.size)
        how = "whole" if got == whole else \
            "end" if whole.startswith(got) else "WRONG"
        self.data_ended(how, len(got))
        return how == "whole"

    def drain_data(self):
        """Read the data connection to its end, which is all that is left."""
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
        """Play the session, whatever comes of it."""
        try:
            self._session()
        except Ended:
            self._give_up()
        self.close_data()
        if self.control is not None:
            self.control.close()
        self.say("done")

    def reply(self, start):
        """Read a reply; Ended unless it begins so."""
        line = self.read_line()
        self.say(f"reply {line}")
        if not line.startswith(start):
            raise Ended
        return line

    def ask(self, command, start):
        """Send a command; returns its reply, which must begin so."""
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
                self.reply("none")  # a reply, but nobody has come
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
        """After the failure: what do both connections still bring?"""
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
        """Have the data connection; watches control meanwhile."""
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
        # For a server any end is the end of the file.
        if self._data_over == "reset" or not self._data_over:
            return False
        self.gate("ended")
        return True

    def _stop_transfer(self):
        """Control says something, or the data connection was reset."""
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
    """Be one of the two."""
    if role == "server":
        serve(point, int(size), int(port))
    else:
        Client(point, mode, direction, int(size), int(port)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
