// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's own API by ranges, pin_user_ranges_fast() and its kin, through
 * gup_test.  It compares each range with the pages that are there, and says
 * when one could have gone on; the number of ranges, their sizes and their pins
 * are looked at here.  The module need not be loaded.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <mm/gup_test.h>
#include "memory.h"
#include "session.h"

#define GUP_TEST	"/sys/kernel/debug/gup_test"
#define FOLL_WRITE	0x01
#define FOLL_LONGTERM	0x100
#define PAGES		1200
#define MAX_RANGES	(2 * PAGES)

FIXTURE(user_ranges) {
	int fd;
	long pins;
	struct pin_ranges_test test;
	__u64 nr_pages[MAX_RANGES];
};

FIXTURE_SETUP(user_ranges)
{
	self->fd = open(GUP_TEST, O_RDWR | O_CLOEXEC);
	if (self->fd < 0)
		SKIP_UNLESS_REQUIRED(return, "no " GUP_TEST);
	/* What another test has lost is not ours. */
	pins_settle(0, &self->pins);
}

FIXTURE_TEARDOWN(user_ranges)
{
	long seen;

	close(self->fd);
	EXPECT_TRUE(pins_settle(self->pins, &seen))
		TH_LOG("%ld pins never came back", seen - self->pins);
}

/* 0, or -errno. */
static int start(FIXTURE_DATA(user_ranges) *self, const void *addr, size_t len,
		 unsigned int per_call, unsigned int gup_flags,
		 unsigned int flags)
{
	self->test = (struct pin_ranges_test) {
		.addr = (uintptr_t)addr,
		.size = len,
		.ranges_per_call = per_call,
		.gup_flags = gup_flags,
		.flags = flags,
		.nr_ranges = MAX_RANGES,
		.nr_pages = (uintptr_t)self->nr_pages,
	};
	return ioctl(self->fd, PIN_RANGES_TEST_START, &self->test) ? -errno : 0;
}

static int stop(FIXTURE_DATA(user_ranges) *self)
{
	return ioctl(self->fd, PIN_RANGES_TEST_STOP) ? -errno : 0;
}

static long pins_held(FIXTURE_DATA(user_ranges) *self)
{
	return pins_outstanding() - self->pins;
}

static const enum memory_kind_id kinds[] = {
	MEM_ANON, MEM_THP, MEM_THP_PTE, MEM_MTHP, MEM_TMPFS, MEM_SHMEM_THP,
	MEM_HUGETLB, MEM_HUGETLB_SHARED,
};

static const unsigned int per_call[] = { 1, 2, 3, 31, 32, 33, 100, MAX_RANGES };

/* One range for each folio, however few of them a call may return. */
TEST_F_TIMEOUT(user_ranges, one_for_each_folio, TEST_SECONDS)
{
	static const size_t begins[] = { 0, 100, 3 }, lens[] = { PAGES, 7, 510 };
	size_t page = page_size();

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		const char *kind = memory_kinds[kinds[k]].name;
		struct memory m;

		if (!memory_make(kinds[k], &m, PAGES * page)) {
			printf("# no %s: %s\n", kind, m.why);
			continue;
		}
		for (size_t i = 0; i < ARRAY_SIZE(per_call) * 3; i++) {
			size_t from = begins[i % 3] * page;
			size_t len = lens[i % 3] * page;
			size_t unit = m.unit ? m.unit : page;
			size_t folios = (from + len - 1) / unit -
					from / unit + 1;

			ASSERT_EQ(0, start(self, m.addr + from, len,
					   per_call[i / 3], FOLL_WRITE, 0))
				TH_LOG("%s, %u per call", kind, per_call[i / 3]);
			EXPECT_EQ((uintptr_t)m.addr + from + len,
				  self->test.end);
			if (!memory_kinds[kinds[k]].any_order) {
				EXPECT_EQ(folios, self->test.nr_ranges)
					TH_LOG("%s, %u per call", kind,
					       per_call[i / 3]);
			}
			EXPECT_EQ(self->test.nr_ranges, pins_held(self));
			ASSERT_EQ(0, stop(self));
			EXPECT_EQ(0, pins_held(self)) TH_LOG("%s", kind);
		}
		memory_free(&m);
	}
}

/* Bytes that begin and end within pages: the pages, and the cursor at the end. */
TEST_F_TIMEOUT(user_ranges, bytes, TEST_SECONDS)
{
	static const size_t begins[] = { 0, 1, 4095, 2048 };
	static const size_t lens[] = { 1, 2, 4096, 4097, 3 * 4096 };
	size_t page = page_size();
	struct memory m;

	ASSERT_TRUE(memory_make(MEM_ANON, &m, 16 * page));
	for (size_t b = 0; b < ARRAY_SIZE(begins); b++) {
		for (size_t l = 0; l < ARRAY_SIZE(lens); l++) {
			char *addr = m.addr + begins[b];
			size_t pages = (begins[b] + lens[l] - 1) / page + 1;

			ASSERT_EQ(0, start(self, addr, lens[l], 2, FOLL_WRITE,
					   0));
			EXPECT_EQ((uintptr_t)addr + lens[l], self->test.end);
			EXPECT_EQ(pages, self->test.nr_ranges);
			ASSERT_EQ(0, stop(self));
		}
	}
	memory_free(&m);
}

/* References are no pins, and each split one is dropped, too. */
TEST_F_TIMEOUT(user_ranges, references, TEST_SECONDS)
{
	uint64_t *pfns = calloc(PAGES, sizeof(*pfns));
	size_t page = page_size();
	struct memory m;
	long still;

	ASSERT_NE(NULL, pfns);
	if (!memory_make(MEM_THP, &m, PAGES * page))
		SKIP(return, "%s", m.why);
	for (size_t i = 0; i < ARRAY_SIZE(per_call); i++) {
		ASSERT_EQ(0, start(self, m.addr, PAGES * page, per_call[i], 0,
				   PIN_RANGES_TEST_FLAG_GET |
				   PIN_RANGES_TEST_FLAG_SPLIT));
		EXPECT_EQ(0, pins_held(self));
		ASSERT_EQ(0, stop(self));
	}
	pfns_of(m.addr, PAGES, pfns);
	memory_free(&m);
	EXPECT_TRUE(pfns_freed(pfns, PAGES, PFN_ANON, &still))
		TH_LOG("%ld of %d pages were not freed", still, PAGES);
	free(pfns);
}

/* Each half has a pin of its own. */
TEST_F_TIMEOUT(user_ranges, split, TEST_SECONDS)
{
	size_t page = page_size();
	struct memory m;
	__u32 whole;

	if (!memory_make(MEM_MTHP, &m, 256 * page))
		SKIP(return, "%s", m.why);
	ASSERT_EQ(0, start(self, m.addr, 256 * page, 7, FOLL_WRITE, 0));
	whole = self->test.nr_ranges;
	ASSERT_EQ(0, stop(self));
	ASSERT_EQ(0, start(self, m.addr, 256 * page, 7, FOLL_WRITE,
			   PIN_RANGES_TEST_FLAG_SPLIT));
	EXPECT_EQ(2 * whole, self->test.nr_ranges);
	EXPECT_EQ(2 * whole, pins_held(self));
	EXPECT_EQ(m.unit / page / 2, self->nr_pages[0]);
	EXPECT_EQ(m.unit / page / 2, self->nr_pages[whole]);
	ASSERT_EQ(0, stop(self));
	memory_free(&m);
}

/* A page of zeros is a range without a pin; what is absent is faulted in. */
TEST_F_TIMEOUT(user_ranges, zero_and_absent, TEST_SECONDS)
{
	size_t page = page_size();
	struct memory m;
	char *absent;

	ASSERT_TRUE(memory_make(MEM_ZERO, &m, 70 * page));
	ASSERT_EQ(0, start(self, m.addr, 70 * page, 40, 0, 0));
	EXPECT_EQ(70, self->test.nr_ranges);
	EXPECT_EQ(0, pins_held(self));
	ASSERT_EQ(0, stop(self));
	memory_free(&m);

	absent = mmap(NULL, 70 * page, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, absent);
	EXPECT_EQ(0, start(self, absent, 70 * page, 40, FOLL_WRITE,
			   PIN_RANGES_TEST_FLAG_FAST_ONLY));
	EXPECT_EQ(0, self->test.nr_ranges);
	EXPECT_EQ((uintptr_t)absent, self->test.end);
	ASSERT_EQ(0, stop(self));
	ASSERT_EQ(0, start(self, absent, 70 * page, 40, FOLL_WRITE, 0));
	EXPECT_EQ(70, self->test.nr_ranges);
	ASSERT_EQ(0, stop(self));
	munmap(absent, 70 * page);
}

/* Half a huge page that is there, and half that is not. */
TEST_F_TIMEOUT(user_ranges, mixed, TEST_SECONDS)
{
	size_t page = page_size();
	struct memory m;

	if (!memory_make(MEM_THP, &m, PAGES * page))
		SKIP(return, "%s", m.why);
	/* Others take the places of these. */
	ASSERT_EQ(0, madvise(m.addr + 10 * page, page, MADV_DONTNEED));
	ASSERT_EQ(0, madvise(m.addr + 20 * page, 50 * page, MADV_DONTNEED));
	ASSERT_EQ(0, madvise(m.addr + 20 * page, 50 * page, MADV_NOHUGEPAGE));
	for (size_t i = 0; i < ARRAY_SIZE(per_call); i++) {
		ASSERT_EQ(0, start(self, m.addr, PAGES * page, per_call[i],
				   FOLL_WRITE, 0));
		EXPECT_EQ((uintptr_t)m.addr + PAGES * page, self->test.end);
		EXPECT_EQ(10, self->nr_pages[0]);
		EXPECT_EQ(1, self->nr_pages[1]);
		EXPECT_EQ(9, self->nr_pages[2]);
		EXPECT_EQ(self->test.nr_ranges, pins_held(self));
		ASSERT_EQ(0, stop(self));
	}
	memory_free(&m);
}

/* What could be had is kept; an error is only for nothing at all. */
TEST_F_TIMEOUT(user_ranges, errors, TEST_SECONDS)
{
	size_t page = page_size();
	struct memory m;

	ASSERT_TRUE(memory_make(MEM_ANON, &m, 64 * page));
	ASSERT_EQ(0, munmap(m.addr + 40 * page, page));
	for (size_t i = 0; i < ARRAY_SIZE(per_call); i++) {
		ASSERT_EQ(0, start(self, m.addr, 64 * page, per_call[i],
				   FOLL_WRITE, 0));
		EXPECT_EQ((uintptr_t)m.addr + 40 * page, self->test.end);
		EXPECT_EQ(40, pins_held(self));
		ASSERT_EQ(0, stop(self));
	}
	EXPECT_EQ(-EFAULT, start(self, m.addr + 40 * page, page, 4, FOLL_WRITE,
				 0));
	ASSERT_EQ(0, mprotect(m.addr, page, PROT_READ));
	EXPECT_EQ(-EFAULT, start(self, m.addr, page, 4, FOLL_WRITE, 0));
	EXPECT_EQ(-EFAULT, start(self, (void *)(UINTPTR_MAX - 8 * page), page, 4,
				 0, 0));
	EXPECT_EQ(-EINVAL, start(self, m.addr + page, page, 0, FOLL_WRITE, 0));
	EXPECT_EQ(0, start(self, m.addr, 0, 4, FOLL_WRITE, 0));
	EXPECT_EQ(0, self->test.nr_ranges);
	ASSERT_EQ(0, stop(self));
	memory_free(&m);
}

static bool drop_to(uid_t uid, rlim_t memlock)
{
	struct rlimit limit = { memlock, memlock };

	return !setrlimit(RLIMIT_MEMLOCK, &limit) && !setresuid(uid, uid, uid);
}

#define CHARGED	PIN_RANGES_TEST_FLAG_CHARGE

/* In a process of its own, which may not lock more than 100 pages. */
static int limited(FIXTURE_DATA(user_ranges) *self, char *addr)
{
	size_t page = page_size();

	if (!drop_to(65534, 100 * page))
		return 1;
	/* gup_test charges two pages more than it gives back at once. */
	if (start(self, addr, 99 * page, 8, FOLL_WRITE | FOLL_LONGTERM,
		  CHARGED) != -ENOMEM)
		return 2;
	if (pins_held(self) || pages_charged())
		return 3;
	if (start(self, addr, 98 * page, 8, FOLL_WRITE | FOLL_LONGTERM,
		  CHARGED))
		return 4;
	if (pages_charged() != 98)
		return 5;
	if (stop(self) || pages_charged())
		return 6;
	return 0;
}

TEST_F_TIMEOUT(user_ranges, memlock, TEST_SECONDS)
{
	size_t page = page_size();
	struct memory m;
	int status;
	pid_t pid;

	ASSERT_TRUE(memory_make(MEM_ANON, &m, 200 * page));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(limited(self, m.addr));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status) TH_LOG("step %d", WEXITSTATUS(status));

	/* CAP_IPC_LOCK may exceed the limit, and is charged all the same. */
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		struct rlimit limit = { page, page };

		_exit(setrlimit(RLIMIT_MEMLOCK, &limit) ||
		      start(self, m.addr, 150 * page, 8, FOLL_WRITE, CHARGED) ||
		      pages_charged() != 150 || stop(self) ||
		      pages_charged());
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	memory_free(&m);
}

/* The owner's process is gone: whoever closes the file gives back. */
TEST_F_TIMEOUT(user_ranges, owner_exits, TEST_SECONDS)
{
	size_t page = page_size();
	struct memory m;
	int status;
	pid_t pid;

	ASSERT_TRUE(memory_make(MEM_ANON, &m, 50 * page));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(start(self, m.addr, 50 * page, 8, FOLL_WRITE, CHARGED));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	/* The file is open here, too. */
	EXPECT_EQ(50, pins_held(self));
	EXPECT_EQ(0, pages_charged());
	EXPECT_EQ(0, stop(self));
	EXPECT_EQ(0, pins_held(self));
	EXPECT_EQ(0, pages_charged());
	memory_free(&m);
}

TEST_HARNESS_MAIN
