// SPDX-License-Identifier: GPL-2.0
/*
 * Faults that wait for a disk: pages of a file that are read in, and pages that
 * were swapped out.  While a call waits for either, the mmap lock is free.
 *
 * Whether a call waits cannot be decided here as with userfaultfd, so that it is
 * looked at: the call sleeps in I/O, another thread maps and unmaps memory and
 * is done, and the call still sleeps.  A disk that is quicker than that proves
 * nothing, and is asked again.  It always has another reader to serve first, for
 * one that has had nothing to do for a while may well be quick.
 *
 *	FAST_GUP_SLOW	a slow disk, which is written to
 */
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include "memory.h"
#include "session.h"
#include "waiting.h"

#define TRIES		16	/* pages that are waited for at the most */
#define SEEN		3	/* of them, at least, with others at work meanwhile */
/* Pages that are not next to each other, so that none is read with another. */
#define STRIDE		64

FIXTURE(slow_io) {
	struct session session;
	const char *disk;
	int fd;
	char *map;
	size_t len;
	bool swapping;
	struct waiting call;
	pthread_t reader;
	bool reading;
	atomic_bool stop;
};

/* Reads all the time, past the page cache. */
static void *read_loop(void *arg)
{
	FIXTURE_DATA(slow_io) *self = arg;
	int fd = open(self->disk, O_RDONLY | O_DIRECT | O_CLOEXEC);
	void *buf = aligned_alloc(page_size(), page_size());

	while (!self->stop && fd >= 0 && buf)
		if (pread(fd, buf, page_size(), self->len) < 0)
			break;
	if (fd >= 0)
		close(fd);
	free(buf);
	return NULL;
}

static bool keep_busy(FIXTURE_DATA(slow_io) *self)
{
	self->reading = !pthread_create(&self->reader, NULL, read_loop, self);
	return self->reading;
}

FIXTURE_SETUP(slow_io)
{
	self->fd = -1;
	if (!session_open(_metadata, &self->session))
		return;
	self->disk = getenv("FAST_GUP_SLOW");
	if (!self->disk)
		SKIP(return, "no slow disk: set FAST_GUP_SLOW");
	self->fd = open(self->disk, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->fd, 0) TH_LOG("%s: %s", self->disk, strerror(errno));
	self->len = TRIES * STRIDE * page_size();
	ASSERT_LT(self->len, lseek(self->fd, 0, SEEK_END))
		TH_LOG("%s is too small", self->disk);
}

FIXTURE_TEARDOWN(slow_io)
{
	self->stop = true;
	if (self->reading)
		pthread_join(self->reader, NULL);
	if (self->map)
		munmap(self->map, self->len);
	if (self->swapping)
		EXPECT_EQ(0, swapoff(self->disk));
	if (self->fd >= 0)
		close(self->fd);
	session_close(_metadata, &self->session);
}

static char *at(FIXTURE_DATA(slow_io) *self, size_t try)
{
	return self->map + try * STRIDE * page_size();
}

/* In the page cache or in the swap cache, whether it is mapped or not. */
static bool in_memory(FIXTURE_DATA(slow_io) *self, size_t try)
{
	unsigned char here = 1;

	return mincore(at(self, try), page_size(), &here) || here & 1;
}

static bool sleeps(const struct waiting *w)
{
	return !w->returned && waiting_state(w) == 'D';
}

/* Somebody maps and unmaps while the call sleeps; false: not this time. */
static bool others_meanwhile(struct __test_metadata *_metadata,
			     struct waiting *w)
{
	struct bystander other;
	bool slept;

	while (!w->returned && !sleeps(w))
		usleep(100);
	slept = sleeps(w);
	ASSERT_TRUE(bystander_start(&other, map_and_unmap, NULL));
	ASSERT_TRUE(bystander_done(&other));
	slept &= sleeps(w);
	EXPECT_TRUE(bystander_join(&other));
	return slept;
}

static void wait_for_each(struct __test_metadata *_metadata,
			  FIXTURE_DATA(slow_io) *self, const struct way *way,
			  uint32_t flags, uint64_t owner)
{
	struct page_tag tag;
	long swapped = vmstat_read("pswpin");
	size_t try;
	int seen = 0;

	for (try = 0; try < TRIES && seen < SEEN; try++) {
		struct waiting *w = &self->call;

		if (in_memory(self, try))
			continue;
		ASSERT_TRUE(waiting_start(w, self->session.dev, way, flags,
					  (uintptr_t)at(self, try), 1));
		seen += others_meanwhile(_metadata, w);
		waiting_join(w);
		ASSERT_EQ(0, w->error);
		ASSERT_EQ(1, w->result) TH_LOG("%s", way->name);
		EXPECT_EQ(0, w->fast_pages) TH_LOG("%s", way->name);
		ASSERT_EQ(0, gup_copy(self->session.dev, w->handle, 0, &tag,
				      sizeof(tag), false));
		EXPECT_TRUE(tag_is(&tag, owner, try * STRIDE, 0))
			TH_LOG("%s: page %zu has other contents", way->name, try);
		waiting_free(w);
	}
	printf("# %s: %d of %zu times, memory was mapped meanwhile\n",
	       way->name, seen, try);
	printf("# %ld pages swapped in\n", vmstat_read("pswpin") - swapped);
	EXPECT_GE(seen, SEEN)
		TH_LOG("%s holds the mmap lock while it waits", way->name);
}

#define FILE_OWNER	0xf11e

/* Nothing of it is in memory. */
static bool forget(FIXTURE_DATA(slow_io) *self)
{
	return !fsync(self->fd) && !ioctl(self->fd, BLKFLSBUF, 0);
}

TEST_F_TIMEOUT(slow_io, file, TEST_SECONDS)
{
	static const struct way *const some[] = { &ways[1], &ways[5] };
	char *page = calloc(1, page_size());

	ASSERT_NE(NULL, page);
	for (size_t try = 0; try < TRIES; try++) {
		tag_page(page, FILE_OWNER, try * STRIDE, 0);
		ASSERT_EQ(page_size(), pwrite(self->fd, page, page_size(),
					      try * STRIDE * page_size()));
	}
	free(page);
	ASSERT_EQ(0, fsync(self->fd));
	ASSERT_TRUE(keep_busy(self));
	for (size_t i = 0; i < ARRAY_SIZE(some); i++) {
		ASSERT_TRUE(forget(self));
		self->map = mmap(NULL, self->len, PROT_READ, MAP_SHARED,
				 self->fd, 0);
		ASSERT_NE(MAP_FAILED, self->map);
		/* No reading ahead: each page is waited for. */
		ASSERT_EQ(0, madvise(self->map, self->len, MADV_RANDOM));
		wait_for_each(_metadata, self, some[i], 0, FILE_OWNER);
		munmap(self->map, self->len);
		self->map = NULL;
	}
}

/* What mkswap(8) writes, as far as the kernel wants it. */
static bool make_swap(FIXTURE_DATA(slow_io) *self)
{
	size_t pages = lseek(self->fd, 0, SEEK_END) / page_size();
	uint32_t *header = calloc(1, page_size());
	bool ok;

	if (!header)
		return false;
	header[256] = 1;			/* version */
	header[257] = pages - 1;		/* last page */
	memcpy((char *)header + page_size() - 10, "SWAPSPACE2", 10);
	ok = pwrite(self->fd, header, page_size(), 0) == (ssize_t)page_size() &&
	     !fsync(self->fd);
	free(header);
	/* Of all the areas, it is the first to be used. */
	self->swapping = ok && !swapon(self->disk, SWAP_FLAG_PREFER | 100);
	return self->swapping;
}

/*
 * Pages that are written may still be in the swap cache.  Reclaim takes them from
 * there, asked for little more: there is no need to swap anybody else's.
 */
static bool leave_swap_cache(FIXTURE_DATA(slow_io) *self)
{
	char text[48];
	size_t gone = 0;

	for (int i = 0; i < 50 && gone < TRIES / 2; i++) {
		usleep(100 * 1000);
		snprintf(text, sizeof(text), "%zu swappiness=max",
			 2 * TRIES * page_size());
		file_write("/sys/fs/cgroup/memory.reclaim", text);
		gone = 0;
		for (size_t try = 0; try < TRIES; try++)
			gone += !in_memory(self, try);
	}
	return gone >= TRIES / 2;
}

#define PM_SWAP		(1ULL << 62)
#define SWAP_OWNER	0x5a4b

TEST_F_TIMEOUT(slow_io, swap, TEST_SECONDS)
{
	const struct way *way = &ways[1];

	ASSERT_TRUE(make_swap(self)) TH_LOG("swapon: %s", strerror(errno));
	self->map = mmap(NULL, self->len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	madvise(self->map, self->len, MADV_NOHUGEPAGE);
	for (size_t try = 0; try < TRIES; try++) {
		tag_page(at(self, try), SWAP_OWNER, try * STRIDE, 0);
		madvise(at(self, try), page_size(), MADV_PAGEOUT);
	}
	if (!leave_swap_cache(self))
		SKIP(return, "the pages stay in the swap cache");
	for (size_t try = 0; try < TRIES; try++) {
		ASSERT_EQ(PM_SWAP, pagemap_entry(at(self, try)) & PM_SWAP)
			TH_LOG("page %zu was not swapped out", try);
	}
	/* One page at a time: those beside it in the area are for others. */
	ASSERT_TRUE(file_write("/proc/sys/vm/page-cluster", "0"));
	ASSERT_TRUE(keep_busy(self));
	wait_for_each(_metadata, self, way, FAST_GUP_WRITE, SWAP_OWNER);
	file_write("/proc/sys/vm/page-cluster", "3");
}

TEST_HARNESS_MAIN
