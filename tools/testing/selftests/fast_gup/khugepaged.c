// SPDX-License-Identifier: GPL-2.0
/* See khugepaged.h. */
#include <stdio.h>
#include "fast_gup_lib.h"
#include "khugepaged.h"
#include "memory.h"

#define THP	"/sys/kernel/mm/transparent_hugepage/"
#define DAEMON	THP "khugepaged/"

static const char *size_file(size_t size, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), THP "hugepages-%zukB/%s", size >> 10,
		 name);
	return path;
}

bool khugepaged_start(size_t size)
{
	if (!pmd_size() || khugepaged_collapses(size) < 0 ||
	    !file_write(size_file(size, "enabled"), "madvise"))
		return false;
	if (size != pmd_size() &&
	    !file_write(size_file(pmd_size(), "enabled"), "never"))
		return false;
	return file_write(DAEMON "pages_to_scan", "100000") &&
	       file_write(DAEMON "alloc_sleep_millisecs", "0") &&
	       khugepaged_wake();
}

bool khugepaged_wake(void)
{
	return file_write(DAEMON "scan_sleep_millisecs", "0");
}

void khugepaged_stop(size_t size)
{
	file_write(DAEMON "scan_sleep_millisecs", "3600000");
	file_write(size_file(size, "enabled"), "never");
	file_write(size_file(pmd_size(), "enabled"), "inherit");
}

long khugepaged_collapses(size_t size)
{
	return file_read_long(size_file(size, "stats/collapse_alloc"));
}
