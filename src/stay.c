// SPDX-License-Identifier: GPL-2.0
/*
 * Stays in a walk for as long as a test wants it to, so that the test can see
 * whether somebody waits for it.
 */

#include <linux/highmem.h>
#include <linux/lockless_pgtable_walk.h>
#include <linux/mm.h>
#include <linux/timekeeping.h>

#include "stay.h"

struct visit {
	struct fast_gup_stay *stay;
	u32 *word;
};

static void stay_there(struct fast_gup_stay *stay, u32 *word)
{
	u64 end = ktime_get_mono_fast_ns() + stay->most_ns;

	stay->cpu = smp_processor_id();
	/* Whoever reads it may rely on the walk. */
	smp_store_release(word, FAST_GUP_STAY_THERE);
	while (READ_ONCE(*word) == FAST_GUP_STAY_THERE &&
	       ktime_get_mono_fast_ns() < end)
		cpu_relax();
	/* Nobody may take it for being there behind its time. */
	stay->told = cmpxchg(word, FAST_GUP_STAY_THERE, FAST_GUP_STAY_OVER) !=
		     FAST_GUP_STAY_THERE;
}

/* As in an NMI: the mm is compared with others, and never looked into. */
static void walk_inside(struct fast_gup_stay *stay, u32 *word)
{
	struct mm_struct *other = (struct mm_struct *)stay;
	struct mm_struct *outer = begin_lockless_pgtbl_walk(other);

	if (stay->walk == FAST_GUP_STAY_INNER)
		stay_there(stay, word);
	end_lockless_pgtbl_walk(outer);
}

/* In a section of the walk. */
static void visit(void *arg)
{
	const struct visit *visit = arg;

	if (visit->stay->walk != FAST_GUP_STAY_OWN)
		walk_inside(visit->stay, visit->word);
	if (visit->stay->walk != FAST_GUP_STAY_INNER)
		stay_there(visit->stay, visit->word);
}

/* The caller has checked the structure. */
int fast_gup_stay(struct fast_gup_stay *stay, fast_gup_section_t *section)
{
	struct visit there = { .stay = stay };
	unsigned long addr = stay->word;
	struct page *page;
	void *mapped;

	if (addr != stay->word ||
	    pin_user_pages_fast(addr & PAGE_MASK, 1, FOLL_WRITE, &page) != 1)
		return -EFAULT;
	mapped = kmap_local_page(page);
	there.word = mapped + offset_in_page(addr);
	section(visit, &there);
	kunmap_local(mapped);
	unpin_user_page(page);
	return 0;
}
