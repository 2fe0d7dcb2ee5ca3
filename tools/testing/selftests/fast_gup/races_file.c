// SPDX-License-Identifier: GPL-2.0
/* The walk against changes of files and hugetlb; see race.h and races.c. */
#include <stdio.h>
#include <linux/falloc.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include "race.h"
#include "session.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

FIXTURE(races_file) {
	struct session session;
	struct memory memory;
	struct race race;
};

FIXTURE_VARIANT(races_file) {
	bool (*setup)(FIXTURE_DATA(races_file) *self, size_t pages);
	bool (*turn)(struct race *race, unsigned long n);
	size_t pages;
	bool fresh;
	unsigned long turns;
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
	size_t len = 1UL << 30;
	char *p = race->base[1];

	if (n % 4 == 3) {
		if (munmap(p, len) ||
		    mmap(p, len, PROT_READ | PROT_WRITE, MAP_SHARED |
			 MAP_NORESERVE | MAP_FIXED_NOREPLACE,
			 race->memory->fd, 0) != p)
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

static bool setup_kind(FIXTURE_DATA(races_file) *self, size_t pages,
		       enum memory_kind_id id)
{
	if (!memory_make(id, &self->memory, pages * page_size()))
		return false;
	race_init(&self->race, self->session.dev, &self->memory, pages);
	return write_tags(&self->race, 0, pages);
}

static bool setup_memfd(FIXTURE_DATA(races_file) *self, size_t pages)
{
	return setup_kind(self, pages, MEM_MEMFD);
}

static bool setup_ext4(FIXTURE_DATA(races_file) *self, size_t pages)
{
	return setup_kind(self, pages, MEM_EXT4);
}

static bool setup_private(FIXTURE_DATA(races_file) *self, size_t pages)
{
	return setup_kind(self, pages, MEM_MEMFD_PRIVATE);
}

static char *map_gigabyte(struct memory *m)
{
	const size_t len = 1UL << 30;
	struct memory area = { 0 };
	char *addr = memory_reserve(&area, len, len), *p;

	if (!addr)
		return NULL;
	/* Only what is inside is kept: the turns unmap and map it again. */
	munmap(area.area, area.area_len);
	p = mmap(addr, len, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, m->fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

/* Two huge pages, whatever their size. */
static bool setup_hugetlb(FIXTURE_DATA(races_file) *self, size_t pages)
{
	struct memory *m = &self->memory;
	struct race *race = &self->race;

	m->fd = -1;
	if (sizeof(void *) < 8)
		return memory_cannot(m, "32 bits share no tables of huge pages");
	if (!hugetlb_size() || !hugetlb_want(hugetlb_size(), 4))
		return memory_cannot(m, "no huge pages to share");
	m->fd = memfd_create("fast_gup", MFD_HUGETLB | MFD_CLOEXEC);
	if (m->fd < 0 || ftruncate(m->fd, 1UL << 30))
		return memory_cannot(m, "no hugetlb file");
	m->addr = map_gigabyte(m);
	race_init(race, self->session.dev, m, 2 * hugetlb_size() / page_size());
	race->base[1] = map_gigabyte(m);
	if (!race->base[0] || !race->base[1])
		return memory_cannot(m, "no room for two gigabytes");
	tag_range(m->addr, race->pages * page_size(), RACE_OWNER, 0);
	return true;
}

FIXTURE_VARIANT_ADD(races_file, truncate) {
	setup_memfd, turn_truncate, 700, .fresh = true, .turns = 10 };
FIXTURE_VARIANT_ADD(races_file, punch_hole) {
	setup_memfd, turn_punch, 700, .fresh = true, .turns = 10 };
FIXTURE_VARIANT_ADD(races_file, ext4_pageout) {
	setup_ext4, turn_pageout, 256, .turns = 3 };
FIXTURE_VARIANT_ADD(races_file, ext4_truncate) {
	setup_ext4, turn_truncate, 128, .fresh = true, .turns = 3 };
FIXTURE_VARIANT_ADD(races_file, private_cow) {
	setup_private, turn_cow, 700, .turns = 10 };
FIXTURE_VARIANT_ADD(races_file, hugetlb_unshare) {
	setup_hugetlb, turn_unshare, 0, .turns = 10 };

FIXTURE_SETUP(races_file)
{
	struct race *race = &self->race;

	if (!session_open(_metadata, &self->session))
		return;
	if (!variant->setup(self, variant->pages))
		SKIP(return, "%s", self->memory.why);
	race->fresh = variant->fresh;
	race->turn = variant->turn;
	race->least = variant->turns;
}

FIXTURE_TEARDOWN(races_file)
{
	if (self->race.base[1] != self->race.base[0]) {
		munmap(self->race.base[0], 1UL << 30);
		munmap(self->race.base[1], 1UL << 30);
	}
	memory_free(&self->memory);
	session_close(_metadata, &self->session);
}

TEST_F_TIMEOUT(races_file, content, TEST_SECONDS)
{
	const char *wrong;

	race_run(&self->race);
	wrong = race_verdict(&self->race);
	EXPECT_EQ(NULL, wrong)
		TH_LOG("%s", wrong);
}

TEST_HARNESS_MAIN
