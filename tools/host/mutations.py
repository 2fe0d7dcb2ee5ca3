# SPDX-License-Identifier: GPL-2.0
"""Mistakes that somebody could make in the walk: what is replaced, by what, in which file."""

from typing import NamedTuple


class Mutation(NamedTuple):
    name: str
    file: str
    old: str
    new: str


WALK, PATH, BATCH = "walk.rs", "walk/path.rs", "walk/batch.rs"
PTES, HUGE, X86 = "walk/ptes.rs", "walk/huge.rs", "format/x86_64.rs"
PAE, REQUEST, GRAB, FOLIO = "format/x86_pae.rs", "request.rs", "folio/grab.rs", "folio.rs"

GRAB_PTES = """            let (grabbed, refused) = self.grab(refused);

            self.pages.barrier_after_grab();
"""
GRAB_PTES_LATE = """            self.pages.barrier_after_grab();
            let (grabbed, refused) = self.grab(refused);
"""

MUTATIONS = [
    # The protocol: grab, barrier, look again, ask.
    Mutation("pages: no second look at the entries", PTES,
             ".take_while(|&(i, &raw)| Self::load(path, index + i) == raw)",
             ".take_while(|&(i, &raw)| Self::load(path, index + i) == raw || true)"),
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
             "if verdict.look_again && !Self::still_maps(path, index + done, raws) {",
             "if false {"),
    Mutation("pages: third look at the parents only", PTES,
             "raws.all(|(i, &raw)| Self::load(path, index + i) == raw)",
             "raws.all(|(_i, _raw)| true)"),
    Mutation("huge: no third look", HUGE,
             "if verdict.look_again && !path.unchanged() {", "if false {"),
    Mutation("pages: answer about the folio ignored", PTES,
             "(verdict.pages, verdict.refusal)", "(nr, verdict.refusal)"),
    Mutation("pages: all taken for writable", PTES,
             "raws.first().is_some_and(|&raw| F::writable(raw))", "true"),
    Mutation("huge: all taken for writable", HUGE, "F::writable(raw)", "true"),
    Mutation("parent read again to go down", PATH,
             "match F::entry(raw, path.level, geometry) {",
             "match F::entry(F::load(slot), path.level, geometry) {"),
    # References.
    Mutation("pages: nothing given back", PTES, "self.give_back(run, allowed, nr, runs);", ""),
    Mutation("pages: runs behind not given back", PTES, "self.give_back(run, allowed, nr, runs);",
             "self.waste(run, allowed, nr - allowed);"),
    Mutation("pages: too much given back", PTES,
             "self.give_back(run, allowed, nr, runs);", "self.give_back(run, 0, nr, runs);"),
    Mutation("huge: nothing given back after a change", HUGE,
             """        if !path.unchanged() {
            self.waste(run, 0, grabbed);""",
             """        if !path.unchanged() {"""),
    Mutation("huge: rest not given back", HUGE,
             "self.waste(run, verdict.pages, grabbed - verdict.pages);", ""),
    Mutation("pages: a change does not stop the walk", PTES,
             "(unchanged, Some(Refusal::Changed))", "(unchanged, refused)"),
    Mutation("pages: refused reference is forgotten", PTES,
             """                    refused = Some(refusal);
                    break;""", "                    break;"),
    # Runs.
    Mutation("run one page too long", BATCH, "+ 1).min(to_end)", "+ 2).min(to_end)"),
    Mutation("run one page too short", BATCH, "+ 1).min(to_end)", "+ 0).min(to_end)"),
    Mutation("run length counts its own start", BATCH, "(self.starts >> index) >> 1;",
             "self.starts >> index;"),
    Mutation("pages behind the end of a folio not asked for again", PTES,
             "done += nr;\n                }", "done = self.batch.raws().len();\n                }"),
    Mutation("runs of one page only", PTES,
             "prev.is_some_and(|prev| F::follows(prev, raw, geometry))",
             "prev.is_some_and(|prev| F::follows(prev, raw, geometry)) && false"),
    Mutation("huge: from its first page on", HUGE,
             "F::pfn(raw, level, geometry) + offset", "F::pfn(raw, level, geometry)"),
    # Sections.
    Mutation("pages: budget ignored", PTES, ".min(self.pages_to(0)).min(self.budget);",
             ".min(self.pages_to(0)).min(self.budget.max(100));"),
    Mutation("huge: not counted", HUGE, "self.budget -= 1;", ""),
    Mutation("pages: not counted", PTES, "self.budget -= max;", ""),
    Mutation("section one entry too long", WALK,
             "walker.budget = range.max_section;", "walker.budget = range.max_section + 1;"),
    Mutation("pages: room ignored", PTES,
             "while left > 0 && self.pages.has_room() {", "while left > 0 {"),
    Mutation("longest section is the last one", WALK,
             "self.tally.longest_section.max(looked_at)", "looked_at"),
    # The format.
    Mutation("write not distinguished", X86,
             "need: PRESENT | USER | if write { RW } else { 0 },", "need: PRESENT | USER,"),
    Mutation("kernel pages permitted", X86, "need: PRESENT | USER |", "need: PRESENT |"),
    Mutation("keys ignored", X86, "rights.need && rights.key_allows(raw)", "rights.need"),
    Mutation("key that forbids writing ignored", X86,
             "if self.write { 0b11 } else { 0b01 }", "0b01"),
    Mutation("special ignored", X86, "(rights.need | SPECIAL) ==", "rights.need =="),
    Mutation("RW may differ within a run", X86,
             "ACCESSED | DIRTY | SAVED_DIRTY | SOFT_DIRTY;",
             "ACCESSED | DIRTY | SAVED_DIRTY | SOFT_DIRTY | RW;"),
    Mutation("keys may differ within a run", X86,
             "ACCESSED | DIRTY | SAVED_DIRTY | SOFT_DIRTY;",
             "ACCESSED | DIRTY | SAVED_DIRTY | SOFT_DIRTY | PKEY;"),
    Mutation("A/D bits end a run", X86,
             "ACCESSED | DIRTY | SAVED_DIRTY | SOFT_DIRTY;", "SAVED_DIRTY | SOFT_DIRTY;"),
    Mutation("same page follows itself", X86,
             "prev.wrapping_add(geometry.page_size() as u64)", "prev"),
    Mutation("leaf taken for a table", X86,
             "raw & (TABLE | PSE) == TABLE", "raw & TABLE == TABLE"),
    Mutation("leaf where none can be", X86, "level <= Level::PUD", "level <= Level::P4D"),
    Mutation("flags in the address of a huge page", X86,
             "& geometry.frame_mask() & !(geometry.size(level) as u64 - 1)",
             "& geometry.frame_mask()"),
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
             "!INSIGNIFICANT == 0", "!(INSIGNIFICANT | NX) == 0"),
    Mutation("PAE: RW may differ within a run", PAE,
             "ACCESSED | DIRTY | SAVED_DIRTY | SOFT_DIRTY;",
             "ACCESSED | DIRTY | SAVED_DIRTY | SOFT_DIRTY | RW;"),
    Mutation("PAE: no carry into the high half", PAE,
             "(prev.wrapping_add(geometry.page_size() as u64) ^ next)",
             "((prev & !0xffff_ffff | u64::from((prev as u32).wrapping_add(0x1000))) ^ next)"),
    Mutation("PAE: high half of the address ignored", PAE,
             "let frame = raw & geometry.frame_mask()",
             "let frame = raw & 0xffff_ffff & geometry.frame_mask()"),
    Mutation("PAE: flags in the address of a huge page", PAE,
             "& geometry.frame_mask() & !(geometry.size(level) as u64 - 1)",
             "& geometry.frame_mask()"),
    Mutation("PAE: addresses wider than a number of a page", PAE,
             "frame & needed & ADDRESS & PFN_LIMIT", "frame & needed & ADDRESS"),
    Mutation("PAE: root of 512 entries", PAE, "[9, 9, 2]", "[9, 9, 9]"),
    # The request.
    Mutation("length not limited to the machine", REQUEST,
             ".filter(|&len| len <= last.min(i64::MAX as u64))", ""),
    Mutation("end not limited to the machine", REQUEST, ".filter(|&end| end <= last)", ""),
    Mutation("negative numbers pass", REQUEST, "|| end <= start || nr_pages < 0",
             "|| end <= start"),
    Mutation("limit not looked at", REQUEST, "if end > limit || end", "if end"),
    # References and pins, on both kinds of machines.
    Mutation("grab: two pages with the bias of one", GRAB,
             "folio.try_add(refs * (PIN_BIAS - 1))", "folio.try_add(PIN_BIAS - refs)"),
    Mutation("grab: pin count where there is none", GRAB, """    check_longterm(folio, refs, flags)?;
    if folio.has_pincount() {""", """    check_longterm(folio, refs, flags)?;
    if folio.is_large() {"""),
    Mutation("grab: put as if there was a pin count", GRAB,
             "if folio.has_pincount() { folio.add_pincount(-refs);",
             "if folio.is_large() { folio.add_pincount(-refs);"),
    Mutation("grab: the bias is not put", GRAB, "refs *= PIN_BIAS;", "refs *= 1;"),
    Mutation("grab: the folio is not looked up again", GRAB, "if now == folio {",
             "if now == folio || true {"),
    Mutation("grab: a guess is not looked at again", GRAB,
             "if first.folio() == folio && !folio.has_pincount() {",
             "if !folio.has_pincount() {"),
    Mutation("grab: a guess keeps its references", GRAB, """        // SAFETY: The references were taken above.
        unsafe { folio.put_refs(PIN_BIAS) };""", ""),
    Mutation("grab: references beyond the folio", GRAB, "if in_folio < refs {",
             "if in_folio < refs && false {"),
    Mutation("grab: the page of zeros is pinned", GRAB, "let held = !(pin_it && first.is_zero());",
             "let held = true;"),
    Mutation("grab: memory that must move is pinned for long", GRAB,
             "if flags.contains(Flags::LONGTERM) &&", "if false &&"),
    Mutation("counts may overflow", FOLIO, "if count <= 0 || count > i32::MAX - refs {",
             "if count <= 0 {"),
    Mutation("negative counts are added to", FOLIO,
             "if count <= 0 || count > i32::MAX - refs {", "if count > i32::MAX - refs {"),
]
