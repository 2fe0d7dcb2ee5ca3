// SPDX-License-Identifier: GPL-2.0
/* See sides.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "fast_gup_lib.h"
#include "memory_file.h"
#include "sides.h"

/* Taken at a time, and left to everybody else. */
#define PIECE		(32UL << 20)
#define LEAVE_KB	(192L << 10)

uint64_t highmem_start(void)
{
	unsigned long long start = 0;
	bool inside = false;
	char line[256];
	FILE *f = fopen("/proc/zoneinfo", "re");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f) && !start) {
		if (!strncmp(line, "Node ", 5))
			inside = strstr(line, "zone") &&
				 strstr(line, "HighMem");
		else if (inside)
			sscanf(line, " start_pfn: %llu", &start);
	}
	fclose(f);
	return start;
}

/* Of what user memory is made of first: highmem, where there is any. */
static long free_kb(void)
{
	long kb, high_kb = 0, free = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "MemFree: %ld kB", &kb) == 1)
			free = kb;
		else if (sscanf(line, "HighFree: %ld kB", &kb) == 1)
			high_kb = kb;
	}
	fclose(f);
	return high_kb ?: free;
}

static bool ballast_take(struct ballast *b, int fd)
{
	if (b->nr == ARRAY_SIZE(b->fd))
		return false;
	b->fd[b->nr++] = fd;
	return true;
}

static bool ballast_add(struct ballast *b)
{
	int fd;

	if (free_kb() < LEAVE_KB + (long)(PIECE >> 10))
		return false;
	fd = memfd_create("ballast", MFD_CLOEXEC);
	if (fd < 0 || !ballast_take(b, fd))
		return false;
	return !fallocate(fd, 0, 0, PIECE);
}

void ballast_drop(struct ballast *b)
{
	while (b->nr)
		close(b->fd[--b->nr]);
}

/*
 * SIDES: some here and some there.
 *
 * The start of high memory above the line is left out.  A page frame there
 * without its high half is one of low memory, most of which is free: nobody
 * could take it by mistake.  Further above, it is one of the ballast.
 */
static enum side side_of(const uint64_t *pfns, size_t nr)
{
	const uint64_t start = LINE_PFN + highmem_start();
	size_t below = 0, above = 0;

	for (size_t i = 0; i < nr; i++) {
		below += pfns[i] < LINE_PFN;
		above += pfns[i] >= start;
	}
	return below == nr ? BELOW : above == nr ? ABOVE : SIDES;
}

bool memory_on_both_sides(struct memory m[SIDES], struct ballast *b, size_t nr,
			  uint64_t *const pfns[SIDES])
{
	uint64_t *found = calloc(nr, sizeof(*found));
	struct memory next;

	while (found && !(m[BELOW].area && m[ABOVE].area)) {
		enum side side;

		if (!memory_make(MEM_MEMFD, &next, nr * page_size()))
			break;
		pfns_of(next.addr, nr, found);
		side = side_of(found, nr);
		if (side < SIDES && !m[side].area) {
			m[side] = next;
			memcpy(pfns[side], found, nr * sizeof(*found));
			continue;
		}
		/* The file keeps its pages without being mapped. */
		if (!ballast_take(b, dup(next.fd)) || !ballast_add(b)) {
			memory_free(&next);
			break;
		}
		memory_free(&next);
	}
	free(found);
	if (m[BELOW].area && m[ABOVE].area)
		return true;
	return memory_cannot(&m[BELOW], "no memory %s 4 GiB",
			     m[BELOW].area ? "far enough above" : "below");
}
