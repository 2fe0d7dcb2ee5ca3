// SPDX-License-Identifier: GPL-2.0
/* Anonymous memory of every folio size; see memory.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "fast_gup_lib.h"
#include "memory.h"
#include "memory_file.h"

#define THP	"/sys/kernel/mm/transparent_hugepage/"
/* 64K where a page has 4K. */
#define MTHP_SIZE	(16 * page_size())

bool memory_cannot(struct memory *m, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(m->why, sizeof(m->why), fmt, args);
	va_end(args);
	return false;
}

char *memory_reserve(struct memory *m, size_t len, size_t align)
{
	m->area_len = len + align;
	m->area = mmap(NULL, m->area_len, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (m->area == MAP_FAILED) {
		m->area = NULL;
		memory_cannot(m, "mmap: %s", strerror(errno));
		return NULL;
	}
	return (char *)(((uintptr_t)m->area + align - 1) & ~(align - 1));
}

size_t pmd_size(void)
{
	long size = file_read_long(THP "hpage_pmd_size");

	return size > 0 ? size : 0;
}

bool memory_is_huge(const void *addr, size_t len)
{
	unsigned long start, end, kb;
	unsigned long huge = 0;
	bool inside = false;
	char line[512];
	FILE *f = fopen("/proc/self/smaps", "re");

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start < (uintptr_t)addr + len &&
				 end > (uintptr_t)addr;
		else if (inside &&
			 (sscanf(line, "AnonHugePages: %lu", &kb) == 1 ||
			  sscanf(line, "ShmemPmdMapped: %lu", &kb) == 1))
			huge += kb << 10;
	}
	fclose(f);
	return huge >= len;
}

bool mthp_allow(size_t size, bool allow)
{
	char path[128];

	snprintf(path, sizeof(path), THP "hugepages-%zukB/enabled",
		 size >> 10);
	return file_write(path, allow ? "madvise" : "never");
}

/* Fresh anonymous memory at an aligned address, nothing touched yet. */
static bool map_anon(struct memory *m, size_t len, size_t align, int prot)
{
	char *addr;

	m->len = (len + align - 1) & ~(align - 1);
	addr = memory_reserve(m, m->len, align);
	if (!addr)
		return false;
	m->addr = mmap(addr, m->len, prot,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (m->addr == MAP_FAILED)
		return memory_cannot(m, "mmap: %s", strerror(errno));
	m->unit = align;
	return true;
}

static bool make_anon(struct memory *m, size_t len)
{
	if (!map_anon(m, len, page_size(), PROT_READ | PROT_WRITE))
		return false;
	madvise(m->addr, m->len, MADV_NOHUGEPAGE);
	return true;
}

static bool make_thp(struct memory *m, size_t len)
{
	size_t size = pmd_size();

	if (!size)
		return memory_cannot(m, "no transparent huge pages");
	if (!map_anon(m, len, size, PROT_READ | PROT_WRITE))
		return false;
	if (madvise(m->addr, m->len, MADV_HUGEPAGE))
		return memory_cannot(m, "MADV_HUGEPAGE: %s", strerror(errno));
	tag_range(m->addr, m->len, 0, 0);
	madvise(m->addr, m->len, MADV_COLLAPSE);
	if (!memory_is_huge(m->addr, m->len))
		return memory_cannot(m, "memory too fragmented for huge pages");
	return true;
}

/*
 * A changed permission of one page splits the PMD, not the folio.  It is the
 * last page, so that the entries of all the others stay alike.
 */
static bool make_thp_pte(struct memory *m, size_t len)
{
	char *last;

	if (!make_thp(m, len))
		return false;
	for (last = m->addr + m->unit - page_size(); last < m->addr + m->len;
	     last += m->unit) {
		if (mprotect(last, page_size(), PROT_READ) ||
		    mprotect(last, page_size(), PROT_READ | PROT_WRITE))
			return memory_cannot(m, "mprotect: %s",
					     strerror(errno));
		/* The page made read-only is writable again once written. */
		*(volatile char *)last = 1;
	}
	if (memory_is_huge(m->addr, m->unit))
		return memory_cannot(m, "the huge mapping did not split");
	return true;
}

static bool make_mthp(struct memory *m, size_t len)
{
	bool ok;

	if (pmd_size() <= MTHP_SIZE || !mthp_allow(MTHP_SIZE, true))
		return memory_cannot(m, "no folios of 16 pages");
	ok = map_anon(m, len, MTHP_SIZE, PROT_READ | PROT_WRITE);
	if (ok && madvise(m->addr, m->len, MADV_HUGEPAGE))
		ok = memory_cannot(m, "MADV_HUGEPAGE: %s", strerror(errno));
	/*
	 * Away from the start of a PMD, so that a huge page of that size does
	 * not come first: it could only when a whole PMD range fits.
	 */
	if (ok) {
		size_t off;

		file_write(THP "enabled", "never");
		for (off = 0; off < m->len; off += page_size())
			tag_page(m->addr + off, 0, off / page_size(), 0);
		file_write(THP "enabled", "madvise");
	}
	mthp_allow(MTHP_SIZE, false);
	return ok;
}

static bool make_zero(struct memory *m, size_t len)
{
	size_t off;

	if (!map_anon(m, len, page_size(), PROT_READ | PROT_WRITE))
		return false;
	madvise(m->addr, m->len, MADV_NOHUGEPAGE);
	for (off = 0; off < m->len; off += page_size())
		(void)*(volatile char *)(m->addr + off);
	return true;
}

static bool make_huge_zero(struct memory *m, size_t len)
{
	size_t off, size = pmd_size();

	if (!size)
		return memory_cannot(m, "no transparent huge pages");
	if (file_read_long(THP "use_zero_page") != 1 &&
	    !file_write(THP "use_zero_page", "1"))
		return memory_cannot(m, "no huge zero page");
	if (!map_anon(m, len, size, PROT_READ | PROT_WRITE))
		return false;
	if (madvise(m->addr, m->len, MADV_HUGEPAGE))
		return memory_cannot(m, "MADV_HUGEPAGE: %s", strerror(errno));
	for (off = 0; off < m->len; off += page_size())
		(void)*(volatile char *)(m->addr + off);
	if (pfn_of(m->addr) + 1 != pfn_of(m->addr + page_size()))
		return memory_cannot(m, "got small zero pages");
	return true;
}

const struct memory_kind memory_kinds[NR_MEMORY_KINDS] = {
	[MEM_ANON] = { "anon", make_anon, .anon = true, .pte_mapped = true },
	[MEM_THP] = { "thp", make_thp, .anon = true, .large = true },
	[MEM_THP_PTE] = { "thp_pte", make_thp_pte, .anon = true,
			  .large = true, .pte_mapped = true },
	[MEM_MTHP] = { "mthp", make_mthp, .anon = true, .large = true,
		       .pte_mapped = true },
	[MEM_ZERO] = { "zero", make_zero, .zero = true, .readonly = true,
		       .refused = true, .pte_mapped = true },
	[MEM_HUGE_ZERO] = { "huge_zero", make_huge_zero, .zero = true,
			    .readonly = true, .refused = true },
	[MEM_TMPFS] = { "tmpfs", make_tmpfs, .pte_mapped = true },
	[MEM_MEMFD] = { "memfd", make_memfd, .pte_mapped = true },
	[MEM_MEMFD_PRIVATE] = { "memfd_private", make_memfd_private,
				.readonly = true, .pte_mapped = true },
	[MEM_MEMFD_COW] = { "memfd_cow", make_memfd_cow, .anon = true,
			    .pte_mapped = true },
	[MEM_SHMEM_THP] = { "shmem_thp", make_shmem_thp, .large = true },
	[MEM_SHMEM_PAIRS] = { "shmem_pairs", make_shmem_pairs, .large = true,
			      .pte_mapped = true },
	[MEM_EXT4] = { "ext4", make_ext4, .any_order = true,
		       .on_disk = true, .pte_mapped = true },
	[MEM_EXT4_PRIVATE] = { "ext4_private", make_ext4_private,
			       .readonly = true, .any_order = true,
			       .pte_mapped = true },
	[MEM_EXT4_PAIRS] = { "ext4_pairs", make_ext4_pairs, .large = true,
			     .on_disk = true, .pte_mapped = true },
	[MEM_HUGETLB] = { "hugetlb", make_hugetlb, .anon = true,
			  .hugetlb = true, .large = true },
	[MEM_HUGETLB_SHARED] = { "hugetlb_shared", make_hugetlb_shared,
				 .hugetlb = true, .large = true },
	[MEM_GIGANTIC] = { "gigantic", make_gigantic, .anon = true,
			   .hugetlb = true, .large = true },
};

bool memory_make(enum memory_kind_id id, struct memory *m, size_t len)
{
	const struct memory_kind *kind = &memory_kinds[id];

	memset(m, 0, sizeof(*m));
	m->fd = -1;
	if (!kind->make(m, len)) {
		memory_free(m);
		return false;
	}
	if (!kind->readonly)
		tag_range(m->addr, m->len, id, 0);
	return true;
}

void memory_free(struct memory *m)
{
	if (m->area)
		munmap(m->area, m->area_len);
	if (m->fd >= 0)
		close(m->fd);
	m->area = NULL;
	m->fd = -1;
}

uint64_t place_code(uint64_t index)
{
	return (index + 1) * 0x9e3779b97f4a7c15ULL | 0x0101010101010101ULL;
}

/* Each byte not written yet, or already what it will be. */
static bool half(uint64_t seen, uint64_t whole)
{
	for (; seen; seen >>= 8, whole >>= 8)
		if ((seen & 0xff) && (seen & 0xff) != (whole & 0xff))
			return false;
	return true;
}

bool tag_in_the_making(const struct page_tag *tag, uint64_t end,
		       uint64_t owner, uint64_t index)
{
	return half(tag->magic, PAGE_TAG_MAGIC) && half(tag->owner, owner) &&
	       half(tag->place, place_code(index)) &&
	       half(end, place_code(index)) && !tag->generation;
}

void tag_page(void *page, uint64_t owner, uint64_t index, uint64_t generation)
{
	volatile struct page_tag *tag = page;

	/* The magic goes last: a page half tagged is not a tagged page. */
	tag->owner = owner;
	tag->place = place_code(index);
	tag->generation = generation;
	tag->magic = PAGE_TAG_MAGIC;
	/* The end of the page as well: a shifted page is a wrong page. */
	*(volatile uint64_t *)((char *)page + page_size() - 8) =
		place_code(index);
}

void tag_range(void *addr, size_t len, uint64_t owner, uint64_t generation)
{
	for (size_t i = 0; i < len / page_size(); i++)
		tag_page((char *)addr + i * page_size(), owner, i, generation);
}

bool tag_is(const void *page, uint64_t owner, uint64_t index,
	    uint64_t generation)
{
	const struct page_tag *tag = page;

	return tag->magic == PAGE_TAG_MAGIC && tag->owner == owner &&
	       tag->place == place_code(index) &&
	       tag->generation == generation;
}
