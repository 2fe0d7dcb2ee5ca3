// SPDX-License-Identifier: GPL-2.0
/*
 * Requests that make no sense, and requests that cannot be met: the same
 * answer as the C for each, printed side by side.
 */
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include "session.h"
#include "wrong_ranges.h"

#define PAGES	8

FIXTURE(errors) {
	struct session session;
	struct gup gup;
	char why[160];
};

FIXTURE_SETUP(errors)
{
	if (!session_open(_metadata, &self->session))
		return;
	gup_init(&self->gup, 64);
}

FIXTURE_TEARDOWN(errors)
{
	session_close(_metadata, &self->session);
	gup_free(&self->gup);
}

TEST_F_TIMEOUT(errors, side_by_side, TEST_SECONDS)
{
	for (size_t i = 0; i < NR_WRONG_RANGES; i++) {
		const struct wrong_range *wrong = &wrong_ranges[i];

		for (size_t e = 0; e < NR_GUP_ENTRIES; e++) {
			const struct gup_entry *entry = &gup_entries[e];
			int64_t want = entry->only ? wrong->want_only :
						     wrong->want;
			struct answers a;

			if (!entry->own && !entry->kernel)
				continue;
			if (!compare(self->session.dev, &wrong->subject, entry,
				     wrong->flags, &a, self->why,
				     sizeof(self->why))) {
				printf("# %-18s cannot be had here: %s\n",
				       wrong->subject.name, self->why);
				break;
			}
			EXPECT_EQ(0, a.ours_error);
			EXPECT_EQ(0, a.reference_error);
			EXPECT_EQ(a.reference, a.ours)
				TH_LOG("%s through %s", wrong->subject.name,
				       entry->name);
			if (want != ANY_ANSWER) {
				EXPECT_EQ(want, a.ours);
			}
		}
	}
}

/*
 * Counts that the C cannot be asked with: its parameter is an int, and zero
 * pages of mapped memory made it run past the end.
 */
TEST_F(errors, counts)
{
	static const uint32_t entries[] = {
		FAST_GUP_ENTRY_GET, FAST_GUP_ENTRY_GET_ONLY, FAST_GUP_ENTRY_PIN,
	};
	static const int64_t too_many[] = {
		LONG_MAX, LONG_MAX / 4096 + 1, LONG_MIN, (int64_t)INT_MAX + 1,
		-4096, INT64_MAX, (int64_t)1 << 32,
	};
	struct memory m;
	uint64_t addr;

	ASSERT_TRUE(memory_make(MEM_ANON, &m, PAGES * page_size()));
	addr = (uintptr_t)m.addr;
	for (size_t e = 0; e < ARRAY_SIZE(entries); e++) {
		const char *name = gup_entries[entries[e]].name;

		ASSERT_EQ(0, gup_run(self->session.dev, &self->gup, entries[e],
				     0, addr, 0));
		EXPECT_EQ(0, self->gup.call.result)
			TH_LOG("%s, zero pages of mapped memory", name);
		for (size_t i = 0; i < ARRAY_SIZE(too_many); i++) {
			char answer[24];
			int error;

			error = gup_run(self->session.dev, &self->gup,
					entries[e], 0, addr, too_many[i]);
			printf("# %-9s %20lld pages: %s\n", name,
			       (long long)too_many[i],
			       answer_name(error ?: self->gup.call.result,
					   answer, sizeof(answer)));
			if (too_many[i] != (long)too_many[i]) {
				EXPECT_EQ(-ERANGE, error);
				continue;
			}
			/* No more than is there, and nothing for nonsense. */
			if (error == -E2BIG && too_many[i] > INT_MAX &&
			    too_many[i] < (int64_t)1 << 40)
				continue;	/* no array that long */
			EXPECT_EQ(0, error);
			if (sizeof(long) == 8 && too_many[i] > INT_MAX / 2 &&
			    too_many[i] <= (int64_t)1 << 32) {
				EXPECT_LE(self->gup.call.result, PAGES);
			} else if (too_many[i] > 0) {
				EXPECT_TRUE(self->gup.call.result == -EFAULT ||
					    self->gup.call.result == -EOVERFLOW ||
					    self->gup.call.result == -EINVAL);
			} else {
				EXPECT_LE(self->gup.call.result, 0);
			}
		}
	}
	memory_free(&m);
}

/*
 * Low enough for lengths of almost 3 GiB where there are 3 GiB at all.  Where
 * there are more it may be lower still, and programs of ppc64 start there.
 */
#define LOW	(sizeof(long) < 8 ? 0x10000000UL : 0x08000000UL)

static bool mapped_low(struct range *r)
{
	r->memory.len = PAGES * page_size();
	/* A page is left over: the range ends there, whatever comes behind. */
	r->memory.area_len = r->memory.len + page_size();
	r->memory.area = mmap((void *)LOW, r->memory.area_len,
			      PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE |
			      MAP_FIXED_NOREPLACE, -1, 0);
	if (r->memory.area == MAP_FAILED) {
		r->memory.area = NULL;
		return memory_cannot(&r->memory, "mmap: %s", strerror(errno));
	}
	r->memory.addr = r->memory.area;
	r->addr = LOW;
	return !mprotect(r->memory.addr + r->memory.len, page_size(),
			 PROT_NONE);
}

static void ask_length(struct __test_metadata *_metadata,
		       FIXTURE_DATA(errors) *self, uint32_t entry,
		       uint64_t bytes, int64_t want)
{
	static const struct subject subject = { "mapped_low", mapped_low };
	char answer[24];
	struct range r;
	int error;

	ASSERT_TRUE(range_make(&r, &subject)) TH_LOG("%s", r.memory.why);
	error = gup_run(self->session.dev, &self->gup, entry, 0, r.addr,
			bytes / page_size());
	range_free(&r);
	EXPECT_EQ(0, error);
	EXPECT_EQ(want, self->gup.call.result)
		TH_LOG("%s of %llx bytes: %s", gup_entries[entry].name,
		       (unsigned long long)bytes,
		       answer_name(self->gup.call.result, answer,
				   sizeof(answer)));
}

/*
 * Ranges as long as the address space of 32 bits, and a page less or more:
 * the end is computed without overflow, and what lies in user space is tried.
 */
TEST_F_TIMEOUT(errors, lengths, TEST_SECONDS)
{
	static const uint64_t bytes[] = {
		0x7ffff000, 0x80000000, 0x80001000, 0xb0000000, 0xb0001000,
		0xeffff000, 0xf0000000, 0xfffff000, 0x100000000, 0x100001000,
		0x180000000, 0x200001000,
	};
	const uint64_t limit = user_end();

	for (size_t i = 0; i < ARRAY_SIZE(bytes); i++) {
		const uint64_t end = LOW + bytes[i];
		const int64_t want = end > UINTPTR_MAX ? -EOVERFLOW :
				     end > limit ? -EFAULT : PAGES;

		for (size_t e = 0; e < NR_GUP_ENTRIES; e++) {
			const struct gup_entry *entry = &gup_entries[e];

			if (!entry->own && !entry->kernel && !entry->c_walk)
				continue;
			ask_length(_metadata, self, e, bytes[i], want);
		}
	}
}

TEST_HARNESS_MAIN
