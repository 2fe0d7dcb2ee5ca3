// SPDX-License-Identifier: GPL-2.0
/*
 * What may be done with ranges while they are held, and to the memory that they
 * are of.
 */
#include <sys/mman.h>
#include <sys/wait.h>
#include "memory.h"
#include "ranges_lib.h"
#include "session.h"

FIXTURE(ranges_held) {
	struct session session;
	struct memory memory;
	struct ranges got;
	char *copy;
	size_t page;
};

#define ROOM	(1 << 14)

FIXTURE_SETUP(ranges_held)
{
	if (!session_open(_metadata, &self->session))
		return;
	self->page = page_size();
	ranges_init(&self->got, ROOM);
	self->copy = malloc(ROOM * self->page);
	ASSERT_NE(NULL, self->copy);
}

FIXTURE_TEARDOWN(ranges_held)
{
	memory_free(&self->memory);
	session_close(_metadata, &self->session);
	ranges_free(&self->got);
	free(self->copy);
}

static const enum memory_kind_id kinds[] = {
	MEM_ANON, MEM_THP, MEM_THP_PTE, MEM_MTHP, MEM_HUGETLB,
};

/* At least so many pages, in whole folios.  false: not to be had here. */
static bool make(struct __test_metadata *_metadata,
		 FIXTURE_DATA(ranges_held) *self, enum memory_kind_id id,
		 size_t pages)
{
	memory_free(&self->memory);
	if (memory_make(id, &self->memory, pages * self->page))
		return true;
	TH_LOG("no %s: %s", memory_kinds[id].name, self->memory.why);
	return false;
}

/* Hold @nr pages from page @first on; returns the handle. */
static uint64_t take(struct __test_metadata *_metadata,
		     FIXTURE_DATA(ranges_held) *self, uint32_t entry,
		     uint32_t flags, size_t first, size_t nr)
{
	uint64_t cursor = (uintptr_t)self->memory.addr + first * self->page;
	uint64_t end = cursor + nr * self->page;

	self->got.nr = 0;
	ASSERT_EQ(0, ranges_run(self->session.dev, &self->got, entry,
				flags | FAST_GUP_HOLD, &cursor, nr * self->page,
				ROOM));
	ASSERT_EQ(end, cursor);
	ASSERT_EQ(nr, ranges_pages(&self->got));
	return self->got.call.handle;
}

/* Do the pages of a handle, which are those from @first on, show this? */
static bool shows(FIXTURE_DATA(ranges_held) *self, uint64_t handle,
		  uint64_t owner, size_t first, size_t nr, uint64_t generation)
{
	if (gup_copy(self->session.dev, handle, 0, self->copy, nr * self->page,
		     false))
		return false;
	for (size_t i = 0; i < nr; i++)
		if (!tag_is(self->copy + i * self->page, owner, first + i,
			    generation))
			return false;
	return true;
}

/* Both halves hold the folio, each for itself. */
TEST_F_TIMEOUT(ranges_held, split, TEST_SECONDS)
{
	const size_t nr = 16;

	for (size_t k = 1; k < ARRAY_SIZE(kinds); k++) {
		for (uint32_t e = 0; e <= FAST_GUP_RANGES_GET; e++) {
			bool pin = ranges_entries[e].pin;
			struct fast_gup_split half, quarter, wrong;
			uint64_t handle;
			long before = pins_outstanding();

			if (!make(_metadata, self, kinds[k], nr))
				break;
			tag_range(self->memory.addr, nr * self->page, 1, 0);
			handle = take(_metadata, self, e, FAST_GUP_WRITE, 0, nr);
			ASSERT_EQ(1, self->got.nr);

			ASSERT_EQ(0, ranges_split(self->session.dev, &wrong,
						  handle, 0, 0));
			EXPECT_EQ(-EINVAL, wrong.result);
			ASSERT_EQ(0, ranges_split(self->session.dev, &wrong,
						  handle, 0, nr));
			EXPECT_EQ(-EINVAL, wrong.result);
			EXPECT_EQ(-ERANGE, ranges_split(self->session.dev, &wrong,
							handle, 1, 1));
			EXPECT_EQ(before + pin, pins_outstanding());

			ASSERT_EQ(0, ranges_split(self->session.dev, &half,
						  handle, 0, 8));
			ASSERT_EQ(0, half.result);
			ASSERT_EQ(0, ranges_split(self->session.dev, &quarter,
						  half.rest, 0, 5));
			ASSERT_EQ(0, quarter.result);
			EXPECT_EQ(before + 3 * pin, pins_outstanding());

			memory_free(&self->memory);
			EXPECT_TRUE(shows(self, handle, 1, 0, 8, 0));
			ASSERT_EQ(0, gup_release(self->session.dev, handle,
						 false));
			EXPECT_TRUE(shows(self, quarter.rest, 1, 13, 3, 0));
			ASSERT_EQ(0, gup_release(self->session.dev, quarter.rest,
						 pin));
			EXPECT_EQ(before + pin, pins_outstanding());
			EXPECT_TRUE(shows(self, half.rest, 1, 8, 5, 0));
			EXPECT_EQ(-ERANGE,
				  gup_copy(self->session.dev, half.rest, 0,
					   self->copy, 6 * self->page, false));
			ASSERT_EQ(0, gup_release(self->session.dev, half.rest,
						 pin));
			EXPECT_EQ(before, pins_outstanding());
		}
	}
}

/* Packed and unpacked, ranges are what they were. */
TEST_F_TIMEOUT(ranges_held, pack, TEST_SECONDS)
{
	const size_t nr = 1200;

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct fast_gup_pack pack;
		uint64_t handle, pages = 0;
		size_t some;

		if (!make(_metadata, self, kinds[k], nr))
			continue;
		tag_range(self->memory.addr, nr * self->page, 2, 0);
		handle = take(_metadata, self, FAST_GUP_RANGES_PIN, 0, 0, nr);
		ASSERT_EQ(0, ranges_pack(self->session.dev, &pack, handle, 16));
		EXPECT_EQ(self->got.nr, pack.packed);
		EXPECT_EQ(nr, pack.pages);
		/* None has so many pages that its number needs a word. */
		EXPECT_EQ((self->got.nr + 511) / 512, pack.blocks);
		EXPECT_TRUE(shows(self, handle, 2, 0, nr, 0));

		/* What has no room stays as it is. */
		ASSERT_EQ(0, ranges_pack(self->session.dev, &pack, handle, 1));
		some = self->got.nr < 512 ? self->got.nr : 512;
		for (size_t i = 0; i < some; i++)
			pages += self->got.infos[i].nr_pages;
		EXPECT_EQ(some, pack.packed);
		EXPECT_EQ(1, pack.blocks);
		EXPECT_EQ(pages, pack.pages);
		ASSERT_EQ(0, ranges_pack(self->session.dev, &pack, handle, 0));
		EXPECT_EQ(0, pack.packed);
		EXPECT_TRUE(shows(self, handle, 2, 0, nr, 0));
		ASSERT_EQ(0, gup_release(self->session.dev, handle, false));
	}
}

/* A handle of pages has no ranges. */
TEST_F(ranges_held, pages_are_not_ranges)
{
	struct fast_gup_split split;
	struct fast_gup_pack pack;
	struct gup gup;

	ASSERT_TRUE(make(_metadata, self, MEM_ANON, 4));
	gup_init(&gup, 4);
	ASSERT_EQ(0, gup_run(self->session.dev, &gup, FAST_GUP_ENTRY_PIN,
			     FAST_GUP_HOLD, (uintptr_t)self->memory.addr, 4));
	EXPECT_EQ(-ENOENT, ranges_split(self->session.dev, &split,
					gup.call.handle, 0, 1));
	EXPECT_EQ(-ENOENT, ranges_pack(self->session.dev, &pack,
				       gup.call.handle, 1));
	EXPECT_EQ(-ENOENT, ranges_pack(self->session.dev, &pack, ~0ULL, 1));
	gup_free(&gup);
}

/* Where huge pages can be: with a hash table, that is not everywhere. */
static char *reserve_hugetlb(struct memory *m, size_t len)
{
	void *area = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
			  MAP_HUGETLB | MAP_NORESERVE, -1, 0);

	if (area == MAP_FAILED)
		return NULL;
	m->area = area;
	m->area_len = len;
	return area;
}

/* Move the memory to another place, and return it. */
static char *move(FIXTURE_DATA(ranges_held) *self, bool hugetlb,
		  struct memory *to)
{
	struct memory *m = &self->memory;
	char *at;

	memset(to, 0, sizeof(*to));
	to->fd = -1;
	at = hugetlb ? reserve_hugetlb(to, m->len) :
		       memory_reserve(to, m->len, m->unit);
	if (!at || mremap(m->addr, m->len, m->len, MREMAP_MAYMOVE | MREMAP_FIXED,
			  at) == MAP_FAILED)
		return NULL;
	return at;
}

/* The memory is moved, and then gone, and others want it: it stays. */
TEST_F_TIMEOUT(ranges_held, unmapped, TEST_SECONDS)
{
	const size_t nr = 64;

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		for (uint32_t e = 0; e <= FAST_GUP_RANGES_GET; e++) {
			const char *name = memory_kinds[kinds[k]].name;
			struct memory elsewhere, other;
			uint64_t handle;
			char *at;

			if (!make(_metadata, self, kinds[k], nr))
				break;
			tag_range(self->memory.addr, nr * self->page, 3, 0);
			handle = take(_metadata, self, e, FAST_GUP_WRITE, 0, nr);
			at = move(self, memory_kinds[kinds[k]].hugetlb, &elsewhere);
			ASSERT_NE(NULL, at) TH_LOG("%s: cannot be moved", name);
			tag_range(at, nr * self->page, 3, 1);
			EXPECT_TRUE(shows(self, handle, 3, 0, nr, 1))
				TH_LOG("%s: moved away from what is held", name);
			memory_free(&elsewhere);
			for (int i = 0; i < 4; i++) {
				if (memory_make(kinds[k], &other, 4 * nr * self->page))
					memory_free(&other);
			}
			EXPECT_TRUE(shows(self, handle, 3, 0, nr, 1))
				TH_LOG("%s: others have the pages", name);
			ASSERT_EQ(0, gup_release(self->session.dev, handle,
						 false));
		}
	}
}

/* fork() copies what is pinned: one pin speaks for all of a range. */
TEST_F_TIMEOUT(ranges_held, fork, TEST_SECONDS)
{
	const size_t nr = 24;

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		for (uint32_t flags = 0; flags <= FAST_GUP_WRITE; flags++) {
			int gate[2], status = 0;
			uint64_t handle;
			pid_t pid;
			char c;

			if (!make(_metadata, self, kinds[k], nr))
				break;
			if (memory_kinds[kinds[k]].hugetlb &&
			    !hugetlb_want(hugetlb_size(), 2))
				break;
			tag_range(self->memory.addr, nr * self->page, 4, 1);
			handle = take(_metadata, self, FAST_GUP_RANGES_PIN,
				      flags, 0, nr);
			ASSERT_EQ(0, pipe(gate));
			pid = fork();
			ASSERT_GE(pid, 0);
			if (!pid) {
				bool right = true;

				close(gate[1]);
				close(self->session.dev);
				if (read(gate[0], &c, 1))
					_exit(2);
				for (size_t i = 0; i < nr; i++)
					right &= tag_is(self->memory.addr +
							i * self->page, 4, i, 1);
				_exit(!right);
			}
			close(gate[0]);
			tag_range(self->memory.addr, nr * self->page, 4, 2);
			EXPECT_TRUE(shows(self, handle, 4, 0, nr, 2))
				TH_LOG("%s, flags %x: the parent writes beside its pin",
				       memory_kinds[kinds[k]].name, flags);
			close(gate[1]);
			waitpid(pid, &status, 0);
			EXPECT_EQ(0, status)
				TH_LOG("%s: the child sees the parent's writes",
				       memory_kinds[kinds[k]].name);
			ASSERT_EQ(0, gup_release(self->session.dev, handle,
						 false));
		}
	}
}

/* Unpinned as dirty: the file is told of what was written. */
TEST_F(ranges_held, dirty)
{
	const uint64_t dirty = 1 << 4;	/* as in /proc/kpageflags */
	const size_t nr = 8;
	uint64_t pfns[8], handle;
	long still;

	if (!make(_metadata, self, MEM_EXT4, nr))
		SKIP(return, "%s", self->memory.why);
	for (int marks = 0; marks < 2; marks++) {
		pfns_of(self->memory.addr, nr, pfns);
		handle = take(_metadata, self, FAST_GUP_RANGES_PIN,
			      FAST_GUP_WRITE, 0, nr);
		ASSERT_EQ(0, fsync(self->memory.fd));
		EXPECT_TRUE(pfns_freed(pfns, nr, dirty, &still))
			TH_LOG("%ld pages are dirty after fsync()", still);
		ASSERT_EQ(0, gup_release(self->session.dev, handle, marks));
		if (marks) {
			pfns_freed(pfns, nr, dirty, &still);
			EXPECT_EQ(nr, still);
		} else {
			EXPECT_TRUE(pfns_freed(pfns, nr, dirty, &still));
		}
	}
}

TEST_HARNESS_MAIN
