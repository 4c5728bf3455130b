#!/usr/bin/env python3
"""Makes corpus/engine for fuzz_engine.c out of tests/vectors/engine."""
import pathlib
import re

HERE = pathlib.Path(__file__).parent
KINDS = ["listening", "no-listener", "up", "eof", "lost", "delivered",
         "timeout", "is-quiet", "moved"]
CONTROL = len(KINDS)  # eof, lost, timer, stop


def unescape(text):
    return re.sub(rb"\\(x..|.)", lambda m: {
        b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\",
    }.get(m[1]) or bytes.fromhex(m[1][1:].decode()), text.encode())


def encode(line):
    peer = 64 if line.startswith("S>") or " server" in line else 0
    if match := re.match(r"[CS]>(?: |many (\d+) )(.*)$", line):
        data = unescape(match[2]) * int(match[1] or 1)
        parts = [data[at:at + 63] for at in range(0, len(data), 63)]
        return b"".join(bytes([peer | len(part)]) + part for part in parts)
    if match := re.match(r"[CS]>(eof|lost)", line):
        return bytes([128 | peer | CONTROL + ["eof", "lost"].index(match[1])])
    if line == "control timeout":
        return bytes([128 | CONTROL + 2])
    if line.startswith("culvert stops"):
        return bytes([128 | CONTROL + 3])
    if match := re.match(r"data (\d+) (\S+)", line):
        kind = KINDS.index(match[2])
        return bytes([128 | peer | kind, int(match[1])])
    return b""


for path in sorted((HERE / "../vectors/engine").glob("*.txt")):
    lines = path.read_text().split("\n")
    config = " ".join(line for line in lines if line.startswith("config"))
    options = (("allow-tls" in config) + 2 * ("foreign-port" in config)
               + 4 * ("server=v6" in config)
               + 8 * ("mode=passive" in config) + 16 * ("mode=active" in config)
               + 32 * ("prefetch" in config)
               + 64 * ("apart" in config)
               + 128 * ("network=" in config))
    code = bytes([options]) + b"".join(map(encode, lines))
    if len(code) < 4096:
        (HERE / "corpus/engine" / path.stem).write_bytes(code)
