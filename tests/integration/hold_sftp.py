#!/usr/bin/python3
"""An SFTP server for tests that stops at a packet: a Subsystem of sshd.

    hold_sftp.py SOCKET [ARGUMENT ...]

It runs OpenSSH's sftp-server with these arguments, and passes packets on in
both directions.  When it sees a REALPATH, with which a session of the gateway
begins, it connects to SOCKET, sends its pid and that of sftp-server, and waits
for a line: a rule, or "go".  The further channels of an upload, which send no
REALPATH, have no rule.

    hold request TYPE N  wait before the Nth request of that type passes
    hold reply TYPE N    the same with the reply to such a request
    fail TYPE N STATUS   answer the Nth such request, and each later one, with
                         that status; the server does not get it

Once it waits it sends "held"; it continues after "go", or when the connection
ends.  The other direction is not held.  It imports little, because it is
started for each session.
"""

import os
import select
import socket
import struct
import sys

SERVER = "/usr/lib/openssh/sftp-server"

NAMES = {3: "OPEN", 4: "CLOSE", 5: "READ", 6: "WRITE", 9: "SETSTAT",
         10: "FSETSTAT", 13: "REMOVE", 16: "REALPATH", 18: "RENAME"}
EXTENDED, STATUS = 200, 101


class Stream:
    """Packets of one direction; held: nothing passes."""

    def __init__(self, source, target):
        self.source, self.target = source, target
        self.bytes, self.held = b"", False

    def packets(self):
        """Yield the complete packets.  The last one stays if it is held."""
        while len(self.bytes) >= 4:
            end = 4 + struct.unpack_from(">I", self.bytes)[0]
            if len(self.bytes) < end:
                return
            yield self.bytes[:end]
            self.bytes = self.bytes[end:]

    def send(self, packet):
        """Pass a packet on."""
        while packet:
            packet = packet[os.write(self.target, packet):]


class Proxy:
    """The two directions, and the test's rule."""

    def __init__(self, path, pid, requests, replies):
        # test: None, not yet connected; False, gone.
        self.path, self.pid, self.test = path, pid, None
        self.requests, self.replies = requests, replies
        self.rule, self.types, self.count = ["go"], {}, 0

    def name_of(self, packet):
        """Return the type of a request."""
        kind = packet[4]
        if kind != EXTENDED:
            return NAMES.get(kind)
        size = struct.unpack_from(">I", packet, 9)[0]
        name = packet[13:13 + size]
        return "RENAME" if name.startswith(b"posix-rename") else None

    def meet_test(self):
        """Ask for the rule."""
        self.test = socket.socket(socket.AF_UNIX)
        self.test.connect(self.path)
        self.test.sendall(b"%d %d\n" % (os.getpid(), self.pid))
        self.rule = self.test.recv(100).decode().split() or ["go"]

    def is_held(self, stream, what, name):
        """Hold the stream if the rule says so."""
        if self.rule[:3] != ["hold", what, name]:
            return False
        self.count += 1
        stream.held = self.count == int(self.rule[3])
        if stream.held:
            self.test.sendall(b"held\n")
        return stream.held

    def fails(self, packet, name):
        """Answer a request with a failure if the rule says so."""
        if self.rule[0] != "fail" or self.rule[1] != name:
            return False
        self.count += 1
        if self.count < int(self.rule[2]):
            return False
        self.replies.send(struct.pack(
            ">IB4sI8x", 17, STATUS, packet[5:9], int(self.rule[3])))
        return True

    def pass_requests(self):
        """Pass on what has come from the client."""
        for packet in self.requests.packets():
            name = self.name_of(packet)
            if name == "REALPATH" and self.test is None:
                self.meet_test()
            if self.is_held(self.requests, "request", name):
                return
            if not self.fails(packet, name):
                self.types[packet[5:9]] = name
                self.requests.send(packet)

    def pass_replies(self):
        """Pass on what has come from the server."""
        for packet in self.replies.packets():
            name = self.types.get(packet[5:9])
            if self.is_held(self.replies, "reply", name):
                return
            self.types.pop(packet[5:9], None)
            self.replies.send(packet)

    def go(self):
        """Forget the rule."""
        self.rule = ["go"]
        for stream in self.requests, self.replies:
            stream.held = False
        self.pass_requests()
        self.pass_replies()

    def run(self):
        """Pass packets on until one end has ended."""
        work = {self.requests: self.pass_requests,
                self.replies: self.pass_replies}
        while True:
            wanted = {one.source: one for one in work if not one.held}
            ready = select.select(
                [*wanted, *([self.test] if self.test else [])], [], [])[0]
            for one in ready:
                if one is self.test:
                    if not one.recv(100):
                        self.test = False
                    self.go()
                    continue
                stream = wanted[one]
                piece = os.read(one, 1 << 18)
                if not piece:
                    return
                stream.bytes += piece
                if not stream.held:
                    work[stream]()


def main(path, *arguments):
    """Start the server, and stand before it."""
    there, back = os.pipe(), os.pipe()
    pid = os.posix_spawn(SERVER, [SERVER, *arguments], {}, file_actions=[
        (os.POSIX_SPAWN_DUP2, there[0], 0),
        (os.POSIX_SPAWN_DUP2, back[1], 1)])
    os.close(there[0])
    os.close(back[1])
    Proxy(path, pid, Stream(0, there[1]), Stream(back[0], 1)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
