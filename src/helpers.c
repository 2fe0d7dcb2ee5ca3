// SPDX-License-Identifier: GPL-2.0
/*
 * What Rust cannot do: per-CPU counters, macros of the memory model, and
 * exporting symbols from a module.
 */

#include <linux/debugfs.h>
#include <linux/export.h>
#include <linux/fast_gup.h>
#include <linux/gup_owner.h>
#include <linux/lockless_pgtable_walk.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/pfn.h>
#include <linux/seq_file.h>
#include <linux/vmstat.h>
#include <uapi/linux/fast_gup.h>

#include "helpers.h"

/* The Rust side of the same is in device/abi.rs, with the same numbers. */
static_assert(sizeof(struct fast_gup_page) == 16);
static_assert(sizeof(struct fast_gup_call) == 104);
static_assert(offsetof(struct fast_gup_call, result) == 48);
static_assert(offsetof(struct fast_gup_call, refusal) == 96);
static_assert(sizeof(struct fast_gup_release) == 24);
static_assert(sizeof(struct fast_gup_copy) == 48);
static_assert(sizeof(struct fast_gup_info) == 40);
static_assert(sizeof(struct fast_gup_range_info) == 32);
static_assert(sizeof(struct fast_gup_ranges) == 112);
static_assert(offsetof(struct fast_gup_ranges, result) == 56);
static_assert(sizeof(struct fast_gup_split) == 48);
static_assert(sizeof(struct fast_gup_pack) == 48);
static_assert(sizeof(struct fast_gup_bench) == 88);
static_assert(offsetof(struct fast_gup_bench, late_ns) == 80);
static_assert(sizeof(struct fast_gup_stay) == 40);
static_assert(offsetof(struct fast_gup_stay, told) == 32);
static_assert(FAST_GUP_REFUSED_MAX + 1 == FAST_GUP_REFUSALS);

/*
 * Each CPU counts for itself, so that the walk writes to no cache line that
 * another CPU writes to.
 */
static DEFINE_PER_CPU(struct fast_gup_counters, fast_gup_counters);

/*
 * Calls for one page that got it, all in all a section with one entry: one
 * number, from which fast_gup_sum() has the others.
 */
static DEFINE_PER_CPU(unsigned long [FAST_GUP_SITES][2], fast_gup_ones);

/* As fast_gup_count(), for these. */
void fast_gup_count_one(unsigned int site, bool pin)
{
	if (WARN_ON_ONCE(site >= FAST_GUP_SITES))
		site = GUP_SITE_OTHER;
	this_cpu_inc(fast_gup_ones[site][pin]);
	count_vm_event(FAST_GUP);
}

/*
 * Called once per walk, in any context.  this_cpu operations are safe against
 * interrupts, and on x86 against NMIs; elsewhere an NMI may cost a count.
 */
void fast_gup_count(unsigned int site, bool pin, bool fast_only,
		    unsigned long requested, const struct fast_gup_tally *tally)
{
	struct fast_gup_site_counters __percpu *counters;

	if (WARN_ON_ONCE(site >= FAST_GUP_SITES))
		site = GUP_SITE_OTHER;
	counters = &fast_gup_counters.site[site];

	this_cpu_inc(counters->calls);
	if (tally->pages) {
		this_cpu_add(counters->pages, tally->pages);
		count_vm_events(FAST_GUP, tally->pages);
		if (pin)
			this_cpu_add(fast_gup_counters.pins, tally->pages);
		else
			this_cpu_add(fast_gup_counters.gets, tally->pages);
	}
	if (tally->pages == requested) {
		this_cpu_inc(counters->fast_calls);
	} else {
		this_cpu_inc(counters->refused[tally->refusal]);
		if (!fast_only) {
			this_cpu_inc(counters->slow_calls);
			count_vm_event(FAST_GUP_SLOW);
		}
	}
	if (unlikely(tally->wasted))
		this_cpu_add(fast_gup_counters.wasted, tally->wasted);
	this_cpu_add(fast_gup_counters.sections, tally->sections);
	if (tally->longest_section > this_cpu_read(fast_gup_counters.longest_section))
		this_cpu_write(fast_gup_counters.longest_section, tally->longest_section);
}

static void add_ones(struct fast_gup_counters *sum, unsigned int site,
		     unsigned long gets, unsigned long pins)
{
	unsigned long calls = gets + pins;

	sum->site[site].calls += calls;
	sum->site[site].pages += calls;
	sum->site[site].fast_calls += calls;
	sum->sections += calls;
	sum->gets += gets;
	sum->pins += pins;
	if (calls)
		sum->longest_section = max(sum->longest_section, 1UL);
}

/* The sums over all CPUs, which count on meanwhile. */
void fast_gup_sum(struct fast_gup_counters *sum)
{
	unsigned int cpu, site, i;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		const struct fast_gup_counters *from = per_cpu_ptr(&fast_gup_counters, cpu);

		for (site = 0; site < FAST_GUP_SITES; site++) {
			add_ones(sum, site, per_cpu(fast_gup_ones, cpu)[site][false],
				 per_cpu(fast_gup_ones, cpu)[site][true]);
			sum->site[site].calls += from->site[site].calls;
			sum->site[site].pages += from->site[site].pages;
			sum->site[site].fast_calls += from->site[site].fast_calls;
			sum->site[site].slow_calls += from->site[site].slow_calls;
			for (i = 0; i < FAST_GUP_REFUSALS; i++)
				sum->site[site].refused[i] += from->site[site].refused[i];
		}
		sum->sections += from->sections;
		sum->wasted += from->wasted;
		sum->pins += from->pins;
		sum->gets += from->gets;
		sum->longest_section = max(sum->longest_section, from->longest_section);
	}
}

/*
 * Looking first, without the lock, is right for the reasons that
 * unpin_user_pages_dirty_lock() gives.
 */
void fast_gup_mark_dirty(struct page *page)
{
	struct folio *folio = page_folio(page);

	if (!folio_test_dirty(folio))
		folio_mark_dirty_lock(folio);
}

#ifdef CONFIG_X86_PAE
/* Behind the last page that has a struct page; there is no memory hotplug. */
u64 fast_gup_memory_end(void)
{
#ifdef CONFIG_FLATMEM
	return PFN_PHYS(ARCH_PFN_OFFSET + max_mapnr);
#else
	return 1ULL << MAX_PHYSMEM_BITS;
#endif
}
#endif

EXPORT_SYMBOL_GPL(fast_gup);
EXPORT_SYMBOL_GPL(fast_gup_only);
EXPORT_SYMBOL_GPL(fast_gup_pin);
EXPORT_SYMBOL_GPL(fast_gup_unpin);
EXPORT_SYMBOL_GPL(fast_gup_pin_ranges);
EXPORT_SYMBOL_GPL(fast_gup_get_ranges);
EXPORT_SYMBOL_GPL(fast_gup_pin_range_blocks);
EXPORT_SYMBOL_GPL(fast_gup_get_range_blocks);
EXPORT_SYMBOL_GPL(fast_gup_unpin_ranges);
EXPORT_SYMBOL_GPL(fast_gup_put_ranges);
EXPORT_SYMBOL_GPL(fast_gup_split_range);
EXPORT_SYMBOL_GPL(fast_gup_split_got_range);
EXPORT_SYMBOL_GPL(fast_gup_pack_ranges);
EXPORT_SYMBOL_GPL(fast_gup_unpack_ranges);
EXPORT_SYMBOL_GPL(fast_gup_packed_pages);

DEFINE_SHOW_ATTRIBUTE(gup_owners);
#ifdef CONFIG_LOCKLESS_PGTABLE_WALK
DEFINE_SHOW_ATTRIBUTE(lockless_pgtable_walk);
#endif

/* What is the kernel's own, who shows it through a struct seq_file. */
void fast_gup_add_kernel_files(void)
{
	struct dentry *dir = debugfs_lookup("fast_gup", NULL);

	if (!dir)
		return;
	debugfs_create_file("pins", 0400, dir, NULL, &gup_owners_fops);
#ifdef CONFIG_LOCKLESS_PGTABLE_WALK
	debugfs_create_file("walk_sync", 0400, dir, NULL, &lockless_pgtable_walk_fops);
#endif
	dput(dir);
}
