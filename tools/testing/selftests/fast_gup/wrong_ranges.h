/* SPDX-License-Identifier: GPL-2.0 */
/* Ranges that make no sense, or have pages that cannot be had; used by errors.c. */
#ifndef FAST_GUP_WRONG_RANGES_H
#define FAST_GUP_WRONG_RANGES_H

#include "compare.h"

#define ANY_ANSWER	INT64_MIN	/* as long as it is that of the C */

struct wrong_range {
	struct subject subject;
	uint32_t flags;
	int64_t want;		/* of the entries that fall back */
	int64_t want_only;	/* of those that do not */
};

#define NR_WRONG_RANGES	29
extern const struct wrong_range wrong_ranges[NR_WRONG_RANGES];

/* The first address that no process can have, as mmap() tells it. */
uint64_t user_end(void);

#endif /* FAST_GUP_WRONG_RANGES_H */
