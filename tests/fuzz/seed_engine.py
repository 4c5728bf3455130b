#!/usr/bin/env python3
"""Makes seeds for fuzz_engine.c out of tests/vectors/engine.

seed_engine.py [DIRECTORY]: below corpus/engine otherwise.
"""
import collections
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).parent
OUT = pathlib.Path(*(sys.argv[1:2] or [HERE / "corpus/engine"]))
KINDS = ["listening", "no-listener", "up", "eof", "lost", "delivered",
         "timeout", "is-quiet", "second", "moved", "unknown",
         "file-end"]
OTHERS = ["eof", "lost", "timer", "stop", "family", "drain", "drain-late",
          "keepalive", "grant", "reply-timer",
          "greeting"]
FORMS = ["EPSV1", "EPSV", "PASV", "PORT", "EPRT4", "EPRT6"]


def unescape(text):
    return re.sub(rb"\\(x..|.)", lambda m: {
        b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\",
    }.get(m[1]) or bytes.fromhex(m[1][1:].decode()), text.encode())


def other(name, peer=0):
    return bytes([128 | 32 | peer | OTHERS.index(name)])


def amounts(line, counted):
    """Make the byte that says what a data event has and has not.

    counted, by name, is what earlier events of this data connection said.
    """
    counted.pop("unsent", None)
    counted.update(re.findall(r"(to_client|to_server|unsent)=(\d+)", line))
    v4, v6 = "v4=" in line, "v6=" in line
    return ((counted.get("to_client", "0") != "0")
            + 2 * (counted.get("to_server", "0") != "0")
            + 4 * (counted.get("unsent", "0") != "0")
            + 16 * (v6 and not v4) + 32 * (v4 and not v6)
            + 64 * (" recent" in line or " behind=" in line)
            + 128 * (" unproven" in line or " ended" in line))


def forms(config, name):
    """Make the two bytes of what the tunnel has learned."""
    match = re.search(name + r"=(\S+)", config)
    found = match[1].split(",") if match else []
    return sum(1 << FORMS.index(form) for form in found
               if form != "none").to_bytes(2, "little")


def encode(line, counted):
    peer = 64 if line.startswith("S>") or " server" in line else 0
    if match := re.match(r"[CS]>(?: |many (\d+) )(.*)$", line):
        data = unescape(match[2]) * int(match[1] or 1)
        parts = [data[at:at + 63] for at in range(0, len(data), 63)]
        return b"".join(bytes([peer | len(part)]) + part for part in parts)
    if match := re.match(r"[CS]>(eof|lost)", line):
        return other(match[1], peer)
    if line == "control timeout":
        return other("timer")
    if line in ("greeting late", "greeting overdue"):
        return other("greeting", 64 * (line == "greeting overdue"))
    if line == "reply timeout":
        return other("reply-timer")
    if line.startswith("culvert stops"):
        return other("stop")
    if line.startswith("culvert drains"):
        return other("drain-late" if " late " in line else "drain")
    if line in OTHERS:
        return other(line)
    if match := re.match(r"data (\d+) (\S+)", line):
        number, kind = int(match[1]), KINDS.index(match[2])
        return bytes([128 | peer | kind, number,
                      amounts(line, counted[number])])
    return b""


for path in sorted((HERE / "../vectors/engine").glob("*.txt")):
    lines = path.read_text().split("\n")
    config = " ".join(line for line in lines if line.startswith("config"))
    options = (("allow-tls" in config) + 2 * ("foreign-port" in config)
               + 4 * ("server=v6" in config)
               + 8 * ("mode=passive" in config) + 16 * ("mode=active" in config)
               + 64 * ("apart" in config)
               + 128 * ("network=" in config))
    more = (("port-host=ignored" in config) + 2 * ("server=v4" in config)
            + 4 * ("lines=" in config) + 8 * ("data=" in config)
            + 16 * ("read-only" in config) + 32 * (" deny=" in config)
            + 64 * ("-path=" in config) + 128 * ("looks-up" in config))
    counted = collections.defaultdict(dict)
    learned = bytearray(forms(config, "refused") + forms(config, "good"))
    learned[0] |= 64 * (" whole" in config) + 128 * (" greeted" in config)
    code = (bytes([options, more]) + learned
            + b"".join(encode(line, counted) for line in lines))
    if len(code) < 4096:
        (OUT / path.stem).write_bytes(code)
