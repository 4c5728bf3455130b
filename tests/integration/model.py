"""The model of a session: random plans, and what must be true of a run.

A plan is everything that a client and a server will do in one session: the
commands and their replies, how their bytes are split, when the data
connections are made, how much they carry, and what goes wrong.  It depends
only on a number, the seed.  player.py plays it through culvert, and records
what client and server saw; check() compares that with the plan.

In names and comments here, an "ask" is a PASV, EPSV, PORT or EPRT.

What culvert promises, and check() verifies:

  * Replies arrive in order, one final reply to each command.  They are
    unchanged, except for the host-ports in the replies to PASV and EPSV.
    Commands are unchanged, except for PORT and EPRT.
  * A transfer in which nothing went wrong succeeds.
  * The receiver of a file gets its content, or the beginning of it, never
    other bytes.
  * If the client gets 2xx for a transfer, the receiver has got the whole file
    and then a clean end.
  * If an upload is cut, the server does not get its end before an ABOR.
  * Every session ends.
"""

import dataclasses
import random
import re

# The commands that a server refuses, by its kind.  The kind is not in the
# plan, because a tunnel remembers what its server refuses, and so must always
# have a server of the same kind.
KINDS = {
    "all": (), "no-extended": ("EPSV", "EPRT"),
    "passive-only": ("PORT", "EPRT"), "active-only": ("PASV", "EPSV"),
}

DOWNLOADS, UPLOADS = ("RETR", "LIST", "NLST"), ("STOR", "APPE")

# The content of each transfer is a part of this.
CONTENT = random.Random(0).randbytes(4 << 20)

# When a client cuts a download, its kernel may have acknowledged so many bytes
# that the client has not read.
IN_FLIGHT = 256 << 10

SYNCH = b"\xff\xf4\xff\xf2"


@dataclasses.dataclass
class Step:
    """A command and its reply; for a transfer also its ask.

    kind: "plain", "refused" (by culvert), "ask" (without a transfer),
    "transfer" or "quit".  pipelined: sent without waiting for the replies to
    earlier commands.
    """

    kind: str
    line: bytes = b""
    replies: tuple = ()       # the server's, each with its line ends
    pipelined: bool = False
    cuts: tuple = ()          # where the bytes of the command are split
    reply_cuts: tuple = ()    # where the bytes of the reply are split
    ask: str = ""             # "PASV", "EPSV", "PORT", "EPRT" or ""
    ask_reply: tuple = ()     # its reply: the texts (before, behind) the
    #                           host-port
    transfer: "Transfer" = None


@dataclasses.dataclass
class Transfer:
    """A transfer, and what goes wrong in it."""

    upload: bool
    at: int                   # where its content begins in CONTENT
    size: int
    ask_pipelined: bool = False  # sent without waiting for the ask's reply
    first: str = "150"        # the server's first reply, or ""
    first_late: bool = False  # ... comes after the data connection is made
    attentive: bool = True    # the server reads commands during a transfer
    early_226: bool = False   # a download's 226 comes before its last bytes
    # A passive client connects: "early", before its command; "after" it;
    # "late", after the first reply; or "never".
    connect: str = "early"
    wait_first: bool = False  # the client moves data only after a reply
    polite: bool = True       # an upload is ended by a half-close
    rcvbuf: int = 0           # the client's receive buffer; 0: the default
    pauses: tuple = ()        # (how many bytes, milliseconds) of the sender
    reads: tuple = ()         # ... and of the receiver
    # What goes wrong, after how many bytes: see CLIENT_FAULTS, SERVER_FAULTS.
    fault: str = ""
    after: int = 0
    telnet: bool = False      # ABOR comes after Telnet's IP and Synch

    @property
    def content(self):
        """The bytes of the file."""
        return memoryview(CONTENT)[self.at:self.at + self.size]


# What a client does in the middle of a transfer: it resets or closes its data
# connection, sends ABOR (and then closes the data connection or not), is
# killed (both connections end), or resets its control connection.
CLIENT_FAULTS = ["client reset", "client abort", "client abort and close",
                 "client killed", "client control reset"]
CLIENT_DOWNLOAD_FAULTS = ["client close", "client abort unconnected"]
# What a server does: it refuses the transfer (550, 425), closes or resets its
# data connection and reports that (426, 552), or closes or resets its control
# connection.
SERVER_FAULTS = ["refuse", "no connection", "server close", "server reset",
                 "server control close", "server control reset"]
ENDS_SESSION = {"client killed", "client control reset",
                "server control close", "server control reset"}


@dataclasses.dataclass
class Plan:
    """One session.  eager: the client does not wait for the greeting."""

    seed: int
    greeting: bytes
    steps: list
    eager: bool = False
    end: str = "quit"  # or the client's control connection: "close", "reset"

    def __str__(self):
        lines = [f"seed {self.seed}: eager={self.eager} end={self.end}"
                 f" greeting={self.greeting!r}"]
        for number, step in enumerate(self.steps):
            shown = {key: value for key, value in vars(step).items()
                     if value and key not in ("kind", "transfer")}
            lines.append(f"  {number} {step.kind}: {shown}")
            if step.transfer:
                lines.append(f"      {step.transfer}")
        return "\n".join(lines)


class _Maker:
    """Makes a plan from random numbers."""

    def __init__(self, seed):
        self.seed, self.random = seed, random.Random(f"culvert {seed}")

    def chance(self, share):
        return self.random.random() < share

    def cuts(self, share=0.3):
        """Return where to split some bytes, as fractions; mostly nowhere."""
        if not self.chance(share):
            return ()
        return tuple(sorted(self.random.random()
                            for _ in range(self.random.randrange(1, 5))))

    def pauses(self, size):
        if not self.chance(0.3):
            return ()
        return tuple((self.random.randrange(1, size + 2),
                      self.random.choice([0, 0, 1, 3, 20]))
                     for _ in range(self.random.randrange(1, 4)))

    def reply(self, code, number):
        """Return a reply that contains the step's number; its text varies."""
        text = self.random.choice([
            "done", "", "227 (1,2,3,4,5,6)", "\xe9\xff(|||5|)",
            "x" * self.random.randrange(300)])
        last = f"{code} #{number} {text}\r\n"
        if not self.chance(0.2):
            return last.encode("latin-1")
        inner = [self.random.choice([
            f"{code}-again", " 227 Entering Passive Mode (127,0,0,1,9,9)",
            "", "226 not the end", " " + "y" * self.random.randrange(2000)])
            for _ in range(self.random.randrange(6))]
        # An inner line must not look like the last line.
        inner = [" " + line if line.startswith(f"{code} ") else line
                 for line in inner]
        return "\r\n".join([f"{code}-#{number}", *inner, last]) \
            .encode("latin-1")

    def size(self):
        return self.random.choice([
            0, 1, self.random.randrange(2000), self.random.randrange(2000),
            self.random.randrange(100_000), self.random.randrange(100_000),
            self.random.randrange(100_000), self.random.randrange(1_500_000)])

    def plan(self):
        steps = []
        for number in range(self.random.randrange(1, 7)):
            steps.append(self.step(number))
            fault = steps[-1].transfer and steps[-1].transfer.fault
            if fault in ENDS_SESSION:
                break
        else:
            steps.append(Step(
                "quit", b"QUIT\r\n", (self.reply(221, len(steps)),),
                pipelined=self.chance(0.2)))
        for step, last in zip(steps[1:], steps):
            # After a fault the client waits for replies first.
            if last.transfer and last.transfer.fault:
                step.pipelined = False
            # Nobody can tell a command that was sent before a multi-line
            # reply from one that was sent because of its first lines.
            if last.reply_cuts and any(b"-" == reply[3:4]
                                       for reply in last.replies):
                step.pipelined = False
        return Plan(
            self.seed, self.reply(220, "greeting"), steps,
            eager=self.chance(0.1),
            end=self.random.choice(["quit"] * 6 + ["close", "reset"]))

    def step(self, number):
        kind = self.random.choice(
            ["plain"] * 4 + ["refused", "ask"] + ["transfer"] * 6)
        step = getattr(self, "_" + kind)(number)
        step.pipelined = number > 0 and self.chance(0.25)
        step.cuts, step.reply_cuts = self.cuts(), self.cuts()
        return step

    def _plain(self, number):
        verb = self.random.choice(
            ["NOOP", "USER", "STAT", "XYZZY", "SITE PORT", "noop", "CWD",
             "MKD PORT 1,2,3,4,5,6", "PWD \xe4", "SYST " + "z" * 500])
        code = self.random.choice([200, 200, 250, 257, 331, 500, 502, 550,
                                   211, 450])
        if verb == "USER":  # only with codes that servers send for a login
            code = self.random.choice([230, 331, 530])
        return Step("plain", f"{verb} #{number}\r\n".encode("latin-1"),
                    (self.reply(code, number),))

    def _refused(self, number):
        line = self.random.choice([
            b"PORT 10,9,8,7,100,1", b"PORT 127,0,0,1,0,80",
            b"EPRT |1|192.0.2.1|4000|", b"PORT 1,2,3", b"AUTH TLS",
            b"SITE " + b"w" * 9000])
        return Step("refused", line + b"\r\n")

    def _add_ask(self, step):
        step.ask = self.random.choice(["PASV", "PASV", "EPSV", "PORT", "PORT",
                                       "EPRT"])
        step.ask_reply = self.random.choice([
            ("227 Entering Passive Mode (", ")."), ("227 =", ""),
            ("227 (\xe9) use (", ") now")]) if step.ask == "PASV" else \
            self.random.choice([("229 Extended (|||", "|)"),
                                ("229 (!!!", "!).")]) \
            if step.ask == "EPSV" else ("200 PORT noted", "")
        return step

    def _ask(self, number):
        return self._add_ask(Step("ask"))

    def _transfer(self, number):
        upload, size = self.chance(0.5), self.size()
        verb = self.random.choice(UPLOADS if upload else DOWNLOADS)
        step = self._add_ask(Step(
            "transfer", f"{verb} file #{number}\r\n".encode(),
            (self.reply(226, number),)))
        step.transfer = Transfer(
            upload, self.random.randrange(len(CONTENT) - size), size,
            ask_pipelined=self.chance(0.1),
            first=self.random.choice(["150", "150", "125", ""]),
            first_late=self.chance(0.5), attentive=self.chance(0.7),
            early_226=not upload and self.chance(0.2),
            connect=self.random.choice(["early", "after", "late"]),
            wait_first=self.chance(0.3), polite=self.chance(0.6),
            rcvbuf=self.random.choice([0, 0, 0, 4096]),
            pauses=self.pauses(size), reads=self.pauses(size))
        self._add_fault(step)
        self._be_sensible(step.transfer)
        return step

    def _be_sensible(self, one):
        """Change what no client or server would do.

        If a client closes its data connection before culvert has accepted it,
        culvert cannot find out whose connection it was.  It refuses the
        connection, and waits for another one for a minute.  So a client that
        closes its data connection early waits for the 150 first.
        """
        if one.fault.startswith("client") and one.connect != "never" \
                or one.upload and not one.polite:
            one.first, one.wait_first = one.first or "150", True
            one.connect, one.ask_pipelined = "early", False
        # Do not wait for a reply that does not come, or that the server sends
        # only after the client has connected.
        if not one.first:
            one.wait_first = False
        if one.connect == "late" and (one.first_late or not one.first):
            one.connect = "after"

    def _add_fault(self, step):
        one = step.transfer
        if not self.chance(0.35):
            return
        one.fault = self.random.choice(
            CLIENT_FAULTS + SERVER_FAULTS * 2
            + ([] if one.upload else CLIENT_DOWNLOAD_FAULTS))
        if not one.size and one.fault not in ("refuse", "no connection"):
            one.fault = ""
        one.after = self.random.choice([0, self.random.randrange(
            one.size + 1)])
        if one.after >= one.size:
            one.after = one.size // 2
        one.telnet = self.chance(0.5)
        if one.fault.startswith("client") and not one.upload:
            one.rcvbuf = 4096
        if one.fault in ("client reset", "client killed") and one.upload \
                and not self.chance(0.1):
            one.attentive = True  # otherwise it takes ten seconds
        if one.fault == "client abort unconnected":
            step.ask, one.connect = "PASV", "never"
            step.ask_reply = ("227 (", ")")
            one.first, one.first_late = "150", False
            one.ask_pipelined = False
        if one.fault == "refuse":
            step.replies = (self.reply(self.random.choice([550, 553, 450]),
                                       number_of(step.line)),)
        elif one.fault == "no connection":
            step.replies = (f"425 {number_of(step.line)} no\r\n".encode(),)
            one.first = ""
        elif one.fault in ("server close", "server reset"):
            step.replies = (self.reply(552 if one.upload else 426,
                                       number_of(step.line)),)


def make_plan(seed):
    """Return the plan of that seed."""
    return _Maker(seed).plan()


def warm_up():
    """Return a plan after which the tunnel knows what its server accepts."""
    steps = []
    for number, ask in enumerate(["PASV", "EPSV", "PORT", "EPRT"] * 2):
        step = Step("transfer", f"RETR file #{number}\r\n".encode(),
                    (f"226 #{number}\r\n".encode(),), ask=ask,
                    ask_reply={"PASV": ("227 (", ")"),
                               "EPSV": ("229 (|||", "|)")}.get(
                                   ask, ("200 noted", "")))
        step.transfer = Transfer(False, 0, 100)
        steps.append(step)
    return Plan(-1, b"220 warm\r\n", [
        *steps, Step("quit", b"QUIT\r\n", (b"221 bye\r\n",))])


def number_of(line):
    """Return the number of the step to which a command line belongs."""
    found = re.search(rb"#(\d+)\r?\n$", line)
    return int(found[1]) if found else None


# What was observed.

@dataclasses.dataclass
class Seen:
    """One command of the client, and the replies to it."""

    step: int
    what: str                 # "greeting", "ask", "command", "abort"
    line: bytes
    first: list = dataclasses.field(default_factory=list)
    final: bytes = b""        # b"": none came


@dataclasses.dataclass
class Ends:
    """A transfer's data connection, as client and server saw it."""

    # How it ended for the client: "eof", "reset", "refused", or "own" if the
    # client has ended it in the middle.
    client: str = ""
    client_count: int = 0      # bytes
    # How it ended for the server: "whole", "cut", "refused", or "control" if
    # the server has ended the control connection.
    server: str = ""
    server_count: int = 0
    server_final: bytes = b""  # the final reply that the server has sent
    aborted: bool = False      # the server got ABOR before the end
    slow: bool = False         # "client killed" took more than 2 ms
    wrong: str = ""            # describes bytes that are not the file's


@dataclasses.dataclass
class Record:
    """What happened."""

    plan: Plan
    kind: str
    commands: list = dataclasses.field(default_factory=list)
    ends: dict = dataclasses.field(default_factory=dict)
    received: list = dataclasses.field(default_factory=list)  # by the server
    abort_replies: list = dataclasses.field(default_factory=list)
    control_end: str = ""     # how the control connection ended at the client
    extra: bytes = b""        # replies that belong to no command
    link_lost: bool = False   # on purpose


class Violation(AssertionError):
    """culvert has broken a promise."""


def _need(condition, *what):
    if not condition:
        raise Violation(" ".join(str(word) for word in what))


def check(record):
    """Raise Violation unless all promises were kept."""
    plan = record.plan
    cut = record.link_lost or any(
        step.transfer and step.transfer.fault in ENDS_SESSION
        for step in plan.steps) or plan.end != "quit"
    _check_order(record, cut)
    for seen in record.commands:
        if seen.final:
            _check_reply(record, seen, cut)
    _check_commands(record, cut)
    for number, ends in record.ends.items():
        _check_data(record, number, ends)


def _check_order(record, cut):
    lines = [seen.line.rstrip() for seen in record.commands]
    # A client that is slow to read its data may send ABOR after QUIT.
    after_quit = lines.index(b"QUIT") + 1 if b"QUIT" in lines else len(lines)
    waiting = [seen for seen in record.commands[:after_quit]
               if not seen.final]
    if not cut:
        _need(not waiting, "no reply came to", waiting[:1])
        _need(not record.extra, "one reply too many:", record.extra)
        _need(record.control_end == "eof", "control ended by",
              record.control_end)
    first = next((place for place, seen in enumerate(record.commands)
                  if not seen.final), None)
    if first is not None:
        _need(not any(seen.final for seen in record.commands[first:]),
              "a command was passed over:", record.commands[first])


def _is_cut_off(reply, whole):
    """Return whether a reply is the beginning of whole.

    If the control connection ends within a reply, culvert completes the reply.
    """
    begin, _, end = reply[:-2].rpartition(b"\r\n")
    if re.fullmatch(rb"\d\d\d Reply incomplete\.", end):
        return whole.startswith(begin) and whole[:3] == end[:3]
    return whole.startswith(reply[:-2])


def _is_good(reply):
    return reply[:1] == b"2"


def _check_reply(record, seen, cut):
    plan = record.plan
    if cut and seen.final.startswith(b"421 "):
        return  # why it ended
    if seen.what == "greeting":
        _need(seen.final == plan.greeting
              or cut and _is_cut_off(seen.final, plan.greeting),
              "the greeting became", seen.final)
        return
    step = plan.steps[seen.step]
    if seen.what == "ask":
        _check_ask(record, seen, step)
    elif seen.what == "abort":
        _need(cut or seen.final in record.abort_replies,
              "ABOR was answered with", seen.final)
    elif step.kind == "refused":
        _need(re.match(rb"50[01] |522 |534 ", seen.final),
              "not refused:", step.line[:30], seen.final)
    elif step.kind == "transfer":
        _check_transfer(record, seen, step, cut)
    else:
        _need(not seen.first and (
            seen.final == step.replies[-1]
            or cut and _is_cut_off(seen.final, step.replies[-1])),
            step.line, "was answered with", seen.first, seen.final)


def _check_ask(record, seen, step):
    before, behind = (part.encode("latin-1") for part in step.ask_reply)
    if record.kind != "all" or record.link_lost:
        # The request may have been sent in another variant, but the client
        # gets a reply to its own.
        _need(seen.final[:3] == before[:3] or seen.final[:1] in b"45",
              seen.line, "was answered with", seen.final)
        return
    if seen.final.startswith(b"425 Too many data connections"):
        _need(step.pipelined or step.transfer is None
              or step.transfer.ask_pipelined, "too many of one")
        return
    shape = re.escape(before) + {
        "PASV": rb"127,0,0,1,\d+,\d+", "EPSV": rb"\d+"}.get(step.ask, b"") \
        + re.escape(behind) + rb"\r\n"
    _need(re.fullmatch(shape, seen.final),
          seen.line, "was answered with", seen.final)


def _check_transfer(record, seen, step, cut):
    one, ends = step.transfer, record.ends.get(seen.step, Ends())
    if _is_good(seen.final):
        _need(seen.final == step.replies[-1]
              or cut and _is_cut_off(seen.final, step.replies[-1]),
              "a 2xx not the server's:", seen.final)
        _need(step.replies[-1] == ends.server_final,
              "a 2xx that the server has not said:", seen.final)
        _check_whole(seen, one, ends)
        return
    if ends.server_final and not _is_good(ends.server_final):
        # If the client has cut the transfer, culvert may reply by itself.
        _need(seen.final in (ends.server_final, _indented(ends.server_final))
              or one.fault.startswith("client") or cut,
              "the server said", ends.server_final, "the client heard",
              seen.final)
    elif not one.fault and not cut:
        _need(not ends.server_final and ends.client == "", "a transfer in"
              " which nothing went wrong ended with", seen.final, ends)
        _need(False, "a transfer never began:", seen.final)


def _indented(failure):
    """Indent the lines of a failure that look like a success.

    RFC 959 section 4.2.
    """
    return re.sub(rb"(?m)^(?=2\d\d )", b" ", failure)


def _check_whole(seen, one, ends):
    _need(ends.server == "whole", seen.final, "but the server", ends)
    if one.upload:
        _need(ends.server_count == one.size, seen.final, "but the server has",
              ends.server_count, "of", one.size, "bytes")
        _need(not one.fault, seen.final, "for an upload with", one.fault)
    elif ends.client == "own":
        _need(one.size - ends.client_count <= IN_FLIGHT, seen.final,
              "but the client has", ends.client_count, "of", one.size)
    else:
        _need(ends.client == "eof" and ends.client_count == one.size,
              seen.final, "but the client has", ends.client_count, "of",
              one.size, "bytes, ended by", ends.client)


def _check_commands(record, cut):
    """Check that the server has read what the client has sent."""
    kept = [seen.line for seen in record.commands
            if seen.what == "command"
            and record.plan.steps[seen.step].kind != "refused"]
    got = record.received
    # culvert may send a transfer again after a 425.
    got = [line for line, last in zip(got, [None, *got]) if line != last]
    _need(got == kept or cut and got == kept[:len(got)],
          "the server has read", got, "not", kept)


def _check_data(record, number, ends):
    one = record.plan.steps[number].transfer
    _need(not ends.wrong, "step", number, ends.wrong)
    if one.upload and ends.server == "whole" and not record.link_lost:
        whole = ends.server_count == one.size
        # If the client has sent ABOR, this comes first too, but only by 0.3 s,
        # and on another connection.
        _need(whole or ends.aborted or "abort" in one.fault
              or ends.slow or one.fault.startswith("server control"),
              "step", number, "the server has seen the end of an upload after",
              ends.server_count, "of", one.size, "bytes, and no ABOR before")
    if not one.upload and ends.client == "eof" and not record.link_lost \
            and ends.client_count < one.size:
        _need(one.fault, "step", number, "a download ended too early:", ends)
