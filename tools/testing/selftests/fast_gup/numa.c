// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that the kernel has made inaccessible for a moment, to see which node
 * uses them: the walk cannot tell them from PROT_NONE and refuses them, and the
 * slow path knows what to do.
 */
#include <pthread.h>
#include <sys/mman.h>
#include "memory.h"
#include "session.h"

#define UNITS		8
#define BALANCING	"/proc/sys/kernel/numa_balancing"
#define SCAN		"/sys/kernel/debug/sched/numa_balancing/"
/* The kernel looks at a process about once in a second of its time. */
#define COMES		100.0	/* seconds */

FIXTURE(numa) {
	struct session session;
	struct memory memory;
	struct gup gup;
	size_t unit;
	int end[2];
	pthread_t thread;
};

FIXTURE_VARIANT(numa) {
	enum memory_kind_id id;
};

FIXTURE_VARIANT_ADD(numa, anon) { MEM_ANON };
FIXTURE_VARIANT_ADD(numa, thp) { MEM_THP };

static bool many_nodes(void)
{
	char line[64] = "";
	FILE *f = fopen("/sys/devices/system/node/online", "re");
	bool many = f && fgets(line, sizeof(line), f) && strpbrk(line, ",-");

	if (f)
		fclose(f);
	return many;
}

/* With one thread, memory that is near it would be left alone. */
static void *be_there(void *arg)
{
	FIXTURE_DATA(numa) *self = arg;
	char c;

	if (read(self->end[0], &c, 1))
		perror("read");
	return NULL;
}

static char *at(FIXTURE_DATA(numa) *self, size_t unit)
{
	return self->memory.addr + unit * self->unit;
}

static int64_t get(FIXTURE_DATA(numa) *self, uint32_t entry, uint32_t flags,
		   size_t unit)
{
	int err = gup_run(self->session.dev, &self->gup, entry, flags,
			  (uintptr_t)at(self, unit), 1);

	return err ?: self->gup.call.result;
}

static bool hinted(FIXTURE_DATA(numa) *self, size_t unit)
{
	return !get(self, FAST_GUP_ENTRY_GET_ONLY, 0, unit) &&
	       self->gup.call.refusal == FAST_GUP_REFUSED_PROTNONE;
}

static bool all_hinted(FIXTURE_DATA(numa) *self)
{
	for (size_t i = 0; i < UNITS; i++)
		if (!hinted(self, i))
			return false;
	return true;
}

FIXTURE_SETUP(numa)
{
	double limit = seconds() + COMES;
	bool found = false;

	if (!session_open(_metadata, &self->session))
		return;
	gup_init(&self->gup, 1);
	if (!many_nodes())
		SKIP(return, "one node");
	if (!file_write(BALANCING, "1"))
		SKIP(return, "no NUMA balancing");
	file_write(SCAN "scan_delay_ms", "1");
	file_write(SCAN "scan_period_min_ms", "20");
	file_write(SCAN "scan_period_max_ms", "20");
	self->unit = variant->id == MEM_THP ? pmd_size() : page_size();
	if (!self->unit ||
	    !memory_make(variant->id, &self->memory, UNITS * self->unit))
		SKIP(return, "%s", self->unit ? self->memory.why :
						"no transparent huge pages");
	ASSERT_EQ(0, pipe(self->end));
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, be_there, self));
	/* It is in the time of the process that the kernel does it. */
	while (!found && seconds() < limit)
		found = all_hinted(self);
	/* Those that are there stay until they are used. */
	file_write(BALANCING, "0");
	if (!found)
		SKIP_UNLESS_REQUIRED(return, "no NUMA hints in time");
}

FIXTURE_TEARDOWN(numa)
{
	if (self->end[1]) {
		close(self->end[1]);
		pthread_join(self->thread, NULL);
		close(self->end[0]);
	}
	memory_free(&self->memory);
	session_close(_metadata, &self->session);
	gup_free(&self->gup);
}

/* Nobody but the tests looks at the memory, so that a hint stays where it is. */
TEST_F_TIMEOUT(numa, hint_is_refused, TEST_SECONDS)
{
	static const uint32_t entries[] = {
		FAST_GUP_ENTRY_GET, FAST_GUP_ENTRY_PIN,
		FAST_GUP_ENTRY_KERNEL_PIN, FAST_GUP_ENTRY_C_PIN,
	};

	for (size_t e = 0; e < ARRAY_SIZE(entries); e++) {
		const char *name = gup_entries[entries[e]].name;
		const size_t unit = 2 * e;

		/* The page is there, and may be had without a fault. */
		EXPECT_EQ(1, get(self, entries[e], FAST_GUP_NOFAULT, unit))
			TH_LOG("%s", name);
		EXPECT_EQ(0, self->gup.call.fast_pages) TH_LOG("%s", name);
		EXPECT_TRUE(hinted(self, unit)) TH_LOG("%s", name);
		/* Not by those who want to be counted. */
		EXPECT_EQ(-EFAULT, get(self, entries[e], FAST_GUP_NOFAULT |
				       FAST_GUP_HONOR_NUMA_FAULT, unit))
			TH_LOG("%s", name);
		EXPECT_TRUE(hinted(self, unit)) TH_LOG("%s", name);
		EXPECT_EQ(1, get(self, entries[e], FAST_GUP_HONOR_NUMA_FAULT,
				 unit))
			TH_LOG("%s", name);
		EXPECT_EQ(0, self->gup.call.fast_pages) TH_LOG("%s", name);
		EXPECT_FALSE(hinted(self, unit))
			TH_LOG("%s has not faulted", name);
		EXPECT_EQ(pfn_of(at(self, unit)), self->gup.pages[0].pfn);

		/* The entry does not allow writing as long as it is a hint. */
		EXPECT_TRUE(hinted(self, unit + 1)) TH_LOG("%s", name);
		EXPECT_EQ(1, get(self, entries[e], FAST_GUP_WRITE, unit + 1))
			TH_LOG("%s", name);
		EXPECT_EQ(0, self->gup.call.fast_pages) TH_LOG("%s", name);
		EXPECT_FALSE(hinted(self, unit + 1))
			TH_LOG("%s has not faulted", name);
		/* And then it is a page like others. */
		EXPECT_EQ(1, get(self, entries[e], FAST_GUP_WRITE, unit + 1))
			TH_LOG("%s", name);
	}
	for (size_t i = 0; i < UNITS; i++)
		EXPECT_TRUE(tag_is(at(self, i), variant->id,
				   i * self->unit / page_size(), 0));
}

TEST_HARNESS_MAIN
