"""Calls methods of Python's ftplib.

    ftp_lib.py HOST PORT USER PASSWORD active|passive "get REMOTE LOCAL"...
"""

import ftplib
import sys

host, port, user, password, mode, *calls = sys.argv[1:]
with ftplib.FTP(timeout=20) as ftp:
    ftp.connect(host, int(port))
    ftp.login(user, password)
    ftp.set_pasv(mode == "passive")
    for call in calls:
        verb, *names = call.split(" ")
        if verb == "get":
            with open(names[1], "wb") as file:
                ftp.retrbinary(f"RETR {names[0]}", file.write)
        elif verb == "put":
            with open(names[0], "rb") as file:
                ftp.storbinary(f"STOR {names[1]}", file)
        else:
            ftp.retrlines(f"LIST {names[0]}", print)
