/* SPDX-License-Identifier: GPL-2.0 */
/*
 * User addresses to referenced or pinned pages, without a lock where the page
 * tables have the answer.
 *
 * All functions work on the memory of the current task.  The pages come in the
 * order of their addresses.  What could be got is kept: a call that gets some
 * of the pages returns their number, and fails only when it gets none.
 */
#ifndef _LINUX_FAST_GUP_H
#define _LINUX_FAST_GUP_H

#include <linux/mm_types.h>
#include <linux/gup_ranges.h>
#include <linux/types.h>

/**
 * fast_gup() - take references to pages of the current task
 * @start:	user address; rounded down to its page
 * @nr_pages:	number of pages
 * @gup_flags:	FOLL_WRITE if the pages will be written to; FOLL_NOFAULT,
 *		FOLL_PCI_P2PDMA, FOLL_INTERRUPTIBLE, FOLL_HONOR_NUMA_FAULT as for
 *		get_user_pages()
 * @pages:	receives the pages; must have room for @nr_pages
 *
 * Walks the page tables without a lock.  What it cannot get in this way it
 * gets with get_user_pages(), which takes the mmap_lock, and drops it while a
 * fault waits.  A fatal signal ends the wait, and with FOLL_INTERRUPTIBLE any
 * signal does; what was got up to then is returned.
 *
 * Each page has one reference more, to be dropped with put_page().  A
 * reference keeps the memory of the page, and does not say what fork() or the
 * file system may do to it meanwhile: whoever wants to *access* the contents
 * wants fast_gup_pin().
 *
 * Context: Process context.  May sleep.
 * Return: The number of pages, 0 if @nr_pages is 0, or if there is no page:
 *	   -EFAULT	for an address outside of user space, without a mapping,
 *			or without the permission asked for;
 *	   -EOVERFLOW	if the range wraps around, or its length does (on 64-bit
 *			machines, is more than LONG_MAX);
 *	   -EINVAL	for other flags than those above;
 *	   -EINTR	if a signal has ended the wait for the first page; -EAGAIN
 *			if a fatal one has ended that for the mmap_lock; or what
 *			get_user_pages() returns.
 */
long fast_gup(unsigned long start, long nr_pages, unsigned int gup_flags,
	      struct page **pages);

/**
 * fast_gup_only() - take references to pages, without sleeping
 * @start:	user address; rounded down to its page
 * @nr_pages:	number of pages
 * @gup_flags:	as for fast_gup()
 * @pages:	receives the pages; must have room for @nr_pages
 *
 * As fast_gup(), but returns what can be got without a lock, which may be
 * nothing at any time.
 *
 * Context: Any context, with interrupts on or off, NMIs included.
 * Return: The number of pages, which may be 0; or an error of the arguments:
 *	   -EFAULT, -EOVERFLOW, -EINVAL as for fast_gup().
 */
long fast_gup_only(unsigned long start, long nr_pages, unsigned int gup_flags,
		   struct page **pages);

/**
 * fast_gup_pin() - pin pages of the current task
 * @start:	user address; rounded down to its page
 * @nr_pages:	number of pages
 * @gup_flags:	as for fast_gup(); and FOLL_LONGTERM if the pins will not be
 *		dropped soon, not together with FOLL_PCI_P2PDMA
 * @pages:	receives the pages; must have room for @nr_pages
 *
 * As fast_gup(), with pins: the owner may access the contents, see
 * Documentation/core-api/pin_user_pages.rst.  The page of zeros takes no pin.
 *
 * Context: Process context.  May sleep.
 * Return: As fast_gup(); -ENOMEM if memory could not be moved for a long-term
 *	   pin.
 */
long fast_gup_pin(unsigned long start, long nr_pages, unsigned int gup_flags,
		  struct page **pages);

/**
 * fast_gup_unpin() - drop pins
 * @pages:	pages that fast_gup_pin() has returned
 * @nr_pages:	number of pages
 * @gup_flags:	the flags that they were pinned with
 *
 * Does not mark the pages dirty: whoever has written to them calls
 * unpin_user_pages_dirty_lock() instead.
 *
 * Context: Process or interrupt context, not NMI.  Does not sleep.
 */
void fast_gup_unpin(struct page **pages, unsigned long nr_pages,
		    unsigned int gup_flags);

/**
 * fast_gup_pin_ranges() - pin ranges of pages of the current task
 * @cursor:	user address to begin at; moved behind what was pinned
 * @len:	bytes from there on
 * @gup_flags:	as for fast_gup_pin()
 * @ranges:	receives the ranges; must have room for @max
 * @max:	most ranges to return, at least 1
 *
 * As fast_gup_pin(), for all the pages that the bytes lie in, but with one pin
 * for each range of consecutive pages of one folio.  Two ranges of a call are
 * never consecutive pages of one folio.  A caller that wants all of @len calls
 * again until the cursor is there:
 *
 *	struct gup_cursor cursor = { .addr = start };
 *
 *	while (cursor.addr != end) {
 *		nr = fast_gup_pin_ranges(&cursor, end - cursor.addr, FOLL_WRITE,
 *					 ranges, max);
 *		if (nr <= 0)
 *			break;
 *		...
 *	}
 *
 * When @max is reached, the last range still grows as far as its folio goes on.
 * If @max is enough for all entries of a table of pages, or of huge pages,
 * which is 512 on x86, a call ends in front of a table that it has no longer
 * enough room for, and the next one begins with it.  A call may therefore
 * return less than @max ranges, and not be at the end.
 *
 * The pin of a range is counted as one in nr_foll_pin_acquired of /proc/vmstat,
 * and as one in nr_foll_pin_released when it is dropped, however many pages the
 * range has.  The page of zeros is a range of one page, and takes no pin.
 *
 * Context: Process context.  May sleep.
 * Return: The number of ranges, 0 if @len is 0; or if there is none, and then
 *	   the cursor has not moved:
 *	   -EINVAL	also if @max is 0;
 *	   others	as fast_gup_pin().
 */
long fast_gup_pin_ranges(struct gup_cursor *cursor, unsigned long len,
			 unsigned int gup_flags, struct gup_range *ranges,
			 unsigned long max);

/**
 * fast_gup_get_ranges() - take references to ranges of pages of the current task
 * @cursor:	user address to begin at; moved behind what was got
 * @len:	bytes from there on
 * @gup_flags:	as for fast_gup()
 * @ranges:	receives the ranges; must have room for @max
 * @max:	most ranges to return, at least 1
 *
 * As fast_gup_pin_ranges(), with references, to be dropped with
 * fast_gup_put_ranges(): what fast_gup() is to fast_gup_pin().  The page of
 * zeros has a reference as any other.
 *
 * Context: Process context.  May sleep.
 * Return: As fast_gup_pin_ranges(); errors as fast_gup().
 */
long fast_gup_get_ranges(struct gup_cursor *cursor, unsigned long len,
			 unsigned int gup_flags, struct gup_range *ranges,
			 unsigned long max);

/* A block of ranges, whatever the size of a page is. */
#define FAST_GUP_BLOCK_SIZE	4096UL
#define FAST_GUP_BLOCK_RANGES	\
	(FAST_GUP_BLOCK_SIZE / sizeof(struct gup_range))

/**
 * fast_gup_pin_range_blocks() - pin ranges, returned in blocks
 * @cursor:	user address to begin at; moved behind what was pinned
 * @len:	bytes from there on
 * @gup_flags:	as for fast_gup_pin()
 * @blocks:	blocks of FAST_GUP_BLOCK_RANGES ranges, which receive them
 * @nr_blocks:	number of blocks, at least 1
 *
 * As fast_gup_pin_ranges(), for callers that have single pages of memory and
 * not an array: block after block is filled to its end.
 *
 * Context: Process context.  May sleep.
 * Return: As fast_gup_pin_ranges().
 */
long fast_gup_pin_range_blocks(struct gup_cursor *cursor,
			       unsigned long len, unsigned int gup_flags,
			       struct gup_range **blocks,
			       unsigned long nr_blocks);

/**
 * fast_gup_get_range_blocks() - take references, with the ranges in blocks
 * @cursor:	user address to begin at; moved behind what was got
 * @len:	bytes from there on
 * @gup_flags:	as for fast_gup()
 * @blocks:	blocks of FAST_GUP_BLOCK_RANGES ranges, which receive them
 * @nr_blocks:	number of blocks, at least 1
 *
 * As fast_gup_pin_range_blocks(), with references.
 *
 * Context: Process context.  May sleep.
 * Return: As fast_gup_get_ranges().
 */
long fast_gup_get_range_blocks(struct gup_cursor *cursor,
			       unsigned long len, unsigned int gup_flags,
			       struct gup_range **blocks,
			       unsigned long nr_blocks);

/**
 * fast_gup_block_range() - a range in blocks
 * @blocks:	blocks that were filled
 * @at:		number of the range, from 0 on
 *
 * Return: The address of the range.
 */
static inline struct gup_range *
fast_gup_block_range(struct gup_range **blocks, unsigned long at)
{
	return &blocks[at / FAST_GUP_BLOCK_RANGES][at % FAST_GUP_BLOCK_RANGES];
}

/**
 * fast_gup_unpin_ranges() - drop the pins of ranges
 * @ranges:	ranges that were pinned
 * @nr:		number of ranges
 * @dirty:	whether the pages were written to
 *
 * With @dirty, marks the folios dirty that are not, as
 * unpin_user_pages_dirty_lock() does.
 *
 * Context: Process context if @dirty is set, for it may sleep.  If not, process
 *	    or interrupt context, not NMI, and does not sleep.
 */
void fast_gup_unpin_ranges(const struct gup_range *ranges,
			   unsigned long nr, bool dirty);

/**
 * fast_gup_put_ranges() - drop the references of ranges
 * @ranges:	ranges that fast_gup_get_ranges() has returned
 * @nr:		number of ranges
 *
 * Context: Process or interrupt context, not NMI.  Does not sleep.
 */
void fast_gup_put_ranges(const struct gup_range *ranges, unsigned long nr);

/**
 * fast_gup_split_range() - make two ranges of a pinned one
 * @range:	the range; has its first @at pages afterwards
 * @at:		number of pages, less than it has, and not 0
 * @rest:	receives the range of the other pages
 *
 * Takes another pin of the folio, so that each of the two is released for
 * itself.
 *
 * Context: Process or interrupt context, not NMI.  Does not sleep.
 * Return: 0; -EINVAL if the two would not have a page each; -ENOMEM if the
 *	   folio has as many pins as can be.  With an error, nothing has changed.
 */
int fast_gup_split_range(struct gup_range *range, unsigned long at,
			 struct gup_range *rest);

/**
 * fast_gup_split_got_range() - make two ranges of one with a reference
 * @range:	the range; has its first @at pages afterwards
 * @at:		number of pages, less than it has, and not 0
 * @rest:	receives the range of the other pages
 *
 * As fast_gup_split_range(), for what fast_gup_get_ranges() has returned.
 *
 * Context: As fast_gup_split_range().
 * Return: As fast_gup_split_range().
 */
int fast_gup_split_got_range(struct gup_range *range, unsigned long at,
			     struct gup_range *rest);

/*
 * The packed form of ranges: 8 bytes for each range of less than 0xfc0 pages,
 * or of a power of two, and 16 bytes for others.  The memory comes in blocks of
 * FAST_GUP_BLOCK_SIZE bytes, whose format is in src/packed.rs.
 */

/**
 * fast_gup_pack_ranges() - pack ranges into blocks
 * @ranges:	the ranges
 * @nr:		number of ranges
 * @blocks:	blocks of FAST_GUP_BLOCK_SIZE bytes
 * @nr_blocks:	number of blocks; how many of them are in use, afterwards
 *
 * What holds the ranges is not changed.  Unpacked again they are as they were,
 * and are released then.
 *
 * Context: Any.
 * Return: The number of ranges that were packed: less than @nr if there is no
 *	   more room.
 */
unsigned long fast_gup_pack_ranges(const struct gup_range *ranges,
				   unsigned long nr, u64 **blocks,
				   unsigned long *nr_blocks);

/**
 * fast_gup_unpack_ranges() - the ranges in a block
 * @block:	a block that fast_gup_pack_ranges() has filled
 * @ranges:	receives the ranges; must have room for @max
 * @max:	most ranges to return; a block has 512 at most
 *
 * Context: Any.
 * Return: The number of ranges.
 */
unsigned long fast_gup_unpack_ranges(const u64 *block,
				     struct gup_range *ranges,
				     unsigned long max);

/**
 * fast_gup_packed_pages() - the number of pages in packed ranges
 * @blocks:	blocks that fast_gup_pack_ranges() has filled
 * @nr_blocks:	number of blocks
 *
 * Context: Any.
 * Return: The number of pages of all the ranges.
 */
u64 fast_gup_packed_pages(u64 **blocks, unsigned long nr_blocks);

#endif /* _LINUX_FAST_GUP_H */
