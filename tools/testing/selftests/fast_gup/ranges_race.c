// SPDX-License-Identifier: GPL-2.0
/*
 * Ranges pinned beside somebody who splits, shares and collapses the memory that
 * they are of.
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "memory.h"
#include "ranges_lib.h"
#include "session.h"

#define ROOM	16	/* ranges of a call */

FIXTURE(ranges_race) {
	struct session session;
	struct memory memory;
	struct ranges got;
	size_t page;
};

FIXTURE_SETUP(ranges_race)
{
	if (!session_open(_metadata, &self->session))
		return;
	self->page = page_size();
	ranges_init(&self->got, ROOM);
}

FIXTURE_TEARDOWN(ranges_race)
{
	memory_free(&self->memory);
	session_close(_metadata, &self->session);
	ranges_free(&self->got);
}

struct opponent {
	FIXTURE_DATA(ranges_race) *self;
	size_t huge, len;
	volatile bool stop;
	unsigned long turns;
};

/* Huge pages are split, forked, and made again. */
static void *oppose(void *arg)
{
	struct opponent *o = arg;
	char *p = o->self->memory.addr;

	while (!o->stop) {
		char *at = p + o->turns % (o->len / o->huge) * o->huge;
		char *one = at + (o->turns % 7 + 1) * o->self->page;
		pid_t pid = -1;

		/* Another area splits the entry, and forbids nothing. */
		mprotect(one, o->self->page,
			 PROT_READ | PROT_WRITE | PROT_EXEC);
		mprotect(one, o->self->page, PROT_READ | PROT_WRITE);
		if (o->turns % 3 == 1)
			pid = fork();
		if (!pid)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
		madvise(at, o->huge, MADV_COLLAPSE);
		o->turns++;
	}
	return NULL;
}

/* Does page @i of what was got last show this? */
static bool shows_one(FIXTURE_DATA(ranges_race) *self, size_t i, size_t at,
		      uint64_t generation)
{
	struct page_tag tag;

	return !gup_copy(self->session.dev, self->got.call.handle,
			 i * self->page, &tag, sizeof(tag), false) &&
	       tag_is(&tag, 6, at, generation);
}

/*
 * What a pin has is what the memory has: written by the process afterwards, the
 * pages that are held show it, whatever was split or shared meanwhile.
 */
TEST_F_TIMEOUT(ranges_race, content, TEST_SECONDS)
{
	long rounds = env_long("FAST_GUP_ITERATIONS", 1000);
	double until = seconds() + env_long("FAST_GUP_SECONDS", 5);
	struct opponent o = { .self = self, .huge = pmd_size() };
	struct random_state random;
	uint64_t *generations;
	long calls = 0;
	pthread_t thread;
	size_t pages;

	if (!o.huge || !memory_make(MEM_THP, &self->memory, 2 * o.huge))
		SKIP(return, "no huge pages");
	o.len = self->memory.len;
	pages = o.len / self->page;
	random_seed(&random, env_long("FAST_GUP_SEED", 1));
	generations = calloc(pages, sizeof(*generations));
	ASSERT_NE(NULL, generations);
	tag_range(self->memory.addr, o.len, 6, 0);
	ASSERT_EQ(0, pthread_create(&thread, NULL, oppose, &o));
	for (long n = 1; n <= rounds || o.turns < 10; n++) {
		size_t first = random_below(&random, pages);
		size_t nr = 1 + random_below(&random, pages - first);
		uint64_t cursor = (uintptr_t)self->memory.addr +
				  first * self->page;
		uint64_t max = 1 + random_below(&random, ROOM);
		uint32_t entry = FAST_GUP_RANGES_PIN;
		uint32_t flags = n % 2 ? FAST_GUP_WRITE : 0;

		calls++;
		self->got.nr = 0;
		ASSERT_EQ(0, ranges_run(self->session.dev, &self->got, entry,
					flags | FAST_GUP_HOLD, &cursor,
					nr * self->page, max));
		ASSERT_GT(self->got.call.result, 0);
		ASSERT_LE(self->got.call.result, max);
		nr = ranges_pages(&self->got);
		EXPECT_EQ((uintptr_t)self->memory.addr +
			  (first + nr) * self->page, cursor);
		for (size_t i = 0; i < nr; i += 1 + nr / 16) {
			size_t at = first + i;

			EXPECT_TRUE(shows_one(self, i, at, generations[at]))
				TH_LOG("round %ld: not page %zu", n, at);
			generations[at] = n;
			tag_page(self->memory.addr + at * self->page, 6, at, n);
			EXPECT_TRUE(shows_one(self, i, at, n))
				TH_LOG("round %ld: page %zu is written elsewhere",
				       n, at);
		}
		ASSERT_EQ(0, gup_release(self->session.dev,
					 self->got.call.handle, false));
		if (seconds() > until && o.turns >= 10)
			break;
	}
	o.stop = true;
	pthread_join(thread, NULL);
	printf("# %lu turns against %ld calls\n", o.turns, calls);
	free(generations);
}

TEST_HARNESS_MAIN
