/* SPDX-License-Identifier: GPL-2.0 */
/* What Rust and C of this module share; the Rust side is in ffi.rs. */
#ifndef _FAST_GUP_HELPERS_H
#define _FAST_GUP_HELPERS_H

#include <linux/gup_provider.h>

/* Refusal::COUNT */
#define FAST_GUP_REFUSALS	14

/* One per named call site of the kernel, and one for the module's own API. */
#define FAST_GUP_SITE_API	GUP_SITE_REFERENCE
#define FAST_GUP_SITES		(FAST_GUP_SITE_API + 1)

/* walk::Tally */
struct fast_gup_tally {
	unsigned long pages;
	unsigned long wasted;
	unsigned long sections;
	unsigned long longest_section;
	unsigned int refusal;
};

struct fast_gup_site_counters {
	unsigned long calls;
	unsigned long pages;
	unsigned long fast_calls;
	unsigned long slow_calls;
	unsigned long refused[FAST_GUP_REFUSALS];
};

struct fast_gup_counters {
	struct fast_gup_site_counters site[FAST_GUP_SITES];
	unsigned long sections;
	unsigned long longest_section;
	unsigned long wasted;
	unsigned long pins;
	unsigned long gets;
};

void fast_gup_count(unsigned int site, bool pin, bool fast_only,
		    unsigned long requested, const struct fast_gup_tally *tally);
void fast_gup_count_one(unsigned int site, bool pin);
void fast_gup_sum(struct fast_gup_counters *sum);
void fast_gup_mark_dirty(struct page *page);
void fast_gup_add_kernel_files(void);
#ifdef CONFIG_X86_PAE
u64 fast_gup_memory_end(void);
#endif

#endif /* _FAST_GUP_HELPERS_H */
