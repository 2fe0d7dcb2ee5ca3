// SPDX-License-Identifier: GPL-2.0
/* The walk against changes of files and hugetlb; see race.h and races.c. */
#include <stdio.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include "memory_file.h"
#include "race.h"
#include "session.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

FIXTURE(races_file) {
	struct session session;
	struct memory memory;
	struct memory again;	/* hugetlb: the same at another place */
	struct race race;
};

FIXTURE_VARIANT(races_file) {
	/* NULL: memory of that kind */
	bool (*setup)(FIXTURE_DATA(races_file) *self,
		      const struct opponent *opponent);
	enum memory_kind_id id;
	size_t pages;
	struct opponent opponent;
};

static bool write_tags(struct race *race, size_t first, size_t nr)
{
	char *page = calloc(1, page_size());
	bool ok = true;

	for (size_t i = first; page && ok && i < first + nr; i++) {
		tag_page(page, RACE_OWNER, i, 0);
		ok = pwrite(race->memory->fd, page, page_size(),
			    i * page_size()) == (ssize_t)page_size();
	}
	free(page);
	return page && ok;
}

/* Truncation: the mapping goes away from the folio, the page is freed. */
static bool turn_truncate(struct race *race, unsigned long n)
{
	size_t first = random_below(&race->random, race->pages);

	if (ftruncate(race->memory->fd, first * page_size()) ||
	    ftruncate(race->memory->fd, race->pages * page_size()))
		return false;
	return write_tags(race, first, race->pages - first);
}

static bool turn_punch(struct race *race, unsigned long n)
{
	size_t first, nr;

	race_part(race, &first, &nr);
	if (fallocate(race->memory->fd,
		      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      first * page_size(), nr * page_size()))
		return false;
	return write_tags(race, first, nr);
}

/* Reclaim of page cache: mapping read once, entry read again. */
static bool turn_pageout(struct race *race, unsigned long n)
{
	struct memory *m = race->memory;

	fdatasync(m->fd);
	madvise(m->addr, race->pages * page_size(), MADV_PAGEOUT);
	madvise(m->addr, race->pages * page_size(), MADV_POPULATE_READ);
	return true;
}

/* Private pages over a file: thrown away, the file's pages come back. */
static bool turn_cow(struct race *race, unsigned long n)
{
	struct memory *m = race->memory;
	size_t first, nr;

	race_part(race, &first, &nr);
	for (size_t i = first; i < first + nr; i++)
		tag_page(m->addr + i * page_size(), RACE_OWNER, i, 1);
	return !madvise(m->addr + first * page_size(), nr * page_size(),
			MADV_DONTNEED);
}

/*
 * Shared tables of hugetlb: unshared by a changed permission or an unmap, the
 * table becomes somebody else's; the entry above it is read again.
 */
static bool turn_unshare(struct race *race, unsigned long n)
{
	size_t huge = hugetlb_size();
	char *p;

	if (n % 4 == 3) {
		if (!leave_shared_table(race->base[1], race->memory->fd))
			return false;
	} else {
		p = race->base[n & 1];
		if (mprotect(p, huge, PROT_READ) ||
		    mprotect(p, huge, PROT_READ | PROT_WRITE))
			return false;
	}
	for (size_t off = 0; off < race->pages * page_size(); off += huge)
		(void)*(volatile char *)(race->base[1] + off);
	return true;
}

/* Two huge pages, whatever their size. */
static bool setup_hugetlb(FIXTURE_DATA(races_file) *self,
			  const struct opponent *opponent)
{
	struct memory *m = &self->memory;
	struct race *race = &self->race;

	m->fd = shared_table_file();
	if (!map_shared_table(m, 4))
		return false;
	self->again.fd = m->fd;
	if (!map_shared_table(&self->again, 4))
		return memory_cannot(m, "%s", self->again.why);
	race_init(race, self->session.dev, m, 2 * hugetlb_size() / page_size(),
		  opponent);
	race->base[1] = self->again.addr;
	tag_range(m->addr, race->pages * page_size(), RACE_OWNER, 0);
	return true;
}

FIXTURE_VARIANT_ADD(races_file, truncate) {
	NULL, MEM_MEMFD, 700,
	{ .turn = turn_truncate, .least = 10, .fresh = true } };
FIXTURE_VARIANT_ADD(races_file, punch_hole) {
	NULL, MEM_MEMFD, 700, { .turn = turn_punch, .least = 10, .fresh = true } };
FIXTURE_VARIANT_ADD(races_file, ext4_pageout) {
	NULL, MEM_EXT4, 256, { .turn = turn_pageout, .least = 3 } };
FIXTURE_VARIANT_ADD(races_file, ext4_truncate) {
	NULL, MEM_EXT4, 128, { .turn = turn_truncate, .least = 3, .fresh = true } };
FIXTURE_VARIANT_ADD(races_file, private_cow) {
	NULL, MEM_MEMFD_PRIVATE, 700, { .turn = turn_cow, .least = 10 } };
FIXTURE_VARIANT_ADD(races_file, hugetlb_unshare) {
	setup_hugetlb, .opponent = { .turn = turn_unshare, .least = 10 } };

FIXTURE_SETUP(races_file)
{
	struct race *race = &self->race;
	struct memory *m = &self->memory;

	if (!session_open(_metadata, &self->session))
		return;
	if (variant->setup) {
		if (!variant->setup(self, &variant->opponent))
			SKIP(return, "%s", m->why);
		return;
	}
	if (!memory_make(variant->id, m, variant->pages * page_size()))
		SKIP(return, "%s", m->why);
	race_init(race, self->session.dev, m, variant->pages,
		  &variant->opponent);
	ASSERT_TRUE(write_tags(race, 0, variant->pages));
}

FIXTURE_TEARDOWN(races_file)
{
	self->again.fd = -1;
	memory_free(&self->again);
	memory_free(&self->memory);
	session_close(_metadata, &self->session);
}

TEST_F_TIMEOUT(races_file, content, TEST_SECONDS)
{
	EXPECT_RACE(&self->race);
}

TEST_HARNESS_MAIN
