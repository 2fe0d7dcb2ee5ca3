/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A call that waits in a fault, in a thread of its own, and a bystander: another
 * thread that maps and unmaps memory meanwhile, for which it needs the mmap lock.
 */
#ifndef FAST_GUP_WAITING_H
#define FAST_GUP_WAITING_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>
#include "ranges_lib.h"

/* What can be called: pages, or ranges of them. */
struct way {
	const char *name;
	uint32_t entry;
	bool ranges;		/* .entry is one of enum fast_gup_ranges_entry */
	bool own;		/* the module's API */
	bool kernel;		/* served by the module while it provides */
	bool interruptible;	/* takes FAST_GUP_INTERRUPTIBLE */
	bool pin;
};

#define NR_WAYS	8
extern const struct way ways[NR_WAYS];

struct waiting {
	const struct way *way;
	int dev;
	uint32_t flags;
	uint64_t addr;
	size_t nr_pages;
	struct gup gup;
	struct ranges got;
	pthread_t thread;

	_Atomic pid_t tid;
	atomic_bool returned;
	/* Once it has returned: */
	int error;		/* of the ioctl */
	int64_t result;		/* pages, or -errno of the function */
	uint64_t fast_pages;
	uint32_t refusal;
	uint64_t handle;
};

/* Calls with FAST_GUP_HOLD; false: there is no thread to be had. */
bool waiting_start(struct waiting *w, int dev, const struct way *way,
		   uint32_t flags, uint64_t addr, size_t nr_pages);
void waiting_join(struct waiting *w);
/* Releases what it holds; after waiting_join(). */
void waiting_free(struct waiting *w);
/* The letter of /proc/PID/stat, 'D' in the middle of I/O; '?': it is gone. */
char waiting_state(const struct waiting *w);

/* What a bystander does, between the call's begin and end. */
typedef bool (*deed_t)(void *arg);

struct bystander {
	deed_t deed;
	void *arg;
	pthread_t thread;
	bool ok;
	atomic_bool done;
};

bool bystander_start(struct bystander *b, deed_t deed, void *arg);
/*
 * Has it come to an end?  Waits for that, and gives up after so long a time that
 * it hangs; then it must be let go before bystander_join().
 */
bool bystander_done(struct bystander *b);
/* What the deed returned. */
bool bystander_join(struct bystander *b);

/* A deed: mmap(), a touch, and munmap(). */
bool map_and_unmap(void *arg);

#endif /* FAST_GUP_WAITING_H */
