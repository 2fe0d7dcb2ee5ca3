# SPDX-License-Identifier: GPL-2.0
"""Write a cpio archive in the "newc" format, the one the kernel unpacks.

cpio(1) is not used: it takes names, owners and modes from files on the host, so
an ordinary user could not make a root-owned /dev/console with it, and the files
would have to be copied into a staging directory first.
"""

import os
import shutil
import stat

from .trouble import Trouble

# The header has eight hexadecimal digits for a size.
MAX_FILE = 0xFFFFFFFF


class Writer:
    """Appends entries to a binary file; finish() ends the archive."""

    def __init__(self, out):
        self.out = out
        self.inode = 0
        self.offset = 0

    def _write(self, data):
        self.out.write(data)
        self.offset += len(data)

    def _pad(self):
        self._write(b"\0" * (-self.offset % 4))

    def _header(self, name, mode, size, device=(0, 0)):
        # Each entry gets an inode of its own: equal ones would be hard links.
        self.inode += 1
        path = os.fsencode(name) + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, size, 0, 0, *device, len(path), 0)
        self._write(b"070701" + b"".join(b"%08X" % field for field in fields))
        self._write(path)
        self._pad()

    def directory(self, name, mode):
        self._header(name, stat.S_IFDIR | mode, 0)

    def symlink(self, name, target):
        data = os.fsencode(target)
        self._header(name, stat.S_IFLNK | 0o777, len(data))
        self._write(data)
        self._pad()

    def character_device(self, name, mode, major, minor):
        self._header(name, stat.S_IFCHR | mode, 0, (major, minor))

    def data(self, name, mode, data):
        self._header(name, stat.S_IFREG | mode, len(data))
        self._write(data)
        self._pad()

    def file(self, name, mode, source):
        """Copies the file `source` without reading it into memory whole."""
        with open(source, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_FILE:
                raise Trouble(f"{source} is too big for an initramfs",
                              "put it on a disk image and use --disk")
            self._header(name, stat.S_IFREG | mode, size)
            start = self.out.tell()
            shutil.copyfileobj(file, self.out, 1 << 20)
        # The header promised `size` bytes; a file being written to at this
        # moment would shift everything behind it.
        if self.out.tell() - start != size:
            raise Trouble(f"{source} changed while it was read", "try again")
        self.offset += size
        self._pad()

    def finish(self):
        self._header("TRAILER!!!", 0, 0)
