#!/usr/bin/env python3
"""Runs a command on a pseudo-terminal of 100 columns and 30 rows.

    terminal.py [--type KEYS --until TEXT]… COMMAND…

Each KEYS (with Python's escapes, such as \\r) is typed, and then TEXT awaited in what the command draws; at the last one
the terminal is closed, and the exit status is 0, or 1 where a text never came. Without such pairs the command runs
to its end, and the exit status is its own.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

DEADLINE = 60
CONTROL = re.compile(rb"\x1b(\[[0-9;:?<>=!]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\\\)|[()][0-9A-B]|[@-Z\\^_=>78])")


def read(terminal):
    """What the command drew, b"" at its end."""
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""


def types_and_sees(terminal, keys, text):
    """Types, and waits for the text in what is drawn from then on."""
    os.write(terminal, keys.encode().decode("unicode_escape").encode())
    drawn, start = b"", time.monotonic()
    while time.monotonic() - start < DEADLINE:
        if select.select([terminal], [], [], 1)[0]:
            chunk = read(terminal)
            if not chunk:
                break
            drawn += chunk
            if text.encode() in CONTROL.sub(b"", drawn):
                return True
    print(f"not ok - never drawn: {text!r}; drawn was {CONTROL.sub(b'', drawn)[-2000:]!r}")
    return False


def main():
    arguments, steps = sys.argv[1:], []
    while arguments[0] == "--type":
        steps.append((arguments[1], arguments[3]))
        arguments = arguments[4:]
    process, terminal = pty.fork()
    if process == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execvp(arguments[0], arguments)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    if steps:
        is_seen = all(types_and_sees(terminal, keys, text) for keys, text in steps)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        return 0 if is_seen else 1
    while read(terminal):
        pass
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
