/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The same question put to one of our entries and to the C: the answers are
 * printed side by side and must be the same.
 *
 * A call can change what it looks at (a fault populates a hole), so the
 * subject is made anew for each of the two.
 */
#ifndef FAST_GUP_COMPARE_H
#define FAST_GUP_COMPARE_H

#include "fast_gup_lib.h"
#include "memory.h"

/* What a call is made on. */
struct range {
	uint64_t addr;
	int64_t nr;
	struct memory memory;
	int fd[2];			/* -1 when not used */
	long key;			/* protection key, -1: none */
};

struct subject {
	const char *name;
	/* false: cannot be made here, memory.why says why */
	bool (*make)(struct range *r);
};

struct answers {
	int64_t ours, reference;
	int ours_error, reference_error;	/* of the ioctl */
	uint64_t fast_pages;
	uint32_t refusal;
};

bool range_make(struct range *r, const struct subject *subject);
void range_free(struct range *r);

/* false when the subject cannot be made; @why then says why. */
bool compare(int dev, const struct subject *subject,
	     const struct gup_entry *entry, uint32_t flags,
	     struct answers *answers, char *why, size_t why_len);

/* "WRITE|LONGTERM" */
const char *flags_name(uint32_t flags, char *buf, size_t len);

#endif /* FAST_GUP_COMPARE_H */
