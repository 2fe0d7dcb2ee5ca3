// SPDX-License-Identifier: GPL-2.0
/*
 * The walk against changes of anonymous memory; see race.h for what is
 * checked.  Beside each opponent stands the rule that it attacks.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "race.h"
#include "session.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

FIXTURE(races) {
	struct session session;
	struct memory memory;
	struct race race;
};

FIXTURE_VARIANT(races) {
	enum memory_kind_id id;
	size_t pages;
	struct opponent opponent;
};

static char *at(struct race *race, size_t page)
{
	return race->base[0] + page * page_size();
}

static void tag_part(struct race *race, size_t first, size_t nr)
{
	for (size_t i = first; i < first + nr; i++)
		tag_page(at(race, i), RACE_OWNER, i, 0);
}

/* Tables freed and made anew under the walk: IRQs off keep them readable. */
static bool turn_munmap(struct race *race, unsigned long n)
{
	size_t len = race->pages * page_size();
	char *p = race->base[0];

	if (munmap(p, len))
		return false;
	if (mmap(p, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		 MAP_FIXED_NOREPLACE, -1, 0) != p)
		return false;
	tag_part(race, 0, race->pages);
	return true;
}

/* Permissions taken away: the leaf is read again after the reference. */
static bool turn_mprotect(struct race *race, unsigned long n)
{
	static const int prots[] = { PROT_NONE, PROT_READ };
	size_t first, nr;

	race_part(race, &first, &nr);
	if (mprotect(at(race, first), nr * page_size(), prots[n & 1]))
		return false;
	return !mprotect(at(race, 0), race->pages * page_size(),
			 PROT_READ | PROT_WRITE);
}

/* Pages freed at once: a reference to a page already free is given back. */
static bool turn_dontneed(struct race *race, unsigned long n)
{
	size_t first, nr;

	race_part(race, &first, &nr);
	if (madvise(at(race, first), nr * page_size(), MADV_DONTNEED))
		return false;
	tag_part(race, first, nr);
	return true;
}

static bool move(struct race *race, char *from, char *to)
{
	size_t len = race->pages * page_size();

	return mremap(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED,
		      to) == to;
}

/* Whole tables move: the parents are read again, not the leaf alone. */
static bool turn_mremap(struct race *race, unsigned long n)
{
	return move(race, race->base[n & 1], race->base[!(n & 1)]);
}

/* Write-protection by fork(): write_protect_seq around a pin. */
static bool turn_fork(struct race *race, unsigned long n)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return pid > 0 && waitpid(pid, NULL, 0) == pid;
}

/*
 * A huge leaf becomes a table and a leaf again.  PROT_EXEC only adds a right,
 * so that writes through the memory go on meanwhile.
 */
static bool turn_split_collapse(struct race *race, unsigned long n)
{
	size_t len = race->pages * page_size();
	char *page = at(race, random_below(&race->random, race->pages));

	if (mprotect(page, page_size(), PROT_READ | PROT_WRITE | PROT_EXEC) ||
	    mprotect(race->base[0], len, PROT_READ | PROT_WRITE))
		return false;
	/* EAGAIN and EBUSY: pages are pinned just now, as is right. */
	madvise(race->base[0], len, MADV_COLLAPSE);
	return true;
}

/* The folio itself is split: page and folio must still belong together. */
static bool turn_split_folio(struct race *race, unsigned long n)
{
	size_t len = race->pages * page_size();
	char text[96];

	snprintf(text, sizeof(text), "%d,0x%lx,0x%lx", getpid(),
		 (unsigned long)(uintptr_t)race->base[0],
		 (unsigned long)(uintptr_t)race->base[0] + len);
	if (!file_write("/sys/kernel/debug/split_huge_pages", text))
		return false;
	madvise(race->base[0], len, MADV_COLLAPSE);
	return true;
}

/* Small pages collected into a huge one: the table goes away under us. */
static bool turn_refill(struct race *race, unsigned long n)
{
	size_t len = race->pages * page_size();

	if (madvise(race->base[0], len, MADV_NOHUGEPAGE) ||
	    madvise(race->base[0], len, MADV_DONTNEED))
		return false;
	tag_part(race, 0, race->pages);
	if (madvise(race->base[0], len, MADV_HUGEPAGE))
		return false;
	madvise(race->base[0], len, MADV_COLLAPSE);
	return true;
}

/* Reclaim: clears the entry, then looks for references. */
static bool turn_free(struct race *race, unsigned long n)
{
	size_t first, nr;

	race_part(race, &first, &nr);
	if (madvise(at(race, first), nr * page_size(), MADV_FREE))
		return false;
	madvise(at(race, first), nr * page_size(), MADV_PAGEOUT);
	tag_part(race, first, nr);
	return true;
}

/* Migration: entries become migration entries, pages move elsewhere. */
static bool turn_compact(struct race *race, unsigned long n)
{
	return file_write("/proc/sys/vm/compact_memory", "1");
}

FIXTURE_VARIANT_ADD(races, munmap) {
	MEM_ANON, 700, { .turn = turn_munmap, .least = 10, .fresh = true } };
FIXTURE_VARIANT_ADD(races, munmap_thp) {
	MEM_THP, 1024, { .turn = turn_munmap, .least = 10, .fresh = true } };
FIXTURE_VARIANT_ADD(races, mprotect) {
	MEM_ANON, 700, { .turn = turn_mprotect, .least = 10 } };
FIXTURE_VARIANT_ADD(races, mprotect_thp) {
	MEM_THP, 1024, { .turn = turn_mprotect, .least = 10 } };
FIXTURE_VARIANT_ADD(races, dontneed) {
	MEM_ANON, 700, { .turn = turn_dontneed, .least = 10, .fresh = true } };
FIXTURE_VARIANT_ADD(races, dontneed_mthp) {
	MEM_MTHP, 704, { .turn = turn_dontneed, .least = 10, .fresh = true } };
FIXTURE_VARIANT_ADD(races, mremap) {
	MEM_ANON, 1024, { .turn = turn_mremap, .least = 10 } };
FIXTURE_VARIANT_ADD(races, mremap_thp) {
	MEM_THP, 1024, { .turn = turn_mremap, .least = 10 } };
FIXTURE_VARIANT_ADD(races, fork) {
	MEM_ANON, 256, { .turn = turn_fork, .least = 10, .coherent = true } };
FIXTURE_VARIANT_ADD(races, fork_thp) {
	MEM_THP, 1024, { .turn = turn_fork, .least = 10, .coherent = true } };
FIXTURE_VARIANT_ADD(races, split_collapse) {
	MEM_THP, 1024, { .turn = turn_split_collapse, .least = 10, .coherent = true } };
FIXTURE_VARIANT_ADD(races, split_folio) {
	MEM_THP, 1024, { .turn = turn_split_folio, .least = 10, .coherent = true } };
FIXTURE_VARIANT_ADD(races, refill) {
	MEM_THP, 1024, { .turn = turn_refill, .least = 10, .fresh = true } };
FIXTURE_VARIANT_ADD(races, free) {
	MEM_ANON, 700, { .turn = turn_free, .least = 10, .fresh = true } };
FIXTURE_VARIANT_ADD(races, compact) {
	MEM_ANON, 2000, { .turn = turn_compact, .least = 2, .coherent = true } };

FIXTURE_SETUP(races)
{
	struct race *race = &self->race;
	struct memory other = { 0 };
	size_t len = variant->pages * page_size();

	if (!session_open(_metadata, &self->session))
		return;
	if (!memory_make(variant->id, &self->memory, len))
		SKIP(return, "%s", self->memory.why);
	if (variant->opponent.turn == turn_split_folio &&
	    access("/sys/kernel/debug/split_huge_pages", W_OK))
		SKIP(return, "no split_huge_pages in debugfs");
	if (variant->opponent.turn == turn_compact &&
	    access("/proc/sys/vm/compact_memory", W_OK))
		SKIP(return, "no compaction");
	race_init(race, self->session.dev, &self->memory, variant->pages,
		  &variant->opponent);
	tag_range(self->memory.addr, len, RACE_OWNER, 0);
	if (variant->opponent.turn != turn_mremap)
		return;
	/* Both places aligned to a table, so that tables move. */
	for (int i = 0; i < 2; i++) {
		race->base[i] = memory_reserve(&other, len, pmd_size() ?: 2UL << 20);
		ASSERT_NE(NULL, race->base[i]);
	}
	ASSERT_TRUE(move(race, self->memory.addr, race->base[0]));
}

FIXTURE_TEARDOWN(races)
{
	memory_free(&self->memory);
	session_close(_metadata, &self->session);
}

TEST_F_TIMEOUT(races, content, TEST_SECONDS)
{
	EXPECT_RACE(&self->race);
}

TEST_HARNESS_MAIN
