/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ranges of pages through the device, and what they must be: computed page by
 * page from what the C in mm/gup.c returns.
 */
#ifndef FAST_GUP_RANGES_LIB_H
#define FAST_GUP_RANGES_LIB_H

#include "fast_gup_lib.h"

struct ranges_entry {
	uint32_t entry;
	const char *name;
	bool pin;
	bool blocks;
};

#define NR_RANGES_ENTRIES	(FAST_GUP_RANGES_MAX + 1)
extern const struct ranges_entry ranges_entries[NR_RANGES_ENTRIES];

/* Ranges that a block of the API has room for. */
#define BLOCK_RANGES	(4096 / (2 * sizeof(void *)))

/* One call, or several whose ranges are gathered. */
struct ranges {
	struct fast_gup_ranges call;	/* the last one */
	struct fast_gup_range_info *infos;
	size_t nr, room;
};

void ranges_init(struct ranges *r, size_t room);
void ranges_free(struct ranges *r);

/*
 * Run one function, and add what it returns to @r.  @addr is the cursor and
 * moves.  Returns 0 when it ran (its answer is in r->call.result) or the -errno
 * of the ioctl itself.
 */
int ranges_run(int dev, struct ranges *r, uint32_t entry, uint32_t flags,
	       uint64_t *addr, uint64_t len, uint64_t max);
int ranges_split(int dev, struct fast_gup_split *split, uint64_t handle,
		 uint64_t range, uint64_t at);
int ranges_pack(int dev, struct fast_gup_pack *pack, uint64_t handle,
		uint64_t max_blocks);

/* Pages of all the ranges. */
uint64_t ranges_pages(const struct ranges *r);
/* Ranges of @r that are of the folio of number @at. */
uint32_t ranges_of_folio(const struct ranges *r, size_t at);

/*
 * What @nr pages from @addr on are as ranges.  Folios begin at a multiple of
 * their size, which is all that is used to tell where they end.  false: the C
 * does not return all of them.
 */
bool ranges_expected(int dev, struct ranges *r, uint32_t flags, uint64_t addr,
		     size_t nr);
/* The same ranges?  Where not, says how in @why. */
bool ranges_same(const struct ranges *got, const struct ranges *expected,
		 char *why, size_t why_len);

#endif /* FAST_GUP_RANGES_LIB_H */
