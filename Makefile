# SPDX-License-Identifier: GPL-2.0
# The front door for people. kbuild reads Kbuild and never this file.

ARCH    ?= x86_64
ARCHES  ?= x86_64 i386
FLAVOUR ?= release
MINUTES ?= 10
CACHE   ?= $(HOME)/.cache/fast_gup
# The tools read these from the environment; empty means their default.
export CACHE
export KSRC ACCEL JOBS MIRROR

PREPARE = tools/kernel/prepare --flavour $(FLAVOUR)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup kernel module samples demo test soak bench check shell artifacts rust-analyzer clean distclean

help:
	@echo 'fast_gup: user addresses to referenced pages without a lock, in Rust'
	@echo
	@echo '  make demo           from nothing to a booted guest whose O_DIRECT and splice'
	@echo '                      traffic goes through the module, and what was served how'
	@echo '  make test           every test; the last line counts them'
	@echo '  make soak MINUTES=  all races at once with settings that change, and the fuzzer; prints'
	@echo '                      what repeats it'
	@echo '  make shell          a guest with the module loaded, to play in (Ctrl-A X ends it)'
	@echo
	@echo '  make setup          find or install what the builds need'
	@echo '  make kernel         prepare the kernel of one guest, and the module'
	@echo '  make module         the same: after a change only the module is built, in seconds'
	@echo '  make samples        the sample drivers, in Rust and in C'
	@echo '  make bench          the module beside the C: instructions, interrupts off,'
	@echo '                      locked instructions, direct I/O; tables, JSON, plots'
	@echo '  make check          format, lints, style, documentation: no warnings'
	@echo '  make artifacts      where everything is: source= build= kernel= module= qemu='
	@echo '  make rust-analyzer  rust-project.json for editors'
	@echo '  make clean          remove build/'
	@echo '  make distclean      remove build/ and the cache of kernels and tools'
	@echo
	@echo 'Variables (now):'
	@echo '  ARCH=$(ARCH)  the guest of kernel, module, bench, shell, artifacts, rust-analyzer'
	@echo '  ARCHES="$(ARCHES)"  the guests of test'
	@echo '  FLAVOUR=$(FLAVOUR)  release or debug (KASAN, lockdep, page table checks),'
	@echo '                   or for ppc64le 4k (base pages of 4 KiB)'
	@echo '  CPU=$(CPU)  the processor of shell and bench; on ppc64le, power9 has radix trees and'
	@echo '        power8 the hashed page table'
	@echo '  MINUTES=$(MINUTES) SEED=$(SEED)  of soak'
	@echo '  KSRC=$(KSRC)  your kernel source: a tree, a git checkout or a tarball'
	@echo '  ACCEL=$(ACCEL)  auto, kvm or tcg'
	@echo '  JOBS=$(JOBS)  compilers at once (default: one for each processor)'
	@echo '  CACHE=$(CACHE)'

setup:
	@tools/kernel/setup $(addprefix --arch ,$(ARCHES))

kernel module:
	@$(PREPARE) --arch $(ARCH)

samples:
	@$(PREPARE) --arch $(ARCH) --quiet
	@ls "$$(sed -n 's/^samples=//p' build/artifacts/$(ARCH)-$(FLAVOUR).env)"/*.ko

demo:
	@$(PREPARE) --arch $(ARCH) --quiet
	@tools/demo/run --arch $(ARCH) --flavour $(FLAVOUR)

test:
	@set -e; for arch in $(ARCHES); do $(PREPARE) --arch $$arch --quiet; done
	@tools/testing/run --arches "$(ARCHES)" --flavour $(FLAVOUR)

soak:
	@$(PREPARE) --arch $(ARCH) --quiet
	@tools/testing/soak --arch $(ARCH) --flavour $(FLAVOUR) --minutes $(MINUTES) $(addprefix --seed ,$(SEED))

bench:
	@$(PREPARE) --arch $(ARCH) --quiet
	@tools/bench/run --arch $(ARCH) --flavour $(FLAVOUR) $(addprefix --cpu ,$(CPU))

check:
	@tools/check --arch $(ARCH)

shell:
	@$(PREPARE) --arch $(ARCH) --quiet
	@tools/vm/run --arch $(ARCH) --flavour $(FLAVOUR) $(addprefix --cpu ,$(CPU)) --interactive

artifacts:
	@$(PREPARE) --arch $(ARCH) --quiet --print

rust-analyzer:
	@tools/kernel/rust-analyzer --arch $(ARCH) --flavour $(FLAVOUR)

clean:
	rm -rf build rust-project.json tools/host/target

distclean: clean
	@tools/kernel/distclean
