# SPDX-License-Identifier: GPL-2.0
"""The guest's root: busybox, the modules, the command, and what --add brings."""

import os
import shlex
import stat
import tempfile

from . import cpio, programs
from .trouble import Trouble

GUEST_FILES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "guest")

DIRECTORIES = ("bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin",
               "dev", "proc", "sys", "etc", "lib", "lib64", "mnt", "run", "var", "vm")

# The init mounts over these, so whatever --add put there would be hidden.
MOUNTED_OVER = ("dev", "proc", "sys")

ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\n"
              "nobody:x:65534:65534:nobody:/:/bin/sh\n",
    "group": "root:x:0:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "profile": "export PS1='\\w # '\n",
}


class Image:
    """Entries by guest path; the last one added for a path wins."""

    def __init__(self):
        self.entries = {}
        self.size = 0

    def _put(self, guest, kind, mode, source):
        parent = os.path.dirname(guest)
        if parent and parent not in self.entries:
            self._put(parent, "directory", 0o755, None)
        self.entries[guest] = (kind, mode, source)

    def directory(self, guest, mode=0o755):
        self._put(guest, "directory", mode, None)

    def symlink(self, guest, target):
        self._put(guest, "symlink", 0o777, target)

    def data(self, guest, mode, text):
        self._put(guest, "data", mode, text if isinstance(text, bytes) else text.encode())

    def file(self, guest, source, mode=None):
        status = os.stat(source)
        self._put(guest, "file", stat.S_IMODE(status.st_mode) if mode is None else mode, source)
        self.size += status.st_size

    def program(self, guest, source, arch):
        """A file and, if it is a dynamic program, the libraries it needs."""
        self.file(guest, source)
        if os.stat(source).st_mode & 0o111 == 0:
            return
        for library in programs.libraries(source, arch):
            self.file(library.lstrip("/"), os.path.realpath(library))

    def tree(self, guest, source, arch):
        """A directory and everything below it; symlinks stay symlinks."""
        self.directory(guest, stat.S_IMODE(os.stat(source).st_mode))
        with os.scandir(source) as found:
            for entry in sorted(found, key=lambda item: item.name):
                inside = f"{guest}/{entry.name}" if guest else entry.name
                if entry.is_symlink():
                    self.symlink(inside, os.readlink(entry.path))
                elif entry.is_dir():
                    self.tree(inside, entry.path, arch)
                elif entry.is_file():
                    self.program(inside, entry.path, arch)

    def addition(self, text, arch):
        """One --add HOST:GUEST."""
        host, colon, guest = text.rpartition(":")
        if not colon or not host or not guest.startswith("/"):
            raise Trouble(f"--add {text}: not HOST:GUEST with an absolute GUEST path",
                          "for example --add ./prog:/root/prog")
        if not os.path.exists(host):
            raise Trouble(f"--add {text}: {host} does not exist", "check the path before the colon")
        if guest.endswith("/") and not os.path.isdir(host):
            guest += os.path.basename(host)
        guest = os.path.normpath(guest).lstrip("/")
        if guest.split("/", 1)[0] in MOUNTED_OVER:
            raise Trouble(f"--add {text}: the guest mounts over /{guest.split('/', 1)[0]}",
                          "choose another path in the guest, for example below /root")
        try:
            if os.path.isdir(host):
                self.tree(guest, host, arch)
            elif os.path.isfile(host):
                self.program(guest, host, arch)
            else:
                raise Trouble(f"--add {text}: {host} is neither a file nor a directory",
                              "use --disk for block devices")
        except OSError as error:
            raise Trouble(f"--add {text}: {error.filename}: {error.strerror}",
                          "make it readable for you") from None

    def write(self):
        """The archive as an open file without a name: nothing to clean up."""
        out = tempfile.TemporaryFile(prefix="fast_gup-initramfs-")
        writer = cpio.Writer(out)
        writer.directory("dev", 0o755)
        # The kernel opens /dev/console for init before devtmpfs is mounted.
        writer.character_device("dev/console", 0o600, 5, 1)
        for guest, (kind, mode, source) in self.entries.items():
            if kind == "directory":
                if guest not in ("", "dev"):
                    writer.directory(guest, mode)
            elif kind == "symlink":
                writer.symlink(guest, source)
            elif kind == "data":
                writer.data(guest, mode, source)
            else:
                writer.file(guest, mode, source)
        writer.finish()
        out.flush()
        return out


def command_file(command):
    """A shell file that becomes exactly this argv, whatever bytes are in it."""
    words = b" ".join(os.fsencode(shlex.quote(word)) for word in command)
    return b"exec " + words + b"\n"


def settings_file(settings):
    return "".join(f"{key}={shlex.quote(str(value))}\n" for key, value in settings.items())


def build(artifacts, command, settings, additions=(), load_module=True):
    """The whole image for one boot."""
    image = Image()
    for name in DIRECTORIES:
        image.directory(name)
    image.directory("root", 0o700)
    image.directory("tmp", 0o1777)
    image.directory("var/tmp", 0o1777)
    for name, text in ETC.items():
        image.data(f"etc/{name}", 0o644, text)
    image.file("bin/busybox", artifacts["busybox"], 0o755)
    image.symlink("bin/sh", "busybox")
    image.file("init", os.path.join(GUEST_FILES, "init"), 0o755)
    image.data("vm/command", 0o755, command_file(command))
    image.data("vm/settings", 0o644, settings_file(settings))
    if load_module or os.path.exists(artifacts["module"]):
        image.file("lib/fast_gup.ko", artifacts["module"], 0o644)
    for module in artifacts.extra_modules():
        image.file(f"lib/modules/extra/{os.path.basename(module)}", module, 0o644)
    before = image.size
    for addition in additions:
        image.addition(addition, artifacts.arch)
    return image, image.size - before
