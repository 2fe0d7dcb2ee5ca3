// SPDX-License-Identifier: GPL-2.0
/*
 * Pages are pinned, and written to by whoever has pinned them, while the process
 * unmaps them, moves them and maps others in their place: what is written is in
 * the pinned pages and nowhere else.
 *
 * Nothing holds the process up.  There is no lock on the address space until the
 * pages are released, so that its changes go on all the time.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include "memory.h"
#include "ranges_lib.h"
#include "sample.h"
#include "session.h"
#include "sides.h"

#define OTHER		0x0b	/* a byte of memory that is mapped anew */
#define CHURN_PAGES	64
#define CHURN		0xc5	/* a byte of memory that comes and goes */
/* With fewer turns of either side, the two hardly met. */
#define LEAST_TURNS	20
#define LEAST_COPIES	20

/* A mebibyte: what is compared byte by byte must not depend on the page size. */
static size_t pages(void)
{
	return (1 << 20) / page_size();
}

enum holder { BY_PIN, BY_KERNEL_PIN, BY_RANGES, BY_SAMPLE };

FIXTURE(pin_copy) {
	struct session session;
	struct memory memory;
	struct gup gup;
	struct ranges ranges;
	uint64_t handle;
	int sample;		/* its device; -1: not used */
	bool loaded;
	size_t len;
	char *wanted, *found;
	uint64_t *pfns;
	/* Of the threads. */
	char *elsewhere, *churn;
	atomic_bool stop;
	bool wrong, failed;
	unsigned long turns;
};

FIXTURE_VARIANT(pin_copy) {
	enum memory_kind_id id;
	enum holder holder;
};

FIXTURE_VARIANT_ADD(pin_copy, anon) { MEM_ANON, BY_PIN };
FIXTURE_VARIANT_ADD(pin_copy, anon_kernel) { MEM_ANON, BY_KERNEL_PIN };
FIXTURE_VARIANT_ADD(pin_copy, anon_ranges) { MEM_ANON, BY_RANGES };
FIXTURE_VARIANT_ADD(pin_copy, anon_sample) { MEM_ANON, BY_SAMPLE };
FIXTURE_VARIANT_ADD(pin_copy, thp) { MEM_THP, BY_PIN };
FIXTURE_VARIANT_ADD(pin_copy, thp_ranges) { MEM_THP, BY_RANGES };
FIXTURE_VARIANT_ADD(pin_copy, thp_sample) { MEM_THP, BY_SAMPLE };
FIXTURE_VARIANT_ADD(pin_copy, mthp) { MEM_MTHP, BY_PIN };
FIXTURE_VARIANT_ADD(pin_copy, memfd) { MEM_MEMFD, BY_PIN };
FIXTURE_VARIANT_ADD(pin_copy, memfd_sample) { MEM_MEMFD, BY_SAMPLE };

static bool hold(FIXTURE_DATA(pin_copy) *self, enum holder holder)
{
	static const char device[] = "/dev/pinned_buffer_rust";
	const uint32_t flags = FAST_GUP_WRITE | FAST_GUP_HOLD;
	uint64_t cursor = (uintptr_t)self->memory.addr;
	const int dev = self->session.dev;

	switch (holder) {
	case BY_PIN:
	case BY_KERNEL_PIN:
		if (gup_run(dev, &self->gup, holder == BY_PIN ?
			    FAST_GUP_ENTRY_PIN : FAST_GUP_ENTRY_KERNEL_PIN,
			    flags, cursor, pages()) ||
		    self->gup.call.result != pages())
			return false;
		self->handle = self->gup.call.handle;
		return true;
	case BY_RANGES:
		if (ranges_run(dev, &self->ranges, FAST_GUP_RANGES_PIN, flags,
			       &cursor, self->len, pages()) ||
		    ranges_pages(&self->ranges) != pages())
			return false;
		self->handle = self->ranges.call.handle;
		return true;
	case BY_SAMPLE:
		if (access(device, F_OK))
			self->loaded = module_load("pinned_buffer_rust");
		self->sample = open(device, O_RDWR | O_CLOEXEC);
		return self->sample >= 0 &&
		       !pin(self->sample, self->memory.addr, self->len,
			    PINNED_BUFFER_WRITABLE);
	}
	return false;
}

static bool write_pages(FIXTURE_DATA(pin_copy) *self, size_t off, size_t len)
{
	if (self->sample >= 0)
		return !write_buffer(self->sample, off, self->wanted + off, len);
	return !gup_copy(self->session.dev, self->handle, off,
			 self->wanted + off, len, true);
}

static bool read_pages(FIXTURE_DATA(pin_copy) *self)
{
	if (self->sample >= 0)
		return !read_buffer(self->sample, 0, self->found, self->len);
	return !gup_copy(self->session.dev, self->handle, 0, self->found,
			 self->len, false);
}

FIXTURE_SETUP(pin_copy)
{
	self->sample = -1;
	if (!session_open(_metadata, &self->session))
		return;
	gup_init(&self->gup, pages());
	ranges_init(&self->ranges, pages());
	self->len = pages() * page_size();
	self->wanted = malloc(self->len);
	self->found = malloc(self->len);
	self->pfns = calloc(pages(), sizeof(*self->pfns));
	ASSERT_TRUE(self->wanted && self->found && self->pfns);
	if (!memory_make(variant->id, &self->memory, self->len))
		SKIP(return, "%s", self->memory.why);
	self->churn = mmap(NULL, CHURN_PAGES * page_size(), PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* Before there are holes that it could land in. */
	self->elsewhere = mmap(NULL, self->memory.len, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			       0);
	ASSERT_TRUE(self->churn != MAP_FAILED && self->elsewhere != MAP_FAILED);
	ASSERT_TRUE(hold(self, variant->holder)) TH_LOG("cannot pin");
	/* From now on they do not move. */
	pfns_of(self->memory.addr, pages(), self->pfns);
	if (highmem_start()) {
		size_t high = 0;

		for (size_t i = 0; i < pages(); i++)
			high += self->pfns[i] >= highmem_start();
		printf("# %zu pages that the kernel does not map\n", high);
		EXPECT_GT(high, 0);
	}
}

FIXTURE_TEARDOWN(pin_copy)
{
	if (self->sample >= 0)
		close(self->sample);
	if (self->loaded)
		EXPECT_EQ(0, module_unload("pinned_buffer_rust"));
	memory_free(&self->memory);
	session_close(_metadata, &self->session);
	ranges_free(&self->ranges);
	gup_free(&self->gup);
	free(self->pfns);
	free(self->found);
	free(self->wanted);
}

static bool all_are(const char *p, size_t len, unsigned char byte)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)p[i] != byte)
			return false;
	return true;
}

/* One way round: gone, others in its place, moved away and back. */
static bool turn(FIXTURE_DATA(pin_copy) *self)
{
	char *place = self->memory.addr;

	if (munmap(place, self->len) ||
	    mmap(place, self->len, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		 MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != place)
		return false;
	memset(place, OTHER, self->len);
	if (mremap(place, self->len, self->len, MREMAP_MAYMOVE | MREMAP_FIXED,
		   self->elsewhere) != self->elsewhere)
		return false;
	self->wrong |= !all_are(self->elsewhere, self->len, OTHER);
	if (mremap(self->elsewhere, self->len, self->len,
		   MREMAP_MAYMOVE | MREMAP_FIXED, place) != place)
		return false;
	self->wrong |= !all_are(place, self->len, OTHER);
	return true;
}

static void *remap_loop(void *arg)
{
	FIXTURE_DATA(pin_copy) *self = arg;

	while (!self->stop && !self->failed) {
		self->failed = !turn(self);
		self->turns++;
	}
	return NULL;
}

/* Takes pages that were freed: a pinned one would be among them. */
static void *churn_loop(void *arg)
{
	FIXTURE_DATA(pin_copy) *self = arg;
	const size_t len = CHURN_PAGES * page_size();

	while (!self->stop) {
		char *p;

		p = mmap(self->churn, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		if (p != self->churn) {
			self->failed = true;
			break;
		}
		memset(p, CHURN, len);
		sched_yield();
		self->wrong |= !all_are(p, len, CHURN);
	}
	return NULL;
}

/* Bytes that depend on the place and on the time. */
static void next_bytes(FIXTURE_DATA(pin_copy) *self, unsigned long n)
{
	for (size_t i = 0; i < self->len; i++)
		self->wanted[i] = 0x40 | ((i * 7 + i / 251 + n * 13) & 0x3f);
}

TEST_F_TIMEOUT(pin_copy, beside_other_mappings, TEST_SECONDS)
{
	const double limit = seconds() + env_long("FAST_GUP_SECONDS", 3);
	/* Prime: the pieces begin everywhere in a page. */
	const size_t piece = 7919;
	unsigned long n = 0;
	pthread_t threads[2];
	long still;

	ASSERT_EQ(0, pthread_create(&threads[0], NULL, remap_loop, self));
	ASSERT_EQ(0, pthread_create(&threads[1], NULL, churn_loop, self));
	while (!self->failed &&
	       (seconds() < limit || n < LEAST_COPIES ||
		self->turns < LEAST_TURNS)) {
		next_bytes(self, n++);
		for (size_t off = 0; off < self->len; off += piece)
			ASSERT_TRUE(write_pages(self, off,
						self->len - off < piece ?
						self->len - off : piece));
		ASSERT_TRUE(read_pages(self));
		ASSERT_EQ(0, memcmp(self->wanted, self->found, self->len))
			TH_LOG("copy %lu is not in the pinned pages", n);
	}
	self->stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	printf("# %lu copies, mapped anew %lu times\n", n, self->turns);
	EXPECT_FALSE(self->failed);
	EXPECT_FALSE(self->wrong)
		TH_LOG("memory that is not pinned was written to");

	/* Held until the end, and no longer. */
	ASSERT_TRUE(read_pages(self));
	EXPECT_EQ(0, memcmp(self->wanted, self->found, self->len));
	if (self->sample >= 0) {
		close(self->sample);
		self->sample = -1;
	} else {
		ASSERT_EQ(0, gup_release(self->session.dev, self->handle, true));
	}
	if (memory_kinds[variant->id].anon) {
		/* All of it: a huge page is freed as one. */
		memory_free(&self->memory);
		EXPECT_TRUE(pfns_freed(self->pfns, pages(), PFN_ANON, &still))
			TH_LOG("%ld of %zu pages were not freed", still,
			       pages());
	}
}

TEST_HARNESS_MAIN
