# SPDX-License-Identifier: GPL-2.0
"""Configure a build: tinyconfig + fragments, then a check that nothing was silently dropped."""

import re
import subprocess

from lib.console import fail, run_logged, say
from lib.paths import LOGS, REPO

CONFIGS = REPO / "tools" / "kernel" / "configs"
SETTING = re.compile(r"^(?:CONFIG_(\w+)=(.*)|# CONFIG_(\w+) is not set)$")


def fragments(arch, flavour, module):
    """The fragments of one build, the later ones winning."""
    names = ["common", arch.name]
    if flavour == "debug":
        names += ["debug"]
    if flavour != "release":
        names += [f"{arch.name}-{flavour}"]
    return [CONFIGS / f"{name}.config" for name in names + (["module"] if module else [])]


def parse(path):
    """A .config or fragment as {option: value}; "n" stands for "is not set"."""
    values = {}
    for line in path.read_text().splitlines():
        found = SETTING.match(line)
        if found:
            values[found.group(1) or found.group(3)] = found.group(2) or "n"
    return values


def configure(build, files):
    """Write the build's .config and stop unless it says what the fragments say."""
    say(f"configure {build.title}")
    rust_available(build)
    log = LOGS / f"config-{build.name}.log"
    # A fresh start each time: an option that left a fragment must not survive in an old .config.
    run_logged(build.make("tinyconfig"), log, "  tinyconfig", env=build.env)
    merge = build.tree.path / "scripts/kconfig/merge_config.sh"
    run_logged([merge, "-m", "-O", build.path, build.path / ".config", *files], log, "  merge fragments",
               cwd=build.tree.path, env=build.env)
    run_logged(build.make("olddefconfig"), log, "  olddefconfig", env=build.env)
    _check(build, files)


def rust_available(build):
    """The kernel's own opinion on the toolchain; Kconfig would drop RUST without a word."""
    done = subprocess.run(build.make("rustavailable"), env=build.env, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    lines = [line.strip("* ") for line in done.stderr.splitlines() if line.startswith("***")]
    reason = " ".join(line for line in lines if line) or done.stderr.strip()
    fail(f"the kernel cannot use this Rust toolchain: {reason}", "mend that, then run it again")


def _check(build, files):
    wanted = {}
    for path in files:
        wanted.update(parse(path))
    have = parse(build.path / ".config")
    wrong = [name for name, value in wanted.items() if have.get(name, "n") != value]
    for name in wrong:
        say(f"  | CONFIG_{name}: wanted {wanted[name]}, got {have.get(name, 'n')}: {_reason(build, name, have)}")
    if wrong:
        names = " ".join(f"CONFIG_{name}" for name in wrong)
        fail(f"the kernel's configuration dropped {names}",
             "give what they depend on in tools/kernel/configs, or remove them there")


def _reason(build, name, have):
    """Why Kconfig dropped an option: there is none of that name, or what it depends on is off."""
    lines = _definition(build.tree.path, name)
    if not lines:
        return "this kernel has no such option"
    depends = [" ".join(line.split()) for line in lines if line.strip().startswith("depends on")]
    symbols = sorted({word for line in depends for word in re.findall(r"\b[A-Z][A-Z0-9_]+\b", line)})
    state = " ".join(f"{word}={have.get(word, 'n')}" for word in symbols)
    text = "; ".join(depends) or "it depends on the menu around it"
    return text + (f" (here {state})" if state else "")


def _definition(tree, name):
    """The lines of an option's entry in Kconfig."""
    start = re.compile(rf"^(menu)?config {name}$")
    for path in sorted(tree.rglob("Kconfig*")):
        if not path.is_file():
            continue
        lines = path.read_text(errors="replace").replace("\\\n", " ").splitlines()
        for number, line in enumerate(lines):
            if start.match(line):
                rest = lines[number + 1:]
                end = next((at for at, text in enumerate(rest) if re.match(r"^\w", text)), len(rest))
                return rest[:end]
    return []
