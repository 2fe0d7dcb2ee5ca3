/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every fast_gup selftest needs: the device, the counters, the page map.
 *
 * Nothing here decides about pass or fail; that is for the tests.
 */
#ifndef FAST_GUP_LIB_H
#define FAST_GUP_LIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/fast_gup.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif

#define FAST_GUP_DEVICE	"/dev/fast_gup"

/* The base page size of the guest; never assume 4096. */
size_t page_size(void);

/* An entry of the ABI, by name. */
struct gup_entry {
	uint32_t entry;
	const char *name;
	bool pin;
	bool only;		/* never falls back */
	bool own;		/* the module's API */
	bool kernel;		/* served by the module while it provides */
	bool c_walk;		/* the C in mm/gup.c, always */
	uint32_t reference;	/* the C entry that must answer the same */
};

#define NR_GUP_ENTRIES	(FAST_GUP_ENTRY_MAX + 1)
extern const struct gup_entry gup_entries[NR_GUP_ENTRIES];

/* One call, with room for its pages; without room they are not reported. */
struct gup {
	struct fast_gup_call call;
	struct fast_gup_page *pages;
	size_t room;
};

void gup_init(struct gup *g, size_t room);
void gup_free(struct gup *g);

/*
 * Run one entry.  Returns 0 when the entry ran (its answer is in
 * g->call.result) or the -errno of the ioctl itself.
 */
int gup_run(int dev, struct gup *g, uint32_t entry, uint32_t flags,
	    uint64_t addr, int64_t nr_pages);
int gup_release(int dev, uint64_t handle, bool dirty);
int gup_copy(int dev, uint64_t handle, uint64_t offset, void *buf, size_t len,
	     bool to_pages);
int gup_info(int dev, struct fast_gup_info *info);

const char *refusal_name(uint32_t refusal);
/* "17", "-EFAULT": how an answer is printed. */
const char *answer_name(int64_t result, char *buf, size_t len);

/* Counters.  -1 when the file or the name is not there. */
long vmstat_read(const char *name);
long stats_read(const char *site, const char *key);

/* Pins taken and not yet released in the whole system. */
long pins_outstanding(void);
/* Pages of this process that are charged to RLIMIT_MEMLOCK as pinned: VmPin. */
long pages_charged(void);
/*
 * Wait until pins_outstanding() is @expected; I/O releases pins late.  In company,
 * nobody can tell their own from the others': whoever started all looks at the end.
 */
bool pins_settle(long expected, long *seen);

/* Do other tests run at the same time (FAST_GUP_COMPANY)? */
bool in_company(void);

/* /proc/self/pagemap */
#define PM_PRESENT	(1ULL << 63)
uint64_t pagemap_entry(const void *addr);
/* 0 when not present: page 0 is never a user page. */
uint64_t pfn_of(const void *addr);
/* The same of @nr pages in a row. */
void pfns_of(const void *addr, size_t nr, uint64_t *pfns);

/*
 * Wait until the page frames no longer hold what was got: anonymous memory, or
 * pages of large folios.  Some may be in use again at once, by anybody: few of
 * them do not count.
 */
#define PFN_ANON	(1ULL << 12)	/* as in /proc/kpageflags */
#define PFN_COMPOUND	(3ULL << 15)	/* head or tail */
bool pfns_freed(const uint64_t *pfns, long nr, uint64_t kind, long *still);

/*
 * New pages wait on each CPU for others to be put on the LRU lists with, and are
 * referenced until then; none of them does any more.
 */
bool lru_drain(void);

bool file_write(const char *path, const char *text);
long file_read_long(const char *path);
long env_long(const char *name, long dflt);

/* A letter of /proc/PID/task/TID/stat: R, S, D; ? if there is no such task. */
char task_state(pid_t pid, pid_t tid);
/* Takes a capability away from this process, or gives it back. */
bool set_capability(int capability, bool have);
double seconds(void);

/* A small generator with a printed seed, so that a failure can be repeated. */
struct random_state { uint64_t s; };
void random_seed(struct random_state *r, uint64_t seed);
uint64_t random_next(struct random_state *r);
uint64_t random_below(struct random_state *r, uint64_t n);

#endif /* FAST_GUP_LIB_H */
