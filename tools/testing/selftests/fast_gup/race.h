/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pinning threads against one opponent who changes the tables under them.
 *
 * Every page of the range is tagged with its place.  Whatever a call returns
 * must be a page that belonged to that place at some instant of the call: the
 * tag of that place or, where the opponent makes fresh pages, zeroes.  A page
 * of the churning thread, which tags and frees pages all the time, or of
 * another place is a page that was never there.
 */
#ifndef FAST_GUP_RACE_H
#define FAST_GUP_RACE_H

#include <pthread.h>
#include "fast_gup_lib.h"
#include "memory.h"

#define RACE_OWNER	0x7ace0001
#define CHURN_OWNER	0xdeadbeef

struct race;

struct opponent {
	/* One move; false: it failed. */
	bool (*turn)(struct race *race, unsigned long n);
	unsigned long least;	/* fewer turns than this prove nothing */
	bool fresh;		/* makes new pages: zeroes are right */
	bool coherent;		/* a pin must follow the memory's writes */
	bool c_walk;		/* the kernel's own walk is attacked as well */
	bool only;		/* nothing faults, or is held: belongs() tells all */
};

struct race {
	int dev;
	struct memory *memory;
	/* The range, at one of two places (mremap); the same when it stays. */
	char *volatile base[2];
	size_t pages;
	size_t most;		/* pages a call asks for */
	struct opponent opponent;
	/* Where it is known: may this page frame be at this place? */
	bool (*belongs)(struct race *race, size_t index, uint64_t pfn);
	void *priv;		/* of the callbacks */

	/* Filled in. */
	struct random_state random;	/* the opponent's */
	volatile bool stop;
	char *churn;		/* where the churning thread works */
	unsigned long turns, calls, pages_got, fast, changed, errors, wrong;
	bool turn_failed;
	char first_wrong[256];
};

/* Over the first @pages of @memory.  The caller adds what else is special. */
void race_init(struct race *race, int dev, struct memory *memory, size_t pages,
	       const struct opponent *opponent);

/*
 * Run FAST_GUP_PINNERS threads for FAST_GUP_SECONDS or FAST_GUP_ITERATIONS calls of each thread,
 * whichever ends first; longer, but not for ever, when one side had too few
 * turns to prove anything.
 *
 * Returns what it has shown to be wrong, or why it proves nothing; NULL: all
 * is well.
 */
const char *race_run(struct race *race);

/* The same as a step of a test of the harness. */
#define EXPECT_RACE(race)						\
	do {								\
		const char *_wrong = race_run(race);			\
									\
		EXPECT_EQ(NULL, _wrong)					\
			TH_LOG("%s", _wrong);				\
	} while (0)

/* A random part of the range, in pages. */
void race_part(struct race *race, size_t *first, size_t *nr);

#endif /* FAST_GUP_RACE_H */
