# SPDX-License-Identifier: GPL-2.0
"""Mistakes that somebody could make in the walk: what is replaced, by what, in which file."""

from typing import NamedTuple


class Mutation(NamedTuple):
    name: str
    file: str
    old: str
    new: str


WALK, PATH, BATCH = "walk.rs", "walk/path.rs", "walk/batch.rs"
ONE, PTES, HUGE, X86 = "walk/one.rs", "walk/ptes.rs", "walk/huge.rs", "format/x86_64.rs"
PAE, REQUEST, GRAB, FOLIO = "format/x86_pae.rs", "request.rs", "folio/grab.rs", "folio.rs"

X86_BOTH, PPC64 = "format/x86.rs", "format/ppc64.rs"
RADIX, HASH = "format/ppc64_radix.rs", "format/ppc64_hash.rs"

GRAB_PTES = """            let refused = self.grab(&mut batch, path, index, left.min(BATCH));

            self.pages.barrier_after_grab();
"""
GRAB_PTES_LATE = """            self.pages.barrier_after_grab();
            let refused = self.grab(&mut batch, path, index, left.min(BATCH));
"""

MUTATIONS = [
    # A page by itself.
    Mutation("one page: no second look at the entry", ONE,
             "path.unchanged() && F::load(slot) == raw", "path.unchanged()"),
    Mutation("one page: no second look at the parents", ONE,
             "path.unchanged() && F::load(slot) == raw", "F::load(slot) == raw"),
    Mutation("one page: no second look at a huge page", ONE,
             "    if !path.unchanged() {", "    if !path.unchanged() && false {"),
    Mutation("one page: no third look", ONE,
             "if verdict.look_again && !unchanged() {", "if verdict.look_again && !unchanged() && false {"),
    Mutation("one page: what is refused is not given back", ONE,
             "    pages.put(run, 0, 1);\n", ""),
    Mutation("one page: what is refused is not counted as wasted", ONE,
             "    tally.wasted = 1;\n", ""),
    Mutation("one page: no question about permission", ONE,
             """    let raw = F::load(slot);
    if !F::permitted(raw, range.rights) {""",
             """    let raw = F::load(slot);
    if false {"""),
    Mutation("one page: no question about permission of a huge page", ONE,
             """    range: &Range<'_, F>,
    tally: &mut Tally,
) -> Result<(), Refusal> {
    if !F::permitted(raw, range.rights) {""",
             """    range: &Range<'_, F>,
    tally: &mut Tally,
) -> Result<(), Refusal> {
    if false {"""),
    Mutation("one page: no question about the folio", ONE,
             "    if let Some(refusal) = verdict.refusal {",
             "    if let Some(refusal) = verdict.refusal.filter(|_| false) {"),
    Mutation("one page: the wrong page of a huge page", ONE,
             "let offset = range.start & (geometry.size(level) - 1);", "let offset = 0usize;"),
    Mutation("one page: barrier before the reference", ONE,
             """    let run = match pages.grab_single(page) {
        Ok(run) => run,
        Err(_) => grab_large(pages, page)?,
    };

    pages.barrier_after_grab();
""",
             """    pages.barrier_after_grab();
    let run = match pages.grab_single(page) {
        Ok(run) => run,
        Err(_) => grab_large(pages, page)?,
    };
"""),
    Mutation("one page: no barrier at a huge page", ONE,
             """    let run = grab_large(pages, page)?;

    pages.barrier_after_grab();
""",
             """    let run = grab_large(pages, page)?;
"""),

    # The protocol: grab, barrier, look again, ask.
    Mutation("pages: no second look at the entries", PTES,
             ".take_while(|&(i, &raw)| load(path, index, i) == raw)",
             ".take_while(|&(i, &raw)| load(path, index, i) == raw || true)"),
    Mutation("pages: no second look at the parents", PTES,
             "let unchanged = if path.unchanged() {",
             "let unchanged = if path.unchanged() || true {"),
    Mutation("huge: no second look", HUGE,
             "if !path.unchanged() {", "if !path.unchanged() && false {"),
    Mutation("no second look at the PUD", PATH, "self.seen.iter()", "self.seen[..1].iter()"),
    Mutation("no second look at the PMD", PATH, "self.seen.iter()", "self.seen[1..].iter()"),
    Mutation("second look from the bottom up", PATH,
             "self.seen.iter().rev()", "self.seen.iter()"),
    Mutation("pages: barrier in front of the grab", PTES, GRAB_PTES, GRAB_PTES_LATE),
    Mutation("huge: no barrier", HUGE, "self.pages.barrier_after_grab();", ""),
    Mutation("pages: no third look", PTES,
             "if verdict.look_again && !still_maps(batch.raws(), path, index, done, nr) {",
             "if false {"),
    Mutation("pages: third look at the parents only", PTES,
             "raws.all(|(i, &raw)| load(path, index, i) == raw)",
             "raws.all(|(_i, _raw)| true)"),
    Mutation("huge: no third look", HUGE,
             "if verdict.look_again && !path.unchanged() {", "if false {"),
    Mutation("pages: answer about the folio ignored", PTES,
             "self.pages.keep(run, verdict.pages);\n                done += verdict.pages;",
             "self.pages.keep(run, nr);\n                done += nr;"),
    Mutation("pages: all taken for writable", PTES,
             "self.pages.verdict(run, nr, F::writable(raw))", "self.pages.verdict(run, nr, true)"),
    Mutation("single pages: all taken for writable", PTES,
             "self.pages.keep_single(run, F::writable(raw))", "self.pages.keep_single(run, true)"),
    Mutation("single pages: kept beyond the second look", PTES,
             """batch.runs().get(..unchanged).unwrap_or(&[]);
        let raws = batch.raws().get(..unchanged).unwrap_or(&[]);""",
             "batch.runs(); let raws = batch.raws();"),
    Mutation("single pages: kept twice", PTES,
             "batch.runs().iter().skip(done)", "batch.runs().iter()"),
    Mutation("huge: all taken for writable", HUGE, "F::writable(raw)", "true"),
    Mutation("parent read again to go down", PATH,
             "match F::entry(raw, path.level, geometry) {",
             "match F::entry(F::load(slot), path.level, geometry) {"),
    # References.
    Mutation("pages: nothing given back", PTES, "self.waste_from(batch, done);", ""),
    Mutation("pages: runs behind not given back", PTES, "            at += nr;\n        }",
             "            at += nr;\n            if kept < nr { break; }\n        }"),
    Mutation("pages: too much given back", PTES,
             "self.waste_from(batch, done);", "self.waste_from(batch, 0);"),
    Mutation("huge: nothing given back after a change", HUGE,
             """        if !path.unchanged() {
            self.waste(run, 0, grabbed);""",
             """        if !path.unchanged() {"""),
    Mutation("huge: rest not given back", HUGE,
             "self.waste(run, verdict.pages, grabbed - verdict.pages);", ""),
    Mutation("pages: a change does not stop the walk", PTES,
             "(unchanged, Some(Refusal::Changed))", "(unchanged, refused)"),
    Mutation("pages: refused reference is forgotten", PTES,
             """                    batch.truncate(at);
                    refused = Some(refusal);
                    break;""", """                    batch.truncate(at);
                    break;"""),
    # Runs.
    Mutation("run one page too long", BATCH, "trailing_ones() as usize + 1",
             "trailing_ones() as usize + 2"),
    Mutation("run one page too short", BATCH, "trailing_ones() as usize + 1",
             "trailing_ones() as usize"),
    Mutation("run length counts its own start", BATCH,
             "(self.continues.wrapping_shr(at as u32) >> 1)",
             "self.continues.wrapping_shr(at as u32)"),
    Mutation("marks of the batch before stay", BATCH, "        self.continues = 0;\n", ""),
    Mutation("pages behind the end of a folio not asked for again", BATCH,
             "self.truncate(at.wrapping_add(nr));", ""),
    Mutation("pages: entries of a refused run stay", PTES,
             """                    behind = end.min(batch.len() + 1) - at;
                    batch.truncate(at);""", "behind = end.min(batch.len() + 1) - at;"),
    Mutation("runs of one page only", PTES,
             "if !F::follows(prev, next, geometry) {", "if true || !F::follows(prev, next, geometry) {"),
    Mutation("all entries follow", PTES,
             "if !F::follows(prev, next, geometry) {", "if false {"),
    Mutation("more of a folio than the request", PTES,
             "let end = max.min(at.saturating_add(most));", "let end = BATCH.min(at.saturating_add(most));"),
    Mutation("huge: from its first page on", HUGE,
             "F::pfn(raw, level, geometry) + offset", "F::pfn(raw, level, geometry)"),
    # Sections.
    Mutation("pages: budget ignored", PTES, ".min(self.pages_to(0)).min(self.budget);",
             ".min(self.pages_to(0)).min(self.budget.max(100));"),
    Mutation("huge: not counted", HUGE, "self.budget -= 1;", ""),
    Mutation("pages: not counted", PTES,
             "self.budget -= batch.len() + behind;", ""),
    Mutation("section one entry too long", WALK,
             "walker.budget = range.max_section;", "walker.budget = range.max_section + 1;"),
    Mutation("pages: room ignored", PTES,
             "while left > 0 && self.pages.has_room() {", "while left > 0 {"),
    Mutation("longest section is the last one", WALK,
             "self.tally.longest_section.max(looked_at)", "looked_at"),
    # The format.
    Mutation("write not distinguished", X86,
             "(PRESENT | USER | RW, 0b11)", "(PRESENT | USER, 0b11)"),
    Mutation("kernel pages permitted", X86, "(PRESENT | USER, 0b01)", "(PRESENT, 0b01)"),
    Mutation("keys ignored", X86, "rights.need && rights.key_allows(raw)", "rights.need"),
    Mutation("key 0 allows everything", X86,
             "if pkru & forbidden == 0 { need } else { !0 }", "need"),
    Mutation("other keys like key 0", X86,
             "raw & (rights.need | SPECIAL | PKEY) == rights.fast",
             "raw & (rights.need | SPECIAL) == rights.fast"),
    Mutation("key that forbids writing ignored", X86,
             "(PRESENT | USER | RW, 0b11)", "(PRESENT | USER | RW, 0b01)"),
    Mutation("special ignored", X86, "(rights.need | SPECIAL) ==", "rights.need =="),
    Mutation("special ignored with key 0", X86, "(rights.need | SPECIAL | PKEY) ==",
             "(rights.need | PKEY) =="),
    Mutation("RW may differ within a run", X86,
             "ACCESSED | DIRTY | SAVED_DIRTY | SOFT_DIRTY;",
             "ACCESSED | DIRTY | SAVED_DIRTY | SOFT_DIRTY | RW;"),
    Mutation("keys may differ within a run", X86,
             "ACCESSED | DIRTY | SAVED_DIRTY | SOFT_DIRTY;",
             "ACCESSED | DIRTY | SAVED_DIRTY | SOFT_DIRTY | PKEY;"),
    Mutation("A/D bits end a run", X86,
             "ACCESSED | DIRTY | SAVED_DIRTY | SOFT_DIRTY;", "SAVED_DIRTY | SOFT_DIRTY;"),
    Mutation("same page follows itself", X86_BOTH,
             "prev.wrapping_add(1 << PAGE_SHIFT)", "prev"),
    Mutation("leaf taken for a table", X86,
             "raw & (TABLE | PSE) == TABLE", "raw & TABLE == TABLE"),
    Mutation("leaf where none can be", X86, "level <= Level::PUD", "level <= Level::P4D"),
    Mutation("flags in the address of a huge page", X86_BOTH,
             "((frame & !low) >> PAGE_SHIFT)", "(frame >> PAGE_SHIFT)"),
    Mutation("encryption bit in the address of a table", X86,
             "Entry::Table(raw & geometry.frame_mask())",
             "Entry::Table(raw & 0x000f_ffff_ffff_f000)"),
    # The format of PAE.
    Mutation("PAE: no second look at the low half", PAE,
             "if now == low {", "if now == low || true {"),
    Mutation("PAE: high half read once", PAE,
             """        let mut low = slot.read_low();
        loop {
            slot.read_barrier();
            let high = slot.read_high();
            slot.read_barrier();
""",
             """        let mut low = slot.read_low();
        let high = slot.read_high();
        loop {
"""),
    Mutation("PAE: high half read in front of the low one", PAE,
             """        let mut low = slot.read_low();
        loop {
            slot.read_barrier();
            let high = slot.read_high();
""",
             """        let high = slot.read_high();
        let mut low = slot.read_low();
        loop {
"""),
    Mutation("PAE: the first low half is kept", PAE, "            low = now;",
             "            low = now; return u64::from(high) << 32 | u64::from(low);"),
    Mutation("PAE: read at once", PAE, "let mut low = slot.read_low();",
             "return slot.read_u64(); #[allow(unreachable_code)] let mut low = slot.read_low();"),
    Mutation("PAE: write not distinguished", PAE,
             "need: PRESENT | USER | if write { RW } else { 0 },", "need: PRESENT | USER,"),
    Mutation("PAE: kernel pages permitted", PAE, "need: PRESENT | USER |", "need: PRESENT |"),
    Mutation("PAE: special ignored", PAE, "raw & (rights.need | SPECIAL) == rights.need",
             "raw & rights.need == rights.need"),
    Mutation("PAE: leaves without memory permitted", PAE, "&& rights.has_page(raw)", ""),
    Mutation("PAE: memory ends one page later", PAE, "raw & ADDRESS < self.end",
             "raw & ADDRESS <= self.end"),
    Mutation("PAE: tables without memory followed", PAE,
             "raw & (TABLE | PSE | NX | reserved)", "raw & (TABLE | PSE | NX)"),
    Mutation("PAE: permissions wanted in the root", PAE,
             "if level == Level::PMD { TABLE } else { PRESENT }", "TABLE"),
    Mutation("PAE: no permissions wanted in the PMD", PAE,
             "if level == Level::PMD { TABLE } else { PRESENT }", "PRESENT"),
    Mutation("PAE: leaf in the root", PAE, "raw & PSE != 0 && level == Level::PMD",
             "raw & PSE != 0"),
    Mutation("PAE: NX may differ within a run", PAE,
             "x86::follows(prev, next, INSIGNIFICANT)",
             "x86::follows(prev, next, INSIGNIFICANT | NX)"),
    Mutation("PAE: RW may differ within a run", PAE,
             "ACCESSED | DIRTY | SAVED_DIRTY | SOFT_DIRTY;",
             "ACCESSED | DIRTY | SAVED_DIRTY | SOFT_DIRTY | RW;"),
    Mutation("PAE: no carry into the high half", X86_BOTH,
             "(prev.wrapping_add(1 << PAGE_SHIFT) ^ next)",
             "((prev & !0xffff_ffff | u64::from((prev as u32).wrapping_add(0x1000))) ^ next)"),
    Mutation("PAE: high half of the address ignored", X86_BOTH,
             "let frame = raw & geometry.frame_mask()",
             "let frame = raw & 0xffff_ffff & geometry.frame_mask()"),
    Mutation("PAE: addresses wider than a number of a page", PAE,
             "frame & needed & ADDRESS & PFN_LIMIT", "frame & needed & ADDRESS"),
    Mutation("PAE: root of 512 entries", PAE, "[9, 9, 2]", "[9, 9, 9]"),
    # The formats of ppc64.
    Mutation("ppc64: bytes in the order of the CPU", PPC64,
             "u64::from_be(slot.read_u64())", "slot.read_u64()"),
    Mutation("ppc64: entries read by halves", PPC64, "u64::from_be(slot.read_u64())",
             "u64::from(slot.read_high().swap_bytes()) | u64::from(slot.read_low().swap_bytes()) << 32"),
    Mutation("ppc64: not present permitted", PPC64, "const NEED: u64 = PRESENT | PTE | READ;",
             "const NEED: u64 = PTE | READ;"),
    Mutation("ppc64: what is no leaf permitted", PPC64, "const NEED: u64 = PRESENT | PTE | READ;",
             "const NEED: u64 = PRESENT | READ;"),
    Mutation("ppc64: PROT_NONE permitted", PPC64, "const NEED: u64 = PRESENT | PTE | READ;",
             "const NEED: u64 = PRESENT | PTE;"),
    Mutation("ppc64: write not distinguished", PPC64, "Access::Write => NEED | WRITE,",
             "Access::Write => NEED,"),
    Mutation("ppc64: kernel pages permitted", PPC64,
             "const NEVER: u64 = PRIVILEGED | SPECIAL;", "const NEVER: u64 = SPECIAL;"),
    Mutation("ppc64: special ignored", PPC64,
             "const NEVER: u64 = PRIVILEGED | SPECIAL;", "const NEVER: u64 = PRIVILEGED;"),
    Mutation("ppc64: keys ignored", PPC64,
             "== self.need && self.keys.allow(raw, self.access)", "== self.need"),
    Mutation("ppc64: key 0 allows everything", PPC64,
             "if keys.allow(0, access) { need } else { !0 }", "need"),
    Mutation("ppc64: other keys like key 0", PPC64,
             "raw & (self.need | NEVER | self.key) == self.fast",
             "raw & (self.need | NEVER) == self.fast"),
    Mutation("ppc64: the keys of 64K with 4K", PPC64, "SHIFT_4K {\n PKEY_4K", "SHIFT_4K { PKEY"),
    Mutation("ppc64: the keys of 4K with 64K", PPC64, "} else {\n PKEY\n }", "} else { PKEY_4K }"),
    Mutation("ppc64: the key for reading is asked for writing", PPC64,
             "self.keys.allow(raw, self.access)\n    }", "self.keys.allow(raw, Access::Read)\n    }"),
    Mutation("ppc64: a huge page that is being split is followed", PPC64,
             "raw & (PRESENT | PTE | reserved) == PRESENT", "raw & (PTE | reserved) & !INVALID == 0"),
    Mutation("ppc64: a huge page that is being split is a leaf", PPC64,
             "    if raw & PRESENT == 0 {\n        // None", "    if raw & (PRESENT | INVALID) == 0 {\n        // None"),
    Mutation("ppc64: leaf taken for a table", PPC64,
             "raw & (PRESENT | PTE | reserved) == PRESENT", "raw & (PRESENT | reserved & !PTE) == PRESENT"),
    Mutation("ppc64: leaf where none can be", PPC64, "level <= Level::PUD", "level <= Level::P4D"),
    Mutation("ppc64: flags in the address of a table", PPC64,
             "Entry::Table(raw & TABLE_ADDRESS)", "Entry::Table(raw & !(PRESENT | PTE))"),
    Mutation("ppc64: tables are as large as pages", PPC64,
             "((1 << 53) - 1) & !0xff;", "((1 << 53) - 1) & !0xfff;"),
    Mutation("ppc64: pages of 4K", PPC64,
             "wrapping_shr(geometry.page_shift().into())", "wrapping_shr(12)"),
    Mutation("ppc64: flags in the address of a page", PPC64,
             "(raw & geometry.frame_mask())", "(raw & !(PRESENT | PTE))"),
    Mutation("ppc64: the page of 4K behind follows", PPC64,
             "prev.wrapping_add(geometry.size(Level::PTE) as u64)", "prev.wrapping_add(0x1000)"),
    Mutation("ppc64: same page follows itself", PPC64,
             "prev.wrapping_add(geometry.size(Level::PTE) as u64)", "prev"),
    Mutation("ppc64: WRITE may differ within a run", PPC64,
             "EXEC | DIRTY | ACCESSED | SOFT_DIRTY;", "EXEC | DIRTY | ACCESSED | SOFT_DIRTY | WRITE;"),
    Mutation("ppc64: keys may differ within a run", PPC64,
             "EXEC | DIRTY | ACCESSED | SOFT_DIRTY;", "EXEC | DIRTY | ACCESSED | SOFT_DIRTY | PKEY;"),
    Mutation("ppc64: A/D bits end a run", PPC64,
             "EXEC | DIRTY | ACCESSED | SOFT_DIRTY;", "EXEC | SOFT_DIRTY;"),
    Mutation("radix: reserved bits of a table ignored", RADIX,
             "!(ppc64::PRESENT | ppc64::TABLE_ADDRESS | TABLE_SIZE)", "0"),
    Mutation("radix: size of a table taken for reserved", RADIX,
             "!(ppc64::PRESENT | ppc64::TABLE_ADDRESS | TABLE_SIZE)",
             "!(ppc64::PRESENT | ppc64::TABLE_ADDRESS)"),
    Mutation("radix: all is writable", RADIX, "raw & ppc64::WRITE != 0", "raw != 0"),
    Mutation("hash: reserved bits of a table ignored", HASH, "RESERVED | (size - 1)", "size - 1"),
    Mutation("hash: low bits of a table ignored", HASH, "RESERVED | (size - 1)", "RESERVED & !0xff"),
    Mutation("hash: tables aligned to more than their size", HASH,
             "geometry.entries(below) as u64 * 8", "geometry.entries(below) as u64 * 64"),
    Mutation("hash: all is writable", HASH, "raw & ppc64::WRITE != 0", "raw != 0"),
    Mutation("hash: pages end a run once they are touched", HASH,
             "ppc64::INSIGNIFICANT | BUSY | hashed", "ppc64::INSIGNIFICANT | BUSY"),
    Mutation("hash: pages end a run while they are touched", HASH,
             "ppc64::INSIGNIFICANT | BUSY | hashed", "ppc64::INSIGNIFICANT | hashed"),
    Mutation("hash: the slots of 64K with 4K", HASH, "SHIFT_4K {\n HASHED_4K", "SHIFT_4K { HASHED_64K"),
    Mutation("hash: the slots of 4K with 64K", HASH, "} else {\n HASHED_64K", "} else { HASHED_4K"),
    # Machines that reorder reads.
    Mutation("no barrier between the second looks at parent and child", PATH,
             "        self.slot.read_barrier();\n", ""),
    # The request.
    Mutation("length not limited to the machine", REQUEST,
             ".filter(|&len| len <= last.min(i64::MAX as u64))", ""),
    Mutation("end not limited to the machine", REQUEST, ".filter(|&end| end <= last)", ""),
    Mutation("negative numbers pass", REQUEST, "let len = u64::try_from(nr_pages)\n        .ok()",
             "let len = Some(nr_pages.unsigned_abs())"),
    Mutation("limit not looked at", REQUEST, "if end > limit || end", "if end"),
    # References and pins, on both kinds of machines.
    Mutation("grab: two pages with the bias of one", GRAB,
             "folio.try_add(refs * (PIN_BIAS - 1))", "folio.try_add(PIN_BIAS - refs)"),
    Mutation("grab: pin count where there is none", GRAB, """    if folio.has_pincount() {
        folio.add_pincount(refs);""", """    if folio.is_large() {
        folio.add_pincount(refs);"""),
    Mutation("grab: put as if there was a pin count", GRAB,
             "if folio.has_pincount() { folio.add_pincount(-refs);",
             "if folio.is_large() { folio.add_pincount(-refs);"),
    Mutation("grab: the bias is not put", GRAB, "refs *= PIN_BIAS;", "refs *= 1;"),
    Mutation("grab: the folio is not looked up again", GRAB, "if now == folio {",
             "if now == folio || true {"),
    Mutation("grab: a guess is not looked at again", GRAB, "(PIN && folio.is_large()) ||", ""),
    Mutation("grab: a guess keeps its references", GRAB, """        // SAFETY: The references were taken above.
        unsafe { folio.put_refs(refs) };
        return Err(1);""", "return Err(1);"),
    Mutation("grab: part of a folio taken for a single page", FOLIO,
             "(!compound).then_some(", "(!compound || true).then_some("),
    Mutation("grab: tag of a large folio forgotten", GRAB, "Run::new(first, Run::LARGE)",
             "Run::new(first, 0)"),
    Mutation("grab: references beyond the folio", GRAB, "if in_folio < refs {",
             "if in_folio < refs && false {"),
    Mutation("grab: the page of zeros is pinned", GRAB, """    if PIN && page.is_zero() {""",
             "if false {"),
    Mutation("grab: single memory that must move is pinned for long", GRAB,
             "|| (flags.contains(Flags::LONGTERM) && !folio.longterm_pinnable())", ""),
    Mutation("grab: memory that must move is pinned for long", GRAB,
             "if flags.contains(Flags::LONGTERM) && !folio.longterm_pinnable() {", "if false {"),
    Mutation("counts may overflow", FOLIO,
             "if count.wrapping_sub(1) as u32 >= (i32::MAX - refs) as u32 {", "if count <= 0 {"),
    Mutation("negative counts are added to", FOLIO,
             "if count.wrapping_sub(1) as u32 >= (i32::MAX - refs) as u32 {",
             "if count > i32::MAX - refs {"),
]
