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

static void walk(struct fast_gup_stay *stay, u32 *word)
{
	struct mm_struct *outer;
	unsigned long flags;

	local_irq_save(flags);
	outer = begin_lockless_pgtbl_walk(current->mm);
	if (stay->walk != FAST_GUP_STAY_OWN)
		walk_inside(stay, word);
	if (stay->walk != FAST_GUP_STAY_INNER)
		stay_there(stay, word);
	end_lockless_pgtbl_walk(outer);
	local_irq_restore(flags);
}

/* The caller has checked the structure. */
int fast_gup_stay(struct fast_gup_stay *stay)
{
	unsigned long addr = stay->word;
	struct page *page;
	void *mapped;

	if (addr != stay->word ||
	    pin_user_pages_fast(addr & PAGE_MASK, 1, FOLL_WRITE, &page) != 1)
		return -EFAULT;
	mapped = kmap_local_page(page);
	walk(stay, mapped + offset_in_page(addr));
	kunmap_local(mapped);
	unpin_user_page(page);
	return 0;
}
