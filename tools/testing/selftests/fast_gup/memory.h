/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kinds of memory a page table can hold, made to order.
 *
 * Each kind is mapped, populated and tagged.  What the kernel would not give
 * (no huge pages left, no file system) is reported as a reason to skip.
 */
#ifndef FAST_GUP_MEMORY_H
#define FAST_GUP_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

struct memory {
	char *addr;
	size_t len;
	size_t unit;		/* bytes of one folio of this kind */
	int fd;			/* -1: anonymous */
	void *area;		/* what to unmap */
	size_t area_len;
	char why[160];		/* why it could not be made */
};

struct memory_kind {
	const char *name;
	/* Fills in @m, at least @len bytes.  false: see m->why. */
	bool (*make)(struct memory *m, size_t len);
	bool anon;		/* anonymous folios */
	bool hugetlb;
	bool zero;		/* a zero page: nothing to write */
	bool readonly;		/* a write would replace the page */
	bool large;		/* folios of m->unit bytes */
	bool any_order;		/* the file system chooses the folios */
	bool on_disk;		/* writeback makes pages read-only */
	bool refused;		/* the C walk refuses it as well */
	bool pte_mapped;	/* one entry for each base page */
};

enum memory_kind_id {
	MEM_ANON, MEM_THP, MEM_THP_PTE, MEM_MTHP, MEM_ZERO, MEM_HUGE_ZERO,
	MEM_TMPFS, MEM_MEMFD, MEM_MEMFD_PRIVATE, MEM_MEMFD_COW, MEM_SHMEM_THP,
	MEM_SHMEM_PAIRS, MEM_EXT4, MEM_EXT4_PRIVATE, MEM_EXT4_PAIRS,
	MEM_HUGETLB, MEM_HUGETLB_SHARED, MEM_GIGANTIC,
	NR_MEMORY_KINDS
};

extern const struct memory_kind memory_kinds[NR_MEMORY_KINDS];

bool memory_make(enum memory_kind_id id, struct memory *m, size_t len);
void memory_free(struct memory *m);

/* Give a reason, and return false. */
bool memory_cannot(struct memory *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* A reserved range, aligned, to map the real thing into. */
char *memory_reserve(struct memory *m, size_t len, size_t align);

size_t pmd_size(void);			/* 0: no transparent huge pages */
size_t hugetlb_size(void);		/* the default one; 0: none */
size_t gigantic_size(void);		/* the largest one; 0: none */
/* Make sure that @nr pages of @size bytes are free. */
bool hugetlb_want(size_t size, long nr);
/* Is the whole range mapped by PMDs (smaps)? */
bool memory_is_huge(const void *addr, size_t len);
/* Allow folios of @size bytes with MADV_HUGEPAGE. */
bool mthp_allow(size_t size, bool allow);
/* A directory of the ext4 file system given, or NULL and a reason. */
const char *ext4_directory(char *why, size_t len);

/* Every page starts with a tag that no other page has. */
struct page_tag {
	uint64_t magic;
	uint64_t owner;		/* which test wrote it */
	uint64_t place;		/* place_code() of its index in the range */
	uint64_t generation;
};

#define PAGE_TAG_MAGIC	0x66617374206775a5ULL

void tag_page(void *page, uint64_t owner, uint64_t index, uint64_t generation);
void tag_range(void *addr, size_t len, uint64_t owner, uint64_t generation);
/* A number of each place without a zero byte, so that half of one shows. */
uint64_t place_code(uint64_t index);
/* Is this zeroes, or the start or the rest of the tag of this place? */
bool tag_in_the_making(const struct page_tag *tag, uint64_t end,
		       uint64_t owner, uint64_t index);
bool tag_is(const void *page, uint64_t owner, uint64_t index,
	    uint64_t generation);

#endif /* FAST_GUP_MEMORY_H */
