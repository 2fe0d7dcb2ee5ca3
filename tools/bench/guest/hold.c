// SPDX-License-Identifier: GPL-2.0
/*
 * Runs in the guest: gets pages whose faults wait for a disk, and pages whose
 * faults do not, one in each call, and tells from the trace of the kernel how
 * long the mmap lock was held for it.
 *
 *	hold DISK PAGES
 *
 * Lines for the host:
 *	@hold MEMORY CALLER CALLS SUM LONGEST SLEPT
 * SUM and LONGEST are of the clock of the trace, in nanoseconds.  SLEPT is how
 * often somebody slept with the lock held.
 */
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/fast_gup.h>
#include <linux/fs.h>

#include "gup_test.h"

#define TRACING	"/sys/kernel/tracing/"

static int dev, gup_test, disk;
static size_t page;
/* Nanoseconds of a tick of the clock, where it does not count these. */
static double tick = 1;

/* get_user_pages() as it is with the lock held from begin to end. */
static long get_held(uint64_t addr)
{
	struct gup_test test = {
		.addr = addr, .size = page, .nr_pages_per_call = 1,
	};

	return ioctl(gup_test, GUP_BASIC_TEST, &test) ? -1 : 1;
}

static long get_pages(uint64_t addr, uint32_t entry)
{
	struct fast_gup_call call = {
		.size = sizeof(call),
		.version = FAST_GUP_ABI_VERSION,
		.entry = entry,
		.addr = addr,
		.nr_pages = 1,
	};

	return ioctl(dev, FAST_GUP_IOC_CALL, &call) ? -1 : call.result;
}

static long get_c(uint64_t addr)
{
	return get_pages(addr, FAST_GUP_ENTRY_C_GET);
}

static long get_ours(uint64_t addr)
{
	return get_pages(addr, FAST_GUP_ENTRY_GET);
}

static long get_ranges(uint64_t addr)
{
	struct fast_gup_ranges call = {
		.size = sizeof(call),
		.version = FAST_GUP_ABI_VERSION,
		.entry = FAST_GUP_RANGES_GET,
		.addr = addr,
		.len = page,
		.max = 1,
	};

	return ioctl(dev, FAST_GUP_IOC_RANGES, &call) ? -1 : call.result;
}

#define NR_CALLERS	4

static const struct {
	const char *name;
	long (*get)(uint64_t addr);
} callers[NR_CALLERS] = {
	{ "no-retry", get_held },
	{ "C", get_c },
	{ "ours", get_ours },
	{ "ranges", get_ranges },
};

static bool tell(const char *file, const char *text)
{
	char path[128];
	int fd;
	bool ok;

	snprintf(path, sizeof(path), TRACING "%s", file);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

static void trace_prepare(void)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	/* Ticks of the CPU are finer than what is printed of other clocks. */
	if (tell("trace_clock", "ppc-tb"))
		tick = 1e9 / 512e6;
	else if (!tell("trace_clock", "x86-tsc"))
		tell("trace_clock", "mono");
	if (!tell("set_event_pid", pid) ||
	    !tell("events/mmap_lock/mmap_lock_acquire_returned/enable", "1") ||
	    !tell("events/mmap_lock/mmap_lock_released/enable", "1") ||
	    !tell("events/sched/sched_switch/enable", "1"))
		err(1, "tracing");
}

/* The number in front of the event's name: ticks, or seconds with a point. */
static double when(const char *line, const char *event)
{
	const char *start = event;
	char *end;
	double value;

	while (start > line && start[-1] == ' ')
		start--;
	while (start > line && start[-1] != ' ')
		start--;
	value = strtod(start, &end);
	return memchr(start, '.', end - start) ? value * 1e9 : value * tick;
}

static void read_trace(const char *memory, const char *caller, size_t calls)
{
	FILE *f = fopen(TRACING "trace", "re");
	double since = 0, sum = 0, longest = 0;
	unsigned int slept = 0;
	bool held = false;
	char line[512];

	if (!f)
		err(1, "trace");
	while (fgets(line, sizeof(line), f)) {
		const char *event;

		if (line[0] == '#')
			continue;
		event = strstr(line, "mmap_lock_acquire_returned: ");
		if (event && strstr(event, "success=true")) {
			held = true;
			since = when(line, event);
		}
		event = strstr(line, "mmap_lock_released: ");
		if (event && held) {
			double took = when(line, event) - since;

			held = false;
			sum += took;
			if (took > longest)
				longest = took;
		}
		event = strstr(line, "sched_switch: prev_comm=hold ");
		/* Not those who would go on at once. */
		if (event && held && !strstr(event, "prev_state=R"))
			slept++;
	}
	fclose(f);
	printf("@hold %s %s %zu %.0f %.0f %u\n", memory, caller, calls, sum,
	       longest, slept);
	fflush(stdout);
}

static void measure(const char *memory, int fd, size_t calls, unsigned int who)
{
	size_t len = calls * page;
	char *p;

	if (fd >= 0 && ioctl(fd, BLKFLSBUF, 0))
		err(1, "BLKFLSBUF");
	p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		 fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);
	if (p == MAP_FAILED)
		err(1, "mmap");
	/* Each page is read by itself, and is there by itself. */
	madvise(p, len, fd >= 0 ? MADV_RANDOM : MADV_NOHUGEPAGE);
	if (!tell("trace", "") || !tell("tracing_on", "1"))
		err(1, "tracing");
	for (size_t i = 0; i < calls; i++)
		if (callers[who].get((uintptr_t)p + i * page) != 1)
			err(1, "%s: page %zu of %s", callers[who].name, i,
			    memory);
	tell("tracing_on", "0");
	read_trace(memory, callers[who].name, calls);
	munmap(p, len);
}

int main(int argc, char **argv)
{
	size_t calls;

	if (argc != 3)
		errx(2, "usage: hold DISK PAGES");
	calls = strtoul(argv[2], NULL, 10);
	page = getpagesize();
	dev = open("/dev/fast_gup", O_RDWR | O_CLOEXEC);
	gup_test = open("/sys/kernel/debug/gup_test", O_RDWR | O_CLOEXEC);
	disk = open(argv[1], O_RDWR | O_CLOEXEC);
	if (dev < 0 || gup_test < 0 || disk < 0)
		err(1, "%s", dev < 0 ? "/dev/fast_gup" :
			     disk < 0 ? argv[1] : "gup_test");
	tell("tracing_on", "0");
	trace_prepare();
	/* Once for everything that is done once. */
	for (int round = 0; round <= 1; round++)
		for (unsigned int who = 0; who < NR_CALLERS; who++) {
			measure(round ? "file" : "first-file", disk, calls, who);
			measure(round ? "absent" : "first-absent", -1, calls, who);
		}
	return 0;
}
