"""Passwords, and what may be one, are nowhere: not in the log at -vv, nor in
records, the status or the metrics.  Nor where a server repeats them.
"""

import json

import pytest

import scripted
import test_metrics
from process import until
from test_status import run

SECRET = "Geh3imes"
LINES = [
    f"PASS {SECRET}", f"pass\t{SECRET}", f" PASS {SECRET}",
    f"PASS{SECRET}", f"PASS\x0c{SECRET}", f"P\xff\xf1ASS {SECRET}",
    f"PASS \xff\xf1{SECRET}", f"\xff\xf4\xff\xf2PASS {SECRET}",
    f"PASS  {SECRET} and more", SECRET, f"{SECRET} x", f"x {SECRET}",
    f"ACCT {SECRET}", f"SITE PSWD old {SECRET}", f"SITE PASS {SECRET}",
    f"SITE  PSWD\t{SECRET}", f"SITE CHPASS {SECRET} {SECRET}",
    f"SITE PASSWD {SECRET}", f"SITE GPASS {SECRET}", f"SITE {SECRET}",
    f"XAUT 2 {SECRET}", f"ADAT {SECRET}", f"MIC {SECRET}", f"CONF {SECRET}",
    f"ENC {SECRET}", f"XPAS {SECRET}", f"AUTH X {SECRET}",
    f"USER joe\rPASS {SECRET}", f"USER joe {SECRET}", f"QUOTE PASS {SECRET}",
    f"NOOP\rPASS {SECRET}", f"RETR x\rPASS {SECRET}",
    f"CWD x\rSITE PSWD old {SECRET}",
]


@pytest.mark.parametrize("policy", [[], ["--read-only"]],
                         ids=["open", "read-only"])
@pytest.mark.parametrize("kind", ["pyftpdlib", "inetutils"])
def test_nowhere(kind, policy, start_culvert, server, tmp):
    """No line to a real server, before and after the login, leaks a password.
    """
    path, log = f"{tmp}/metrics", tmp / "log"
    ftp_server = server(kind)
    one = start_culvert(
        f"0:127.0.0.1:{ftp_server.port}", options=[
            "-vv", "--max-lines", "0", "--metrics", f"unix:{path}",
            "--transfer-log", str(log), *policy])
    seen = []
    for line in LINES:
        with scripted.client(*one.listeners[0]) as client:
            client.expect("220")
            client.send(line.encode("latin-1") + b"\r\n")
            client.command("NOOP it was not taken for a part of this")
            client.read_reply()
            seen.append(run(one, "status", "--json"))
            client.command("QUIT")
            client.read_all()
    until(lambda: one.output.count("] ended") == len(LINES), "all have ended")
    seen.append(test_metrics.get(path).text)
    seen.append(log.read_text())
    for text in one.output, *seen:
        assert SECRET.lower() not in text.lower(), [
            line for line in text.splitlines()
            if SECRET.lower() in line.lower()]
    assert json.loads(seen[0])
    assert "****" in one.output


def test_repeated(session):
    """A server that repeats it; short words count only as separate words."""
    one = session(options=["-vv"])
    one.culvert.wait_log(r"\] <- 230 come in")
    for line, reply, shown in [
            (f"PASS {SECRET}", f"530 {SECRET} is wrong", "530 ****"),
            ("PASS two words", "530 Not 'two WORDS'", "530 Not '****"),
            (SECRET, f"500 '{SECRET.upper()}': what?", "500 '****"),
            ("PASS in", "230 logging you in", "230 logging you ****"),
            ("PASS ab", "230 about it", "230 about it"),
            ("NOOP", f"235 ADAT={SECRET}", "235 ****")]:
        mark = one.culvert.mark()
        one.command(line)
        one.server.reply(reply)
        one.client.expect(reply)
        said = one.culvert.wait_log(r"\] <- (.*)", start=mark)[1]
        assert said == shown
    assert SECRET not in one.culvert.output
