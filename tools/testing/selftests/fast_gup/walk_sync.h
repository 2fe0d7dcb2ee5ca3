/* SPDX-License-Identifier: GPL-2.0 */
/* The counters of those who wait for walks: debugfs, fast_gup/walk_sync. */
#ifndef FAST_GUP_WALK_SYNC_H
#define FAST_GUP_WALK_SYNC_H

#include <stdbool.h>

struct counters {
	long calls, broadcast, targeted, skipped, interrupted;
};

/* false when they are not there. */
bool counters_read(struct counters *c);
/* What was counted since. */
struct counters counted(const struct counters *since);

#define LOG_COUNTERS(c)							\
	TH_LOG("%ld calls: %ld broadcast, %ld targeted at %ld CPUs, %ld skipped", \
	       (c)->calls, (c)->broadcast, (c)->targeted, (c)->interrupted, \
	       (c)->skipped)

/* Whatever else is going on: every call was one of the three. */
#define EXPECT_SUM(c)							\
	EXPECT_EQ((c)->calls, (c)->broadcast + (c)->targeted + (c)->skipped) \
		LOG_COUNTERS(c)

#endif /* FAST_GUP_WALK_SYNC_H */
