"""Plays a plan of model.py through culvert, as the client and the server.

All players run in one event loop.  The result, a model.Record, is what client
and server saw.
"""

import asyncio
import contextlib
import socket
import time

import model
import scripted
from player_server import ServerPart
from wires import CHUNK, Lines, Taken, close, pour, reset

# Seconds after which a session has failed.  culvert's longest wait, for a
# server that does not answer ABOR, is 10 s, and may happen twice.
BOUND = 45


class Player(ServerPart):
    """One run of a plan.

    kind: the server's kind (model.KINDS); address: where the client connects;
    listener: where the server accepts control connections, in ns.
    """

    def __init__(self, plan, kind, address, listener, ns):
        self.plan, self.address = plan, address
        self.listener, self.ns = listener, ns
        self.record = model.Record(plan, kind)
        self.refuses = model.KINDS[kind]
        self.trace, self._begin = [], time.monotonic()
        self._over = False  # the client's control connection has ended
        self._news = asyncio.Event()  # a reply has come, or the end
        self._sockets, self._tasks = [], []
        # The server's, after an ask: a listener (PASV), or where to connect.
        self._prepared = None
        self._client_data = None

    def note(self, *what):
        """Store what happened, to explain a failure."""
        self.trace.append(f"{time.monotonic() - self._begin:8.4f} "
                          + " ".join(str(word)[:160] for word in what))

    async def play(self):
        """Play the plan; returns the Record.  If it hangs: TimeoutError."""
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
        # After a failure the client closes the data connection, but first
        # reads the rest of a download.
        if not moving.done():
            await asyncio.wait([moving], timeout=0 if one.upload
                               or one.fault in ("refuse", "no connection")
                               else 2)
        if moving.cancel():
            self.note("client: closes its data connection")
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
        """Wait for the server's connection, or for a final reply.

        Returns the connection, or None.
        """
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
                # The connection may have come at the same time as the reply.
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
        """Produce the client's fault.

        Returns whether the client has finished with its data connection.
        """
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
            # As the kernel closes the connections of a killed process: both at
            # once, in either order.
            both = [lambda: close(data), self.control.close]
            begin = time.monotonic()
            for end in both if number % 2 else reversed(both):
                end()
            # culvert waits at least 5 ms for the second end.
            self._ends(number).slow = time.monotonic() - begin > 0.002
            self._end_control()
        else:
            self.control.close(reset)
            self._end_control()
            close(data)
        return True

    async def _abort(self, number, one):
        line = (model.SYNCH if one.telnet else b"") + b"ABOR\r\n"
        return await self._command(number, "abort", line)
