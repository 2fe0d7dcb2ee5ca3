# SPDX-License-Identifier: GPL-2.0
"""The classes of bugs that code like this has had, and what protects the module from each.

For each class: mistakes that take the protection away, and who notices. A mistake is what is
replaced, by what, in which file of src/; the test that notices it runs in a guest, whose module has
the mistake. What a guest cannot show is left to others, which make mistakes of their own:
"host NAME" of tools/host/mutations.py, "litmus NAME" of Documentation/litmus-tests, where something
is left out, and "model NAME" of tools/host/models, whose tests leave things out.
"""

from typing import NamedTuple, Tuple


class Mutation(NamedTuple):
    name: str
    file: str
    old: str
    new: str
    tests: Tuple[str, ...]      # PROGRAM or PROGRAM:PART, as for tools/testing/run --only
    boot: str = ""              # where they run, if it is not where those of the class do


class Class(NamedTuple):
    number: int
    name: str
    mutations: Tuple[Mutation, ...] = ()
    others: Tuple[str, ...] = ()
    # Where the mistakes can be noticed: the guests of x86_64 unless the format is another's.
    arch: str = "x86_64"
    boot: str = "5-level"

    @property
    def title(self):
        """What it is called in tables."""
        return f"{self.number} {self.name}" if self.number else self.name

    def mistakes(self):
        """The names of all of them, the others' behind those of guests."""
        return [mutation.name for mutation in self.mutations] + list(self.others)

    def boot_of(self, mutation):
        """The guest in which a mistake can be noticed."""
        return mutation.boot or self.boot


X86, ALLOWED, GRAB, PATH = "format/x86_64.rs", "folio/allowed.rs", "folio/grab.rs", "walk/path.rs"
LOCKLESS, GUP, REQUEST, DEVICE = "lockless.rs", "gup.rs", "request.rs", "device.rs"

CLASSES = (
    Class(1, "dirty-cow", (
        Mutation("write without RW", X86, "Access::Write => (PRESENT | USER | RW, 0b11)",
                 "Access::Write => (PRESENT | USER, 0b11)", ("permissions:read_only", "races_file:private_cow")),
        Mutation("FOLL_FORCE is offered", REQUEST, "if flags.without(Flags::OFFERED).raw() != 0 {",
                 "if flags.without(Flags::OFFERED).raw() & !(1 << 3) != 0 {", ("permissions:bad_flags",)),
    ), ("host write not distinguished", "host PAE: write not distinguished", "host ppc64: write not distinguished")),
    Class(2, "cow-read-pin", (
        Mutation("shared pages are exclusive", ALLOWED, ".take_while(|i| unsafe { Page::new(pfn + i) }.is_anon_exclusive())",
                 ".take_while(|i| unsafe { Page::new(pfn + i) }.is_anon_exclusive() || true)",
                 ("fork:fork_then_read_pin",)),
    ), ("host answer about the folio ignored",)),
    Class(3, "fork-pin", (
        Mutation("fork() is not waited for", LOCKLESS,
                 "if unsafe { bindings::mm_write_protect_retry(mm.as_ptr(), seq) } {",
                 "if unsafe { bindings::mm_write_protect_retry(mm.as_ptr(), seq) } && false {",
                 ("fork_race:fork_race.thp_pte_late",)),
        Mutation("fork() does not look for pins", GUP,
                 "unsafe { bindings::mm_set_has_pinned(mm.as_ptr()) };",
                 "let _ = mm;", ("fork:pin_then_fork",)),
    ), ("litmus fork+flag+nomb", "litmus fork+pins+nomb", "litmus fork+protected+noacquire", "model fork")),
    Class(4, "exclusive-order", (), (
        "litmus exclusive+normb", "litmus exclusive+nograbmb", "model share", "host single pages: no barrier")),
    # Where the kernel waits for the walk before it does anything with the table, nothing is left to
    # notice: on x86 flushing the TLB waits, and collapse and hugetlb wait anywhere. Radix trees move
    # tables without.
    Class(5, "thp-collapse", (
        Mutation("no look at the parents", PATH, ".all(|seen| seen.unchanged())", ".all(|_| true)",
                 ("races_table",)),
    ), ("host folio: no look at the parents", "model parents"),
          arch="ppc64le", boot="radix"),
    Class(6, "table-lifetime", (
        Mutation("interrupts stay on", "tables.rs", "let flags = unsafe { bindings::local_irq_save() };",
                 """let flags = unsafe { bindings::local_irq_save() };
        unsafe { bindings::local_irq_restore(flags) };""",
                 ("walk_flag:own.collapse_waits", "walk_flag:own.unshare_waits")),
    ), ("host parent read again to go down", "host one page: no second look at the entry",
        "host single pages: no second look at the entries", "litmus free+nowait", "litmus descend+ctrl")),
    Class(7, "pmd-unshare", (
        Mutation("the walk is not published", "tables.rs", "unsafe { lockless_walk::published(self.mm, walk) }", "walk()",
                 ("walk_flag:own.unshare_waits",)),
    ), ("host no second look at the PUD", "litmus parents+normb", "litmus walkflag+nobeginmb", "litmus walkflag+nosyncmb",
        "litmus walkflag+norelease", "model walk_flag")),
    # In a guest, the second look finds another value than the halves of two, and gives back.
    Class(8, "pae-torn", (), (
        "host PAE: no second look at the low half", "litmus pae-load+clear+noretry", "model halves")),
    Class(9, "prot-none", (
        Mutation("PROT_NONE is permitted", X86, "raw & (rights.need | SPECIAL | PKEY) == rights.fast",
                 "raw & 0x101 == 0x100 || raw & (rights.need | SPECIAL | PKEY) == rights.fast",
                 ("permissions:none",)),
    ), ("host ppc64: PROT_NONE permitted",)),
    Class(10, "secretmem", (
        Mutation("secretmem is allowed", ALLOWED, "check_secretmem && bindings::secretmem_mapping(mapping)",
                 "check_secretmem && false", ("permissions:secret",)),
    ), ("litmus nullmapping+normb", "host no third look")),
    Class(11, "longterm", (
        Mutation("files may be pinned for long", ALLOWED,
                 "let reject_file_backed = flags.contains(LONGTERM_WRITE);", "let reject_file_backed = false;",
                 ("permissions:file_ext4",)),
        Mutation("movable memory may be pinned for long", "folio.rs",
                 "unsafe { bindings::folio_is_longterm_pinnable(self.as_ptr()) }", "true",
                 ("slow_path:longterm_moves",), "waits"),
    )),
    Class(12, "refcount-overflow", (
        Mutation("a count may become negative", "folio.rs",
                 "if now.wrapping_sub(1) as u32 >= (i32::MAX - refs) as u32 {", "if now == 0 {",
                 ("layouts:count_runs_not_over",)),
    ), ("host counts may overflow", "host negative counts are added to")),
    Class(13, "zero-page", (
        Mutation("the zero page is unpinned", GRAB, "    if folio.head().is_zero() {", "    if false {",
                 ("vmstat:zero_page_unpinned",)),
    ), ("host grab: the page of zeros is pinned", "host grab: the page of zeros is pinned as one of many")),
    # In a guest, a few instructions are too short a time for a folio to be freed and used again.
    Class(14, "folio-identity", (), (
        "host grab: the folio is not looked up again", "host grab: a guess is not looked at again")),
    Class(15, "p2pdma", (
        Mutation("memory of a device is for all", ALLOWED, "if !flags.contains(Flags::PCI_P2PDMA) && folio.is_p2pdma() {",
                 "if false {", ("p2pdma:refused",)),
    ), boot="waits"),
    Class(16, "zone-device", (
        Mutation("special entries are permitted", X86,
                 """raw & (rights.need | SPECIAL | PKEY) == rights.fast
            || raw & (rights.need | SPECIAL) == rights.need""",
                 """raw & (rights.need | PKEY) == rights.fast
            || raw & rights.need == rights.need""", ("permissions:zero_page",)),
    ), ("host special ignored", "host special ignored with key 0")),
    Class(17, "kernel-tables", (), ("host kernel pages permitted", "host PAE: kernel pages permitted",
                                    "host ppc64: kernel pages permitted")),
    Class(18, "slow-path", (
        Mutation("what was got is lost on an error", GUP, "Err(_) if fast > 0 => fast as isize,", "",
                 ("errors",)),
        Mutation("the fallback does not fault", "fallback.rs",
                 "let offered = flags.without(Flags::GET.with(Flags::PIN)).raw();",
                 "let offered = flags.without(Flags::GET.with(Flags::PIN)).raw() | Flags::NOFAULT.raw();",
                 ("faults:late", "faults:two_retries")),
    )),
    Class(19, "range-checks", (
        Mutation("beyond the end of user space", REQUEST, "if end > limit || end <= start {", "if end <= start {",
                 ("errors:side_by_side", "security:no_kernel_memory")),
        Mutation("an end that overflows", REQUEST,
                 """        .checked_add(len)
        .filter(|&end| end <= last)
        .ok_or(Invalid::Overflow)?;""", """        .wrapping_add(len);""", ("errors:side_by_side",)),
    ), ("host limit not looked at", "host negative numbers pass", "host end not limited to the machine")),
    # Not of the walk, but of what is around it.
    Class(0, "device", (
        Mutation("root without CAP_SYS_ADMIN", DEVICE,
                 "if !unsafe { bindings::capable(bindings::CAP_SYS_ADMIN as i32) } {", "if false {",
                 ("security:security",)),
        Mutation("the log tells where the module is", GUP,
                 'pr_warn_once!("flags {flags:#x} are not offered, or not together\\n");',
                 'pr_warn_once!("flags {flags:#x} at {:x} are not offered\\n", errno as usize);',
                 ("security:no_addresses",)),
        Mutation("pages stay held when their handle does not arrive", "device/call.rs",
                 "let pages = held.lock().take(handle);", "let pages = handle;", ("abi:bad_pointers", "fuzz")),
        Mutation("written behind max_pages", "device/call.rs", "let nr = pages.len().min(room);",
                 "let nr = pages.len().min(room + 1);", ("abi:room", "fuzz")),
        Mutation("the frame of the next page is told", "device/call.rs",
                 "pfn: bindings::page_to_pfn(page) as u64,", "pfn: bindings::page_to_pfn(page) as u64 + 1,",
                 ("fuzz",)),
        Mutation("what is split off is forgotten", "device/ranges.rs",
                 "split.rest = held_now.keep(Owned::Ranges(rest))?;",
                 "core::mem::forget(rest);\n        split.rest = 1;", ("fuzz",)),
    )),
)
