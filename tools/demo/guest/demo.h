/* SPDX-License-Identifier: GPL-2.0 */
/* What the demo's programs share: giving up, progress, buffers, rounding. */
#ifndef DEMO_H
#define DEMO_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What direct I/O on any disk of ours is aligned to. */
#define BLOCK		4096

#define give_up(fmt, ...)						\
	do {								\
		fprintf(stderr, fmt "\n", ##__VA_ARGS__);		\
		exit(1);						\
	} while (0)

#define give_up_errno(what)	give_up("%s: %s", what, strerror(errno))

static inline size_t round_up_to(size_t value, size_t step)
{
	return (value + step - 1) / step * step;
}

static inline double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* A line for the host every quarter of a second: it draws the progress. */
static inline void progress(off_t done)
{
	static double last;
	double now = seconds_now();

	if (now - last < 0.25)
		return;
	last = now;
	printf("@progress %lld\n", (long long)done);
	fflush(stdout);
}

/* What a huge page of this kernel has; where it has none, 2 MiB. */
static inline size_t huge_page_size(void)
{
	FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "re");
	size_t size = 0;

	if (file) {
		if (fscanf(file, "%zu", &size) != 1)
			size = 0;
		fclose(file);
	}
	return size ? size : 2UL << 20;
}

/*
 * Memory that is there before the I/O starts, so that a walk finds it: with
 * base pages, or with huge ones if there are any.
 */
static inline void *populated_buffer(size_t size, bool huge)
{
	const size_t huge_page = huge_page_size();
	size_t whole = round_up_to(size, huge_page) + huge_page;
	uintptr_t start;
	void *map;

	map = mmap(NULL, whole, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		give_up_errno("mmap");
	start = round_up_to((uintptr_t)map, huge_page);
	/* Not every kernel has huge pages; the copy works without. */
	madvise((void *)start, round_up_to(size, huge_page),
		huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	memset((void *)start, 0xa5, size);
	return (void *)start;
}

static inline off_t size_of(int fd)
{
	struct stat status;

	if (fstat(fd, &status))
		give_up_errno("fstat");
	return status.st_size;
}

static inline int open_or_give_up(const char *path, int flags)
{
	int fd = open(path, flags, 0644);

	if (fd < 0)
		give_up_errno(path);
	return fd;
}

/*
 * Opens both ends of a direct copy and returns its size.  The space is there
 * from the start: writes beyond the end of a file would wait for each other.
 */
static inline off_t open_direct_copy(char **names, int *from, int *to)
{
	off_t size;

	*from = open_or_give_up(names[0], O_RDONLY | O_DIRECT);
	*to = open_or_give_up(names[1], O_RDWR | O_CREAT | O_TRUNC | O_DIRECT);
	size = size_of(*from);
	if (posix_fallocate(*to, 0, round_up_to(size, BLOCK)))
		give_up("%s: no space", names[1]);
	return size;
}

/*
 * Direct writes end at a block boundary, so the copy gets its length last.
 */
static inline void finish_copy(int fd, off_t size)
{
	if (ftruncate(fd, size) || fsync(fd) || close(fd))
		give_up_errno("copy");
}

#endif
