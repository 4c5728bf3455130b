"""The server of a run: see player.py."""

import asyncio
import contextlib
import socket

import model
import scripted
from wires import Lines, Taken, close, pour, reset


class ServerPart:
    """Does what the plan says for the server, and records what it sees."""

    async def _server(self, client):
        """Serve the client's connection, unless the client ends before.

        Connections that end without a command are skipped: they are of clients
        whose link was lost.
        """
        while not await self._served(client) and not client.done():
            pass

    async def _served(self, client):
        """Serve one connection; returns whether a command came on it."""
        accepted = asyncio.ensure_future(
            asyncio.get_running_loop().sock_accept(self.listener))
        await asyncio.wait([accepted, client],
                           return_when=asyncio.FIRST_COMPLETED)
        if not accepted.done():
            accepted.cancel()
            return False
        self.remote, spoken = Lines(self._keep(accepted.result()[0])), False
        try:
            await self.remote.send(self.plan.greeting)
            while line := await self.remote.line():
                spoken = True
                self.note("   server <-", line)
                await self._serve(line)
        except OSError as error:
            self.note("   server: control:", error)
        self.note("   server: control has ended")
        self.remote.close()
        self._drop_prepared()
        return spoken

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
        """Return the step's ask_reply, or a default."""
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
            # With an address that culvert must ignore.
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
            # culvert has connected to this server, and waits for a first reply
            # before it connects to a client that has sent PORT.
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
        """Wait for the data connection, or the end of control.

        Returns the data connection, or None.
        """
        accepted = asyncio.ensure_future(
            asyncio.get_running_loop().sock_accept(listener))
        ended = asyncio.ensure_future(self.remote.over.wait())
        try:
            # Not wait_for(), because that may ignore a cancel().
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
            # The server considers everything as sent.
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
        # Recorded first, so before the client can get it.
        ends.server_final = reply
        await self._answer(reply, cuts)
