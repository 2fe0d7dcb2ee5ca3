// SPDX-License-Identifier: GPL-2.0
/*
 * Folios of two pages.  They are large, but have no room for a count of pins
 * where a long has 32 bits: there, a pin of one of their pages is 1024
 * references, as it is of a single page.  Whoever pins and whoever unpins must
 * agree about it, whatever part of the folio is meant.
 */
#include <sys/mman.h>
#include "memory.h"
#include "session.h"

#define FOLIOS	64
#define PAGES	(2 * FOLIOS)

FIXTURE(order1) {
	struct session session;
	struct memory memory;
	struct gup gup;
	uint64_t pfns[PAGES];
};

FIXTURE_VARIANT(order1) {
	enum memory_kind_id id;
};

FIXTURE_VARIANT_ADD(order1, shmem) { MEM_SHMEM_PAIRS };
FIXTURE_VARIANT_ADD(order1, ext4) { MEM_EXT4_PAIRS };

static const uint32_t pin_entries[] = {
	FAST_GUP_ENTRY_PIN, FAST_GUP_ENTRY_KERNEL_PIN, FAST_GUP_ENTRY_C_PIN,
	FAST_GUP_ENTRY_SLOW_PIN,
};

static uint64_t pin(struct __test_metadata *_metadata,
		    FIXTURE_DATA(order1) *self, uint32_t entry,
		    const char *addr, long nr)
{
	ASSERT_EQ(0, gup_run(self->session.dev, &self->gup, entry,
			     FAST_GUP_WRITE | FAST_GUP_HOLD, (uintptr_t)addr,
			     nr));
	ASSERT_EQ(nr, self->gup.call.result) TH_LOG("%s", gup_entries[entry].name);
	return self->gup.call.handle;
}

FIXTURE_SETUP(order1)
{
	if (!session_open(_metadata, &self->session))
		return;
	if (!memory_make(variant->id, &self->memory, PAGES * page_size()))
		SKIP_UNLESS_REQUIRED(return, self->memory.why);
	gup_init(&self->gup, 2048);
	pfns_of(self->memory.addr, PAGES, self->pfns);
	/* Any other folio would prove nothing here. */
	ASSERT_EQ(0, gup_run(self->session.dev, &self->gup,
			     FAST_GUP_ENTRY_SLOW_GET, 0,
			     (uintptr_t)self->memory.addr, PAGES));
	ASSERT_EQ(PAGES, self->gup.call.result);
	for (size_t i = 0; i < PAGES; i++) {
		ASSERT_EQ(1, self->gup.pages[i].order) TH_LOG("page %zu", i);
		ASSERT_EQ(self->pfns[i & ~1] + (i & 1), self->pfns[i]);
	}
}

/* With one reference too many they would stay for ever. */
FIXTURE_TEARDOWN(order1)
{
	long still;

	memory_free(&self->memory);
	session_close(_metadata, &self->session);
	if (self->pfns[0]) {
		EXPECT_TRUE(pfns_freed(self->pfns, PAGES, PFN_COMPOUND, &still))
			TH_LOG("%ld of %d pages were not freed", still, PAGES);
	}
	gup_free(&self->gup);
}

/* Half a folio, a whole one, halves of two, many: pinned and unpinned. */
TEST_F_TIMEOUT(order1, parts, TEST_SECONDS)
{
	static const struct { long first, nr; } parts[] = {
		{ 0, 1 }, { 1, 1 }, { 0, 2 }, { 1, 2 }, { 2, 3 }, { 3, 6 },
		{ 0, PAGES }, { 1, PAGES - 2 },
	};
	const size_t entries = ARRAY_SIZE(pin_entries);
	uint64_t handles[ARRAY_SIZE(pin_entries)];

	for (size_t p = 0; p < ARRAY_SIZE(parts); p++) {
		const char *addr = self->memory.addr +
				   parts[p].first * page_size();

		for (size_t e = 0; e < entries; e++) {
			handles[e] = pin(_metadata, self, pin_entries[e], addr,
					 parts[p].nr);
			if (gup_entries[pin_entries[e]].own) {
				EXPECT_EQ(parts[p].nr,
					  self->gup.call.fast_pages);
			}
			EXPECT_EQ(self->session.pins + (e + 1) * parts[p].nr,
				  pins_outstanding());
		}
		for (size_t e = 0; e < entries; e++)
			ASSERT_EQ(0, gup_release(self->session.dev, handles[e],
						 e & 1));
		EXPECT_EQ(self->session.pins, pins_outstanding());
	}
}

/*
 * The file gives its pages up while they are pinned.  They stay what they are
 * until the last pin is gone, whichever page of the folio that is for.
 */
TEST_F_TIMEOUT(order1, held_after_truncate, TEST_SECONDS)
{
	const size_t page = page_size();
	uint64_t first[FOLIOS], second[FOLIOS];
	char *buf = malloc(page);

	ASSERT_NE(NULL, buf);
	tag_range(self->memory.addr, PAGES * page, 0x0de1, 1);
	for (size_t i = 0; i < FOLIOS; i++) {
		const char *addr = self->memory.addr + 2 * i * page;

		first[i] = pin(_metadata, self,
			       pin_entries[i % ARRAY_SIZE(pin_entries)], addr,
			       2);
		second[i] = pin(_metadata, self, FAST_GUP_ENTRY_PIN,
				addr + page, 1);
	}
	ASSERT_EQ(0, ftruncate(self->memory.fd, 0));
	for (size_t i = 0; i < FOLIOS; i++)
		ASSERT_EQ(0, gup_release(self->session.dev, first[i], false));
	/* Pages that were freed too early would be among these. */
	for (int n = 0; n < 8; n++) {
		struct memory churn;

		ASSERT_TRUE(memory_make(n & 1 ? MEM_SHMEM_PAIRS : MEM_ANON,
					&churn, 4 * PAGES * page));
		memory_free(&churn);
	}
	for (size_t i = 0; i < FOLIOS; i++) {
		ASSERT_EQ(0, gup_copy(self->session.dev, second[i], 0, buf,
				      page, false));
		EXPECT_TRUE(tag_is(buf, 0x0de1, 2 * i + 1, 1))
			TH_LOG("folio %zu", i);
		ASSERT_EQ(0, gup_release(self->session.dev, second[i], true));
	}
	free(buf);
}

/*
 * A million pins of one folio, a thousand in each call: half of what the count
 * of references can hold, where each of them is 1024 references.
 */
TEST_F_TIMEOUT(order1, a_million_pins, TEST_SECONDS)
{
	enum { TIMES = 512, CALLS = 1024 };
	const size_t page = page_size();
	uint64_t *handles = calloc(CALLS, sizeof(*handles));
	struct memory many = { 0 };
	char *base = memory_reserve(&many, TIMES * 2 * page, page);

	ASSERT_TRUE(handles && base);
	for (size_t i = 0; i < TIMES; i++) {
		ASSERT_EQ(base + i * 2 * page,
			  mmap(base + i * 2 * page, 2 * page,
			       PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_FIXED, self->memory.fd, 0));
		tag_range(base + i * 2 * page, 2 * page, variant->id, 0);
	}
	for (size_t i = 0; i < CALLS; i++)
		handles[i] = pin(_metadata, self,
				 pin_entries[i % ARRAY_SIZE(pin_entries)],
				 base, 2 * TIMES);
	EXPECT_EQ(self->session.pins + 2L * TIMES * CALLS, pins_outstanding());
	for (size_t i = 0; i < CALLS; i++)
		ASSERT_EQ(0, gup_release(self->session.dev, handles[i], false));
	EXPECT_EQ(self->session.pins, pins_outstanding());
	EXPECT_EQ(self->pfns[0], pfn_of(self->memory.addr));
	memory_free(&many);
	free(handles);
}

TEST_HARNESS_MAIN
