/* SPDX-License-Identifier: GPL-2.0 */
/*
 * khugepaged at work all the time, and huge pages of one size only: for tests
 * that want it.  The others rely on its sleeping.
 */
#ifndef FAST_GUP_KHUGEPAGED_H
#define FAST_GUP_KHUGEPAGED_H

#include <stdbool.h>
#include <stddef.h>

/* Collapse into folios of @size bytes and no others.  false: not here. */
bool khugepaged_start(size_t size);
/* It may have read how long to sleep before that was changed. */
bool khugepaged_wake(void);
/* It sleeps again, and all sizes are as the tests expect them. */
void khugepaged_stop(size_t size);
/* How many collapses to that size were begun so far. */
long khugepaged_collapses(size_t size);

#endif /* FAST_GUP_KHUGEPAGED_H */
