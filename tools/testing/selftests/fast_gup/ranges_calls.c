// SPDX-License-Identifier: GPL-2.0
/*
 * Where calls for ranges end, and what they answer to what cannot be had.
 */
#include <sys/mman.h>
#include "memory.h"
#include "ranges_lib.h"
#include "session.h"

#define ROOM	(1 << 14)

FIXTURE(ranges_calls) {
	struct session session;
	struct memory memory;
	struct ranges got, expected;
	size_t page;
};

FIXTURE_SETUP(ranges_calls)
{
	if (!session_open(_metadata, &self->session))
		return;
	self->page = page_size();
	ranges_init(&self->got, ROOM);
	ranges_init(&self->expected, ROOM);
}

FIXTURE_TEARDOWN(ranges_calls)
{
	memory_free(&self->memory);
	session_close(_metadata, &self->session);
	ranges_free(&self->got);
	ranges_free(&self->expected);
}

/* Several kinds in one request, in one call and in many. */
TEST_F_TIMEOUT(ranges_calls, mixed, TEST_SECONDS)
{
	size_t huge = pmd_size(), pages;
	char why[200] = "", *p;

	if (!huge || !memory_make(MEM_THP, &self->memory, 4 * huge))
		SKIP(return, "no huge pages");
	/* thp | single pages, from the middle of a thp on | thp | two pages */
	p = self->memory.addr;
	ASSERT_NE(MAP_FAILED, mmap(p + huge + huge / 2, huge / 2,
				   PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				   -1, 0));
	ASSERT_EQ(0, madvise(p + huge + huge / 2, huge / 2, MADV_NOHUGEPAGE));
	ASSERT_NE(MAP_FAILED, mmap(p + 3 * huge - 2 * self->page,
				   2 * self->page, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				   -1, 0));
	pages = 4 * huge / self->page;
	tag_range(p, 4 * huge, 5, 0);

	for (size_t first = 0; first < pages; first += pages / 5 + 1) {
		static const uint64_t sizes[] = { ROOM, 1, 5, 512, 700 };

		for (size_t n = 0; n < ARRAY_SIZE(sizes); n++) {
			uint64_t cursor = (uintptr_t)p + first * self->page;
			uint64_t end = (uintptr_t)p + 4 * huge;

			ASSERT_TRUE(ranges_expected(self->session.dev,
						    &self->expected,
						    FAST_GUP_WRITE, cursor,
						    pages - first));
			self->got.nr = 0;
			while (cursor != end) {
				ASSERT_EQ(0, ranges_run(self->session.dev,
							&self->got, n % 2,
							FAST_GUP_WRITE, &cursor,
							end - cursor, sizes[n]));
				ASSERT_GT(self->got.call.result, 0);
			}
			EXPECT_TRUE(ranges_same(&self->got, &self->expected, why,
						sizeof(why)))
				TH_LOG("from page %zu, at most %llu: %s", first,
				       (unsigned long long)sizes[n], why);
		}
	}
}

/*
 * A call begins with a table of pages only if its buffer has room for all of
 * it: it ends in front of the table instead.
 */
TEST_F(ranges_calls, ends_with_the_table)
{
	size_t huge = pmd_size(), table = huge / self->page, before = table / 5;
	uint64_t cursor, end;
	char *p;

	if (!huge || !memory_make(MEM_ANON, &self->memory, 4 * huge))
		SKIP(return, "no huge pages to tell the size of a table");
	p = (char *)(((uintptr_t)self->memory.addr + 2 * huge - 1) &
		     ~(huge - 1));
	cursor = (uintptr_t)p - before * self->page;
	end = (uintptr_t)p + 2 * huge;
	ASSERT_LE(end, (uintptr_t)self->memory.addr + self->memory.len);

	/* Room for less than a table: no reason to stop anywhere. */
	self->got.nr = 0;
	ASSERT_EQ(0, ranges_run(self->session.dev, &self->got, 0, 0, &cursor,
				end - cursor, table - 1));
	EXPECT_EQ(table - 1, self->got.call.result);

	cursor = (uintptr_t)p - before * self->page;
	ASSERT_EQ(0, ranges_run(self->session.dev, &self->got, 0, 0, &cursor,
				end - cursor, table));
	EXPECT_EQ(before, self->got.call.result);
	EXPECT_EQ((uintptr_t)p, cursor);
	ASSERT_EQ(0, ranges_run(self->session.dev, &self->got, 0, 0, &cursor,
				end - cursor, table));
	EXPECT_EQ(table, self->got.call.result);
	EXPECT_EQ((uintptr_t)p + huge, cursor);
	/* And if the rest of the request fits, it is begun. */
	ASSERT_EQ(0, ranges_run(self->session.dev, &self->got, 0, 0, &cursor,
				(before + 1) * self->page, table));
	EXPECT_EQ(before + 1, self->got.call.result);
}

static void check_refused(struct __test_metadata *_metadata,
			  FIXTURE_DATA(ranges_calls) *self, uint32_t entry,
			  uint32_t flags, uint64_t addr, uint64_t len,
			  uint64_t max, int64_t answer)
{
	uint64_t cursor = addr;
	char a[16], b[16];

	ASSERT_EQ(0, ranges_run(self->session.dev, &self->got, entry, flags,
				&cursor, len, max));
	EXPECT_EQ(answer, self->got.call.result)
		TH_LOG("%s of %llx+%llx: %s, not %s", ranges_entries[entry].name,
		       (unsigned long long)addr, (unsigned long long)len,
		       answer_name(self->got.call.result, a, sizeof(a)),
		       answer_name(answer, b, sizeof(b)));
	EXPECT_EQ(addr, cursor) TH_LOG("the cursor has moved");
}

/* Errors are answers only if there is nothing else, and move nothing. */
TEST_F(ranges_calls, errors)
{
	const uint64_t longest = (unsigned long)-1;
	uint64_t addr, cursor;

	ASSERT_TRUE(memory_make(MEM_ANON, &self->memory, 8 * self->page));
	addr = (uintptr_t)self->memory.addr;
	for (uint32_t e = 0; e < NR_RANGES_ENTRIES; e++) {
		check_refused(_metadata, self, e, 0, addr, self->page, 0, -EINVAL);
		check_refused(_metadata, self, e, 0, addr, 0, 4, 0);
		check_refused(_metadata, self, e, 0, addr, 0, 0, 0);
		check_refused(_metadata, self, e, 0, addr + 1, longest, 4,
			      -EOVERFLOW);
		check_refused(_metadata, self, e, 0, addr, longest, 4,
			      -EOVERFLOW);
		check_refused(_metadata, self, e, 0, longest - self->page,
			      2 * self->page, 4, -EOVERFLOW);
		check_refused(_metadata, self, e, 0,
			      longest - 8 * self->page + 1, self->page, 4,
			      -EFAULT);
		check_refused(_metadata, self, e, FAST_GUP_FORCE, addr,
			      self->page, 4, -EINVAL);
		if (!ranges_entries[e].pin)
			check_refused(_metadata, self, e, FAST_GUP_LONGTERM,
				      addr, self->page, 4, -EINVAL);
	}

	/* A hole: what is in front of it, and nothing from there on. */
	ASSERT_EQ(0, munmap(self->memory.addr + 3 * self->page, self->page));
	for (uint32_t e = 0; e < NR_RANGES_ENTRIES; e++) {
		cursor = addr + 5;
		self->got.nr = 0;
		ASSERT_EQ(0, ranges_run(self->session.dev, &self->got, e, 0,
					&cursor, 6 * self->page, 8));
		EXPECT_EQ(3, ranges_pages(&self->got));
		EXPECT_EQ(addr + 3 * self->page, cursor);
		check_refused(_metadata, self, e, 0, cursor, self->page, 8,
			      -EFAULT);
		check_refused(_metadata, self, e, FAST_GUP_NOFAULT, cursor,
			      self->page, 8, -EFAULT);
	}

	/* A hole in the tables only is filled, unless faults are forbidden. */
	ASSERT_EQ(0, madvise(self->memory.addr + self->page, self->page,
			     MADV_DONTNEED));
	cursor = addr;
	self->got.nr = 0;
	ASSERT_EQ(0, ranges_run(self->session.dev, &self->got, 0,
				FAST_GUP_NOFAULT | FAST_GUP_WRITE, &cursor,
				3 * self->page, 8));
	EXPECT_EQ(1, ranges_pages(&self->got));
	ASSERT_EQ(0, ranges_run(self->session.dev, &self->got, 0,
				FAST_GUP_WRITE, &cursor, 2 * self->page, 8));
	EXPECT_EQ(addr + 3 * self->page, cursor);
}

TEST_HARNESS_MAIN
