// SPDX-License-Identifier: GPL-2.0
/*
 * Runs in the guest: makes memory of one kind after the other, and lets the
 * kernel get and release it through each caller of FAST_GUP_IOC_BENCH.
 *
 *	measure [-r ROUNDS] [-p PAGES] [-n N,...] [-c CALLER,...] [-o get|pin]
 *		[-l] KIND...
 *
 * A KIND is NAME:anon:KB:MB or NAME:hugetlb:KB:MB, memory in folios of KB.
 * Where N is 0, a call asks for all of the memory; otherwise the calls are for
 * the first PAGES of it.
 *
 * Lines for the host, with times in nanoseconds:
 *	@row ROUND pin|get N KIND CALLER PAGES ENTRIES GET PUT LATE
 *	@skip KIND REASON
 * In round 0 nothing is measured that counts: what is done once is done then.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/fast_gup.h>

#include "memory.h"

#define MOST_NUMBERS 16

static const char * const callers[] = {
	[FAST_GUP_BENCH_NOTHING] = "nothing",
	[FAST_GUP_BENCH_C] = "C",
	[FAST_GUP_BENCH_KERNEL] = "provided",
	[FAST_GUP_BENCH_PAGES] = "ours",
	[FAST_GUP_BENCH_RANGES] = "ranges",
};

#define NR_CALLERS (FAST_GUP_BENCH_MAX + 1)

static struct {
	int dev;
	unsigned int rounds;
	size_t pages;
	size_t numbers[MOST_NUMBERS];
	unsigned int nr_numbers;
	bool called[NR_CALLERS];
	bool wanted[2];		/* references, pins */
	bool late;
} options = {
	.rounds = 1, .pages = 16384, .wanted = { true, true },
	.called = { true, true, true, true, true },
};

/* One piece of memory, one way to get it. */
static void row(const struct memory *m, unsigned int round, bool pin, size_t n,
		unsigned int caller)
{
	size_t page = getpagesize(), all = m->len / page;
	struct fast_gup_bench bench = {
		.size = sizeof(bench),
		.version = FAST_GUP_ABI_VERSION,
		.caller = caller,
		.pin = pin,
		.addr = (uintptr_t)m->addr,
		.late = options.late,
	};

	if (n == 0) {
		bench.nr_pages = all;
		bench.per_call = all;
	} else {
		bench.nr_pages = all < options.pages ? all : options.pages;
		bench.per_call = n;
	}
	if (bench.nr_pages % bench.per_call)
		errx(1, "%s: %zu pages a call are no part of %llu", m->name, n,
		     (unsigned long long)bench.nr_pages);
	if (ioctl(options.dev, FAST_GUP_IOC_BENCH, &bench))
		err(1, "%s of %s by %s, %zu pages a call", pin ? "pin" : "get",
		    m->name, callers[caller], n);
	printf("@row %u %s %zu %s %s %llu %llu %llu %llu %llu\n", round,
	       pin ? "pin" : "get", n, m->name, callers[caller],
	       (unsigned long long)bench.nr_pages,
	       (unsigned long long)bench.entries,
	       (unsigned long long)bench.get_ns,
	       (unsigned long long)bench.put_ns,
	       (unsigned long long)bench.late_ns);
}

/* The callers take turns, so that whatever changes with time changes for all. */
static void rows(const struct memory *m, unsigned int round)
{
	for (unsigned int i = 0; i < options.nr_numbers; i++)
		for (int pin = 0; pin <= 1; pin++)
			for (unsigned int caller = 0; caller < NR_CALLERS; caller++)
				if (options.called[caller] && options.wanted[pin])
					row(m, round, pin, options.numbers[i], caller);
	fflush(stdout);
}

/*
 * Whether the folios have the size that they should have: the kernel takes
 * smaller ones when it has no others.
 */
static bool as_promised(const struct memory *m)
{
	size_t page = getpagesize(), nr = m->len / page, wrong = 0;
	struct fast_gup_page *pages = calloc(nr, sizeof(*pages));
	struct fast_gup_call call = {
		.size = sizeof(call),
		.version = FAST_GUP_ABI_VERSION,
		.entry = FAST_GUP_ENTRY_C_GET,
		.flags = FAST_GUP_WRITE,
		.addr = (uintptr_t)m->addr,
		.nr_pages = nr,
		.pages = (uintptr_t)pages,
		.max_pages = nr,
	};

	if (!pages || ioctl(options.dev, FAST_GUP_IOC_CALL, &call))
		err(1, "looking at %s", m->name);
	for (size_t i = 0; i < nr; i++)
		wrong += page << pages[i].order != m->unit;
	free(pages);
	if ((size_t)call.result != nr || wrong)
		printf("@skip %s %zu of %zu pages are in folios of another size\n",
		       m->name, wrong, nr);
	return (size_t)call.result == nr && !wrong;
}

static void numbers(char *list)
{
	for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
		if (options.nr_numbers == MOST_NUMBERS)
			errx(2, "more than %d numbers", MOST_NUMBERS);
		options.numbers[options.nr_numbers++] = strtoul(word, NULL, 10);
	}
}

static void only_callers(char *list)
{
	memset(options.called, 0, sizeof(options.called));
	for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
		unsigned int caller = 0;

		while (caller < NR_CALLERS && strcmp(word, callers[caller]))
			caller++;
		if (caller == NR_CALLERS)
			errx(2, "no caller %s", word);
		options.called[caller] = true;
	}
}

int main(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "r:p:n:c:o:l")) != -1) {
		switch (option) {
		case 'r':
			options.rounds = atoi(optarg);
			break;
		case 'p':
			options.pages = strtoul(optarg, NULL, 10);
			break;
		case 'n':
			numbers(optarg);
			break;
		case 'c':
			only_callers(optarg);
			break;
		case 'o':
			options.wanted[strcmp(optarg, "get") == 0] = false;
			break;
		case 'l':
			options.late = true;
			break;
		default:
			return 2;
		}
	}
	options.dev = open("/dev/fast_gup", O_RDWR | O_CLOEXEC);
	if (options.dev < 0)
		err(1, "/dev/fast_gup");

	for (; optind < argc; optind++) {
		struct memory m;

		if (!memory_make(&m, argv[optind])) {
			printf("@skip %s %s\n", m.name, m.why);
			continue;
		}
		if (as_promised(&m))
			for (unsigned int round = 0; round <= options.rounds; round++)
				rows(&m, round);
		memory_free(&m);
	}
	return 0;
}
