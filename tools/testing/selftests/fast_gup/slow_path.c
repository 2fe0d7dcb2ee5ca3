// SPDX-License-Identifier: GPL-2.0
/*
 * What the slow path does besides waiting: it makes pages of zeros into others,
 * and moves those that are pinned for long.  See faults.c for how it waits.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include "memory.h"
#include "session.h"
#include "waiting.h"

FIXTURE(slow_path) {
	struct session session;
	struct memory memory;
	struct gup gup;
};

FIXTURE_SETUP(slow_path)
{
	if (!session_open(_metadata, &self->session))
		return;
	gup_init(&self->gup, 1024);
}

FIXTURE_TEARDOWN(slow_path)
{
	memory_free(&self->memory);
	session_close(_metadata, &self->session);
	gup_free(&self->gup);
}

/* The kernel's own fast entries do not take it, and would WARN. */
TEST_F(slow_path, not_interruptible)
{
	ASSERT_TRUE(memory_make(MEM_ANON, &self->memory, page_size()));
	for (size_t e = 0; e < NR_GUP_ENTRIES; e++) {
		const struct gup_entry *entry = &gup_entries[e];
		bool takes = entry->own || e == FAST_GUP_ENTRY_SLOW_GET ||
			     e == FAST_GUP_ENTRY_SLOW_PIN;

		EXPECT_EQ(takes ? 0 : -EINVAL,
			  gup_run(self->session.dev, &self->gup, e,
				  FAST_GUP_INTERRUPTIBLE,
				  (uintptr_t)self->memory.addr, 1))
			TH_LOG("%s", entry->name);
	}
}

/*
 * Two mappings of the huge page of zeros, of which one was split and maps the page
 * of zeros.  For reading, both are got: a pin is taken of the former, which is a
 * folio like others, and none of the latter.  For writing, each of the pages
 * becomes one of its own.
 */
TEST_F_TIMEOUT(slow_path, huge_zero, TEST_SECONDS)
{
	static const uint32_t entries[] = {
		FAST_GUP_ENTRY_PIN, FAST_GUP_ENTRY_KERNEL_PIN,
		FAST_GUP_ENTRY_C_PIN,
	};
	/* As many of each; the last page of the second is another's. */
	const long all = pmd_size() / page_size(), nr = all < 64 ? all : 64;

	for (size_t e = 0; e < ARRAY_SIZE(entries); e++) {
		const char *name = gup_entries[entries[e]].name;
		long before = pins_outstanding();
		uint64_t start;

		if (!memory_make(MEM_HUGE_ZERO, &self->memory, 2 * pmd_size()))
			SKIP(return, "%s", self->memory.why);
		/* The second one is mapped by single pages. */
		ASSERT_EQ(0, mprotect(self->memory.addr + self->memory.len -
				      page_size(), page_size(), PROT_READ));
		start = (uintptr_t)self->memory.addr + pmd_size() -
			nr / 2 * page_size();

		ASSERT_EQ(0, gup_run(self->session.dev, &self->gup, entries[e],
				     FAST_GUP_HOLD, start, nr));
		ASSERT_EQ(nr, self->gup.call.result) TH_LOG("%s", name);
		for (long i = 0; i < nr; i++) {
			EXPECT_EQ(i < nr / 2 ? 0 : FAST_GUP_PAGE_ZERO,
				  self->gup.pages[i].flags & FAST_GUP_PAGE_ZERO)
				TH_LOG("%s, page %ld", name, i);
		}
		EXPECT_EQ(before + nr / 2, pins_outstanding())
			TH_LOG("%s", name);
		ASSERT_EQ(0, gup_release(self->session.dev,
					 self->gup.call.handle, false));
		EXPECT_EQ(before, pins_outstanding()) TH_LOG("%s", name);

		ASSERT_EQ(0, gup_run(self->session.dev, &self->gup, entries[e],
				     FAST_GUP_HOLD | FAST_GUP_WRITE, start, nr));
		ASSERT_EQ(nr, self->gup.call.result) TH_LOG("%s", name);
		for (long i = 0; i < nr; i++) {
			EXPECT_EQ(0, self->gup.pages[i].flags &
				  FAST_GUP_PAGE_ZERO)
				TH_LOG("%s, page %ld", name, i);
			EXPECT_EQ(pfn_of((char *)(uintptr_t)start +
					 i * page_size()),
				  self->gup.pages[i].pfn)
				TH_LOG("%s, page %ld", name, i);
		}
		EXPECT_EQ(before + nr, pins_outstanding()) TH_LOG("%s", name);
		ASSERT_EQ(0, gup_release(self->session.dev,
					 self->gup.call.handle, true));
		EXPECT_EQ(before, pins_outstanding()) TH_LOG("%s", name);
		memory_free(&self->memory);
	}
}

/* Is the page frame in memory that must stay movable?  From /proc/zoneinfo. */
static bool in_movable_zone(uint64_t pfn)
{
	unsigned long long spanned = 0, start;
	bool movable = false, inside = false;
	char line[128], zone[32];
	FILE *f = fopen("/proc/zoneinfo", "re");

	while (f && !inside && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Node %*d, zone %31s", zone) == 1) {
			movable = !strcmp(zone, "Movable");
			spanned = 0;
		}
		sscanf(line, " spanned %llu", &spanned);
		if (movable && sscanf(line, " start_pfn: %llu", &start) == 1)
			inside = pfn >= start && pfn < start + spanned;
	}
	if (f)
		fclose(f);
	return inside;
}

/* A pin for long moves the pages out of there first; others are left alone. */
TEST_F_TIMEOUT(slow_path, longterm_moves, TEST_SECONDS)
{
	const size_t nr = 64;

	for (size_t i = 0; i < NR_WAYS; i++) {
		struct waiting *w = &(struct waiting) { 0 };
		uint64_t before, after;
		struct page_tag tag;

		if (!ways[i].pin)
			continue;
		ASSERT_TRUE(memory_make(MEM_ANON, &self->memory,
					nr * page_size()));
		before = pfn_of(self->memory.addr);
		if (!in_movable_zone(before))
			SKIP(return, "user memory is not in a movable zone");

		ASSERT_TRUE(waiting_start(w, self->session.dev, &ways[i],
					  FAST_GUP_WRITE,
					  (uintptr_t)self->memory.addr, nr));
		waiting_join(w);
		ASSERT_EQ(nr, w->result) TH_LOG("%s", ways[i].name);
		waiting_free(w);
		EXPECT_EQ(before, pfn_of(self->memory.addr))
			TH_LOG("%s moves what is not pinned for long",
			       ways[i].name);

		ASSERT_TRUE(waiting_start(w, self->session.dev, &ways[i],
					  FAST_GUP_WRITE | FAST_GUP_LONGTERM,
					  (uintptr_t)self->memory.addr, nr));
		waiting_join(w);
		ASSERT_EQ(nr, w->result) TH_LOG("%s", ways[i].name);
		EXPECT_EQ(0, w->fast_pages) TH_LOG("%s", ways[i].name);
		for (size_t p = 0; p < nr; p++) {
			after = pfn_of(self->memory.addr + p * page_size());
			EXPECT_FALSE(in_movable_zone(after))
				TH_LOG("%s: page %zu cannot be moved any more",
				       ways[i].name, p);
			ASSERT_EQ(0, gup_copy(self->session.dev, w->handle,
					      p * page_size(), &tag, sizeof(tag),
					      false));
			EXPECT_TRUE(tag_is(&tag, MEM_ANON, p, 0))
				TH_LOG("%s: page %zu has other contents",
				       ways[i].name, p);
		}
		waiting_free(w);
		memory_free(&self->memory);
	}
}

TEST_HARNESS_MAIN
