// SPDX-License-Identifier: GPL-2.0
/* See waiting.h. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "waiting.h"

/* Nothing takes that long which does not wait for somebody. */
#define HANGS	60.0		/* seconds */

const struct way ways[NR_WAYS] = {
	{ "GET", FAST_GUP_ENTRY_GET, .own = true, .interruptible = true },
	{ "PIN", FAST_GUP_ENTRY_PIN, .own = true, .interruptible = true,
	  .pin = true },
	{ "GET_RANGES", FAST_GUP_RANGES_GET, .ranges = true, .own = true,
	  .interruptible = true },
	{ "PIN_RANGES", FAST_GUP_RANGES_PIN, .ranges = true, .own = true,
	  .interruptible = true, .pin = true },
	{ "KERNEL_GET", FAST_GUP_ENTRY_KERNEL_GET, .kernel = true },
	{ "KERNEL_PIN", FAST_GUP_ENTRY_KERNEL_PIN, .kernel = true,
	  .pin = true },
	{ "C_PIN", FAST_GUP_ENTRY_C_PIN, .pin = true },
	{ "SLOW_PIN", FAST_GUP_ENTRY_SLOW_PIN, .interruptible = true,
	  .pin = true },
};

static void call_pages(struct waiting *w)
{
	const struct fast_gup_call *call = &w->gup.call;

	w->error = gup_run(w->dev, &w->gup, w->way->entry,
			   w->flags | FAST_GUP_HOLD, w->addr, w->nr_pages);
	w->result = call->result;
	w->fast_pages = call->fast_pages;
	w->refusal = call->refusal;
	w->handle = call->handle;
}

static void call_ranges(struct waiting *w)
{
	const struct fast_gup_ranges *call = &w->got.call;
	uint64_t cursor = w->addr;

	w->error = ranges_run(w->dev, &w->got, w->way->entry,
			      w->flags | FAST_GUP_HOLD, &cursor,
			      w->nr_pages * page_size(), w->nr_pages);
	w->result = call->result > 0 ? (int64_t)ranges_pages(&w->got) :
				       call->result;
	w->fast_pages = call->fast_pages;
	w->refusal = call->refusal;
	w->handle = call->handle;
}

static void *call_loop(void *arg)
{
	struct waiting *w = arg;

	w->tid = syscall(SYS_gettid);
	if (w->way->ranges)
		call_ranges(w);
	else
		call_pages(w);
	w->returned = true;
	return NULL;
}

bool waiting_start(struct waiting *w, int dev, const struct way *way,
		   uint32_t flags, uint64_t addr, size_t nr_pages)
{
	memset(w, 0, sizeof(*w));
	w->dev = dev;
	w->way = way;
	w->flags = flags;
	w->addr = addr;
	w->nr_pages = nr_pages;
	gup_init(&w->gup, nr_pages);
	ranges_init(&w->got, nr_pages);
	return !pthread_create(&w->thread, NULL, call_loop, w);
}

void waiting_join(struct waiting *w)
{
	pthread_join(w->thread, NULL);
}

void waiting_free(struct waiting *w)
{
	if (w->handle)
		gup_release(w->dev, w->handle, false);
	gup_free(&w->gup);
	ranges_free(&w->got);
}

char waiting_state(const struct waiting *w)
{
	return task_state(getpid(), w->tid);
}

static void *bystander_loop(void *arg)
{
	struct bystander *b = arg;

	b->ok = b->deed(b->arg);
	b->done = true;
	return NULL;
}

bool bystander_start(struct bystander *b, deed_t deed, void *arg)
{
	memset(b, 0, sizeof(*b));
	b->deed = deed;
	b->arg = arg;
	return !pthread_create(&b->thread, NULL, bystander_loop, b);
}

bool bystander_done(struct bystander *b)
{
	const double limit = seconds() + HANGS;

	while (!b->done && seconds() < limit)
		usleep(1000);
	return b->done;
}

bool bystander_join(struct bystander *b)
{
	pthread_join(b->thread, NULL);
	return b->ok;
}

bool map_and_unmap(void *arg)
{
	char *p = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return false;
	*(volatile char *)p = 1;
	return !munmap(p, 2 * page_size());
}
