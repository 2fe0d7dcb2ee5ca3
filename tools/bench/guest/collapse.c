// SPDX-License-Identifier: GPL-2.0
/*
 * Runs in the guest: collapses memory into huge pages, or lets khugepaged make
 * smaller folios of it, beside threads of the process that walk its page
 * tables and others that sleep, and unmaps it.
 *
 *	collapse ROUND FLAG KB MEGABYTES WALKERS SLEEPERS
 *
 * FLAG is 0 or 1, for whether walks are published.  One line for the host:
 *	@collapse ROUND FLAG KB WALKERS SLEEPERS COLLAPSES NANOSECONDS INTERRUPTS
 *	          CALLS BROADCAST TARGETED SKIPPED INTERRUPTED
 *	          UNMAP_NANOSECONDS UNMAP_INTERRUPTS
 * INTERRUPTS is of the kernel's own count of calls of functions on other CPUs.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/fast_gup.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define THP "/sys/kernel/mm/transparent_hugepage/"
#define MOST_THREADS 256
/* Pages that a walker asks for: a section and no more. */
#define WALKED 512

static atomic_bool stop;
static atomic_uint running;

struct counts {
	unsigned long long interrupts;
	unsigned long long calls, broadcast, targeted, skipped, interrupted;
};

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		err(1, "%s", path);
	close(fd);
}

static const char *of_size(size_t size, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), THP "hugepages-%zukB/%s", size >> 10, name);
	return path;
}

static unsigned long long number(const char *path)
{
	unsigned long long value;
	FILE *f = fopen(path, "re");

	if (!f || fscanf(f, "%llu", &value) != 1)
		err(1, "%s", path);
	fclose(f);
	return value;
}

/* x86 has a line for function calls; ppc64 does not tell what an IPI is for. */
static bool is_call(const char *line)
{
	while (*line == ' ')
		line++;
	return !strncmp(line, "CAL:", 4) || !strncmp(line, "DBL:", 4) ||
	       strstr(line, " IPI");
}

static unsigned long long interrupts(void)
{
	unsigned long long sum = 0;
	static char line[1 << 14];
	FILE *f = fopen("/proc/interrupts", "re");

	if (!f)
		err(1, "/proc/interrupts");
	while (fgets(line, sizeof(line), f)) {
		char *word = strchr(line, ':'), *end;

		if (!word || !is_call(line))
			continue;
		for (word++;; word = end) {
			unsigned long long value = strtoull(word, &end, 10);

			if (end == word)
				break;
			sum += value;
		}
	}
	fclose(f);
	return sum;
}

static void count(struct counts *c)
{
	unsigned long long value;
	char name[32];
	FILE *f = fopen("/sys/kernel/debug/fast_gup/walk_sync", "re");

	if (!f)
		err(1, "walk_sync");
	while (fscanf(f, "%31s %llu", name, &value) == 2) {
		if (!strcmp(name, "calls"))
			c->calls = value;
		else if (!strcmp(name, "broadcast"))
			c->broadcast = value;
		else if (!strcmp(name, "targeted"))
			c->targeted = value;
		else if (!strcmp(name, "skipped"))
			c->skipped = value;
		else if (!strcmp(name, "interrupted"))
			c->interrupted = value;
	}
	fclose(f);
	c->interrupts = interrupts();
}

/* Memory of the same process, but not what is collapsed: pins would be in the way. */
static void *walker(void *arg)
{
	size_t page = getpagesize(), len = WALKED * page;
	int dev = open("/dev/fast_gup", O_RDWR | O_CLOEXEC);
	char *mine = mmap(NULL, len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	struct fast_gup_bench bench = {
		.size = sizeof(bench), .version = FAST_GUP_ABI_VERSION,
		.caller = FAST_GUP_BENCH_PAGES, .addr = (uintptr_t)mine,
		.nr_pages = WALKED, .per_call = WALKED,
	};

	(void)arg;
	if (dev < 0 || mine == MAP_FAILED)
		err(1, "a walker");
	running++;
	while (!stop)
		if (ioctl(dev, FAST_GUP_IOC_BENCH, &bench))
			err(1, "a walk");
	return NULL;
}

/* It has run on each CPU, and each has the mm in its TLB if it keeps such. */
static void *sleeper(void *arg)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((uintptr_t)arg % (uintptr_t)sysconf(_SC_NPROCESSORS_ONLN), &set);
	sched_setaffinity(0, sizeof(set), &set);
	running++;
	while (!stop)
		usleep(100000);
	return NULL;
}

static unsigned long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static char *small_pages(size_t len, size_t huge)
{
	char *area = mmap(NULL, len + huge, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *at = (char *)(((uintptr_t)area + huge - 1) & ~(huge - 1));

	if (area == MAP_FAILED)
		err(1, "mmap");
	if (madvise(at, len, MADV_NOHUGEPAGE))
		err(1, "MADV_NOHUGEPAGE");
	for (size_t off = 0; off < len; off += getpagesize())
		at[off] = 1;
	return at;
}

/* khugepaged, until it has nothing left to do. */
static void daemon_collapses(size_t size, unsigned long long wanted)
{
	unsigned long long first = number(of_size(size, "stats/collapse_alloc"));
	unsigned long long scans = number(THP "khugepaged/full_scans");

	put(THP "khugepaged/scan_sleep_millisecs", "0");
	while (number(of_size(size, "stats/collapse_alloc")) < first + wanted &&
	       number(THP "khugepaged/full_scans") < scans + 20)
		usleep(10000);
	put(THP "khugepaged/scan_sleep_millisecs", "3600000");
}

int main(int argc, char **argv)
{
	unsigned long long before, collapse_ns, unmap_ns, first, unmap_interrupts;
	pthread_t threads[MOST_THREADS];
	struct counts from = { 0 }, to = { 0 };
	unsigned int walkers, sleepers;
	size_t huge, size, len;
	char *at;

	if (argc != 7)
		errx(2, "collapse ROUND FLAG KB MEGABYTES WALKERS SLEEPERS");
	huge = number(THP "hpage_pmd_size");
	size = strtoul(argv[3], NULL, 10) << 10;
	len = strtoul(argv[4], NULL, 10) << 20;
	walkers = atoi(argv[5]);
	sleepers = atoi(argv[6]);
	if (walkers + sleepers > MOST_THREADS)
		errx(2, "%u threads", walkers + sleepers);
	put("/sys/kernel/debug/lockless_pgtable_walk", argv[2]);
	put(THP "khugepaged/scan_sleep_millisecs", "3600000");
	put(THP "khugepaged/alloc_sleep_millisecs", "0");
	put(THP "khugepaged/pages_to_scan", "100000");
	if (size != huge) {
		put(of_size(huge, "enabled"), "never");
		put(of_size(size, "enabled"), "madvise");
	}

	at = small_pages(len, huge);
	for (unsigned int i = 0; i < walkers + sleepers; i++) {
		errno = pthread_create(&threads[i], NULL, i < walkers ? walker : sleeper,
				       (void *)(uintptr_t)i);
		if (errno)
			err(1, "pthread_create");
	}
	while (running < walkers + sleepers)
		usleep(1000);
	if (madvise(at, len, MADV_HUGEPAGE))
		err(1, "MADV_HUGEPAGE");

	first = number(of_size(size, "stats/collapse_alloc"));
	count(&from);
	before = now();
	if (size != huge)
		daemon_collapses(size, len / size);
	else if (madvise(at, len, MADV_COLLAPSE))
		err(1, "MADV_COLLAPSE");
	collapse_ns = now() - before;
	count(&to);
	first = number(of_size(size, "stats/collapse_alloc")) - first;

	unmap_interrupts = interrupts();
	before = now();
	munmap(at, len);
	unmap_ns = now() - before;
	unmap_interrupts = interrupts() - unmap_interrupts;

	stop = true;
	for (unsigned int i = 0; i < walkers + sleepers; i++)
		pthread_join(threads[i], NULL);
	if (size != huge) {
		put(of_size(size, "enabled"), "never");
		put(of_size(huge, "enabled"), "inherit");
	}
	put("/sys/kernel/debug/lockless_pgtable_walk", "1");
	printf("@collapse %s %s %s %u %u %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu\n",
	       argv[1], argv[2], argv[3], walkers, sleepers, first, collapse_ns,
	       to.interrupts - from.interrupts, to.calls - from.calls,
	       to.broadcast - from.broadcast, to.targeted - from.targeted,
	       to.skipped - from.skipped, to.interrupted - from.interrupted,
	       unmap_ns, unmap_interrupts);
	return 0;
}
