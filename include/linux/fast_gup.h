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

#include <linux/types.h>

struct page;

/**
 * fast_gup() - take references to pages of the current task
 * @start:	user address; rounded down to its page
 * @nr_pages:	number of pages
 * @gup_flags:	FOLL_WRITE if the pages will be written to; FOLL_NOFAULT,
 *		FOLL_PCI_P2PDMA, FOLL_HONOR_NUMA_FAULT as for get_user_pages()
 * @pages:	receives the pages; must have room for @nr_pages
 *
 * Walks the page tables without a lock.  What it cannot get in this way it
 * gets with get_user_pages(), which takes the mmap_lock, and drops it while a
 * fault waits.
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
 *	   -EINTR	if a fatal signal is pending; or what get_user_pages()
 *			returns.
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

#endif /* _LINUX_FAST_GUP_H */
