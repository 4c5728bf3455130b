"""Sockets of the property test, in one event loop (see player.py)."""

import asyncio
import collections
import contextlib
import socket
import struct

CHUNK = 1 << 16


def close(sock):
    """Close a socket, even if a task waits for it.

    The event loop forgets the file descriptor at once.  When the task is
    cancelled, it would be forgotten only later, and may by then belong to
    another socket.
    """
    if sock.fileno() >= 0:
        loop = asyncio.get_running_loop()
        loop.remove_reader(sock)
        loop.remove_writer(sock)
        sock.close()


def reset(sock):
    """Close a socket with an RST."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack("ii", 1, 0))
    close(sock)


class Lines:
    """A control connection: its lines as they come, and then None.

    end is "eof" or "reset" when it has ended.
    """

    def __init__(self, sock):
        self.sock, self.end, self.closed = sock, "", False
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines, self._changed = collections.deque(), asyncio.Event()
        self.over = asyncio.Event()
        self._task = asyncio.ensure_future(self._read())
        self._sending = asyncio.Lock()

    async def _read(self):
        loop, rest = asyncio.get_running_loop(), b""
        try:
            while data := await loop.sock_recv(self.sock, CHUNK):
                *lines, rest = (rest + data).split(b"\n")
                self._lines.extend(line + b"\n" for line in lines)
                self._changed.set()
            self.end = "eof"
        except OSError:
            self.end = "reset"
        if rest:
            self._lines.append(rest)
        self._lines.append(None)
        self._changed.set()
        self.over.set()

    async def peek(self):
        """Return the next line, without taking it."""
        while not self._lines:
            self._changed.clear()
            await self._changed.wait()
        return self._lines[0]

    async def line(self):
        """Take the next line, and return it."""
        await self.peek()
        return self._lines.popleft() if self._lines[0] else None

    def waiting(self):
        """Return the lines that have come and were not taken."""
        return [line for line in self._lines if line]

    async def send(self, data, cuts=()):
        """Send data in pieces, with a pause after each.

        cuts are the places to split it, as fractions of its length.
        """
        loop, at = asyncio.get_running_loop(), 0
        async with self._sending:
            for cut in [*cuts, 1]:
                piece = data[at:int(len(data) * cut)]
                at += len(piece)
                if piece:
                    await loop.sock_sendall(self.sock, piece)
                    if cut != 1:
                        await asyncio.sleep(0.001)

    def close(self, how=close):
        """End it, with close() or reset()."""
        self.closed = True
        self._task.cancel()
        how(self.sock)


async def pour(sock, content, pauses):
    """Send content; pauses are (how many bytes, then milliseconds)."""
    loop, at = asyncio.get_running_loop(), 0
    for size, pause in pauses:
        await loop.sock_sendall(sock, content[at:at + size])
        at = min(len(content), at + size)
        await asyncio.sleep(pause / 1000)
    if at < len(content):
        await loop.sock_sendall(sock, content[at:])


class Taken:
    """Counts the received bytes of a transfer, and compares its content."""

    def __init__(self, content, pauses):
        self.content, self.count, self.wrong = content, 0, ""
        self._pauses = list(pauses)

    async def take(self, sock, limit=None):
        """Read until limit bytes have come in all, or to the end.

        Returns whether the end has come.
        """
        loop = asyncio.get_running_loop()
        while limit is None or self.count < limit:
            data = await loop.sock_recv(
                sock, CHUNK if limit is None
                else min(CHUNK, limit - self.count))
            if not data:
                return True
            if self.content[self.count:self.count + len(data)] != data:
                self.wrong = f"{len(data)} bytes at {self.count} are not the" \
                    f" content's: {data[:40]!r}"
            self.count += len(data)
            while self._pauses and self.count >= self._pauses[0][0]:
                await asyncio.sleep(self._pauses.pop(0)[1] / 1000)
        return False
