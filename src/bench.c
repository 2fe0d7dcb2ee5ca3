// SPDX-License-Identifier: GPL-2.0
/*
 * The benchmark's caller: gets memory of the current task call by call, and
 * releases it in the same pieces, with the clock read in between.
 *
 * It is C, in a file of its own, so that neither side can be inlined into it:
 * everything is called as a driver would call it.
 */

#include <linux/fast_gup.h>
#include <linux/gup_provider.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "bench.h"

/* What a run works with. */
struct run {
	struct fast_gup_bench *bench;
	unsigned long start, end;	/* user addresses */
	unsigned long step;		/* bytes of a call */
	unsigned int flags;

	/* What was got: either of the two. */
	struct page **pages;
	struct gup_range *ranges;
	unsigned long got;
	/* Of each call, where a call decides about the number. */
	unsigned int *per_call;
	unsigned long calls;
};

/*
 * The instruction has no effect.  A plugin of QEMU counts what is executed
 * between one of them and the next, see tools/bench/plugin.c.
 */
static __always_inline void mark(void)
{
#if defined(CONFIG_X86)
	asm volatile("testl $0x67757021, %%eax" : : : "cc", "memory");
#elif defined(CONFIG_PPC)
	asm volatile("cmplwi 7, 0, 0x6775" : : : "cr7", "memory");
#endif
}

/* The loop without what it is for; the compiler must not know that. */
static noinline long nothing(unsigned long start, long nr, unsigned int flags,
			     struct page **pages)
{
	asm volatile("" : "+r" (nr) : "r" (start), "r" (flags), "r" (pages));
	return nr;
}

static long c_get(unsigned long start, long nr, unsigned int flags,
		  struct page **pages)
{
	return get_user_pages_fast_at(GUP_SITE_REFERENCE, start, nr, flags, pages);
}

static long c_pin(unsigned long start, long nr, unsigned int flags,
		  struct page **pages)
{
	return pin_user_pages_fast_at(GUP_SITE_REFERENCE, start, nr, flags, pages);
}

static long kernel_get(unsigned long start, long nr, unsigned int flags,
		       struct page **pages)
{
	return get_user_pages_fast(start, nr, flags, pages);
}

static long kernel_pin(unsigned long start, long nr, unsigned int flags,
		       struct page **pages)
{
	return pin_user_pages_fast(start, nr, flags, pages);
}

typedef long (get_pages_t)(unsigned long, long, unsigned int, struct page **);

/*
 * Inlined for each of the functions, so that they are called directly.  A call
 * that gets less than it asked for has met memory that the benchmark is not
 * about.
 */
static __always_inline int pages_get(struct run *run, get_pages_t *get)
{
	unsigned long addr;

	for (addr = run->start; addr != run->end; addr += run->step) {
		long nr = get(addr, run->step >> PAGE_SHIFT, run->flags,
			      run->pages + run->got);

		if (nr > 0)
			run->got += nr;
		if (nr != run->step >> PAGE_SHIFT)
			return nr < 0 ? nr : -EFAULT;
		run->calls++;
	}
	return 0;
}

typedef long (get_ranges_t)(struct gup_cursor *, unsigned long, unsigned int,
			    struct gup_range *, unsigned long);

static __always_inline int ranges_get(struct run *run, get_ranges_t *get)
{
	unsigned long addr;

	for (addr = run->start; addr != run->end; addr += run->step) {
		unsigned long max = run->step >> PAGE_SHIFT;
		struct gup_cursor cursor = { .addr = addr };
		long nr = get(&cursor, run->step, run->flags,
			      run->ranges + run->got, max);

		if (nr > 0) {
			run->got += nr;
			run->per_call[run->calls] = nr;
			run->calls++;
		}
		if (cursor.addr != addr + run->step)
			return nr < 0 ? nr : -EFAULT;
	}
	return 0;
}

static int get(struct run *run)
{
	bool pin = run->bench->pin;

	switch (run->bench->caller) {
	case FAST_GUP_BENCH_NOTHING:
		return pages_get(run, nothing);
	case FAST_GUP_BENCH_C:
		return pin ? pages_get(run, c_pin) : pages_get(run, c_get);
	case FAST_GUP_BENCH_KERNEL:
		return pin ? pages_get(run, kernel_pin) : pages_get(run, kernel_get);
	case FAST_GUP_BENCH_PAGES:
		return pin ? pages_get(run, fast_gup_pin) : pages_get(run, fast_gup);
	case FAST_GUP_BENCH_RANGES:
		return pin ? ranges_get(run, fast_gup_pin_ranges) :
			     ranges_get(run, fast_gup_get_ranges);
	}
	return -EINVAL;
}

static void no_release(struct page **pages, unsigned long nr)
{
}

static void own_unpin(struct page **pages, unsigned long nr)
{
	fast_gup_unpin(pages, nr, FOLL_WRITE);
}

static void put_all(struct page **pages, unsigned long nr)
{
	unsigned long i;

	for (i = 0; i < nr; i++)
		put_page(pages[i]);
}

typedef void (put_pages_t)(struct page **, unsigned long);

static __always_inline void pages_put(struct run *run, put_pages_t *put)
{
	unsigned long nr, i;

	for (i = 0; i < run->got; i += nr) {
		nr = min(run->step >> PAGE_SHIFT, run->got - i);
		put(run->pages + i, nr);
	}
}

static __always_inline void ranges_put(struct run *run, bool pin)
{
	struct gup_range *range = run->ranges;
	unsigned long call;

	for (call = 0; call < run->calls; call++) {
		if (pin)
			fast_gup_unpin_ranges(range, run->per_call[call], false);
		else
			fast_gup_put_ranges(range, run->per_call[call]);
		range += run->per_call[call];
	}
}

static void put(struct run *run)
{
	bool pin = run->bench->pin;

	switch (run->bench->caller) {
	case FAST_GUP_BENCH_NOTHING:
		return pages_put(run, no_release);
	case FAST_GUP_BENCH_PAGES:
		return pin ? pages_put(run, own_unpin) : pages_put(run, put_all);
	case FAST_GUP_BENCH_RANGES:
		return ranges_put(run, pin);
	default:
		return pin ? pages_put(run, unpin_user_pages) : pages_put(run, put_all);
	}
}

/*
 * A timer that is late by as long as interrupts are off when it expires.  It
 * expires often enough to meet a long section at its beginning.
 */
#define LATE_PERIOD	5000

struct late {
	struct hrtimer timer;
	ktime_t worst;
};

static enum hrtimer_restart late_expired(struct hrtimer *timer)
{
	struct late *late = container_of(timer, struct late, timer);
	ktime_t by = ktime_sub(ktime_get(), hrtimer_get_expires(timer));

	if (by > late->worst)
		late->worst = by;
	hrtimer_forward_now(timer, ns_to_ktime(LATE_PERIOD));
	return HRTIMER_RESTART;
}

static void late_begin(struct late *late)
{
	late->worst = 0;
	hrtimer_setup_on_stack(&late->timer, late_expired, CLOCK_MONOTONIC,
			       HRTIMER_MODE_REL_PINNED_HARD);
	hrtimer_start(&late->timer, ns_to_ktime(LATE_PERIOD),
		      HRTIMER_MODE_REL_PINNED_HARD);
}

static u64 late_end(struct late *late)
{
	hrtimer_cancel(&late->timer);
	destroy_hrtimer_on_stack(&late->timer);
	return late->worst;
}

static int measure(struct run *run)
{
	struct fast_gup_bench *bench = run->bench;
	u64 before, between;
	struct late late;
	int err;

	if (bench->late)
		late_begin(&late);
	before = ktime_get_ns();
	mark();
	err = get(run);
	mark();
	between = ktime_get_ns();
	bench->get_ns = between - before;
	if (bench->late)
		bench->late_ns = late_end(&late);

	between = ktime_get_ns();
	mark();
	put(run);
	mark();
	bench->put_ns = ktime_get_ns() - between;
	bench->calls = run->calls;
	bench->entries = run->got;
	return err;
}

/* The caller has checked that the arrays will have a reasonable size. */
int fast_gup_bench(struct fast_gup_bench *bench)
{
	unsigned long nr = bench->nr_pages, calls;
	bool by_ranges = bench->caller == FAST_GUP_BENCH_RANGES;
	struct run run = {
		.bench = bench,
		.start = bench->addr,
		.end = bench->addr + (nr << PAGE_SHIFT),
		.step = (unsigned long)bench->per_call << PAGE_SHIFT,
		.flags = FOLL_WRITE,
	};
	int err = -ENOMEM;

	/* What does not fit a long must not become another request. */
	if (run.start != bench->addr || nr > LONG_MAX >> PAGE_SHIFT)
		return -ERANGE;
	if (!IS_ALIGNED(run.start, PAGE_SIZE) || nr % (unsigned long)bench->per_call)
		return -EINVAL;
	calls = nr / (unsigned long)bench->per_call;
	if (by_ranges) {
		run.ranges = kvmalloc_array(nr, sizeof(*run.ranges), GFP_KERNEL);
		run.per_call = kvmalloc_array(calls, sizeof(*run.per_call), GFP_KERNEL);
	} else {
		run.pages = kvmalloc_array(nr, sizeof(*run.pages), GFP_KERNEL);
	}
	if (by_ranges ? run.ranges && run.per_call : !!run.pages)
		err = measure(&run);
	kvfree(run.per_call);
	kvfree(run.ranges);
	kvfree(run.pages);
	return err;
}
