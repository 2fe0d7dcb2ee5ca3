// SPDX-License-Identifier: GPL-2.0
/*
 * Each allocation of each call fails in its turn: the call says so, or does
 * without; nothing stays held, and nothing is lost.
 *
 * Needs CONFIG_FAILSLAB and CONFIG_FAIL_PAGE_ALLOC, which FLAVOUR=debug has.
 */
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include "blockfile.h"
#include "memory.h"
#include "ranges_lib.h"
#include "session.h"

#define PAGES		16
/* More allocations than any of the calls makes. */
#define MOST_FAILURES	300
#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define DEBUGFS		"/sys/kernel/debug/"

FIXTURE(fail) {
	struct session session;
	struct memory memory;
	struct gup gup;
	struct ranges ranges;
	struct blockfile disk;
	int nth, pipe[2];
	uint64_t handle;		/* of ranges that are held */
	char *fresh;			/* pages that are not there */
};

/* What is allocated while sleeping is allowed, too, and of any size. */
static const char *const settings[][2] = {
	{ DEBUGFS "failslab/ignore-gfp-wait", "N" },
	{ DEBUGFS "failslab/verbose", "0" },
	{ DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N" },
	{ DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N" },
	{ DEBUGFS "fail_page_alloc/min-order", "0" },
	{ DEBUGFS "fail_page_alloc/verbose", "0" },
};

FIXTURE_SETUP(fail)
{
	uint64_t addr;

	if (!session_open(_metadata, &self->session))
		return;
	self->nth = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	if (self->nth < 0)
		SKIP(return, "allocations do not fail here: FLAVOUR=debug");
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		ASSERT_TRUE(file_write(settings[i][0], settings[i][1]))
			TH_LOG("%s", settings[i][0]);
	}
	gup_init(&self->gup, PAGES);
	ranges_init(&self->ranges, PAGES);
	ASSERT_TRUE(memory_make(MEM_ANON, &self->memory, PAGES * page_size()));
	tag_range(self->memory.addr, self->memory.len, 1, 1);
	ASSERT_EQ(0, pipe2(self->pipe, O_CLOEXEC | O_NONBLOCK));
	if (!blockfile_open(&self->disk, ON_NULL_BLK, PAGES * page_size()))
		self->disk.fd = -1;
	/*
	 * The disk allocates what is written for the first time, in this task
	 * or in a worker, and is full without: that is not what is asked here.
	 */
	if (self->disk.fd >= 0)
		ASSERT_EQ((ssize_t)self->memory.len,
			  pwrite(self->disk.fd, self->memory.addr,
				 self->memory.len, 0));

	/* One range that stays, for what is done to ranges. */
	addr = (uintptr_t)self->memory.addr;
	ASSERT_EQ(0, ranges_run(self->session.dev, &self->ranges,
				FAST_GUP_RANGES_PIN, FAST_GUP_HOLD | FAST_GUP_WRITE,
				&addr, self->memory.len, PAGES));
	ASSERT_GT(self->ranges.call.result, 0);
	self->handle = self->ranges.call.handle;
}

FIXTURE_TEARDOWN(fail)
{
	if (self->session.dev < 0 || self->nth < 0)
		return;
	close(self->nth);
	close(self->pipe[0]);
	close(self->pipe[1]);
	if (self->disk.fd >= 0)
		close(self->disk.fd);
	gup_release(self->session.dev, self->handle, false);
	memory_free(&self->memory);
	session_close(_metadata, &self->session);
	gup_free(&self->gup);
	ranges_free(&self->ranges);
}

/* A call: 0, or -errno.  What it holds it releases, if it gets as far. */
struct operation {
	const char *name;
	int (*run)(FIXTURE_DATA(fail) *self, uint32_t entry);
	uint32_t entry;
};

static void fail_nth(FIXTURE_DATA(fail) *self, int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", nth);

	if (pwrite(self->nth, text, len, 0) != len)
		perror(FAIL_NTH);
}

/* Nothing fails from here on.  Had anything failed? */
static bool failed(FIXTURE_DATA(fail) *self)
{
	char text[16] = "";

	if (pread(self->nth, text, sizeof(text) - 1, 0) <= 0)
		perror(FAIL_NTH);
	fail_nth(self, 0);
	return !atoi(text);
}

static int to_call(FIXTURE_DATA(fail) *self, uint32_t entry, const char *addr)
{
	int ret = gup_run(self->session.dev, &self->gup, entry,
			  FAST_GUP_HOLD | FAST_GUP_WRITE, (uintptr_t)addr, PAGES);

	if (!ret && self->gup.call.result < 0)
		return self->gup.call.result;
	return ret ?: gup_release(self->session.dev, self->gup.call.handle, false);
}

static int call_present(FIXTURE_DATA(fail) *self, uint32_t entry)
{
	return to_call(self, entry, self->memory.addr);
}

static int call_absent(FIXTURE_DATA(fail) *self, uint32_t entry)
{
	return to_call(self, entry, self->fresh);
}

static int call_ranges(FIXTURE_DATA(fail) *self, uint32_t entry)
{
	uint64_t addr = (uintptr_t)self->fresh;
	int ret;

	self->ranges.nr = 0;
	ret = ranges_run(self->session.dev, &self->ranges, entry,
			 FAST_GUP_HOLD | FAST_GUP_WRITE, &addr,
			 PAGES * page_size(), ranges_entries[entry].blocks ? 1 : PAGES);
	if (!ret && self->ranges.call.result < 0)
		return self->ranges.call.result;
	return ret ?: gup_release(self->session.dev, self->ranges.call.handle,
				  false);
}

static int call_split(FIXTURE_DATA(fail) *self, uint32_t entry)
{
	struct fast_gup_split split;
	int ret = ranges_split(self->session.dev, &split, self->handle, 0, 0);

	/* There is nothing in front of the first page: it is refused, late. */
	return ret == 0 && split.result == -EINVAL ? 0 : ret ?: -EPROTO;
}

static int call_pack(FIXTURE_DATA(fail) *self, uint32_t entry)
{
	struct fast_gup_pack pack;

	return ranges_pack(self->session.dev, &pack, self->handle, 2);
}

static int call_copy(FIXTURE_DATA(fail) *self, uint32_t entry)
{
	struct page_tag tag;
	int ret = gup_copy(self->session.dev, self->handle, 0, &tag, sizeof(tag),
			   false);

	return ret ?: tag.magic == PAGE_TAG_MAGIC ? 0 : -EPROTO;
}

static int call_bench(FIXTURE_DATA(fail) *self, uint32_t entry)
{
	struct fast_gup_bench bench = {
		.size = sizeof(bench),
		.version = FAST_GUP_ABI_VERSION,
		.caller = entry,
		.pin = 1,
		.addr = (uintptr_t)self->memory.addr,
		.nr_pages = PAGES,
		.per_call = PAGES / 2,
	};

	return ioctl(self->session.dev, FAST_GUP_IOC_BENCH, &bench) ? -errno : 0;
}

static int call_open(FIXTURE_DATA(fail) *self, uint32_t entry)
{
	int fd = open(FAST_GUP_DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : close(fd);
}

static int call_vmsplice(FIXTURE_DATA(fail) *self, uint32_t entry)
{
	struct iovec iov = { self->memory.addr, 4 * page_size() };
	ssize_t ret = vmsplice(self->pipe[1], &iov, 1, 0);
	int err = errno;
	char drain[4096];

	while (read(self->pipe[0], drain, sizeof(drain)) > 0)
		;
	return ret < 0 ? -err : 0;
}

static int call_direct_io(FIXTURE_DATA(fail) *self, uint32_t entry)
{
	if (self->disk.fd < 0)
		return 0;
	return pwrite(self->disk.fd, self->memory.addr, PAGES * page_size(), 0) < 0 ?
	       -errno : 0;
}

/* One call, with its first allocation failing, its second, and so on. */
static int each_in_turn(struct __test_metadata *_metadata,
			FIXTURE_DATA(fail) *self, const struct operation *op)
{
	const size_t len = PAGES * page_size();
	long before = pins_outstanding(), seen;

	for (int nth = 1; nth <= MOST_FAILURES; nth++) {
		bool injected;
		int ret;

		self->fresh = mmap(NULL, len, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ASSERT_NE(MAP_FAILED, self->fresh);
		fail_nth(self, nth);
		ret = op->run(self, op->entry);
		injected = failed(self);
		munmap(self->fresh, len);

		/* The walk alone does not fault: it may return nothing. */
		EXPECT_TRUE(ret == 0 || ret == -ENOMEM || ret == -ENOENT ||
			    (injected && (ret == -EFAULT || ret == -EAGAIN ||
					  ret == -EIO)))
			TH_LOG("%s, allocation %d: %d", op->name, nth, ret);
		EXPECT_TRUE(pins_settle(before, &seen))
			TH_LOG("%s, allocation %d: %ld pins too many", op->name,
			       nth, seen - before);
		for (size_t i = 0; i < PAGES; i++) {
			EXPECT_TRUE(tag_is(self->memory.addr + i * page_size(),
					   1, i, 1));
		}
		if (!injected) {
			EXPECT_NE(-ENOMEM, ret)
				TH_LOG("%s fails by itself", op->name);
			printf("# %s: %d allocations\n", op->name, nth - 1);
			return nth - 1;
		}
	}
	EXPECT_TRUE(false)
		TH_LOG("%s: allocations without end", op->name);
	return 0;
}

TEST_F_TIMEOUT(fail, each_allocation, 2 * TEST_SECONDS)
{
	static const struct operation operations[] = {
		{ "open", call_open, 0 },
		{ "ranges", call_ranges, FAST_GUP_RANGES_PIN },
		{ "ranges got", call_ranges, FAST_GUP_RANGES_GET },
		{ "ranges in blocks", call_ranges, FAST_GUP_RANGES_PIN_BLOCKS },
		{ "split", call_split, 0 },
		{ "pack", call_pack, 0 },
		{ "copy", call_copy, 0 },
		{ "bench of ranges", call_bench, FAST_GUP_BENCH_RANGES },
		{ "bench of pages", call_bench, FAST_GUP_BENCH_PAGES },
		{ "vmsplice", call_vmsplice, 0 },
		{ "direct I/O", call_direct_io, 0 },
	};
	int allocations = 0;

	for (size_t e = 0; e < NR_GUP_ENTRIES; e++) {
		struct operation op = { gup_entries[e].name, call_present, e };

		allocations += each_in_turn(_metadata, self, &op);
		op.run = call_absent;
		allocations += each_in_turn(_metadata, self, &op);
	}
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++)
		allocations += each_in_turn(_metadata, self, &operations[i]);
	/* Without any failure, nothing was shown. */
	EXPECT_GT(allocations, 2 * NR_GUP_ENTRIES);
}

TEST_HARNESS_MAIN
