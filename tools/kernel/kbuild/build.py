# SPDX-License-Identifier: GPL-2.0
"""One kernel build: its directory, its stamps, and the steps that run only when their input changed."""

import json
import os
import shutil

from lib.console import run_logged, say
from lib.paths import ARTIFACTS, LOGS, REPO, cache

from . import config, hashing, join
from .tree import remove

KEEP = 2
# The sample drivers, beside the module.
SAMPLES = ("pinned_buffer_rust.ko", "pinned_buffer_c.ko")
# Lines "  CC  file.o" of a whole build from tinyconfig + fragments, until one was counted here.
STEPS = 2170
# Nothing of the caller's environment may change what is built.
FOREIGN = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "GNUMAKEFLAGS", "ARCH", "CROSS_COMPILE", "LLVM", "CC", "LD",
           "CFLAGS", "KCFLAGS", "RUSTFLAGS", "KRUSTFLAGS", "RUSTC", "O", "V", "W", "C", "M", "CLIPPY", "KSRC",
           "KCONFIG_CONFIG", "KBUILD_OUTPUT", "INSTALL_HDR_PATH")


def jobs():
    """How many compilers at once: JOBS=, or one for each processor we may use."""
    return os.environ.get("JOBS") or str(len(os.sched_getaffinity(0)))


class Build:
    """A build directory in the cache, named by everything that went into it."""

    def __init__(self, arch, flavour, tree, toolchain, module=True):
        self.arch = arch
        self.flavour = flavour
        self.tree = tree
        self.toolchain = toolchain
        self.module = module
        self.fragments = config.fragments(arch, flavour, module)
        texts = [path.read_text() for path in self.fragments]
        self.key = hashing.of_texts(tree.key, arch.name, flavour, toolchain.identity, *texts)
        self.name = f"{arch.name}-{flavour}" + ("" if module else "-nomodule")
        self.title = f"{arch.name} {flavour}"
        self.path = cache() / "build" / f"{self.name}-{self.key}"
        self.state = self.path / ".fast_gup"
        self.env = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        self.env.update(LC_ALL="C", LIBCLANG_PATH=toolchain.libclang, KBUILD_BUILD_USER="fast_gup",
                        KBUILD_BUILD_HOST="localhost")
        self.kernel = self.path / arch.image
        self.ko = self.path / join.MODULE / "fast_gup.ko"

    def make(self, *words):
        """The kernel's make with everything that is fixed for this build."""
        # -L: a link into another checkout counts as changed from the moment it was made.
        return ["make", "-L", "-C", str(self.tree.path), f"O={self.path}", f"ARCH={self.arch.karch}",
                f"LLVM={self.toolchain.llvm}", f"RUST_LIB_SRC={self.toolchain.rust_src}",
                f"BINDGEN={self.toolchain.bindgen}", f"-j{jobs()}", *words]

    def done(self, step, key):
        """Whether the step was finished with this input."""
        stamp = self.state / step
        return stamp.exists() and stamp.read_text() == key

    def finish(self, step, key):
        """Remember that the step was finished with this input."""
        self.state.mkdir(parents=True, exist_ok=True)
        (self.state / step).write_text(key)

    def run(self):
        """Bring everything up to date; return whether anything had to be done."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._switch_checkout()
        kconfig = hashing.of_paths(REPO, "Kconfig") if self.module else ""
        headers = hashing.of_texts(kconfig, hashing.of_paths(REPO, "include"))
        sources = hashing.of_texts(headers, hashing.of_paths(REPO, "Kbuild", "src", "samples") if self.module else "")
        worked = False
        if not self.done("configured", kconfig):
            config.configure(self, self.fragments)
            self.finish("configured", kconfig)
            worked = True
        if not self.done("built", headers) or not self.kernel.exists():
            self._build_all()
            self.finish("built", headers)
            self.finish("module", sources)
            worked = True
        elif self.module and not (self.done("module", sources) and self.ko.exists()):
            self._build_module()
            self.finish("module", sources)
            worked = True
        os.utime(self.state)
        return worked

    def _switch_checkout(self):
        """Objects of another checkout's module are stale whatever their times say."""
        if self.module and not self.done("checkout", str(REPO)):
            shutil.rmtree(self.path / join.MODULE, ignore_errors=True)
            (self.state / "module").unlink(missing_ok=True)
            self.finish("checkout", str(REPO))

    def _build_all(self):
        fresh = not self.kernel.exists()
        table = cache() / "steps.json"
        known = json.loads(table.read_text()) if table.exists() else {}
        expected = known.get(self.name, STEPS) if fresh else None
        # Only a build that was never interrupted tells how many steps one has.
        whole = not (self.state / "started").exists()
        self.finish("started", "")
        if fresh:
            say(f"building the kernel takes 5 to 30 minutes, once; later only what changed (in {self.path})")
        image = os.path.basename(self.arch.image)
        steps = run_logged(self.make(image, "modules"), LOGS / f"kernel-{self.name}.log",
                           f"build the {self.title} kernel", expected, env=self.env, progress=_is_step)
        if whole:
            known[self.name] = steps
            table.write_text(json.dumps(known) + "\n")

    def _build_module(self):
        # make goes by times, which a file that was restored or copied turns back. All of the module
        # is built in seconds, so that nothing is gained by keeping objects.
        shutil.rmtree(self.path / join.MODULE, ignore_errors=True)
        wanted = [f"{join.MODULE}/fast_gup.ko", *(f"{join.MODULE}/samples/{name}" for name in SAMPLES)]
        run_logged(self.make(*wanted), LOGS / f"module-{self.name}.log",
                   f"build the module for {self.title}", env=self.env)

    def module_copy(self):
        """The module, copied into this checkout: another one that shares the cache cannot replace it."""
        return _copy(self.ko, ARTIFACTS / self.name / "fast_gup.ko")

    def samples_copy(self):
        """The directory of the sample drivers, copied for the same reason."""
        target = ARTIFACTS / self.name / "samples"
        for name in SAMPLES:
            _copy(self.path / join.MODULE / "samples" / name, target / name)
        return target

    def release(self):
        """The kernel's release string, as uname -r says it."""
        return (self.path / "include/config/kernel.release").read_text().strip()

    def prune(self):
        """Keep the newest builds of this architecture and flavour."""
        place = self.path.parent
        # The key has no dash: this tells x86_64-release-KEY from x86_64-release-nomodule-KEY.
        builds = [path for path in place.glob(f"{self.name}-*")
                  if path.name[len(self.name) + 1:].isalnum() and (path / ".fast_gup").is_dir()]
        builds.sort(key=lambda path: (path != self.path, -(path / ".fast_gup").stat().st_mtime))
        for path in builds[KEEP:]:
            say(f"removing the old build {path.name}")
            remove(path)


def _copy(path, target):
    """Copy a file at once, and only if it has changed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or hashing.of_file(target) != hashing.of_file(path):
        new = target.with_name(f".new-{target.name}")
        shutil.copyfile(path, new)
        new.replace(target)
    return target


def _is_step(line):
    """A line like "  CC      mm/gup.o" that kbuild prints for each thing it makes."""
    return line[:2] == "  " and line[2:3].isupper()
