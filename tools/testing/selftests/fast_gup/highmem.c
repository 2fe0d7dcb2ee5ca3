// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that the kernel does not map: most of the memory of a 32-bit machine.
 * They are got and pinned like all others, looked at through a mapping for the
 * moment, and I/O goes to them.
 */
#include <sys/mman.h>
#include "blockfile.h"
#include "session.h"
#include "sides.h"

#define PAGES		600
#define LEN		(PAGES * page_size())
/* Memory that had some of its pages elsewhere, kept while trying again. */
#define TRIES		16

FIXTURE(highmem) {
	struct session session;
	struct memory memory, elsewhere[TRIES];
	struct gup gup;
	uint64_t start;
	uint64_t *pfns;
	char *buf;
};

FIXTURE_VARIANT(highmem) {
	enum memory_kind_id id;
};

FIXTURE_VARIANT_ADD(highmem, anon) { MEM_ANON };
FIXTURE_VARIANT_ADD(highmem, thp) { MEM_THP };
FIXTURE_VARIANT_ADD(highmem, thp_pte) { MEM_THP_PTE };
FIXTURE_VARIANT_ADD(highmem, mthp) { MEM_MTHP };
FIXTURE_VARIANT_ADD(highmem, memfd) { MEM_MEMFD };
FIXTURE_VARIANT_ADD(highmem, ext4) { MEM_EXT4 };
FIXTURE_VARIANT_ADD(highmem, hugetlb) { MEM_HUGETLB };

static bool all_high(FIXTURE_DATA(highmem) *self)
{
	pfns_of(self->memory.addr, PAGES, self->pfns);
	for (size_t i = 0; i < PAGES; i++)
		if (self->pfns[i] < self->start)
			return false;
	return true;
}

FIXTURE_SETUP(highmem)
{
	size_t tries = 0;

	if (!session_open(_metadata, &self->session))
		return;
	self->start = highmem_start();
	if (!self->start)
		SKIP(return, "the kernel maps all of the memory");
	gup_init(&self->gup, PAGES);
	self->pfns = calloc(PAGES, sizeof(*self->pfns));
	self->buf = malloc(LEN);
	ASSERT_TRUE(self->pfns && self->buf);
	for (;;) {
		if (!memory_make(variant->id, &self->memory, LEN))
			SKIP(return, "%s", self->memory.why);
		if (all_high(self))
			break;
		ASSERT_LT(tries, TRIES)
			TH_LOG("no %d pages above pfn %#llx", PAGES,
			       (unsigned long long)self->start);
		self->elsewhere[tries++] = self->memory;
	}
}

FIXTURE_TEARDOWN(highmem)
{
	memory_free(&self->memory);
	for (size_t i = 0; i < TRIES && self->elsewhere[i].area; i++)
		memory_free(&self->elsewhere[i]);
	session_close(_metadata, &self->session);
	gup_free(&self->gup);
	free(self->pfns);
	free(self->buf);
}

static uint64_t take(struct __test_metadata *_metadata,
		     FIXTURE_DATA(highmem) *self, uint32_t entry)
{
	ASSERT_EQ(0, gup_run(self->session.dev, &self->gup, entry,
			     FAST_GUP_WRITE | FAST_GUP_HOLD,
			     (uintptr_t)self->memory.addr, PAGES));
	ASSERT_EQ(PAGES, self->gup.call.result)
		TH_LOG("%s", gup_entries[entry].name);
	return self->gup.call.handle;
}

/* Every page, by the walk, and known as what it is. */
TEST_F_TIMEOUT(highmem, page_frames, TEST_SECONDS)
{
	for (size_t e = 0; e < NR_GUP_ENTRIES; e++) {
		const struct gup_entry *entry = &gup_entries[e];
		uint64_t handle = take(_metadata, self, e);

		if (entry->own ||
		    (entry->kernel && self->session.info.providing)) {
			EXPECT_EQ(PAGES, self->gup.call.fast_pages)
				TH_LOG("%s refused: %s", entry->name,
				       refusal_name(self->gup.call.refusal));
		}
		for (size_t i = 0; i < PAGES; i++) {
			ASSERT_EQ(self->pfns[i], self->gup.pages[i].pfn)
				TH_LOG("%s, page %zu", entry->name, i);
			ASSERT_EQ(FAST_GUP_PAGE_HIGHMEM,
				  self->gup.pages[i].flags &
				  FAST_GUP_PAGE_HIGHMEM);
		}
		ASSERT_EQ(0, gup_release(self->session.dev, handle, false));
	}
}

/* Out of the pages, into them, and over the borders between them. */
TEST_F_TIMEOUT(highmem, content, TEST_SECONDS)
{
	const int dev = self->session.dev;

	for (size_t e = 0; e < NR_GUP_ENTRIES; e++) {
		const char *name = gup_entries[e].name;
		uint64_t handle;

		fill(self->memory.addr, LEN, e, 0);
		handle = take(_metadata, self, e);
		memset(self->buf, 0, LEN);
		ASSERT_EQ(0, gup_copy(dev, handle, 0, self->buf, LEN, false));
		ASSERT_EQ(LEN, filled(self->buf, LEN, e, 0)) TH_LOG("%s", name);

		fill(self->buf, LEN, e + 100, 0);
		for (size_t off = 0; off < LEN;) {
			/* Prime: the pieces start everywhere in a page. */
			size_t n = LEN - off < 7919 ? LEN - off : 7919;

			ASSERT_EQ(0, gup_copy(dev, handle, off, self->buf + off,
					      n, true));
			off += n;
		}
		ASSERT_EQ(LEN, filled(self->memory.addr, LEN, e + 100, 0))
			TH_LOG("%s", name);
		ASSERT_EQ(0, gup_release(dev, handle, gup_entries[e].pin));
	}
}

static void check_io(struct __test_metadata *_metadata,
		     FIXTURE_DATA(highmem) *self, enum block_target target)
{
	struct blockfile file;
	long pages;

	if (!blockfile_open(&file, target, LEN))
		SKIP_UNLESS_REQUIRED(return, file.why);
	pages = stats_read("direct_io", "pages");
	fill(self->memory.addr, LEN, target + 7, 0);
	EXPECT_EQ(LEN, pwrite(file.fd, self->memory.addr, LEN, 0));
	memset(self->memory.addr, 0, LEN);
	EXPECT_EQ(LEN, pread(file.fd, self->memory.addr, LEN, 0));
	EXPECT_EQ(LEN, filled(self->memory.addr, LEN, target + 7, 0));
	blockfile_close(&file);
	EXPECT_TRUE(all_high(self)) TH_LOG("the pages moved meanwhile");
	/* A file's own pages may be written back, and change, at any time. */
	if (self->session.info.providing && self->memory.fd < 0) {
		EXPECT_EQ(2 * PAGES, stats_read("direct_io", "pages") - pages);
	}
}

TEST_F_TIMEOUT(highmem, direct_io_ext4, TEST_SECONDS)
{
	check_io(_metadata, self, ON_EXT4);
}

TEST_F_TIMEOUT(highmem, direct_io_null_blk, TEST_SECONDS)
{
	check_io(_metadata, self, ON_NULL_BLK);
}

#define HALF	64

FIXTURE(both_sides) {
	struct session session;
	struct memory side[SIDES];
	uint64_t pfns[SIDES][HALF];
	struct ballast ballast;
	struct gup gup;
};

FIXTURE_SETUP(both_sides)
{
	uint64_t *const pfns[] = { self->pfns[BELOW], self->pfns[ABOVE] };

	if (!session_open(_metadata, &self->session))
		return;
	gup_init(&self->gup, SIDES * HALF);
	if (!memory_on_both_sides(self->side, &self->ballast, HALF, pfns))
		SKIP(return, "%s", self->side[BELOW].why);
}

FIXTURE_TEARDOWN(both_sides)
{
	memory_free(&self->side[BELOW]);
	memory_free(&self->side[ABOVE]);
	ballast_drop(&self->ballast);
	session_close(_metadata, &self->session);
	gup_free(&self->gup);
}

/* Entries with and without a bit in their high word, in one table. */
TEST_F_TIMEOUT(both_sides, in_turn, TEST_SECONDS)
{
	const size_t page = page_size(), nr = SIDES * HALF;
	struct memory m = { .fd = -1 };
	char *base = memory_reserve(&m, nr * page, page);
	char *buf = malloc(nr * page);

	ASSERT_TRUE(base && buf);
	for (size_t i = 0; i < nr; i++) {
		int fd = self->side[i % SIDES].fd;

		ASSERT_EQ(base + i * page,
			  mmap(base + i * page, page, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd,
			       i / SIDES * page));
	}
	for (size_t e = 0; e < NR_GUP_ENTRIES; e++) {
		const struct gup_entry *entry = &gup_entries[e];

		tag_range(base, nr * page, e, 1);
		ASSERT_EQ(0, gup_run(self->session.dev, &self->gup, e,
				     FAST_GUP_WRITE | FAST_GUP_HOLD,
				     (uintptr_t)base, nr));
		ASSERT_EQ(nr, self->gup.call.result);
		if (entry->own) {
			EXPECT_EQ(nr, self->gup.call.fast_pages);
		}
		ASSERT_EQ(0, gup_copy(self->session.dev,
				      self->gup.call.handle, 0, buf,
				      nr * page, false));
		for (size_t i = 0; i < nr; i++) {
			ASSERT_EQ(self->pfns[i % SIDES][i / SIDES],
				  self->gup.pages[i].pfn)
				TH_LOG("%s, page %zu", entry->name, i);
			ASSERT_TRUE(tag_is(buf + i * page, e, i, 1));
		}
		ASSERT_EQ(0, gup_release(self->session.dev,
					 self->gup.call.handle, false));
	}
	memory_free(&m);
	free(buf);
}

TEST_HARNESS_MAIN
