// SPDX-License-Identifier: GPL-2.0
/*
 * What is counted is what happened: pages served without a lock, calls that
 * fell back, pins taken and given back, and each of them at its site.
 */
#include <sys/mman.h>
#include "memory.h"
#include "session.h"

FIXTURE(vmstat) {
	struct session session;
	struct memory memory;
	struct gup gup;
};

#define PAGES	600

FIXTURE_SETUP(vmstat)
{
	if (!session_open(_metadata, &self->session))
		return;
	gup_init(&self->gup, PAGES);
	ASSERT_TRUE(memory_make(MEM_ANON, &self->memory, PAGES * page_size()));
}

FIXTURE_TEARDOWN(vmstat)
{
	memory_free(&self->memory);
	session_close(_metadata, &self->session);
	gup_free(&self->gup);
}

static bool served(FIXTURE_DATA(vmstat) *self, const struct gup_entry *entry)
{
	return entry->own || (entry->kernel && self->session.info.providing);
}

/* Populated memory: fast_gup grows by exactly the pages, nothing falls back. */
TEST_F_TIMEOUT(vmstat, pages_exactly, TEST_SECONDS)
{
	static const long sizes[] = { 1, 2, 64, 511, 512, PAGES };

	ASSERT_NE(-1, vmstat_read("fast_gup"));
	ASSERT_NE(-1, vmstat_read("fast_gup_slow"));
	for (size_t e = 0; e < NR_GUP_ENTRIES; e++) {
		const struct gup_entry *entry = &gup_entries[e];

		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			long fast = vmstat_read("fast_gup");
			long slow = vmstat_read("fast_gup_slow");

			ASSERT_EQ(0, gup_run(self->session.dev, &self->gup,
					     entry->entry, FAST_GUP_WRITE,
					     (uintptr_t)self->memory.addr,
					     sizes[i]));
			ASSERT_EQ(sizes[i], self->gup.call.result);
			EXPECT_EQ(served(self, entry) ? sizes[i] : 0,
				  vmstat_read("fast_gup") - fast)
				TH_LOG("%s of %ld pages", entry->name,
				       sizes[i]);
			EXPECT_EQ(0, vmstat_read("fast_gup_slow") - slow)
				TH_LOG("%s of %ld pages", entry->name,
				       sizes[i]);
		}
	}
}

/* A hole: the pages before it are fast, the call is one that fell back. */
TEST_F_TIMEOUT(vmstat, calls_fallen_back, TEST_SECONDS)
{
	for (size_t e = 0; e < NR_GUP_ENTRIES; e++) {
		const struct gup_entry *entry = &gup_entries[e];
		long fast = vmstat_read("fast_gup");
		long slow = vmstat_read("fast_gup_slow");
		long want = served(self, entry);

		ASSERT_EQ(0, madvise(self->memory.addr + 40 * page_size(),
				     page_size(), MADV_DONTNEED));
		ASSERT_EQ(0, gup_run(self->session.dev, &self->gup,
				     entry->entry, FAST_GUP_WRITE,
				     (uintptr_t)self->memory.addr, 100));
		ASSERT_EQ(entry->only ? 40 : 100, self->gup.call.result);
		EXPECT_EQ(want ? 40 : 0, vmstat_read("fast_gup") - fast)
			TH_LOG("%s", entry->name);
		/* The callers that never fall back cannot fall back. */
		EXPECT_EQ(entry->only ? 0 : want,
			  vmstat_read("fast_gup_slow") - slow)
			TH_LOG("%s", entry->name);
	}
}

/* Pins held are pins outstanding; references are no pins. */
TEST_F_TIMEOUT(vmstat, pins_held, TEST_SECONDS)
{
	for (size_t e = 0; e < NR_GUP_ENTRIES; e++) {
		const struct gup_entry *entry = &gup_entries[e];
		long before = pins_outstanding(), seen;

		ASSERT_EQ(0, gup_run(self->session.dev, &self->gup,
				     entry->entry,
				     FAST_GUP_WRITE | FAST_GUP_HOLD,
				     (uintptr_t)self->memory.addr, 77));
		ASSERT_EQ(77, self->gup.call.result);
		EXPECT_EQ(entry->pin ? 77 : 0, pins_outstanding() - before)
			TH_LOG("%s", entry->name);
		ASSERT_EQ(0, gup_release(self->session.dev,
					 self->gup.call.handle, false));
		EXPECT_TRUE(pins_settle(before, &seen))
			TH_LOG("%s: %ld instead of %ld", entry->name, seen,
			       before);
	}
}

/* The zero page is not pinned, and nothing is counted as if it were. */
TEST_F(vmstat, zero_page_unpinned)
{
	static const uint32_t entries[] = {
		FAST_GUP_ENTRY_PIN, FAST_GUP_ENTRY_KERNEL_PIN,
		FAST_GUP_ENTRY_C_PIN,
	};
	struct memory zero;

	ASSERT_TRUE(memory_make(MEM_ZERO, &zero, 8 * page_size()));
	for (size_t e = 0; e < ARRAY_SIZE(entries); e++) {
		long before = pins_outstanding();

		ASSERT_EQ(0, gup_run(self->session.dev, &self->gup, entries[e],
				     FAST_GUP_HOLD, (uintptr_t)zero.addr, 8));
		ASSERT_EQ(8, self->gup.call.result);
		EXPECT_EQ(before, pins_outstanding());
		EXPECT_EQ(FAST_GUP_PAGE_ZERO,
			  self->gup.pages[3].flags & FAST_GUP_PAGE_ZERO);
		ASSERT_EQ(0, gup_release(self->session.dev,
					 self->gup.call.handle, false));
		EXPECT_EQ(before, pins_outstanding());
	}
	memory_free(&zero);
}

/* One pin of a large folio for each page asked for, in one go. */
TEST_F_TIMEOUT(vmstat, large_folios, TEST_SECONDS)
{
	static const enum memory_kind_id kinds[] = {
		MEM_THP, MEM_THP_PTE, MEM_MTHP, MEM_HUGETLB,
	};

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		long before, seen;
		struct memory m;

		if (!memory_make(kinds[k], &m, 300 * page_size())) {
			printf("# no %s: %s\n", memory_kinds[kinds[k]].name,
			       m.why);
			continue;
		}
		before = pins_outstanding();
		ASSERT_EQ(0, gup_run(self->session.dev, &self->gup,
				     FAST_GUP_ENTRY_PIN,
				     FAST_GUP_WRITE | FAST_GUP_HOLD,
				     (uintptr_t)m.addr + 3 * page_size(), 257));
		ASSERT_EQ(257, self->gup.call.result);
		EXPECT_EQ(257, pins_outstanding() - before)
			TH_LOG("%s", memory_kinds[kinds[k]].name);
		ASSERT_EQ(0, gup_release(self->session.dev,
					 self->gup.call.handle, true));
		EXPECT_TRUE(pins_settle(before, &seen))
			TH_LOG("%s: %ld", memory_kinds[kinds[k]].name,
			       seen - before);
		memory_free(&m);
	}
}

/*
 * References are not counted anywhere, but a page with one too many is never
 * freed: after the memory is gone, its page frames must be, too.
 */
TEST_F_TIMEOUT(vmstat, pages_are_freed, TEST_SECONDS)
{
	static const enum memory_kind_id kinds[] = {
		MEM_ANON, MEM_MTHP, MEM_THP_PTE, MEM_THP,
	};
	uint64_t *pfns = calloc(PAGES, sizeof(*pfns));

	ASSERT_NE(NULL, pfns);
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct memory m;
		long still;

		if (!memory_make(kinds[k], &m, PAGES * page_size())) {
			printf("# no %s: %s\n", memory_kinds[kinds[k]].name,
			       m.why);
			continue;
		}
		/* A page that is not writable stops each of the walks. */
		ASSERT_EQ(0, mprotect(m.addr + 500 * page_size(), page_size(),
				      PROT_READ));
		for (size_t e = 0; e < NR_GUP_ENTRIES; e++) {
			for (long first = 0; first < 70; first += 7) {
				ASSERT_EQ(0, gup_run(self->session.dev,
						     &self->gup,
						     gup_entries[e].entry,
						     FAST_GUP_WRITE,
						     (uintptr_t)m.addr +
						     first * page_size(),
						     PAGES - first));
				ASSERT_EQ(500 - first, self->gup.call.result);
			}
		}
		pfns_of(m.addr, PAGES, pfns);
		memory_free(&m);
		EXPECT_TRUE(pfns_freed(pfns, PAGES, PFN_ANON, &still))
			TH_LOG("%ld of %d pages of %s were not freed", still,
			       PAGES, memory_kinds[kinds[k]].name);
	}
	free(pfns);
}

/* The module's own counters say the same as the kernel's. */
TEST_F_TIMEOUT(vmstat, stats_file, TEST_SECONDS)
{
	static const char *const sites[] = {
		"api", "direct_io", "splice", "io_uring", "other",
	};
	static const char *const keys[] = {
		"calls", "pages", "fast_calls", "slow_calls",
	};
	long calls, pages, fast, slow, absent, sections;

	for (size_t s = 0; s < ARRAY_SIZE(sites); s++) {
		for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
			EXPECT_GE(stats_read(sites[s], keys[k]), 0)
				TH_LOG("no \"%s %s\"", sites[s], keys[k]);
		}
		for (uint32_t r = 1; r <= FAST_GUP_REFUSED_MAX; r++) {
			char key[64];

			snprintf(key, sizeof(key), "refused_%s",
				 refusal_name(r));
			EXPECT_GE(stats_read(sites[s], key), 0)
				TH_LOG("no \"%s %s\"", sites[s], key);
		}
	}

	calls = stats_read("api", "calls");
	pages = stats_read("api", "pages");
	fast = stats_read("api", "fast_calls");
	slow = stats_read("api", "slow_calls");
	absent = stats_read("api", "refused_absent");
	sections = stats_read("all", "sections");
	ASSERT_EQ(0, gup_run(self->session.dev, &self->gup, FAST_GUP_ENTRY_GET,
			     0, (uintptr_t)self->memory.addr, PAGES));
	ASSERT_EQ(PAGES, self->gup.call.result);
	EXPECT_EQ(calls + 1, stats_read("api", "calls"));
	EXPECT_EQ(fast + 1, stats_read("api", "fast_calls"));
	EXPECT_EQ(slow, stats_read("api", "slow_calls"));
	EXPECT_EQ(pages + PAGES, stats_read("api", "pages"));
	EXPECT_EQ(sections + self->gup.call.sections,
		  stats_read("all", "sections"));
	EXPECT_LE(stats_read("all", "longest_section"),
		  self->session.info.max_section);

	ASSERT_EQ(0, madvise(self->memory.addr, page_size(), MADV_DONTNEED));
	ASSERT_EQ(0, gup_run(self->session.dev, &self->gup, FAST_GUP_ENTRY_GET,
			     0, (uintptr_t)self->memory.addr, 1));
	ASSERT_EQ(1, self->gup.call.result);
	EXPECT_EQ(calls + 2, stats_read("api", "calls"));
	EXPECT_EQ(slow + 1, stats_read("api", "slow_calls"));
	EXPECT_EQ(absent + 1, stats_read("api", "refused_absent"));
}

TEST_HARNESS_MAIN
