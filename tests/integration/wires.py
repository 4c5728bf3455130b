"""Sockets of the property test: all in one event loop (see player.py)."""

import asyncio
import collections
import contextlib
import socket
import struct

CHUNK = 1 << 16


def close(sock):
    """Close a socket that somebody may be waiting for.

    Who is cancelled lets go of its number only later, when it may already be
    another socket's.
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
    """A control connection: its lines as they come, then None."""

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
        """Return the next line, which stays."""
        while not self._lines:
            self._changed.clear()
            await self._changed.wait()
        return self._lines[0]

    async def line(self):
        """Return the next line."""
        await self.peek()
        return self._lines.popleft() if self._lines[0] else None

    def waiting(self):
        """Return the lines that nobody has taken yet."""
        return [line for line in self._lines if line]

    async def send(self, data, cuts=()):
        """Send, split at those parts of it, with a moment between."""
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
        """End it, in that way."""
        self.closed = True
        self._task.cancel()
        how(self.sock)


async def pour(sock, content, pauses):
    """Send, with pauses."""
    loop, at = asyncio.get_running_loop(), 0
    for size, pause in pauses:
        await loop.sock_sendall(sock, content[at:at + size])
        at = min(len(content), at + size)
        await asyncio.sleep(pause / 1000)
    if at < len(content):
        await loop.sock_sendall(sock, content[at:])


class Taken:
    """What is received of a transfer, compared with what it should be."""

    def __init__(self, content, pauses):
        self.content, self.count, self.wrong = content, 0, ""
        self._pauses = list(pauses)

    async def take(self, sock, limit=None):
        """Read up to so many bytes; returns whether the end came first."""
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
