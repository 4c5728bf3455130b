"""An SFTP server with a quirk, for sshd's Subsystem.

sftp_quirks.py QUIRK

It runs OpenSSH's sftp-server, and changes what passes.  Each quirk is a class
below, whose name is the argument.
"""

import os
import select
import subprocess
import sys
import time

SFTP_SERVER = "/usr/lib/openssh/sftp-server"

(INIT, VERSION, OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT,
 OPENDIR, READDIR, REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME, READLINK,
 SYMLINK) = range(1, 21)
STATUS, HANDLE, DATA, NAME, ATTRS = range(101, 106)
EXTENDED, EXTENDED_REPLY = 200, 201
DENIED, FAILURE = 3, 4


def u32(number):
    """Return a number as bytes."""
    return number.to_bytes(4, "big")


def string(data):
    """Return a string as bytes."""
    return u32(len(data)) + data


def take(body):
    """Split a string off: it, and the rest."""
    end = 4 + int.from_bytes(body[:4], "big")
    return body[4:end], body[end:]


def status(ident, code, text=b"no"):
    """Return a STATUS."""
    return bytes([STATUS]) + ident + u32(code) + string(text) + string(b"en")


class Quirk:
    """Changes nothing.

    A packet is (kind, ident, body); INIT and VERSION have no ident.  Both
    methods return what to pass on: packets.  A request may be answered by
    reply().
    """

    def __init__(self):
        self.asked = {}     # {ident: kind} of requests without reply
        self.out = []       # replies of our own

    def reply(self, packet):
        """Send a packet to the client."""
        self.out.append(packet)

    def request(self, kind, ident, body):
        """A request of the client; returns packets for the server."""
        return [bytes([kind]) + ident + body]

    def answer(self, kind, ident, body, asked):
        """A reply of the server, and which kind of request it answers."""
        return [bytes([kind]) + ident + body]

    def idle(self):
        """Nothing has come for 5 ms: return packets for the client."""
        return []


def refuse(*kinds, code=DENIED, text=b"no", after=0):
    """Return a quirk: requests of these kinds are refused.

    after: so many are answered first.  A name of an extension is a kind, too.
    """
    class Refuse(Quirk):
        """See above."""

        count = 0

        def request(self, kind, ident, body):
            if kind in kinds or (
                    kind == EXTENDED and take(body)[0] in kinds):
                self.count += 1
                if self.count > after:
                    self.reply(status(ident, code, text))
                    return []
            return super().request(kind, ident, body)
    return Refuse


RENAMES = RENAME, b"posix-rename@openssh.com"

# ---- refusals ----

no_space = refuse(WRITE, code=FAILURE, text=b"Failure", after=3)
no_space_said = refuse(WRITE, code=14, text=b"", after=3)
quota = refuse(WRITE, code=15, after=3)
close_fails = refuse(CLOSE, code=FAILURE, text=b"cannot be written")
rename_fails = refuse(*RENAMES, code=FAILURE, text=b"not now")
rename_exists = refuse(*RENAMES, code=11)
posix_rename_unsupported = refuse(RENAMES[1], code=8)
read_fails = refuse(READ, code=FAILURE, text=b"bad block", after=3)
setstat_unsupported = refuse(SETSTAT, FSETSTAT, code=8)
no_lstat = refuse(LSTAT, code=8)
silent_text = refuse(OPEN, code=FAILURE, text=b"")


class one_open(Quirk):
    """A file may be open once at a time, in all sessions."""

    lock = "/run/one_open"

    def __init__(self):
        super().__init__()
        self.ours = False

    def request(self, kind, ident, body):
        if kind == OPEN:
            try:
                os.close(os.open(self.lock, os.O_CREAT | os.O_EXCL))
                self.ours = True
            except FileExistsError:
                self.reply(status(ident, FAILURE, b"it is open"))
                return []
        if kind == CLOSE and self.ours:
            os.unlink(self.lock)
            self.ours = False
        return super().request(kind, ident, body)


class stat_after_open(Quirk):
    """While a file is open, nothing is said about any."""

    files = 0

    def request(self, kind, ident, body):
        self.files += (kind == OPEN) - (kind == CLOSE)
        if kind in (LSTAT, FSTAT, STAT) and self.files > 0:
            self.reply(status(ident, FAILURE))
            return []
        return super().request(kind, ident, body)


# ---- no replies, late ones, and others ----

class one_write(Quirk):
    """A file that cannot seek: a WRITE fails while another one is running."""

    kind = WRITE

    def __init__(self):
        super().__init__()
        self.running = 0

    def request(self, kind, ident, body):
        if kind != self.kind:
            return super().request(kind, ident, body)
        if self.running:
            self.reply(status(ident, FAILURE, b"Illegal seek"))
            return []
        self.running += 1
        time.sleep(0.02)    # the next one comes before the reply
        return super().request(kind, ident, body)

    def answer(self, kind, ident, body, asked):
        self.running -= asked == self.kind
        return super().answer(kind, ident, body, asked)


class one_read(one_write):
    """The same of a READ."""

    kind = READ


class silent(Quirk):
    """There is no reply to MKDIR."""

    def request(self, kind, ident, body):
        return [] if kind == MKDIR else super().request(kind, ident, body)


class reversed_replies(Quirk):
    """Replies come in the opposite order."""

    def __init__(self):
        super().__init__()
        self.held = []

    def answer(self, kind, ident, body, asked):
        self.held[:0] = super().answer(kind, ident, body, asked)
        return []

    def idle(self):
        held, self.held = self.held, []
        return held


class short_reads(Quirk):
    """A READ gets at most 1,000 bytes."""

    def request(self, kind, ident, body):
        if kind == READ:
            body = body[:-4] + u32(min(
                1000, int.from_bytes(body[-4:], "big")))
        return super().request(kind, ident, body)


class long_reads(Quirk):
    """A READ gets a byte more than it asks for."""

    def request(self, kind, ident, body):
        if kind == READ:
            body = body[:-4] + u32(int.from_bytes(body[-4:], "big") + 1)
        return super().request(kind, ident, body)


class empty_data(Quirk):
    """A READ gets no byte, with success."""

    def answer(self, kind, ident, body, asked):
        if kind == DATA:
            body = string(b"")
        return super().answer(kind, ident, body, asked)


class empty_names(Quirk):
    """The end of a directory is no EOF, but no names."""

    def answer(self, kind, ident, body, asked):
        if asked == READDIR and kind == STATUS:
            return [bytes([NAME]) + ident + u32(0)]
        return super().answer(kind, ident, body, asked)


class no_attributes(Quirk):
    """Nothing is said about any file."""

    def answer(self, kind, ident, body, asked):
        if kind == ATTRS:
            body = u32(0)
        if kind == NAME:
            count, rest, body = body[:4], body[4:], body[:4]
            for _ in range(int.from_bytes(count, "big")):
                name, rest = take(rest)
                _, rest = take(rest)
                flags = int.from_bytes(rest[:4], "big")
                rest = rest[4 + 8 * (flags & 1) + 4 * (flags & 2)
                            + (flags & 4) + (flags & 8):]
                body += string(name) + string(b"") + u32(0)
        return super().answer(kind, ident, body, asked)


class bare_status(Quirk):
    """A STATUS has no text and no language, as that of Cisco and Maverick."""

    def answer(self, kind, ident, body, asked):
        if kind == STATUS:
            body = body[:4]
        return super().answer(kind, ident, body, asked)


class other_handles(Quirk):
    """Handles have 256 bytes, and NULs."""

    fill = bytes(range(252))

    def request(self, kind, ident, body):
        if kind in (CLOSE, READ, WRITE, FSTAT, FSETSTAT, READDIR):
            handle, rest = take(body)
            assert handle[4:] == self.fill, handle
            body = string(handle[:4]) + rest
        return super().request(kind, ident, body)

    def answer(self, kind, ident, body, asked):
        if kind == HANDLE:
            body = string(take(body)[0] + self.fill)
        return super().answer(kind, ident, body, asked)


class changing_handles(Quirk):
    """Each fifth handle is another one; one that is not open is refused."""

    count, handle = 0, None

    def request(self, kind, ident, body):
        if kind in (CLOSE, READ, WRITE, FSTAT, FSETSTAT, READDIR):
            handle, rest = take(body)
            if handle != self.handle:
                self.reply(status(ident, FAILURE, b"no such handle"))
                return []
            body = string(handle[:4]) + rest
            if kind == CLOSE:
                self.handle = None
        return super().request(kind, ident, body)

    def answer(self, kind, ident, body, asked):
        if kind == HANDLE:
            self.count += 1
            other = b"" if self.count % 5 else u32(self.count)
            self.handle = take(body)[0] + other
            body = string(self.handle)
        return super().answer(kind, ident, body, asked)


class one_read_fails(Quirk):
    """The READ at 48 KiB of the third file fails once."""

    files, failed = 0, False

    def request(self, kind, ident, body):
        if kind == OPEN:
            self.files += 1
        if kind == READ and self.files == 3 and not self.failed \
                and take(body)[1][:8] == (48 << 10).to_bytes(8, "big"):
            self.failed = True
            self.reply(status(ident, FAILURE, b"bad block"))
            return []
        return super().request(kind, ident, body)


class parallel_requests(Quirk):
    """What comes while a file is opened is executed before that."""

    opening, results = False, ()

    def request(self, kind, ident, body):
        if self.opening and kind in (READ, FSTAT):
            self.results += (status(ident, FAILURE, b"no such handle"),)
            return []
        if kind == OPEN:
            self.opening, self.results = True, ()
        return super().request(kind, ident, body)

    def answer(self, kind, ident, body, asked):
        late = self.results if asked == OPEN else ()
        self.opening &= asked != OPEN
        return [*super().answer(kind, ident, body, asked), *late]


class unknown_reply(Quirk):
    """There are replies to requests that nobody has sent."""

    def request(self, kind, ident, body):
        if kind == MKDIR:
            self.reply(status(u32(999_999), 0))
        return super().request(kind, ident, body)


class wrong_reply(Quirk):
    """MKDIR is answered by a handle."""

    def request(self, kind, ident, body):
        if kind == MKDIR:
            self.reply(bytes([HANDLE]) + ident + string(b"h"))
            return []
        return super().request(kind, ident, body)


class ends_in_upload(Quirk):
    """It ends after some WRITEs."""

    count = 0

    def request(self, kind, ident, body):
        self.count += kind == WRITE
        if self.count > 3:
            sys.exit(1)
        return super().request(kind, ident, body)


class drive(Quirk):
    """Windows: REALPATH says C:\\Users; all others want /C:/Users."""

    @staticmethod
    def path(name):
        """Return a path of this host."""
        assert name.startswith(b"/C:/"), name
        return string(name[3:])

    def request(self, kind, ident, body):
        name, rest = take(body) if kind != INIT else (b"", b"")
        if kind == REALPATH and name.startswith(b"/C:/"):
            body = self.path(name)
        elif kind == RENAME:
            body = self.path(name) + self.path(take(rest)[0])
        elif kind == EXTENDED and name == RENAMES[1]:
            old, rest = take(rest)
            body = string(name) + self.path(old) + self.path(take(rest)[0])
        elif kind in (OPEN, LSTAT, SETSTAT, OPENDIR, REMOVE, MKDIR, RMDIR,
                      STAT):
            body = self.path(name) + rest
        return super().request(kind, ident, body)

    def answer(self, kind, ident, body, asked):
        if asked == REALPATH and kind == NAME:
            name, rest = take(body[4:])
            name = b"C:" + name.replace(b"/", b"\\")
            body = body[:4] + string(name) + rest
        return super().answer(kind, ident, body, asked)


# ---- VERSION ----

class Version(Quirk):
    """Another VERSION; change() gets its extensions."""

    number = 3

    def answer(self, kind, ident, body, asked):
        if kind == VERSION:
            return [bytes([VERSION]) + u32(self.number) + self.change(body)]
        return super().answer(kind, ident, body, asked)

    @staticmethod
    def change(extensions):
        """Return the bytes behind the number."""
        return extensions


class version_4(Version):
    """A server that takes no notice of the version of the client."""

    number = 4


class version_2(Version):
    """An old one."""

    number = 2


class cut_extensions(Version):
    """The last extension is cut off in its middle."""

    @staticmethod
    def change(extensions):
        return extensions[:-3]


class odd_extensions(Version):
    """Extensions that nobody knows, and versions that are not numbers."""

    @staticmethod
    def change(extensions):
        return (string(b"vendor-id") + string(b"\0\xff" * 500)
                + string(b"") + string(b"")
                + string(b"posix-rename@openssh.com") + string(b"99")
                + string(b"newline") + string(b"\r\n")
                + u32(0xffffffff))


class ends_in_rename(Version):
    """Without posix-rename; it ends before the third RENAME."""

    count = 0

    @staticmethod
    def change(extensions):
        return b""

    def request(self, kind, ident, body):
        self.count += kind == RENAME
        if self.count == 3:
            sys.exit(1)
        return super().request(kind, ident, body)


class ends_after_rename(ends_in_rename):
    """The same, when it has executed the third RENAME."""

    def request(self, kind, ident, body):
        self.count += kind == RENAME and self.count < 3
        return Quirk.request(self, kind, ident, body)

    def answer(self, kind, ident, body, asked):
        if asked == RENAME and self.count == 3:
            sys.exit(1)
        return super().answer(kind, ident, body, asked)


class rename_replaces(Version):
    """As SFTPGo: without posix-rename, but RENAME does the same."""

    @staticmethod
    def change(extensions):
        return b""

    def request(self, kind, ident, body):
        if kind == RENAME:
            kind, body = EXTENDED, string(RENAMES[1]) + body
        return super().request(kind, ident, body)


class drive_version(Version, drive):
    """Windows without posix-rename."""

    @staticmethod
    def change(extensions):
        return b""


# ---- the program ----

def packets(buffer):
    """Take the complete packets from a buffer."""
    while len(buffer) >= 4:
        end = 4 + int.from_bytes(buffer[:4], "big")
        if len(buffer) < end:
            return
        packet = bytes(buffer[4:end])
        del buffer[:end]
        cut = 1 if packet[0] in (INIT, VERSION) else 5
        yield packet[0], packet[1:cut], packet[cut:]


def send(fd, found):
    """Write packets."""
    data = b"".join(map(string, found))
    while data:
        data = data[os.write(fd, data):]


def main(name):
    """Serve one session."""
    quirk = globals()[name]()
    server = subprocess.Popen([SFTP_SERVER], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    to, from_ = server.stdin.fileno(), server.stdout.fileno()
    client, answers = bytearray(), bytearray()
    while True:
        ready, _, _ = select.select([0, from_], [], [], 0.005)
        if not ready:
            send(1, quirk.idle())
        if 0 in ready:
            data = os.read(0, 1 << 16)
            if not data:
                break
            client += data
            for kind, ident, body in packets(client):
                quirk.asked[ident] = kind
                send(to, quirk.request(kind, ident, body))
            send(1, quirk.out)
            quirk.out.clear()
        if from_ in ready:
            data = os.read(from_, 1 << 16)
            if not data:
                break
            answers += data
            for kind, ident, body in packets(answers):
                send(1, quirk.answer(kind, ident, body,
                                     quirk.asked.get(ident)))
    server.stdin.close()
    server.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
