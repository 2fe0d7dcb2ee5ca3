// SPDX-License-Identifier: GPL-2.0
/*
 * The walks against collapse, as MADV_COLLAPSE and khugepaged do it, and
 * against tables of hugetlb that two processes share; see race.h and races.c.
 *
 * In each of them a table of pages leaves the tree without being freed by RCU:
 * it is deposited, used as it was in another place, or left to the other
 * process.  So whoever takes it out waits for the walks that may be in it, and
 * for those alone where CONFIG_LOCKLESS_PGTABLE_WALK has them say so.  The
 * kernel's own walk is attacked as well, for it publishes itself, too.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "khugepaged.h"
#include "memory_file.h"
#include "race.h"
#include "session.h"

#define STRANGER	0x57a90e01	/* whose pages are not in this process */

FIXTURE(races_collapse) {
	struct session session;
	struct memory memory;
	struct race race;
	size_t daemon;		/* khugepaged makes folios of this size; 0: none */
	long collapses;		/* what it had begun with at the beginning */
	pid_t child;
	int other;		/* file of the child alone */
};

FIXTURE_VARIANT(races_collapse) {
	/* Makes the memory.  false: see memory->why. */
	bool (*setup)(FIXTURE_DATA(races_collapse) *self);
	struct opponent opponent;
};

static char *at(struct race *race, size_t page)
{
	return race->base[0] + page * page_size();
}

static size_t length(const struct race *race)
{
	return race->pages * page_size();
}

/* One of the huge pages, its first page. */
static size_t some_huge(struct race *race)
{
	size_t nr = pmd_size() / page_size();

	return random_below(&race->random, race->pages / nr) * nr;
}

/* Small pages, tagged, where there may be a huge one; no pin may make one first. */
static bool refill(struct race *race, size_t first)
{
	size_t nr = pmd_size() / page_size();

	if (madvise(at(race, first), pmd_size(), MADV_NOHUGEPAGE) ||
	    madvise(at(race, first), pmd_size(), MADV_DONTNEED))
		return false;
	for (size_t i = first; i < first + nr; i++)
		tag_page(at(race, i), RACE_OWNER, i, 0);
	return !madvise(at(race, first), pmd_size(), MADV_HUGEPAGE);
}

/* The table is deposited, and the deposit freed when the huge page goes. */
static bool turn_collapse(struct race *race, unsigned long n)
{
	size_t first = some_huge(race);

	if (!refill(race, first))
		return false;
	/* EAGAIN and EBUSY: pages are pinned just now, as is right. */
	madvise(at(race, first), pmd_size(), MADV_COLLAPSE);
	return true;
}

/*
 * khugepaged comes on its own, and with smaller folios puts the same table
 * back.  The turn is over when it has begun with one of them.
 */
static bool turn_khugepaged(struct race *race, unsigned long n)
{
	FIXTURE_DATA(races_collapse) *self = race->priv;
	/* It may be done with them before the last page is there. */
	long before = khugepaged_collapses(self->daemon);

	if (!refill(race, some_huge(race)))
		return false;
	while (!race->stop && khugepaged_collapses(self->daemon) == before) {
		khugepaged_wake();
		usleep(1000);
	}
	return true;
}

/* A huge page is split into a table that was deposited, and made again. */
static bool turn_split(struct race *race, unsigned long n)
{
	char *huge = at(race, some_huge(race));

	if (mprotect(huge, page_size(), PROT_READ | PROT_WRITE | PROT_EXEC) ||
	    mprotect(huge, pmd_size(), PROT_READ | PROT_WRITE))
		return false;
	madvise(huge, pmd_size(), MADV_COLLAPSE);
	return true;
}

/* Of a file: the table of pages goes, and nothing comes in its place. */
static bool turn_file(struct race *race, unsigned long n)
{
	size_t first = some_huge(race), nr = pmd_size() / page_size();

	if (madvise(at(race, first), pmd_size(), MADV_NOHUGEPAGE) ||
	    madvise(at(race, first), pmd_size(), MADV_REMOVE))
		return false;
	for (size_t i = first; i < first + nr; i++)
		tag_page(at(race, i), RACE_OWNER, i, 0);
	if (madvise(at(race, first), pmd_size(), MADV_HUGEPAGE))
		return false;
	madvise(at(race, first), pmd_size(), MADV_COLLAPSE);
	return true;
}

/*
 * The last but one user of a shared table leaves it: what is in the table from
 * now on is that of the child, who puts pages of another file there.
 */
static bool turn_unshare(struct race *race, unsigned long n)
{
	size_t huge = hugetlb_size();

	if (mprotect(race->base[0], huge, PROT_READ) ||
	    mprotect(race->base[0], huge, PROT_READ | PROT_WRITE))
		return false;
	if (!leave_shared_table(race->base[0], race->memory->fd))
		return false;
	for (size_t off = 0; off < length(race); off += huge)
		(void)*(volatile char *)(race->base[0] + off);
	return true;
}

/* The other process: shares the table, and then has it for something else. */
static void share_and_reuse(FIXTURE_DATA(races_collapse) *self)
{
	char *p = self->race.base[0];
	size_t huge = hugetlb_size(), off;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		if (!leave_shared_table(p, self->memory.fd))
			_exit(1);
		for (off = 0; off < 2 * huge; off += huge)
			(void)*(volatile char *)(p + off);
		usleep(1000);
		if (mmap(p, 2 * huge, PROT_READ | PROT_WRITE, MAP_SHARED |
			 MAP_NORESERVE | MAP_FIXED, self->other, 0) != p)
			_exit(1);
		for (off = 0; off < 2 * huge; off += huge)
			(void)*(volatile char *)(p + off);
		usleep(1000);
	}
}

static bool setup_anon(FIXTURE_DATA(races_collapse) *self)
{
	/*
	 * What is pinned is not collapsed: there must be tables that nobody has
	 * pages of.  With a hash table, a huge page has 16M.
	 */
	size_t nr = pmd_size() > 2UL << 20 ? 4 : 16;

	return memory_make(MEM_THP, &self->memory, nr * pmd_size());
}

static bool setup_daemon(FIXTURE_DATA(races_collapse) *self, size_t size)
{
	if (!setup_anon(self))
		return false;
	if (!khugepaged_start(size)) {
		khugepaged_stop(size);
		return memory_cannot(&self->memory, "khugepaged makes no folios of %zu KB",
				     size >> 10);
	}
	self->daemon = size;
	self->collapses = khugepaged_collapses(size);
	return true;
}

static bool setup_khugepaged(FIXTURE_DATA(races_collapse) *self)
{
	return setup_daemon(self, pmd_size());
}

static bool setup_mthp(FIXTURE_DATA(races_collapse) *self)
{
	if (pmd_size() <= 16 * page_size())
		return memory_cannot(&self->memory, "no folios of 16 pages");
	return setup_daemon(self, 16 * page_size());
}

static bool setup_file(FIXTURE_DATA(races_collapse) *self)
{
	return memory_make(MEM_SHMEM_THP, &self->memory, 2 * pmd_size());
}

/* Pages that nobody but the child may ever find. */
static int strange_file(void)
{
	size_t len = 2 * hugetlb_size();
	int fd = shared_table_file();
	char *p;

	if (fd < 0)
		return -1;
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		close(fd);
		return -1;
	}
	tag_range(p, len, STRANGER, 0);
	munmap(p, len);
	return fd;
}

static bool setup_hugetlb(FIXTURE_DATA(races_collapse) *self)
{
	struct memory *m = &self->memory;

	m->fd = shared_table_file();
	if (!map_shared_table(m, 6))
		return false;
	self->other = strange_file();
	if (self->other < 0)
		return memory_cannot(m, "no second file of hugetlb");
	m->len = 2 * hugetlb_size();
	tag_range(m->addr, m->len, RACE_OWNER, 0);
	self->race.base[0] = m->addr;
	self->child = fork();
	if (!self->child)
		share_and_reuse(self);
	return self->child > 0 || memory_cannot(m, "no second process");
}

FIXTURE_VARIANT_ADD(races_collapse, madvise) {
	setup_anon,
	{ .turn = turn_collapse, .least = 10, .fresh = true, .c_walk = true } };
/* It has the lowest priority, and finds pages pinned most of the time. */
FIXTURE_VARIANT_ADD(races_collapse, khugepaged) {
	setup_khugepaged,
	{ .turn = turn_khugepaged, .least = 1, .fresh = true, .c_walk = true } };
FIXTURE_VARIANT_ADD(races_collapse, khugepaged_mthp) {
	setup_mthp,
	{ .turn = turn_khugepaged, .least = 1, .fresh = true, .c_walk = true } };
FIXTURE_VARIANT_ADD(races_collapse, split) {
	setup_anon,
	{ .turn = turn_split, .least = 10, .coherent = true, .c_walk = true } };
FIXTURE_VARIANT_ADD(races_collapse, file) {
	setup_file,
	{ .turn = turn_file, .least = 10, .fresh = true, .c_walk = true } };
FIXTURE_VARIANT_ADD(races_collapse, hugetlb_two) {
	setup_hugetlb,
	{ .turn = turn_unshare, .least = 10, .c_walk = true } };

FIXTURE_SETUP(races_collapse)
{
	struct memory *m = &self->memory;

	self->memory.fd = -1;
	self->other = -1;
	if (!session_open(_metadata, &self->session))
		return;
	if (!variant->setup(self))
		SKIP(return, "%s", m->why);
	race_init(&self->race, self->session.dev, m, m->len / page_size(),
		  &variant->opponent);
	self->race.priv = self;
	self->race.most = 64;
	tag_range(m->addr, m->len, RACE_OWNER, 0);
}

FIXTURE_TEARDOWN(races_collapse)
{
	if (self->daemon)
		khugepaged_stop(self->daemon);
	if (self->child > 0) {
		kill(self->child, SIGKILL);
		waitpid(self->child, NULL, 0);
	}
	if (self->other >= 0)
		close(self->other);
	memory_free(&self->memory);
	session_close(_metadata, &self->session);
}

TEST_F_TIMEOUT(races_collapse, content, TEST_SECONDS)
{
	EXPECT_RACE(&self->race);
	/* The last turn may have waited for it in vain. */
	if (self->daemon && !in_company())
		EXPECT_LT(self->collapses, khugepaged_collapses(self->daemon))
			TH_LOG("khugepaged has begun with nothing");
	if (self->child > 0)
		EXPECT_EQ(0, waitpid(self->child, NULL, WNOHANG))
			TH_LOG("the other process could not go on");
}

TEST_HARNESS_MAIN
