# SPDX-License-Identifier: GPL-2.0
"""The command's output on its way from a port to the caller, byte for byte."""

import os
import select


class ReaderGone(Exception):
    """Whoever read our stdout or stderr went away."""


def write_all(descriptor, data):
    """Writes everything; the caller may have made the descriptor nonblocking."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view):]
        except BlockingIOError:
            select.select([], [descriptor], [])
        except BrokenPipeError:
            raise ReaderGone() from None


class Relay:
    """Passes bytes on until the end mark, which it keeps to itself.

    The mark has a random part, made for this boot, so no output can contain it
    by accident.  It may arrive in pieces: bytes that could be its beginning wait
    for the next piece.
    """

    def __init__(self, descriptor, mark):
        self.descriptor = descriptor
        self.mark = b"\0" + mark.encode() + b"\0"
        self.held = b""
        self.complete = False

    def feed(self, data):
        if self.complete:
            # A process that the command left behind still writes.
            return
        data = self.held + data
        at = data.find(self.mark)
        if at >= 0:
            self.complete = True
            self.held = b""
            write_all(self.descriptor, data[:at])
            return
        keep = self._possible_start(data)
        self.held = data[len(data) - keep:]
        write_all(self.descriptor, data[:len(data) - keep])

    def _possible_start(self, data):
        for size in range(min(len(self.mark) - 1, len(data)), 0, -1):
            if data.endswith(self.mark[:size]):
                return size
        return 0

    def flush(self):
        """No mark will come (panic, timeout): what was held is output too."""
        held, self.held = self.held, b""
        write_all(self.descriptor, held)


class Lines:
    """Splits a stream of bytes into text lines."""

    def __init__(self):
        self.rest = b""

    def feed(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [line.decode(errors="replace").rstrip("\r") for line in lines]

    def flush(self):
        rest, self.rest = self.rest, b""
        return [rest.decode(errors="replace").rstrip("\r")] if rest else []
