// SPDX-License-Identifier: GPL-2.0
/*
 * Pages by ranges, of every kind of memory: the same pages as one by one, no
 * folio cut, one reference or pin for each range; whatever the size of the
 * buffer.
 */
#include <sys/mman.h>
#include "memory.h"
#include "ranges_lib.h"
#include "session.h"

/* References that a pin is for a folio which does not count its pins. */
#define PIN_BIAS	1024

FIXTURE(ranges) {
	struct session session;
	struct memory memory;
	struct ranges got, expected;
	uint32_t flags;
	size_t pages;
};

FIXTURE_VARIANT(ranges) {
	enum memory_kind_id id;
	unsigned int units;
};

FIXTURE_VARIANT_ADD(ranges, anon) { MEM_ANON, 1500 };
FIXTURE_VARIANT_ADD(ranges, thp) { MEM_THP, 4 };
FIXTURE_VARIANT_ADD(ranges, thp_pte) { MEM_THP_PTE, 3 };
FIXTURE_VARIANT_ADD(ranges, mthp) { MEM_MTHP, 70 };
FIXTURE_VARIANT_ADD(ranges, zero) { MEM_ZERO, 40 };
FIXTURE_VARIANT_ADD(ranges, huge_zero) { MEM_HUGE_ZERO, 1 };
FIXTURE_VARIANT_ADD(ranges, tmpfs) { MEM_TMPFS, 100 };
FIXTURE_VARIANT_ADD(ranges, memfd_private) { MEM_MEMFD_PRIVATE, 100 };
FIXTURE_VARIANT_ADD(ranges, memfd_cow) { MEM_MEMFD_COW, 100 };
FIXTURE_VARIANT_ADD(ranges, shmem_thp) { MEM_SHMEM_THP, 2 };
FIXTURE_VARIANT_ADD(ranges, shmem_pairs) { MEM_SHMEM_PAIRS, 50 };
FIXTURE_VARIANT_ADD(ranges, ext4) { MEM_EXT4, 100 };
FIXTURE_VARIANT_ADD(ranges, ext4_pairs) { MEM_EXT4_PAIRS, 50 };
FIXTURE_VARIANT_ADD(ranges, hugetlb) { MEM_HUGETLB, 3 };
FIXTURE_VARIANT_ADD(ranges, hugetlb_shared) { MEM_HUGETLB_SHARED, 2 };
FIXTURE_VARIANT_ADD(ranges, gigantic) { MEM_GIGANTIC, 1 };

static size_t unit_of(enum memory_kind_id id)
{
	switch (id) {
	case MEM_THP:
	case MEM_THP_PTE:
	case MEM_SHMEM_THP:
	case MEM_HUGE_ZERO:
		return pmd_size();
	case MEM_MTHP:
		return 16 * page_size();
	case MEM_HUGETLB:
	case MEM_HUGETLB_SHARED:
		return hugetlb_size();
	case MEM_GIGANTIC:
		return gigantic_size();
	default:
		return page_size();
	}
}

FIXTURE_SETUP(ranges)
{
	size_t len = unit_of(variant->id) * variant->units;

	if (!session_open(_metadata, &self->session))
		return;
	if (!memory_make(variant->id, &self->memory, len))
		SKIP(return, "%s", self->memory.why);
	self->flags = memory_kinds[variant->id].readonly ? 0 : FAST_GUP_WRITE;
	self->pages = len / page_size();
	ranges_init(&self->got, self->pages + 1);
	ranges_init(&self->expected, self->pages + 1);
}

FIXTURE_TEARDOWN(ranges)
{
	memory_free(&self->memory);
	session_close(_metadata, &self->session);
	ranges_free(&self->got);
	ranges_free(&self->expected);
}

static void expect(struct __test_metadata *_metadata, FIXTURE_DATA(ranges) *self,
		   size_t first, size_t nr)
{
	ASSERT_TRUE(ranges_expected(self->session.dev, &self->expected,
				    self->flags,
				    (uintptr_t)self->memory.addr +
				    first * page_size(), nr));
}

static void check_same(struct __test_metadata *_metadata,
		       FIXTURE_DATA(ranges) *self, uint32_t entry, uint64_t max)
{
	char why[200] = "";

	EXPECT_TRUE(ranges_same(&self->got, &self->expected, why, sizeof(why)))
		TH_LOG("%s, at most %llu: %s", ranges_entries[entry].name,
		       (unsigned long long)max, why);
}

/* Room for @pages ranges, in ranges or in blocks. */
static uint64_t room_for(const struct ranges_entry *entry, uint64_t pages)
{
	return entry->blocks ? pages / BLOCK_RANGES + 1 : pages;
}

/* One call for all: the ranges are those that the pages make. */
TEST_F_TIMEOUT(ranges, whole, TEST_SECONDS)
{
	const struct memory_kind *kind = &memory_kinds[variant->id];
	const size_t nr = self->pages;

	for (uint32_t e = 0; e < NR_RANGES_ENTRIES; e++) {
		const struct ranges_entry *entry = &ranges_entries[e];
		const struct fast_gup_ranges *call = &self->got.call;
		uint64_t cursor = (uintptr_t)self->memory.addr;
		uint64_t end = cursor + nr * page_size();
		long before = pins_outstanding();

		expect(_metadata, self, 0, nr);
		self->got.nr = 0;
		ASSERT_EQ(0, ranges_run(self->session.dev, &self->got, e,
					self->flags | FAST_GUP_HOLD, &cursor,
					nr * page_size(), room_for(entry, nr)));
		EXPECT_EQ(end, cursor);
		check_same(_metadata, self, e, nr);
		if (!kind->refused && !kind->on_disk) {
			EXPECT_EQ(nr, call->fast_pages)
				TH_LOG("refused: %s", refusal_name(call->refusal));
			EXPECT_EQ(0, call->wasted);
		}
		EXPECT_LE(call->longest_section, self->session.info.max_section);
		if (variant->id == MEM_ZERO) {
			EXPECT_EQ(before, pins_outstanding());
		} else {
			EXPECT_EQ(before + (entry->pin ? call->result : 0),
				  pins_outstanding());
		}
		ASSERT_EQ(0, gup_release(self->session.dev, call->handle,
					 entry->pin && self->flags));
		EXPECT_EQ(before, pins_outstanding());
	}
}

/* By which the count of its folio grows for a range. */
static uint32_t references(const struct ranges_entry *entry,
			   const struct fast_gup_range_info *info)
{
	if (!entry->pin)
		return 1;
	if (info->flags & FAST_GUP_PAGE_ZERO)
		return 0;
	/* With 32 bits, folios of two pages have no room to count pins. */
	return info->order < (sizeof(void *) == 8 ? 1 : 2) ? PIN_BIAS : 1;
}

/*
 * Each range is one reference, or one pin: what a second call adds to the
 * count of the folio.
 */
TEST_F_TIMEOUT(ranges, one_reference_each, TEST_SECONDS)
{
	struct ranges *got = &self->got;
	struct ranges again;

	ranges_init(&again, self->pages + 1);
	for (uint32_t e = 0; e < NR_RANGES_ENTRIES; e++) {
		const struct ranges_entry *entry = &ranges_entries[e];
		uint64_t handle, cursor = (uintptr_t)self->memory.addr;
		long wrong = 0;

		got->nr = 0;
		again.nr = 0;
		ASSERT_EQ(0, ranges_run(self->session.dev, got, e,
					self->flags | FAST_GUP_HOLD, &cursor,
					self->pages * page_size(),
					room_for(entry, self->pages)));
		handle = got->call.handle;
		cursor = (uintptr_t)self->memory.addr;
		ASSERT_EQ(0, ranges_run(self->session.dev, &again, e,
					self->flags | FAST_GUP_HOLD, &cursor,
					self->pages * page_size(),
					room_for(entry, self->pages)));
		ASSERT_EQ(got->nr, again.nr);
		for (size_t i = 0; i < got->nr && wrong < 3; i++) {
			uint32_t each = references(entry, &got->infos[i]);
			uint32_t more = again.infos[i].refs - got->infos[i].refs;

			wrong += more != each * ranges_of_folio(got, i);
			EXPECT_EQ(each * ranges_of_folio(got, i), more)
				TH_LOG("%s: range %zu, order %u", entry->name, i,
				       got->infos[i].order);
		}
		ASSERT_EQ(0, gup_release(self->session.dev, handle, false));
		ASSERT_EQ(0, gup_release(self->session.dev, again.call.handle,
					 false));
	}
	ranges_free(&again);
}

/* All of it in calls with room for @max ranges each, from @first on. */
static void in_calls(struct __test_metadata *_metadata,
		     FIXTURE_DATA(ranges) *self, uint32_t e, size_t first,
		     uint64_t max)
{
	uint64_t cursor = (uintptr_t)self->memory.addr + first * page_size();
	uint64_t end = (uintptr_t)self->memory.addr + self->pages * page_size();
	uint64_t most = ranges_entries[e].blocks ? max * BLOCK_RANGES : max;

	self->got.nr = 0;
	while (cursor != end) {
		uint64_t from = cursor;

		ASSERT_EQ(0, ranges_run(self->session.dev, &self->got, e,
					self->flags, &cursor, end - cursor,
					max));
		ASSERT_GT(self->got.call.result, 0);
		ASSERT_LE(self->got.call.result, most);
		ASSERT_GT(cursor, from);
		ASSERT_LE(cursor, end);
	}
	check_same(_metadata, self, e, max);
}

/*
 * The ranges of many calls are those of one: what a call returns last is never
 * cut, for the next one would go on in the same folio.
 */
TEST_F_TIMEOUT(ranges, buffers_of_every_size, TEST_SECONDS)
{
	static const uint64_t sizes[] = { 1, 2, 3, 7, 16, 31, 100, 511, 512, 513 };
	const size_t skips[] = { 0, 1, self->pages / 3, self->pages - 1 };
	/* One call for each page is too many of them. */
	const size_t least = variant->units > 1000 ? 3 : 0;

	for (size_t s = 0; s < ARRAY_SIZE(skips); s++) {
		expect(_metadata, self, skips[s], self->pages - skips[s]);
		for (size_t n = least; n < ARRAY_SIZE(sizes); n++)
			in_calls(_metadata, self,
				 n % 2 ? FAST_GUP_RANGES_GET : FAST_GUP_RANGES_PIN,
				 skips[s], sizes[n]);
		in_calls(_metadata, self, FAST_GUP_RANGES_PIN_BLOCKS, skips[s], 1);
		in_calls(_metadata, self, FAST_GUP_RANGES_GET_BLOCKS, skips[s], 2);
	}
}

/* Bytes that begin and end inside of pages: the cursor counts bytes. */
TEST_F(ranges, bytes)
{
	const size_t page = page_size();
	const uint64_t start = (uintptr_t)self->memory.addr;
	const struct { uint64_t from, len; size_t pages; } asked[] = {
		{ 0, 1, 1 }, { page - 1, 1, 1 }, { page - 1, 2, 2 },
		{ 100, page, 2 }, { 100, page - 100, 1 },
		{ 8, 5 * page - 16, 5 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		uint64_t cursor = start + asked[i].from;

		expect(_metadata, self, 0, asked[i].pages);
		self->got.nr = 0;
		ASSERT_EQ(0, ranges_run(self->session.dev, &self->got, i % 2,
					self->flags, &cursor, asked[i].len, 16));
		EXPECT_EQ(start + asked[i].from + asked[i].len, cursor);
		EXPECT_EQ(asked[i].pages, ranges_pages(&self->got));
		check_same(_metadata, self, i % 2, 16);
	}
}

TEST_HARNESS_MAIN
