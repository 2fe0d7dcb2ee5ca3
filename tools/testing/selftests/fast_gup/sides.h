/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where memory is: above what the kernel maps, below or above the 4 GiB line.
 */
#ifndef FAST_GUP_SIDES_H
#define FAST_GUP_SIDES_H

#include "memory.h"

/* The first page frame above 4 GiB: the first with a bit in the high word. */
#define LINE_PFN	((1ULL << 32) / page_size())

/* The first page frame that the kernel does not map; 0: it maps them all. */
uint64_t highmem_start(void);

/* Memory in the way, without an address. */
struct ballast {
	int fd[256];
	size_t nr;
};

void ballast_drop(struct ballast *b);

enum side { BELOW, ABOVE, SIDES };

/*
 * Shared file mappings of @nr pages, one on each side of the line, and their
 * page frames.
 *
 * The allocator is asked again and again.  What is not wanted is kept
 * meanwhile, so that it has to go on.  false: m[BELOW].why.
 */
bool memory_on_both_sides(struct memory m[SIDES], struct ballast *b, size_t nr,
			  uint64_t *const pfns[SIDES]);

#endif /* FAST_GUP_SIDES_H */
