/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/fast_gup: run one get or pin of user pages through a chosen entry
 * point, and look at what it returned.
 *
 * The device exists for the kselftests and the benchmark
 * (CONFIG_FAST_GUP_TEST).  Opening it needs CAP_SYS_ADMIN, because page frame
 * numbers are reported, as in /proc/PID/pagemap.
 *
 * Every structure starts with its size and the ABI version.  A size or version
 * the kernel does not know, an unknown flag bit, or a reserved field that is
 * not zero is refused with EINVAL before anything is done.
 */
#ifndef _UAPI_LINUX_FAST_GUP_H
#define _UAPI_LINUX_FAST_GUP_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define FAST_GUP_ABI_VERSION	1

/*
 * The entry point that serves a request.  The first group is the module's own
 * API, whether or not it serves the kernel's callers.  The second group is the
 * kernel's API: while the module provides the walk (provide=1) these go
 * through it as well, otherwise they run the C in mm/gup.c.  The third group is
 * the kernel's C walk, always, for comparison in one boot.
 */
enum fast_gup_entry {
	FAST_GUP_ENTRY_GET = 0,		/* fast_gup() */
	FAST_GUP_ENTRY_GET_ONLY = 1,	/* fast_gup_only() */
	FAST_GUP_ENTRY_PIN = 2,		/* fast_gup_pin() */

	FAST_GUP_ENTRY_KERNEL_GET = 3,		/* get_user_pages_fast() */
	FAST_GUP_ENTRY_KERNEL_GET_ONLY = 4,	/* get_user_pages_fast_only() */
	FAST_GUP_ENTRY_KERNEL_PIN = 5,		/* pin_user_pages_fast() */

	FAST_GUP_ENTRY_C_GET = 6,	/* as KERNEL_GET, C walk */
	FAST_GUP_ENTRY_C_GET_ONLY = 7,	/* as KERNEL_GET_ONLY, C walk */
	FAST_GUP_ENTRY_C_PIN = 8,	/* as KERNEL_PIN, C walk */

	FAST_GUP_ENTRY_SLOW_GET = 9,	/* get_user_pages_unlocked() */
	FAST_GUP_ENTRY_SLOW_PIN = 10,	/* pin_user_pages_unlocked() */

	FAST_GUP_ENTRY_MAX = 10,
};

/* What the caller asks for; the names are those of FOLL_*. */
#define FAST_GUP_WRITE			(1u << 0)
#define FAST_GUP_LONGTERM		(1u << 1)
#define FAST_GUP_NOFAULT		(1u << 2)
#define FAST_GUP_PCI_P2PDMA		(1u << 3)
#define FAST_GUP_HONOR_NUMA_FAULT	(1u << 4)
/* FOLL_FORCE: the module's own API does not offer it (EINVAL). */
#define FAST_GUP_FORCE			(1u << 5)
#define FAST_GUP_INTERRUPTIBLE		(1u << 6)
/* Keep what was got until FAST_GUP_IOC_RELEASE or close. */
#define FAST_GUP_HOLD			(1u << 16)
#define FAST_GUP_FLAGS	(FAST_GUP_WRITE | FAST_GUP_LONGTERM | \
			 FAST_GUP_NOFAULT | FAST_GUP_PCI_P2PDMA | \
			 FAST_GUP_HONOR_NUMA_FAULT | FAST_GUP_FORCE | \
			 FAST_GUP_INTERRUPTIBLE | FAST_GUP_HOLD)

/* Why the walk stopped before the end of a request. */
enum fast_gup_refusal {
	FAST_GUP_REFUSED_NOT = 0,	/* nothing was refused */
	FAST_GUP_REFUSED_ABSENT = 1,	/* no entry, or not present */
	FAST_GUP_REFUSED_PROTNONE = 2,	/* PROT_NONE or a NUMA hint */
	FAST_GUP_REFUSED_PERMISSION = 3,/* not user, or not writable */
	FAST_GUP_REFUSED_KEY = 4,	/* protection key */
	FAST_GUP_REFUSED_SPECIAL = 5,	/* no struct page behind it */
	FAST_GUP_REFUSED_BAD = 6,	/* an entry no user table holds */
	FAST_GUP_REFUSED_REFERENCE = 7,	/* no reference could be taken */
	FAST_GUP_REFUSED_P2PDMA = 8,	/* peer-to-peer memory, not asked for */
	FAST_GUP_REFUSED_LONGTERM = 9,	/* memory that must stay movable */
	FAST_GUP_REFUSED_CHANGED = 10,	/* an entry changed under the walk */
	FAST_GUP_REFUSED_FOLIO = 11,	/* secretmem, or file-backed LONGTERM */
	FAST_GUP_REFUSED_SHARED = 12,	/* anonymous page not exclusive */
	FAST_GUP_REFUSED_FORK = 13,	/* fork() write-protected meanwhile */
	FAST_GUP_REFUSED_MAX = 13,
};

/* One page of a result. */
struct fast_gup_page {
	__u64 pfn;
	__u32 order;		/* of its folio */
	__u32 flags;		/* FAST_GUP_PAGE_* */
};

#define FAST_GUP_PAGE_ANON	(1u << 0)
#define FAST_GUP_PAGE_HUGETLB	(1u << 1)
#define FAST_GUP_PAGE_ZERO	(1u << 2)	/* the zero page: no pin taken */
#define FAST_GUP_PAGE_HIGHMEM	(1u << 3)

struct fast_gup_call {
	__u32 size;		/* sizeof(struct fast_gup_call) */
	__u32 version;		/* FAST_GUP_ABI_VERSION */
	__u32 entry;		/* enum fast_gup_entry */
	__u32 flags;		/* FAST_GUP_* */
	__u64 addr;		/* passed on as it is */
	__s64 nr_pages;		/* passed on as it is */
	__u64 pages;		/* struct fast_gup_page[max_pages], or 0 */
	__u64 max_pages;	/* room in pages[], in entries */

	/* Filled in by the kernel. */
	__s64 result;		/* number of pages, or -errno of the entry */
	__u64 handle;		/* with HOLD and result > 0: names the pages */
	__u64 fast_pages;	/* pages the lockless walk returned */
	__u64 sections;		/* interrupts-off sections of the walk */
	__u64 longest_section;	/* most entries one section looked at */
	__u64 wasted;		/* references taken and given back */
	__u32 refusal;		/* enum fast_gup_refusal */
	__u32 reserved;		/* 0 */
};

/* The function that serves a request for ranges; those of the module alone. */
enum fast_gup_ranges_entry {
	FAST_GUP_RANGES_PIN = 0,	/* fast_gup_pin_ranges() */
	FAST_GUP_RANGES_GET = 1,	/* fast_gup_get_ranges() */
	FAST_GUP_RANGES_PIN_BLOCKS = 2,	/* fast_gup_pin_range_blocks() */
	FAST_GUP_RANGES_GET_BLOCKS = 3,	/* fast_gup_get_range_blocks() */

	FAST_GUP_RANGES_MAX = 3,
};

/* One range of a result. */
struct fast_gup_range_info {
	__u64 pfn;		/* of the first page */
	__u64 nr_pages;
	__u32 order;		/* of its folio */
	__u32 flags;		/* FAST_GUP_PAGE_* */
	__u32 refs;		/* references to the folio, all in all */
	__u32 index;		/* of the first page in the folio */
};

struct fast_gup_ranges {
	__u32 size;		/* sizeof(struct fast_gup_ranges) */
	__u32 version;		/* FAST_GUP_ABI_VERSION */
	__u32 entry;		/* enum fast_gup_ranges_entry */
	__u32 flags;		/* FAST_GUP_* */
	__u64 addr;		/* the cursor, as the function has left it */
	__u64 len;		/* bytes; passed on as it is */
	__u64 max;		/* ranges, or blocks; passed on as it is */
	__u64 ranges;		/* struct fast_gup_range_info[max_ranges], or 0 */
	__u64 max_ranges;	/* room in ranges[], in entries */

	/* Filled in by the kernel. */
	__s64 result;		/* number of ranges, or -errno of the function */
	__u64 handle;		/* with HOLD and result > 0: names the ranges */
	__u64 fast_pages;	/* pages the lockless walk returned */
	__u64 sections;		/* interrupts-off sections of the walk */
	__u64 longest_section;	/* most entries one section looked at */
	__u64 wasted;		/* references taken and given back */
	__u32 refusal;		/* enum fast_gup_refusal */
	__u32 reserved;		/* 0 */
};

struct fast_gup_split {
	__u32 size;
	__u32 version;
	__u64 handle;
	__u64 range;		/* number of the range, from 0 on */
	__u64 at;		/* passed on as it is */

	/* Filled in by the kernel. */
	__s64 result;		/* 0, or -errno of the function */
	__u64 rest;		/* with result 0: a handle of the second half */
};

struct fast_gup_pack {
	__u32 size;
	__u32 version;
	__u64 handle;
	__u64 max_blocks;	/* blocks to pack the ranges into */

	/* Filled in by the kernel. */
	__u64 packed;		/* ranges that there was room for */
	__u64 blocks;		/* blocks used */
	__u64 pages;		/* pages of the packed ranges */
};

struct fast_gup_release {
	__u32 size;
	__u32 version;
	__u64 handle;
	__u32 dirty;		/* 1: mark the pages dirty; they must be pins */
	__u32 reserved;		/* 0 */
};

/* Copies between a buffer and pages held; through the kernel's mapping. */
struct fast_gup_copy {
	__u32 size;
	__u32 version;
	__u64 handle;
	__u64 offset;		/* bytes from the start of the first page */
	__u64 len;		/* bytes */
	__u64 buf;
	__u32 to_pages;		/* 0: pages to buffer, 1: buffer to pages */
	__u32 reserved;		/* 0 */
};

struct fast_gup_info {
	__u32 size;
	__u32 version;		/* set by the kernel as well */
	__u32 page_size;	/* bytes */
	__u32 levels;		/* of the tables walked */
	__u32 max_section;	/* entries */
	__u32 providing;	/* 1: serving the kernel's callers */
	char format[16];	/* "x86_64", ... */
};

/*
 * Whom FAST_GUP_IOC_BENCH calls.  C is what the kernel does without this module,
 * also while it provides the walk.
 */
enum fast_gup_bench_caller {
	FAST_GUP_BENCH_NOTHING = 0,	/* the loop alone */
	FAST_GUP_BENCH_C = 1,		/* {get,pin}_user_pages_fast(), C walk */
	FAST_GUP_BENCH_KERNEL = 2,	/* the same, with the walk provided */
	FAST_GUP_BENCH_PAGES = 3,	/* fast_gup(), fast_gup_pin() */
	FAST_GUP_BENCH_RANGES = 4,	/* fast_gup_{get,pin}_ranges() */

	FAST_GUP_BENCH_MAX = 4,
};

/* Gets memory for writing, in calls of equal length, and releases it again. */
struct fast_gup_bench {
	__u32 size;
	__u32 version;
	__u32 caller;		/* enum fast_gup_bench_caller */
	__u32 pin;		/* 1: pins, 0: references */
	__u64 addr;		/* aligned to a page, present, and writable */
	__u64 nr_pages;		/* all in all, a multiple of: */
	__u64 per_call;		/* pages that a call asks for */
	__u32 late;		/* 1: fill in .late_ns, which costs time */
	__u32 reserved;		/* 0 */

	/* Filled in by the kernel. */
	__u64 calls;
	__u64 entries;		/* pages or ranges that were returned */
	__u64 get_ns;		/* all calls that get */
	__u64 put_ns;		/* all calls that release */
	__u64 late_ns;		/* longest delay of a timer's interrupt */
};

/* Where FAST_GUP_IOC_STAY stays. */
enum fast_gup_stay_walk {
	FAST_GUP_STAY_OWN = 0,		/* in a section of the module's walk */
	FAST_GUP_STAY_INNER = 1,	/* in one of another mm, inside of it */
	FAST_GUP_STAY_OUTER = 2,	/* in it again, the inner one is over */

	FAST_GUP_STAY_MAX = 2,
};

/* What FAST_GUP_IOC_STAY writes to .word: it is there, its time was over. */
#define FAST_GUP_STAY_THERE	1
#define FAST_GUP_STAY_OVER	2

/*
 * Stays in a walk that looks at nothing, interrupts off, until another number is
 * written to .word, or for .most_ns.
 */
struct fast_gup_stay {
	__u32 size;
	__u32 version;
	__u32 walk;		/* enum fast_gup_stay_walk */
	__u32 reserved;		/* 0 */
	__u64 word;		/* address of a __u32, present and writable */
	__u64 most_ns;		/* not more than FAST_GUP_STAY_MOST_NS */

	/* Filled in by the kernel. */
	__u32 told;		/* 0: the time was over */
	__u32 cpu;		/* where it was */
};

#define FAST_GUP_STAY_MOST_NS	2000000000ULL

/*
 * All calls: EINVAL for a malformed structure, EFAULT for a bad pointer, ENOTTY
 * for a call that is not known.
 */
#define FAST_GUP_IOC_MAGIC	'G'
#define FAST_GUP_IOC_INFO	_IOWR(FAST_GUP_IOC_MAGIC, 0x80, struct fast_gup_info)
/*
 * Returns 0 once the entry has run: the entry's own answer is in .result.
 * Otherwise the entry has not run:
 *  EINVAL	besides the above, what an entry of the kernel would WARN about:
 *		LONGTERM with a get or with PCI_P2PDMA, INTERRUPTIBLE with a fast
 *		one; pages[] without max_pages or the other way round
 *  ERANGE	.nr_pages does not fit the int that an entry of the kernel takes;
 *		.addr or .nr_pages do not fit a long of this kernel
 *  E2BIG	a valid range, but more than 2^22 pages; or, for an entry of a 32-bit
 *		kernel, a number of pages whose length it would cut to a valid one
 *  EBUSY	too many calls at the same time
 *  ENOMEM	no memory for the array
 * With HOLD, ENOSPC if the file holds too much: the pages are released.
 */
#define FAST_GUP_IOC_CALL	_IOWR(FAST_GUP_IOC_MAGIC, 0x81, struct fast_gup_call)
/*
 * ENOENT for a handle that is not held by this file, EBADF for .dirty with
 * pages that are not pinned for writing: they stay held.
 */
#define FAST_GUP_IOC_RELEASE	_IOW(FAST_GUP_IOC_MAGIC, 0x82, struct fast_gup_release)
/* ENOENT as above, ERANGE outside the pages held, EBADF to write to pages got for reading. */
#define FAST_GUP_IOC_COPY	_IOW(FAST_GUP_IOC_MAGIC, 0x83, struct fast_gup_copy)
/*
 * Ranges instead of pages.  As FAST_GUP_IOC_CALL: returns 0 once the function
 * has run.  What it holds is released and copied by its handle, as pages are.
 *  EINVAL	ranges[] without max_ranges or the other way round
 *  ERANGE	.addr, .len or .max do not fit a long of this kernel
 *  E2BIG	.max is more than 2^20 ranges, or 2^12 blocks
 */
#define FAST_GUP_IOC_RANGES	_IOWR(FAST_GUP_IOC_MAGIC, 0x84, struct fast_gup_ranges)
/*
 * fast_gup_split_range() or fast_gup_split_got_range() of one of the ranges
 * held.  ENOENT for a handle that is not one of ranges, ERANGE for a range that
 * it does not have.
 */
#define FAST_GUP_IOC_SPLIT	_IOWR(FAST_GUP_IOC_MAGIC, 0x85, struct fast_gup_split)
/*
 * Packs the ranges held and unpacks them: as many as there was room for are
 * those that were unpacked, afterwards.  ENOENT as above, E2BIG as above.
 */
#define FAST_GUP_IOC_PACK	_IOWR(FAST_GUP_IOC_MAGIC, 0x86, struct fast_gup_pack)
/*
 * E2BIG for too many pages, ERANGE if .addr or the length do not fit a long of
 * this kernel, EFAULT if a call got less than it asked for, or its own answer:
 * what was got has been released, and nothing is known of its time.
 */
#define FAST_GUP_IOC_BENCH	_IOWR(FAST_GUP_IOC_MAGIC, 0x8f, struct fast_gup_bench)
/* EFAULT if there is no memory at .word. */
#define FAST_GUP_IOC_STAY	_IOWR(FAST_GUP_IOC_MAGIC, 0x90, struct fast_gup_stay)

#endif /* _UAPI_LINUX_FAST_GUP_H */
