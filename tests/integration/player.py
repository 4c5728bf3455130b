"""Plays a plan of model.py through culvert: its client and its server.

Both live in one event loop, with many others; what they saw is returned as a
model.Record.
"""

import asyncio
import collections
import contextlib
import re
import socket
import struct
import time

import model
import scripted

# A wait that takes longer has failed; culvert's own longest, for a server that
# does not look at an ABOR, are 10 s twice.
BOUND = 45

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


class Player:
    """One run.  listener is where the server's control is accepted."""

    def __init__(self, plan, kind, address, listener, ns):
        self.plan, self.address = plan, address
        self.listener, self.ns = listener, ns
        self.record = model.Record(plan, kind)
        self.refuses = model.KINDS[kind]
        self.trace, self._begin = [], time.monotonic()
        self._over = False           # the client's control has ended
        self._news = asyncio.Event()  # a reply came, or the end
        self._sockets, self._tasks = [], []
        self._prepared = None        # the server's: a listener, or an address
        self._client_data = None

    def note(self, *what):
        """Remember what happened, for whoever looks into a failure."""
        self.trace.append(f"{time.monotonic() - self._begin:8.4f} "
                          + " ".join(str(word)[:160] for word in what))

    async def play(self):
        """Play it all; returns the Record.  TimeoutError: it hangs."""
        client = asyncio.ensure_future(self._client())
        tasks = [client, asyncio.ensure_future(self._server(client))]
        try:
            await asyncio.wait_for(asyncio.gather(*tasks), BOUND)
        finally:
            for task in tasks + self._tasks:
                task.cancel()
            for sock in self._sockets:
                close(sock)
        return self.record

    def _keep(self, sock):
        sock.setblocking(False)
        self._sockets.append(sock)
        return sock

    def _listen(self, side):
        sock = self._keep(side.socket())
        sock.bind(("127.0.0.1", 0))
        sock.listen(8)
        return sock

    def _ends(self, number):
        return self.record.ends.setdefault(number, model.Ends())

    # ---- the client ----

    async def _client(self):
        loop = asyncio.get_running_loop()
        sock = self._keep(socket.socket())
        await loop.sock_connect(sock, self.address)
        self.control = Lines(sock)
        greeting = model.Seen(-1, "greeting", b"")
        self.record.commands.append(greeting)
        reader = asyncio.ensure_future(self._read_replies())
        self._tasks.append(reader)
        if not self.plan.eager:
            await self._answered(greeting)
        for number, step in enumerate(self.plan.steps):
            if not step.pipelined:
                await self._all_answered()
            if self._over:
                break
            if step.ask:
                await self._ask_and_transfer(number, step)
            else:
                await self._command(number, "command", step.line, step.cuts)
                if step.kind == "quit":
                    break
        await self._all_answered()
        if self._client_data:
            await self._client_data
        if self.control.closed:
            return
        if self.plan.end != "quit":
            self.note("client: control", self.plan.end)
            self.control.close(reset if self.plan.end == "reset"
                               else close)
            self._end_control()
            return
        await reader
        self.note("client: control has ended by", self.control.end)
        self.record.control_end = self.control.end
        close(self.control.sock)

    def _end_control(self):
        self._over = True
        self._news.set()

    async def _command(self, number, what, line, cuts=()):
        seen = model.Seen(number, what, line)
        self.record.commands.append(seen)
        self.note("client ->", line)
        with contextlib.suppress(OSError):
            await self.control.send(line, cuts)
        return seen

    async def _wait(self, condition):
        while not self._over and not condition():
            self._news.clear()
            await self._news.wait()

    async def _answered(self, *commands):
        await self._wait(lambda: all(seen.final for seen in commands))

    async def _all_answered(self):
        await self._answered(*self.record.commands)

    async def _read_replies(self):
        while reply := await self._reply():
            self.note("client <-", reply)
            seen = next((seen for seen in self.record.commands
                         if not seen.final), None)
            if seen is None:
                self.record.extra += reply
            elif reply.startswith(b"1"):
                seen.first.append(reply)
            else:
                seen.final = reply
            self._news.set()
        self._end_control()

    async def _reply(self):
        reply = line = await self.control.line()
        if line is None or line[3:4] != b"-":
            return reply
        end = line[:3] + b" "
        while not line.startswith(end):
            line = await self.control.line()
            if line is None:
                break
            reply += line
        return reply

    async def _ask_and_transfer(self, number, step):
        if self._client_data:
            await self._client_data
            self._client_data = None
        listener, line = None, step.ask
        if step.ask in ("PORT", "EPRT"):
            listener = self._listen(scripted.NEAR)
            name = scripted.port_argument if step.ask == "PORT" \
                else scripted.eprt_argument
            line += " " + name(*listener.getsockname())
        ask = await self._command(number, "ask", line.encode() + b"\r\n",
                                  step.cuts)
        one = step.transfer
        if one is None or not one.ask_pipelined:
            await self._answered(ask)
            if one is None or not ask.final.startswith(b"2"):
                return
        data = None
        if one.connect == "early" and not listener and not one.ask_pipelined:
            data = await self._connect(number, one, ask)
        transfer = await self._command(number, "command", step.line)
        self._client_data = asyncio.ensure_future(
            self._client_transfer(number, one, ask, transfer, listener, data))
        self._tasks.append(self._client_data)

    async def _connect(self, number, one, ask):
        loop = asyncio.get_running_loop()
        reply = ask.final.decode("latin-1")
        if reply.startswith("227"):
            to = scripted.parse_port(reply)
        else:
            to = self.address[0], scripted.parse_epsv(reply)
        sock = self._keep(socket.socket())
        if one.rcvbuf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, one.rcvbuf)
        self.note("client: connects to", to)
        try:
            await loop.sock_connect(sock, to)
            return sock
        except OSError as error:
            self.note("client: cannot connect:", error)
            self._ends(number).client = "refused"
            return None

    async def _client_transfer(self, number, one, ask, transfer, listener,
                               data):
        """The client's part of a transfer, from its command on."""
        await self._answered(ask)
        if not ask.final.startswith(b"2"):
            return
        if one.connect == "never":
            await self._wait(lambda: transfer.first or transfer.final)
            await self._abort(number, one)
            return
        if listener:
            data = await self._accept(listener, one, transfer)
        elif data is None and not self._ends(number).client:
            if one.connect == "late":
                await self._wait(lambda: transfer.first or transfer.final)
            if not transfer.final.startswith((b"4", b"5")) \
                    and not self._over:
                data = await self._connect(number, one, ask)
        if data is None:
            return
        if one.wait_first:
            await self._wait(lambda: transfer.first or transfer.final)
        ends = self._ends(number)
        moving = asyncio.ensure_future(
            (self._send if one.upload else self._receive)(
                number, one, ends, data))
        failed = asyncio.ensure_future(self._wait(
            lambda: transfer.final.startswith((b"4", b"5"))))
        await asyncio.wait([moving, failed],
                           return_when=asyncio.FIRST_COMPLETED)
        failed.cancel()
        # A client closes what is of no use; what still comes of a download
        # that was cut, it reads.
        if not moving.done():
            await asyncio.wait([moving], timeout=0 if one.upload
                               or one.fault in ("refuse", "no connection")
                               else 2)
        if moving.cancel():
            self.note("client: gives its data connection up")
            ends.client = "own"
        try:
            await moving
        except asyncio.CancelledError:
            pass
        except OSError as error:
            self.note("client: data:", error)
            ends.client = ends.client or "reset"
        close(data)
        self.note("client: data", ends.client, ends.client_count)

    async def _accept(self, listener, one, transfer):
        """Wait for the server, or for a reply by which it will not come."""
        loop = asyncio.get_running_loop()
        if one.rcvbuf:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                one.rcvbuf)
        accepted = asyncio.ensure_future(loop.sock_accept(listener))
        refused = asyncio.ensure_future(self._wait(lambda: transfer.final))
        try:
            await asyncio.wait([accepted, refused],
                               return_when=asyncio.FIRST_COMPLETED)
            if not accepted.done():
                # The reply may be there at the same time.
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            return self._keep(accepted.result()[0]) if accepted.done() \
                else None
        finally:
            accepted.cancel()
            refused.cancel()
            close(listener)

    async def _send(self, number, one, ends, data):
        fault = one.fault if one.fault.startswith("client") else ""
        count = one.after if fault else one.size
        await pour(data, one.content[:count], one.pauses)
        ends.client_count = count
        if fault:
            ends.client = "own"
            await self._fail(number, one, data)
        elif one.polite:
            data.shutdown(socket.SHUT_WR)
            while await asyncio.get_running_loop().sock_recv(data, CHUNK):
                pass
            ends.client = "eof"
        else:
            ends.client = "eof"

    async def _receive(self, number, one, ends, data):
        fault = one.fault if one.fault.startswith("client") else ""
        taken = Taken(one.content, one.reads)
        try:
            over = await taken.take(data, one.after if fault else None)
            if fault and not over:
                ends.client_count = taken.count
                if "abort" not in fault or fault.endswith("close"):
                    ends.client = "own"
                if await self._fail(number, one, data):
                    return
                await taken.take(data)
            ends.client = "eof"
        finally:
            ends.client_count, ends.wrong = taken.count, taken.wrong

    async def _fail(self, number, one, data):
        """What goes wrong at the client; returns whether data has ended."""
        self.note(one.fault)
        if "abort" in one.fault:
            if one.fault.endswith("close"):
                await self._abort(number, one)
                close(data)
                return True
            abort = await self._abort(number, one)
            if one.upload:
                await self._answered(abort)
            return one.upload
        if one.fault == "client reset":
            reset(data)
        elif one.fault == "client close":
            close(data)
        elif one.fault == "client killed":
            # As the kernel does it: in either order, both ends at once.
            both = [lambda: close(data), self.control.close]
            for end in both if number % 2 else reversed(both):
                end()
            self._end_control()
        else:
            self.control.close(reset)
            self._end_control()
            close(data)
        return True

    async def _abort(self, number, one):
        line = (model.SYNCH if one.telnet else b"") + b"ABOR\r\n"
        return await self._command(number, "abort", line)

    # ---- the server ----

    async def _server(self, client):
        """Serve the client, unless it ends without one."""
        accepted = asyncio.ensure_future(
            asyncio.get_running_loop().sock_accept(self.listener))
        await asyncio.wait([accepted, client],
                           return_when=asyncio.FIRST_COMPLETED)
        if not accepted.done():
            accepted.cancel()
            return
        self.remote = Lines(self._keep(accepted.result()[0]))
        try:
            await self.remote.send(self.plan.greeting)
            while line := await self.remote.line():
                self.note("   server <-", line)
                await self._serve(line)
        except OSError as error:
            self.note("   server: control:", error)
        self.note("   server: control has ended")
        self.remote.close()
        self._drop_prepared()

    def _drop_prepared(self):
        if isinstance(self._prepared, socket.socket):
            close(self._prepared)
        self._prepared = None

    async def _answer(self, reply, cuts=()):
        self.note("   server ->", reply)
        await self.remote.send(reply, cuts)

    async def _serve(self, line):
        bare = line.lstrip(b"\xff\xf4\xf2")
        verb = bare.split()[0].decode("latin-1") if bare.split() else ""
        number = model.number_of(line)
        if verb in ("PASV", "EPSV", "PORT", "EPRT"):
            await self._serve_ask(verb, bare)
        elif verb == "ABOR":
            await self._serve_abort()
        elif verb == "REST" and number is None:
            await self._answer(b"350 restarted\r\n")
        elif number is None and verb != "QUIT":
            self.record.received.append(line)
            await self._answer(b"500 what?\r\n")
        else:
            self.record.received.append(line)
            step = self.plan.steps[-1 if verb == "QUIT" else number]
            if step.transfer:
                await self._serve_transfer(number, step)
            else:
                await self._answer(step.replies[-1], step.reply_cuts)
            if verb == "QUIT":
                self.remote.sock.shutdown(socket.SHUT_WR)

    async def _serve_abort(self):
        reply = b"225 nothing to abort\r\n"
        self.record.abort_replies.append(reply)
        await self._answer(reply)

    def _template(self, verb):
        """Return the shape of the reply to an ask, by the client's step."""
        for seen in self.record.commands:
            if seen.what == "ask" and not seen.final \
                    and self.plan.steps[seen.step].ask == verb:
                return self.plan.steps[seen.step].ask_reply
        return {"PASV": ("227 (", ")"), "EPSV": ("229 (|||", "|)")}.get(
            verb, ("200 noted", ""))

    async def _serve_ask(self, verb, line):
        self._drop_prepared()
        if verb in self.refuses:
            await self._answer(b"502 not here\r\n")
            return
        before, behind = self._template(verb)
        text = ""
        if verb in ("PASV", "EPSV"):
            self._prepared = self._listen(self.ns)
            port = self._prepared.getsockname()[1]
            # A third party's address is not to matter.
            text = scripted.port_argument("10.1.2.3", port) \
                if verb == "PASV" else str(port)
        elif verb == "PORT":
            self._prepared = scripted.parse_port(line.decode())
        else:
            self._prepared = scripted.parse_eprt(line.decode().split()[1])
        await self._answer(f"{before}{text}{behind}\r\n".encode("latin-1"))

    async def _serve_transfer(self, number, step):
        one, ends = step.transfer, self._ends(number)
        running = asyncio.ensure_future(
            self._run_transfer(step, one, ends))
        self._tasks.append(running)
        if one.attentive:
            looking = asyncio.ensure_future(self.remote.peek())
            await asyncio.wait([running, looking],
                               return_when=asyncio.FIRST_COMPLETED)
            looking.cancel()
            waiting = self.remote.waiting()
            if not ends.server_final and (
                    self.remote.end or waiting
                    and waiting[0].endswith(b"ABOR\r\n")):
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await running
                await self._aborted(number, ends)
                return
        await running

    async def _aborted(self, number, ends):
        line = await self.remote.line()
        self.note("   server <-", line, "in a transfer")
        ends.server, ends.aborted = "cut", True
        if line is None:
            return
        final = f"426 #{number} aborted\r\n".encode()
        ends.server_final = final
        await self._answer(final)
        reply = b"226 ABOR done\r\n"
        self.record.abort_replies.append(reply)
        await self._answer(reply)

    async def _run_transfer(self, step, one, ends):
        if one.fault in ("refuse", "no connection"):
            ends.server, ends.server_final = "refused", step.replies[-1]
            await self._answer(step.replies[-1], step.reply_cuts)
            return
        first = one.first
        if not first and self.record.kind == "passive-only":
            # By it alone culvert sees the beginning of a transfer whose
            # client has sent PORT.
            first = "150"
        if first:
            first = f"{first} #{model.number_of(step.line)} opening\r\n" \
                .encode()
        if first and not one.first_late:
            await self._answer(first)
        data = await self._server_connect()
        if data is None:
            ends.server, ends.server_final = "refused", b"425 nobody\r\n"
            await self._answer(ends.server_final)
            return
        try:
            if first and one.first_late:
                await self._answer(first)
            await self._move(step, one, ends, data)
        finally:
            close(data)
            self.note("   server: data", ends.server, ends.server_count)

    async def _server_connect(self):
        loop, prepared = asyncio.get_running_loop(), self._prepared
        self._prepared = None
        if prepared is None:
            return None
        try:
            if isinstance(prepared, socket.socket):
                try:
                    return await self._server_accept(prepared)
                finally:
                    close(prepared)
            sock = self._keep(self.ns.socket())
            await loop.sock_connect(sock, prepared)
            return sock
        except OSError as error:
            self.note("   server: no data connection:", repr(error))
            return None

    async def _server_accept(self, listener):
        """Wait for the data connection, as long as there is control."""
        accepted = asyncio.ensure_future(
            asyncio.get_running_loop().sock_accept(listener))
        ended = asyncio.ensure_future(self.remote.over.wait())
        try:
            # Not wait_for(), which may swallow a cancel().
            await asyncio.wait([accepted, ended], timeout=20,
                               return_when=asyncio.FIRST_COMPLETED)
            return self._keep(accepted.result()[0]) if accepted.done() \
                else None
        finally:
            accepted.cancel()
            ended.cancel()

    async def _move(self, step, one, ends, data):
        fault = one.fault if one.fault.startswith("server") else ""
        try:
            if one.upload:
                taken = Taken(one.content, one.reads)
                try:
                    over = await taken.take(data, one.after if fault else None)
                finally:
                    ends.server_count = taken.count
                    ends.wrong = ends.wrong or taken.wrong
                fault = "" if over else fault
                ends.aborted |= any(line.endswith(b"ABOR\r\n")
                                    for line in self.remote.waiting())
            else:
                await self._pour_download(step, one, ends, data, fault)
        except OSError as error:
            self.note("   server: data:", error)
            if not ends.server_final:  # an early 226 cannot be taken back
                ends.server = "cut"
                await self._say(ends, b"426 #%d cut\r\n"
                                % model.number_of(step.line))
            return
        if fault:
            await self._server_fault(step, one, ends, data)
            return
        ends.server = "whole"
        close(data)
        if not ends.server_final:
            await self._say(ends, step.replies[-1]
                            if not one.fault.startswith("server") else
                            b"226 #%d\r\n" % model.number_of(step.line),
                            step.reply_cuts)

    async def _pour_download(self, step, one, ends, data, fault):
        content = one.content[:one.after] if fault else one.content
        if one.early_226 and not fault and len(content) > 10:
            await pour(data, content[:-10], one.pauses)
            # It has sent all, as far as it knows.
            ends.server = "whole"
            await self._say(ends, step.replies[-1], step.reply_cuts)
            await asyncio.sleep(0.002)
            content = content[-10:]
            await pour(data, content, ())
        else:
            await pour(data, content, one.pauses)
        ends.server_count = len(content)

    async def _server_fault(self, step, one, ends, data):
        self.note("  ", one.fault)
        ends.server = "cut"
        if "control" in one.fault:
            ends.server = "control"
            self.remote.close(reset if one.fault.endswith("reset")
                              else close)
            raise ConnectionAbortedError(one.fault)
        if one.fault.endswith("reset"):
            reset(data)
        else:
            close(data)
        await self._say(ends, step.replies[-1], step.reply_cuts)

    async def _say(self, ends, reply, cuts=()):
        # Known as said before it can be heard.
        ends.server_final = reply
        await self._answer(reply, cuts)
