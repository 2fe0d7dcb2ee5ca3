# SPDX-License-Identifier: GPL-2.0
"""From the options to a QEMU command line and a kernel command line."""

import os
import re
import shlex
import subprocess

from .trouble import Trouble

# console: the kernel's name of QEMU's first serial device.
# early: where it prints before that device has its driver.
# hosts: machines (os.uname) whose KVM can run the guest.
# memory: MiB of it by default.  With 4 GiB, half of an i386 guest's memory is
# above 4 GiB and most of it above what the kernel maps: the usual case with PAE.
# pieces: MiB that memory comes in.
ARCHITECTURES = {
    "x86_64": {"console": "ttyS0", "early": "earlyprintk=serial,ttyS0,115200",
               "hosts": ("x86_64",), "memory": 2048, "pieces": 1},
    "i386": {"console": "ttyS0", "early": "earlyprintk=serial,ttyS0,115200",
             "hosts": ("x86_64", "i686"), "memory": 4096, "pieces": 1},
    # The kernel finds the console of the hypervisor as soon as it can print.
    "ppc64le": {"console": "hvc0", "early": "", "hosts": ("ppc64le", "ppc64"), "memory": 2048,
                "pieces": 256},
}


# Requests that a slow disk serves in a second: each takes long enough to be met waiting.
SLOW = 4


def quote(value):
    """In QEMU's option lists a comma ends the value; two of them are one."""
    return str(value).replace(",", ",,")


# Emulated CPUs stand still whenever the host has something better to do, which
# must not look like a broken clock, a dead timer or a stalled CPU.
PC = ["tsc=reliable", "no_timer_check"]
EMULATED = {"x86_64": PC, "i386": PC, "ppc64le": []}
# Kernels that choose their own address at boot.
RANDOM_ADDRESSES = ("x86_64", "i386")


# QEMU has the 32 protection keys of a hash table, but its device tree does not
# say so: the firmware adds it to each processor's node before it starts the kernel.
STORAGE_KEYS = (
    's" /cpus" find-device get-node child begin dup while dup set-node '
    'd# 32 encode-int 0 encode-int encode+ s" ibm,processor-storage-keys" property '
    'peer repeat drop device-end')
FIRMWARE = {"ppc64le": ["-prom-env", "use-nvramrc?=true", "-prom-env", f"nvramrc=: keys {STORAGE_KEYS} ; keys"]}


def kernel_arguments(arch, options, accel):
    facts = ARCHITECTURES[arch]
    words = [f"console={facts['console']}"]
    if options.interactive:
        words.append("loglevel=5")
    else:
        # Everything reaches the console, so nothing hides in dmesg only.
        words += [facts["early"], "ignore_loglevel"]
    # A reboot ends QEMU (-no-reboot), so a panic ends the run at once.
    words += ["panic=-1", "rdinit=/init"]
    if accel == "tcg":
        words += EMULATED[arch] + ["rcupdate.rcu_cpu_stall_timeout=60"]
    if options.icount and arch in RANDOM_ADDRESSES:
        # Addresses that differ from boot to boot would change the count.
        words.append("nokaslr")
    return " ".join(word for word in words + options.append if word)


def _cache_mode(image):
    """O_DIRECT where the host's file system has it, else through its cache."""
    try:
        os.close(os.open(image, os.O_RDWR | os.O_DIRECT))
        return "none"
    except OSError:
        return "writeback"


def _format(image):
    with open(image, "rb") as file:
        return "qcow2" if file.read(4) == b"QFI\xfb" else "raw"


def _drive(name, image):
    try:
        os.close(os.open(image, os.O_RDWR))
        form = _format(image)
    except OSError as error:
        raise Trouble(f"disk image {image}: {error.strerror}",
                      "the guest writes to it, so it must exist and be writable") from None
    return ["-drive", f"if=none,id={name},file={quote(image)},format={form},"
                      f"cache={_cache_mode(image)},discard=unmap"]


def disks(options):
    words = []
    for index, image in enumerate(options.disk):
        name = f"disk{index}"
        words += _drive(name, image)
        words += ["-device", f"virtio-blk-pci,drive={name},serial={name}"]
    for index, image in enumerate(options.slow_disk):
        name = f"slow{index}"
        words += _drive(name, image)
        words[-1] += f",throttling.iops-total={SLOW}"
        words += ["-device", f"virtio-blk-pci,drive={name},serial={name}"]
    for index, image in enumerate(options.nvme):
        name = f"nvme{index}"
        words += _drive(name, image)
        memory = f",cmb_size_mb={options.nvme_memory}" if options.nvme_memory else ""
        words += ["-device", f"nvme,drive={name},serial={name}{memory}"]
    return words


def guest_devices(options):
    """The names the disks get in the guest."""
    usual, slow = len(options.disk), len(options.slow_disk)
    if usual + slow > 20:
        raise Trouble("more than 20 disks", "a PCI bus has no slots for more")
    names = [f"/dev/vd{letter}" for letter in "abcdefghijklmnopqrst"]
    return (names[:usual], names[usual:usual + slow],
            [f"/dev/nvme{index}n1" for index in range(len(options.nvme))])


def _prefix(text, cpu):
    """QEMU and its machine; a -cpu that came with it gives way to ours."""
    words = shlex.split(text)
    while "-cpu" in words and cpu:
        at = words.index("-cpu")
        del words[at:at + 2]
    return words


# Kernels patch their text. Before this version, an emulated CPU may execute an
# instruction that another one is just patching away ("Oops: int3" in the guest;
# fixed by "accel/tcg: Always lock pages before translation").
PATCHING_IS_SAFE = (8, 1)


def qemu_version(command):
    """(7, 2), for example; (0, 0) when it does not say."""
    try:
        done = subprocess.run([command, "--version"], stdin=subprocess.DEVNULL,
                              capture_output=True, check=False)
    except OSError:
        raise Trouble(f"{command} not found", "run: make setup") from None
    found = re.search(rb"version (\d+)\.(\d+)", done.stdout)
    return tuple(int(part) for part in found.groups()) if found else (0, 0)


def accel_words(accel, options, version):
    if options.icount:
        return ["-accel", "tcg", "-icount", "shift=0,sleep=off"]
    if accel == "kvm":
        return ["-accel", "kvm"]
    threads = "multi" if version >= PATCHING_IS_SAFE else "single"
    return ["-accel", f"tcg,thread={threads}"]


def whole_pieces(arch, memory):
    """At least so many MiB, and as many as the machine can be built with."""
    pieces = ARCHITECTURES[arch]["pieces"]
    return -(-memory // pieces) * pieces


def nodes(arch, options, memory):
    """CPUs and memory shared out; a node without memory would be no node to most of the kernel."""
    if options.nodes == 1:
        return []
    piece = ARCHITECTURES[arch]["pieces"]
    share, cpus, words = memory // options.nodes // piece * piece, options.smp // options.nodes, []
    for node in range(options.nodes):
        size = share if node else memory - share * (options.nodes - 1)
        words += ["-object", f"memory-backend-ram,id=node{node},size={size}M",
                  "-numa", f"node,nodeid={node},memdev=node{node},cpus={node * cpus}-{(node + 1) * cpus - 1}"]
    return words


def command_line(artifacts, options, accel, memory, initramfs, ports):
    """`initramfs` is a file descriptor; `ports` maps names to others: of sockets,
    except that an interactive console is a file.
    """
    given = shlex.split(artifacts["qemu"])
    cpu = options.cpu
    if cpu is None and accel == "kvm":
        cpu = "host"
    elif cpu is None and "-cpu" not in given:
        cpu = "max"
    words = _prefix(artifacts["qemu"], cpu)
    if cpu:
        words += ["-cpu", cpu]
    words += accel_words(accel, options, qemu_version(words[0]))
    memory = whole_pieces(artifacts.arch, memory)
    # CPUs of different nodes share no cache, and so no socket.
    words += ["-smp", f"{options.smp},sockets={options.nodes}" if options.nodes > 1 else str(options.smp)]
    words += ["-m", str(memory), *nodes(artifacts.arch, options, memory)]
    words += ["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]
    words += FIRMWARE.get(artifacts.arch, [])
    words += ["-kernel", artifacts["kernel"], "-initrd", f"/proc/self/fd/{initramfs}",
              "-append", kernel_arguments(artifacts.arch, options, accel)]
    words += ["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"]
    if options.interactive:
        # What "-serial mon:stdio" does, and a copy of it for the runner.
        words += ["-chardev", "stdio,id=console,mux=on,signal=off,logappend=on,"
                              f"logfile=/proc/self/fd/{ports['console']}",
                  "-mon", "chardev=console", "-serial", "chardev:console"]
    else:
        words += ["-chardev", f"socket,id=console,fd={ports['console']}",
                  "-serial", "chardev:console"]
    if options.plugin:
        words += ["-plugin", options.plugin]
    for name, descriptor in ports.items():
        if name != "console":
            words += ["-chardev", f"socket,id={name},fd={descriptor}",
                      "-device", f"virtserialport,chardev={name},name=vm.{name}"]
    return words + disks(options)
