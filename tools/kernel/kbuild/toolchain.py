# SPDX-License-Identifier: GPL-2.0
"""The one toolchain: rustc decides, clang follows with the same LLVM, rust-src with the same version."""

import glob
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lib.console import fail, run_logged, say
from lib.paths import LOGS, cache

from . import apt, hashing
from .arches import Package

RUSTC_MIN = (1, 85, 0)
BINDGEN_MIN = (0, 71, 1)
BINDGEN_WANTED = "^0.72"
# Crates that `cargo install bindgen-cli` compiles; only for the estimate.
BINDGEN_CRATES = 46


@dataclass(frozen=True)
class Toolchain:
    """What a kernel build is given, and a text that changes when any of it does."""

    llvm: str           # LLVM= for the kernel's make: "-22", "1" or a directory with a slash
    libclang: str       # directory of libclang, for bindgen
    rust_src: Path      # RUST_LIB_SRC=
    bindgen: str
    versions: str       # what was found, for people
    identity: str

    def describe(self):
        """Lines that say what was found and where."""
        return [*self.versions.splitlines(), f"rust-src {self.rust_src}", f"libclang {self.libclang}"]


def _output(*words):
    """A command's stdout, or None when it cannot be run."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def _version(text):
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", text or "")
    return tuple(int(part) for part in found.groups()) if found else (0, 0, 0)


class Rust:
    """The host's rustc."""

    def __init__(self):
        self.verbose = _output("rustc", "-vV")
        if not self.verbose:
            fail("rustc is not on PATH or does not run", "install Rust from https://rustup.rs and run it again")
        if _output("cargo", "-V") is None:
            fail("cargo is not on PATH or does not run", "install Rust from https://rustup.rs and run it again")
        self.fields = dict(line.split(": ", 1) for line in self.verbose.splitlines() if ": " in line)
        self.release = self.fields["release"]
        if _version(self.release) < RUSTC_MIN:
            fail(f"rustc {self.release} is too old for this kernel", "update it: rustup update stable")
        self.llvm_major = self.fields["LLVM version"].split(".")[0]

    def packages(self):
        """The LLVM packages that go with this rustc: bitcode of both is linked for inlined helpers."""
        major = self.llvm_major
        tools = ("llvm-ar", "llvm-nm", "llvm-objcopy", "llvm-objdump", "llvm-readelf", "llvm-strip")
        if _plain_llvm(major):
            return ()
        return (Package(f"clang-{major}", commands=(f"clang-{major}",)),
                Package(f"lld-{major}", commands=(f"ld.lld-{major}",)),
                Package(f"llvm-{major}", commands=tuple(f"{tool}-{major}" for tool in tools)),
                Package(f"libclang-{major}-dev", files=(f"/usr/lib/llvm-{major}/lib/libclang.so",)))

    def toolchain(self):
        """Everything found or fetched; call after the host packages are there."""
        suffix = "" if _plain_llvm(self.llvm_major) else f"-{self.llvm_major}"
        source = self._source()
        bindgen = _bindgen()
        clang = _output(f"clang{suffix}", "--version") or ""
        linker = _output(f"ld.lld{suffix}", "--version") or ""
        version = _output(bindgen, "--version") or ""
        shown = "\n".join(text.splitlines()[0] for text in (self.verbose, clang, linker, version) if text)
        identity = hashing.of_texts(self.verbose, clang, linker, version, str(source))
        return Toolchain(suffix or "1", _libclang(self.llvm_major), source, bindgen, shown, identity)

    def _source(self):
        """The standard library's source: the toolchain's own, or Debian's of exactly this version."""
        sysroot = (_output("rustc", "--print", "sysroot") or "").strip()
        own = Path(sysroot) / "lib/rustlib/src/rust/library"
        if (own / "core/src/lib.rs").exists():
            return own
        return self._debian_source()

    def _debian_source(self):
        place = cache() / "rust-src" / self.release
        library = place / f"usr/src/rustc-{self.release}/library"
        if (library / "core/src/lib.rs").exists():
            return library
        say(f"rustc {self.release} has no rust-src; taking Debian's package of that version")
        found = apt.PrivateApt().newest("rust-src", lambda version: version.startswith(self.release + "+"))
        if not found:
            fail(f"no Debian suite has rust-src {self.release}", "add it to the toolchain: rustup component add rust-src")
        deb = apt.PrivateApt().download(found, cache() / "download")
        unpacked = place.with_name(f".new-{os.getpid()}")
        shutil.rmtree(unpacked, ignore_errors=True)
        unpacked.mkdir(parents=True)
        # Only the library: the package has all of rustc, three times as much.
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as pack:
            subprocess.run(["tar", "-x", "-C", str(unpacked), f"./usr/src/rustc-{self.release}/library"],
                           stdin=pack.stdout, check=False)
        shutil.rmtree(place, ignore_errors=True)
        unpacked.replace(place)
        deb.unlink()
        if not (library / "core/src/lib.rs").exists():
            fail(f"{found.package} {found.version} holds no library source",
                 "add it to the toolchain: rustup component add rust-src")
        return library


def _plain_llvm(major):
    """Whether the unsuffixed clang and lld are of that major version (distributions with one LLVM)."""
    if shutil.which(f"clang-{major}"):
        return False
    clang = _output("clang", "--version") or ""
    linker = _output("ld.lld", "--version") or ""
    return f"clang version {major}." in clang and f"LLD {major}." in linker


def _libclang(major):
    """The directory of libclang that bindgen is to load."""
    for pattern in (f"/usr/lib/llvm-{major}/lib/libclang.so*", f"/usr/lib*/libclang.so.{major}*",
                    f"/usr/lib/*/libclang-{major}.so*"):
        for path in sorted(glob.glob(pattern)):
            return os.path.dirname(path)
    fail(f"libclang {major} not found", f"install it: apt-get install libclang-{major}-dev")


def _bindgen():
    """bindgen of the host when it is new enough, else one of our own in the cache."""
    own = cache() / "bindgen" / "bin" / "bindgen"
    for command in ("bindgen", str(own)):
        if _version(_output(command, "--version")) >= BINDGEN_MIN:
            return shutil.which(command)
    say(f"bindgen {'.'.join(map(str, BINDGEN_MIN))} or newer is missing; building bindgen-cli {BINDGEN_WANTED}"
        " into the cache")
    run_logged(["cargo", "install", "--locked", "--force", "--root", cache() / "bindgen", "bindgen-cli",
                "--version", BINDGEN_WANTED], LOGS / "bindgen.log", "build bindgen", BINDGEN_CRATES,
               progress=lambda line: line.lstrip().startswith("Compiling "),
               hint="check the network (crates.io), or install bindgen yourself: cargo install bindgen-cli")
    return str(own)
