// SPDX-License-Identifier: GPL-2.0
/* See wrong_ranges.h. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include "wrong_ranges.h"

#define PAGES	8

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

uint64_t user_end(void)
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

const struct wrong_range wrong_ranges[NR_WRONG_RANGES] = {
	{ { "kernel", kernel_address }, 0, -EFAULT, -EFAULT },
	{ { "kernel", kernel_address }, FAST_GUP_WRITE, -EFAULT, -EFAULT },
	{ { "kernel_many", kernel_address_many }, 0, -EFAULT, -EFAULT },
	{ { "non_canonical", non_canonical }, 0, -EFAULT, -EFAULT },
	{ { "non_canonical_hi", non_canonical_high }, 0, -EFAULT, -EFAULT },
	{ { "wrap_by_one", wrap_by_one }, 0, -EOVERFLOW, -EOVERFLOW },
	{ { "wrap_far", wrap_far }, 0, -EOVERFLOW, -EOVERFLOW },
	{ { "null", null_page }, 0, -EFAULT, 0 },
	{ { "zero_pages", zero_pages }, 0, 0, 0 },
	{ { "minus_one", minus_one }, 0, ANY_ANSWER, ANY_ANSWER },
	{ { "least_int", least_int }, 0, ANY_ANSWER, ANY_ANSWER },
	{ { "hole_in_middle", hole_in_middle }, 0, 4, 4 },
	{ { "hole_in_middle", hole_in_middle }, FAST_GUP_WRITE, 4, 4 },
	{ { "hole_at_start", hole_at_start }, 0, -EFAULT, 0 },
	{ { "hole_at_end", hole_at_end }, 0, 7, 7 },
	{ { "hole_at_table", hole_at_table }, 0, 4, ANY_ANSWER },
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
