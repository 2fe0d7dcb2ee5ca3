/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every fixture does first and last: open the device, and check at the
 * end that as many pins were released as were acquired.
 */
#ifndef FAST_GUP_SESSION_H
#define FAST_GUP_SESSION_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "kselftest_harness.h"
#include "fast_gup_lib.h"

/* Emulated guests are slow; no single test needs this long. */
#define TEST_SECONDS	240

struct session {
	int dev;
	long pins;			/* outstanding at the start */
	struct fast_gup_info info;
};

/*
 * A missing device is a reason to skip only when the module is not there
 * either, and not even then when the caller says that it must be.
 */
static inline bool session_open(struct __test_metadata *_metadata,
				struct session *s)
{
	s->dev = open(FAST_GUP_DEVICE, O_RDWR | O_CLOEXEC);
	if (s->dev < 0 && errno == ENOENT &&
	    access("/sys/module/fast_gup", F_OK) &&
	    !getenv("FAST_GUP_REQUIRED"))
		SKIP(return false, "fast_gup is not loaded");
	ASSERT_GE(s->dev, 0)
		TH_LOG("%s: %s", FAST_GUP_DEVICE, strerror(errno));
	ASSERT_EQ(0, gup_info(s->dev, &s->info));
	ASSERT_EQ(page_size(), s->info.page_size);
	ASSERT_NE(-1, vmstat_read("nr_foll_pin_acquired"));

	/* What an earlier test left to be released late is not ours. */
	for (int i = 0; i < 50; i++) {
		s->pins = pins_outstanding();
		if (!s->pins)
			break;
		usleep(10 * 1000);
	}
	return true;
}

/*
 * Something is not here that whoever started the tests may have promised
 * (FAST_GUP_REQUIRED): then it is a failure, and not a reason to skip.
 */
#define SKIP_UNLESS_REQUIRED(statement, why)				\
	do {								\
		if (!getenv("FAST_GUP_REQUIRED"))			\
			SKIP(statement, "%s", why);			\
		_metadata->exit_code = KSFT_FAIL;			\
		TH_LOG("required, but: %s", why);			\
		statement;						\
	} while (0)

static inline void session_close(struct __test_metadata *_metadata,
				 struct session *s)
{
	long seen = 0;

	if (s->dev < 0)
		return;
	close(s->dev);
	if (pins_settle(s->pins, &seen))
		return;
	EXPECT_EQ(s->pins, seen)
		TH_LOG("pins outstanding before and after: lost, or released twice");
}

#endif /* FAST_GUP_SESSION_H */
