// SPDX-License-Identifier: GPL-2.0
/*
 * Ranges that cross what the tables are made of: a page, a table, an upper
 * level, one kind of memory and the next.
 */
#include <limits.h>
#include <sys/mman.h>
#include "memory.h"
#include "session.h"

FIXTURE(layouts) {
	struct session session;
	struct gup gup;
};

FIXTURE_SETUP(layouts)
{
	if (!session_open(_metadata, &self->session))
		return;
	gup_init(&self->gup, 8192);
}

FIXTURE_TEARDOWN(layouts)
{
	session_close(_metadata, &self->session);
	gup_free(&self->gup);
}

/* All of [addr, addr + nr pages) must come from the walk. */
static void check_range(struct __test_metadata *_metadata,
			FIXTURE_DATA(layouts) *self, uint32_t entry,
			const char *addr, long nr, bool fast)
{
	struct fast_gup_call *call = &self->gup.call;
	uint64_t *pfns = calloc(nr, sizeof(*pfns));

	ASSERT_NE(NULL, pfns);
	ASSERT_EQ(0, gup_run(self->session.dev, &self->gup, entry,
			     FAST_GUP_WRITE | FAST_GUP_HOLD, (uintptr_t)addr,
			     nr));
	ASSERT_EQ(nr, call->result);
	if (fast) {
		EXPECT_EQ(nr, call->fast_pages)
			TH_LOG("refused: %s", refusal_name(call->refusal));
	}
	EXPECT_LE(call->longest_section, self->session.info.max_section);
	pfns_of(addr, nr, pfns);
	for (long i = 0; i < nr; i++) {
		ASSERT_EQ(pfns[i], self->gup.pages[i].pfn)
			TH_LOG("page %ld of %ld", i, nr);
	}
	ASSERT_EQ(0, gup_release(self->session.dev, call->handle, false));
	free(pfns);
}

/* The start is rounded down to its page, as the C does. */
TEST_F(layouts, unaligned_start)
{
	static const uint32_t entries[] = {
		FAST_GUP_ENTRY_GET, FAST_GUP_ENTRY_GET_ONLY, FAST_GUP_ENTRY_PIN,
		FAST_GUP_ENTRY_KERNEL_PIN, FAST_GUP_ENTRY_C_PIN,
	};
	struct memory m;

	ASSERT_TRUE(memory_make(MEM_ANON, &m, 8 * page_size()));
	for (size_t e = 0; e < ARRAY_SIZE(entries); e++) {
		for (size_t off = 1; off < page_size(); off = off * 3 + 1) {
			ASSERT_EQ(0, gup_run(self->session.dev, &self->gup,
					     entries[e], 0,
					     (uintptr_t)m.addr + off, 3));
			ASSERT_EQ(3, self->gup.call.result);
			for (int i = 0; i < 3; i++) {
				EXPECT_EQ(pfn_of(m.addr + i * page_size()),
					  self->gup.pages[i].pfn);
			}
		}
	}
	memory_free(&m);
}

/* One request over several page tables, more than one section long. */
TEST_F_TIMEOUT(layouts, several_tables, TEST_SECONDS)
{
	const long nr = 5000;
	struct memory m;

	ASSERT_TRUE(memory_make(MEM_ANON, &m, nr * page_size()));
	check_range(_metadata, self, FAST_GUP_ENTRY_PIN, m.addr, nr, true);
	EXPECT_GE(self->gup.call.sections,
		  nr / self->session.info.max_section);
	check_range(_metadata, self, FAST_GUP_ENTRY_GET, m.addr, nr, true);
	if (self->session.info.providing)
		check_range(_metadata, self, FAST_GUP_ENTRY_KERNEL_PIN, m.addr,
			    nr, true);
	memory_free(&m);
}

/* Where the entry of an upper level ends, its neighbour goes on. */
static bool upper_level(struct __test_metadata *_metadata,
			FIXTURE_DATA(layouts) *self, unsigned int shift)
{
	const size_t side = 4 * page_size();
	uint64_t boundary;
	char *p = MAP_FAILED;

	if (shift >= sizeof(void *) * 8 - 1)
		return false;
	for (uint64_t n = 1; n < 64 && p == MAP_FAILED; n++) {
		boundary = n << shift;
		if (boundary + side > UINTPTR_MAX)
			break;
		p = mmap((void *)(uintptr_t)(boundary - side), 2 * side,
			 PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			 -1, 0);
		if (p != MAP_FAILED && p != (char *)(uintptr_t)(boundary - side)) {
			munmap(p, 2 * side);
			p = MAP_FAILED;
		}
	}
	if (p == MAP_FAILED)
		return false;
	tag_range(p, 2 * side, shift, 0);
	for (long nr = 1; nr <= 8; nr++)
		check_range(_metadata, self, FAST_GUP_ENTRY_PIN, p, nr, true);
	check_range(_metadata, self, FAST_GUP_ENTRY_PIN, p + 3 * page_size(), 2,
		    true);
	munmap(p, 2 * side);
	return true;
}

TEST_F(layouts, upper_levels)
{
	unsigned int crossed = 0;

	for (unsigned int shift = 21; shift <= 45; shift++)
		crossed += upper_level(_metadata, self, shift);
	/* 32 bits have boundaries of 2 MiB to 1 GiB. */
	EXPECT_GE(crossed, sizeof(void *) == 8 ? 20 : 10);
}

/* Five levels: above what four can map, and across that border. */
TEST_F(layouts, five_levels)
{
	uint64_t border;
	char *p;

	if (sizeof(void *) < 8 || self->session.info.levels < 5)
		SKIP(return, "%u levels", self->session.info.levels);
	border = 1ULL << 47;
	p = mmap((void *)(uintptr_t)(border - 4 * page_size()), 8 * page_size(),
		 PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	ASSERT_NE(MAP_FAILED, p) TH_LOG("%s", strerror(errno));
	tag_range(p, 8 * page_size(), 5, 0);
	check_range(_metadata, self, FAST_GUP_ENTRY_PIN, p, 8, true);
	check_range(_metadata, self, FAST_GUP_ENTRY_GET,
		    p + 4 * page_size(), 4, true);
	munmap(p, 8 * page_size());

	border = 1ULL << 48;
	p = mmap((void *)(uintptr_t)(border - 4 * page_size()), 8 * page_size(),
		 PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	ASSERT_NE(MAP_FAILED, p) TH_LOG("%s", strerror(errno));
	tag_range(p, 8 * page_size(), 5, 1);
	check_range(_metadata, self, FAST_GUP_ENTRY_PIN, p, 8, true);
	munmap(p, 8 * page_size());
}

/* One range over memory of several kinds, huge beside small. */
TEST_F_TIMEOUT(layouts, crossing_kinds, TEST_SECONDS)
{
	size_t huge = pmd_size(), page = page_size();
	size_t len = 4 * huge;
	struct memory thp;
	char *p, *file;
	int fd;

	if (!huge || !memory_make(MEM_THP, &thp, len))
		SKIP(return, "no huge pages");
	p = thp.addr;

	/* thp | file, file, anon, hole in the THP's place | thp | thp ... */
	fd = memfd_create("fast_gup", 0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, ftruncate(fd, huge / 4));
	file = mmap(p + huge, huge / 4, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED, fd, 0);
	ASSERT_EQ(p + huge, file);
	tag_range(file, huge / 4, 1, 1);
	ASSERT_EQ(p + 3 * huge - 2 * page,
		  mmap(p + 3 * huge - 2 * page, 2 * page,
		       PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	tag_range(p + 3 * huge - 2 * page, 2 * page, 2, 2);

	check_range(_metadata, self, FAST_GUP_ENTRY_PIN, p, len / page, true);
	check_range(_metadata, self, FAST_GUP_ENTRY_GET, p, len / page, true);
	check_range(_metadata, self, FAST_GUP_ENTRY_KERNEL_PIN, p, len / page,
		    self->session.info.providing);
	/* From the middle of one kind into the middle of the next. */
	check_range(_metadata, self, FAST_GUP_ENTRY_PIN, p + huge / 2,
		    huge / page, true);
	check_range(_metadata, self, FAST_GUP_ENTRY_PIN,
		    p + 3 * huge - 3 * page, 7, true);
	close(fd);
	memory_free(&thp);
}

/* The same page many times: each time one more pin, each of them given back. */
TEST_F_TIMEOUT(layouts, one_page_many_pins, TEST_SECONDS)
{
	const int times = 1000;
	uint64_t *handles = calloc(times, sizeof(*handles));
	long before, pinned;
	struct memory m;

	ASSERT_NE(NULL, handles);
	ASSERT_TRUE(memory_make(MEM_ANON, &m, page_size()));
	before = pins_outstanding();
	for (int i = 0; i < times; i++) {
		ASSERT_EQ(0, gup_run(self->session.dev, &self->gup,
				     FAST_GUP_ENTRY_PIN,
				     FAST_GUP_WRITE | FAST_GUP_HOLD,
				     (uintptr_t)m.addr, 1));
		ASSERT_EQ(1, self->gup.call.result);
		handles[i] = self->gup.call.handle;
	}
	pinned = pins_outstanding();
	EXPECT_EQ(before + times, pinned);
	for (int i = 0; i < times; i++) {
		ASSERT_EQ(0, gup_release(self->session.dev, handles[i], i & 1));
	}
	memory_free(&m);
	free(handles);
}

/*
 * Rule: a count of references never runs over, or the page would be freed under
 * those who hold it.  One page of a file, mapped over and over, is pinned
 * until hardly one pin more fits; then single references fill what is left.
 * The walk alone is asked: the C takes what makes the count negative, and
 * warns of the next.
 */
TEST_F_TIMEOUT(layouts, count_runs_not_over, TEST_SECONDS)
{
	const long maps = 4096, bias = 1024;	/* GUP_PIN_COUNTING_BIAS */
	/* The page cache, each mapping and whoever looks on hold references. */
	const long pins = (INT_MAX - maps - bias) / bias;
	const int fd = memfd_create("fast_gup", MFD_CLOEXEC);
	const int calls = (pins + maps - 1) / maps;
	uint64_t handles[calls], last = 0;
	struct memory area = { 0 };
	long left = pins, fitted;
	char *p;

	p = memory_reserve(&area, maps * page_size(), page_size());
	ASSERT_NE(NULL, p);
	ASSERT_EQ(0, ftruncate(fd, page_size()));
	for (long i = 0; i < maps; i++) {
		char *at = p + i * page_size();

		ASSERT_EQ(at, mmap(at, page_size(), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0));
		*(volatile char *)at = 1;
	}
	for (int i = 0; i < calls; i++, left -= maps) {
		long nr = left < maps ? left : maps;

		ASSERT_EQ(0, gup_run(self->session.dev, &self->gup,
				     FAST_GUP_ENTRY_PIN,
				     FAST_GUP_WRITE | FAST_GUP_HOLD,
				     (uintptr_t)p, nr));
		ASSERT_EQ(nr, self->gup.call.result);
		ASSERT_EQ(nr, self->gup.call.fast_pages);
		handles[i] = self->gup.call.handle;
	}
	ASSERT_EQ(0, gup_run(self->session.dev, &self->gup,
			     FAST_GUP_ENTRY_GET_ONLY, FAST_GUP_HOLD,
			     (uintptr_t)p, maps));
	fitted = self->gup.call.result;
	last = self->gup.call.handle;
	EXPECT_LT(0, fitted);
	EXPECT_GT(2 * bias, fitted);
	EXPECT_EQ(FAST_GUP_REFUSED_REFERENCE, self->gup.call.refusal);
	EXPECT_EQ(0, gup_run(self->session.dev, &self->gup,
			     FAST_GUP_ENTRY_GET_ONLY, 0, (uintptr_t)p, maps));
	EXPECT_EQ(0, self->gup.call.result);
	if (fitted > 0)
		EXPECT_EQ(0, gup_release(self->session.dev, last, false));
	for (int i = 0; i < calls; i++)
		EXPECT_EQ(0, gup_release(self->session.dev, handles[i], false));
	memory_free(&area);
	close(fd);
}

TEST_HARNESS_MAIN
