// SPDX-License-Identifier: GPL-2.0
/*
 * Requests that make no sense, and requests that cannot be met: the same
 * answer as the C for each, printed side by side.
 */
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include "compare.h"
#include "session.h"

#define ANY	INT64_MIN
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

static bool mapped(struct range *r)
{
	if (!memory_make(MEM_ANON, &r->memory, PAGES * page_size()))
		return false;
	r->addr = (uintptr_t)r->memory.addr;
	r->nr = PAGES;
	return true;
}

/* Can a process have this page?  If it is in use already, it can. */
static bool may_be_mapped(uint64_t addr)
{
	void *p = mmap((void *)(uintptr_t)addr, page_size(), PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		       0);

	if (p != MAP_FAILED)
		munmap(p, page_size());
	return p != MAP_FAILED || errno != ENOMEM;
}

/* The first address that no process can have, as mmap() tells it. */
static uint64_t user_end(void)
{
	uint64_t below = 0, end = UINTPTR_MAX / page_size();

	while (end - below > 1) {
		uint64_t middle = below + (end - below) / 2;

		if (may_be_mapped(middle * page_size()))
			below = middle;
		else
			end = middle;
	}
	return end * page_size();
}

static bool nowhere(struct range *r, uint64_t addr, int64_t nr)
{
	r->addr = addr;
	r->nr = nr;
	return true;
}

#define TOP_BIT		(1ULL << (sizeof(long) * 8 - 1))
#define LAST_PAGE	((uint64_t)-(unsigned long)page_size())

static bool kernel_address(struct range *r)
{
	return nowhere(r, TOP_BIT | (TOP_BIT >> 1) | 0x1000000, 1);
}

static bool kernel_address_many(struct range *r)
{
	return nowhere(r, TOP_BIT | (TOP_BIT >> 1) | 0x1000000, 64);
}

static bool non_canonical(struct range *r)
{
	if (sizeof(long) < 8)
		return memory_cannot(&r->memory, "32 bits");
	return nowhere(r, 1ULL << 60, 1);
}

static bool non_canonical_high(struct range *r)
{
	if (sizeof(long) < 8)
		return memory_cannot(&r->memory, "32 bits");
	return nowhere(r, TOP_BIT, 2);
}

static bool wrap_by_one(struct range *r) { return nowhere(r, LAST_PAGE, 1); }
static bool wrap_far(struct range *r) { return nowhere(r, LAST_PAGE, 33); }
static bool null_page(struct range *r) { return nowhere(r, 0, 1); }
static bool zero_pages(struct range *r) { return nowhere(r, 0x1000, 0); }

static bool minus_one(struct range *r)
{
	return mapped(r) && nowhere(r, r->addr, -1);
}

static bool least_int(struct range *r)
{
	return mapped(r) && nowhere(r, r->addr, INT_MIN);
}

static bool hole_in_middle(struct range *r)
{
	return mapped(r) && !munmap(r->memory.addr + 4 * page_size(),
				    page_size());
}

static bool hole_at_start(struct range *r)
{
	return mapped(r) && !munmap(r->memory.addr, page_size());
}

static bool hole_at_end(struct range *r)
{
	return mapped(r) && !munmap(r->memory.addr + 7 * page_size(),
				    page_size());
}

static bool none_in_middle(struct range *r)
{
	return mapped(r) && !mprotect(r->memory.addr + 4 * page_size(),
				      page_size(), PROT_NONE);
}

static bool read_only_in_middle(struct range *r)
{
	return mapped(r) && !mprotect(r->memory.addr + 4 * page_size(),
				      page_size(), PROT_READ);
}

static bool none_all(struct range *r)
{
	return mapped(r) && !mprotect(r->memory.addr, r->memory.len,
				      PROT_NONE);
}

static bool read_only_all(struct range *r)
{
	return mapped(r) && !mprotect(r->memory.addr, r->memory.len,
				      PROT_READ);
}

static bool absent_in_middle(struct range *r)
{
	return mapped(r) && !madvise(r->memory.addr + 4 * page_size(),
				     page_size(), MADV_DONTNEED);
}

static bool unaligned(struct range *r)
{
	return mapped(r) && nowhere(r, r->addr + 123, PAGES);
}

static bool unaligned_last_byte(struct range *r)
{
	return mapped(r) && nowhere(r, r->addr + page_size() - 1, PAGES);
}

/* A hole that starts where a page table starts. */
static bool hole_at_table(struct range *r)
{
	size_t table = pmd_size() ?: page_size() * 512;
	char *addr = memory_reserve(&r->memory, 2 * table, table);

	if (!addr)
		return false;
	r->memory.addr = mmap(addr + table - 4 * page_size(), 4 * page_size(),
			      PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
			      MAP_POPULATE, -1, 0);
	r->memory.len = 4 * page_size();
	munmap(addr + table, table);
	r->memory.area_len = addr + table - (char *)r->memory.area;
	return nowhere(r, (uintptr_t)r->memory.addr, PAGES);
}

static bool last_page(struct range *r)
{
	uint64_t end = user_end();

	r->memory.len = page_size();
	r->memory.area_len = page_size();
	r->memory.area = mmap((void *)(uintptr_t)(end - page_size()),
			      page_size(), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE |
			      MAP_FIXED_NOREPLACE, -1, 0);
	if (r->memory.area == MAP_FAILED) {
		r->memory.area = NULL;
		return memory_cannot(&r->memory, "mmap: %s", strerror(errno));
	}
	*(volatile char *)r->memory.area = 1;
	return nowhere(r, end - page_size(), 1);
}

static bool last_page_and_beyond(struct range *r)
{
	return last_page(r) && nowhere(r, r->addr, 2);
}

static bool last_page_unaligned(struct range *r)
{
	return last_page(r) && nowhere(r, r->addr + 77, 1);
}

static bool beyond_last_page(struct range *r)
{
	return nowhere(r, user_end(), 1);
}

struct row {
	struct subject subject;
	uint32_t flags;
	int64_t want;		/* of the entries that fall back */
	int64_t want_only;	/* of those that do not */
};

static const struct row rows[] = {
	{ { "kernel", kernel_address }, 0, -EFAULT, -EFAULT },
	{ { "kernel", kernel_address }, FAST_GUP_WRITE, -EFAULT, -EFAULT },
	{ { "kernel_many", kernel_address_many }, 0, -EFAULT, -EFAULT },
	{ { "non_canonical", non_canonical }, 0, -EFAULT, -EFAULT },
	{ { "non_canonical_hi", non_canonical_high }, 0, -EFAULT, -EFAULT },
	{ { "wrap_by_one", wrap_by_one }, 0, -EOVERFLOW, -EOVERFLOW },
	{ { "wrap_far", wrap_far }, 0, -EOVERFLOW, -EOVERFLOW },
	{ { "null", null_page }, 0, -EFAULT, 0 },
	{ { "zero_pages", zero_pages }, 0, 0, 0 },
	{ { "minus_one", minus_one }, 0, ANY, ANY },
	{ { "least_int", least_int }, 0, ANY, ANY },
	{ { "hole_in_middle", hole_in_middle }, 0, 4, 4 },
	{ { "hole_in_middle", hole_in_middle }, FAST_GUP_WRITE, 4, 4 },
	{ { "hole_at_start", hole_at_start }, 0, -EFAULT, 0 },
	{ { "hole_at_end", hole_at_end }, 0, 7, 7 },
	{ { "hole_at_table", hole_at_table }, 0, 4, ANY },
	{ { "none", none_all }, 0, -EFAULT, 0 },
	{ { "none_in_middle", none_in_middle }, 0, 4, 4 },
	{ { "read_only", read_only_all }, FAST_GUP_WRITE, -EFAULT, 0 },
	{ { "read_only_middle", read_only_in_middle }, FAST_GUP_WRITE, 4, 4 },
	{ { "read_only_middle", read_only_in_middle }, 0, PAGES, PAGES },
	{ { "absent_in_middle", absent_in_middle }, 0, PAGES, 4 },
	{ { "absent_in_middle", absent_in_middle }, FAST_GUP_NOFAULT, 4, 4 },
	{ { "unaligned", unaligned }, 0, PAGES, PAGES },
	{ { "unaligned_last", unaligned_last_byte }, 0, PAGES, PAGES },
	{ { "last_page", last_page }, 0, 1, 1 },
	{ { "last_and_beyond", last_page_and_beyond }, 0, -EFAULT, -EFAULT },
	{ { "last_unaligned", last_page_unaligned }, 0, 1, 1 },
	{ { "beyond_last", beyond_last_page }, 0, -EFAULT, -EFAULT },
};

TEST_F_TIMEOUT(errors, side_by_side, TEST_SECONDS)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t e = 0; e < NR_GUP_ENTRIES; e++) {
			const struct gup_entry *entry = &gup_entries[e];
			int64_t want = entry->only ? rows[i].want_only :
						     rows[i].want;
			struct answers a;

			if (!entry->own && !entry->kernel)
				continue;
			if (!compare(self->session.dev, &rows[i].subject, entry,
				     rows[i].flags, &a, self->why,
				     sizeof(self->why))) {
				printf("# %-18s cannot be had here: %s\n",
				       rows[i].subject.name, self->why);
				break;
			}
			EXPECT_EQ(0, a.ours_error);
			EXPECT_EQ(0, a.reference_error);
			EXPECT_EQ(a.reference, a.ours)
				TH_LOG("%s through %s", rows[i].subject.name,
				       entry->name);
			if (want != ANY) {
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
	struct subject subject = { "mapped", mapped };
	struct range r;

	ASSERT_TRUE(range_make(&r, &subject));
	for (size_t e = 0; e < ARRAY_SIZE(entries); e++) {
		const char *name = gup_entries[entries[e]].name;

		ASSERT_EQ(0, gup_run(self->session.dev, &self->gup, entries[e],
				     0, r.addr, 0));
		EXPECT_EQ(0, self->gup.call.result)
			TH_LOG("%s, zero pages of mapped memory", name);
		for (size_t i = 0; i < ARRAY_SIZE(too_many); i++) {
			char answer[24];
			int error;

			error = gup_run(self->session.dev, &self->gup,
					entries[e], 0, r.addr, too_many[i]);
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
	range_free(&r);
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
	return !mprotect(r->memory.addr + r->memory.len, page_size(),
			 PROT_NONE) &&
	       nowhere(r, LOW, r->nr);
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
