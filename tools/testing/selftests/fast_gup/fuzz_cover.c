// SPDX-License-Identifier: GPL-2.0
/*
 * What a program reaches: pairs of places in the module that follow each other,
 * as the kernel tells them (CONFIG_KCOV), and kinds of answers.
 */
#include <fcntl.h>
#include <linux/kcov.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "fuzz.h"

#define KCOV_FILE	"/sys/kernel/debug/kcov"
#define KCOV_PLACES	(64 << 10)
#define MAP_BITS	16

static unsigned long *places;		/* [0]: how many follow; NULL: no KCOV */
static uint8_t reached[1 << MAP_BITS];
static size_t fresh, total;

static void reach(uint64_t what)
{
	size_t at = (what * 0x9e3779b97f4a7c15ULL) >> (64 - MAP_BITS);

	if (reached[at])
		return;
	reached[at] = 1;
	fresh++;
	total++;
}

void cover_open(void)
{
	int fd = open(KCOV_FILE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	if (ioctl(fd, KCOV_INIT_TRACE, (unsigned long)KCOV_PLACES)) {
		perror(KCOV_FILE);
		exit(1);
	}
	places = mmap(NULL, KCOV_PLACES * sizeof(*places),
		      PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (places == MAP_FAILED || ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC)) {
		perror(KCOV_FILE);
		exit(1);
	}
}

bool cover_kernel(void)
{
	return places;
}

void cover_begin(void)
{
	fresh = 0;
	if (places)
		__atomic_store_n(&places[0], 0, __ATOMIC_RELAXED);
}

/* Numbers that differ by less than a factor of two are one answer. */
static unsigned int magnitude(uint64_t value)
{
	return value ? 64 - __builtin_clzll(value) : 0;
}

void cover_answer(unsigned int call, int64_t answer, uint64_t detail)
{
	uint64_t kind = answer < 0 ? (uint64_t)-answer : 1000 + magnitude(answer);

	reach(call + 64 * kind + (detail << 24));
}

size_t cover_end(void)
{
	size_t nr = places ? __atomic_load_n(&places[0], __ATOMIC_RELAXED) : 0;
	uint64_t before = 0;

	for (size_t i = 1; i <= nr; i++) {
		reach((uint64_t)places[i] ^ before << 1);
		before = places[i];
	}
	return fresh;
}

size_t cover_total(void)
{
	return total;
}
