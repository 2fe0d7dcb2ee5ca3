// SPDX-License-Identifier: GPL-2.0
/*
 * Direct I/O that comes to a page nobody has: what was pinned in front of it,
 * and does not make a whole block of the disk, is given back to the last pin.
 *
 * The disk must have blocks that are larger than what it demands of memory
 * addresses, as NVMe does, or such I/O is refused before anything is pinned.
 * What is tested is the kernel's: the module need not be loaded.
 */
#include <sys/mman.h>
#include <sys/uio.h>
#include "blockfile.h"
#include "memory.h"
#include "session.h"

#define SECTOR	512
#define ROUNDS	8

FIXTURE(dio_leak) {
	struct blockfile disk;
	struct memory memory;
	char *nobody;			/* where nothing is mapped */
	long pins;
};

FIXTURE_VARIANT(dio_leak) {
	enum memory_kind_id kind;
};

FIXTURE_VARIANT_ADD(dio_leak, anon) { MEM_ANON };
FIXTURE_VARIANT_ADD(dio_leak, thp) { MEM_THP };
FIXTURE_VARIANT_ADD(dio_leak, thp_pte) { MEM_THP_PTE };
FIXTURE_VARIANT_ADD(dio_leak, mthp) { MEM_MTHP };
FIXTURE_VARIANT_ADD(dio_leak, hugetlb) { MEM_HUGETLB };

FIXTURE_SETUP(dio_leak)
{
	if (!blockfile_open(&self->disk, ON_NVME, 0))
		SKIP_UNLESS_REQUIRED(return, self->disk.why);
	if (!memory_make(variant->kind, &self->memory, 64 * page_size()))
		SKIP(return, "%s", self->memory.why);
	self->nobody = mmap(NULL, page_size(), PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->nobody);
	/* What another test has lost is not ours. */
	pins_settle(0, &self->pins);
}

FIXTURE_TEARDOWN(dio_leak)
{
	long seen;

	EXPECT_TRUE(pins_settle(self->pins, &seen))
		TH_LOG("%ld pins never came back", seen - self->pins);
	memory_free(&self->memory);
	blockfile_close(&self->disk);
}

/*
 * Reads and writes @len bytes at @from, behind them as many of nobody's as a
 * whole number of blocks wants.  Whole blocks of what is there are direct I/O,
 * and the bytes behind them go through the page cache; without a whole block,
 * nothing does.
 */
static void io(struct __test_metadata *_metadata, FIXTURE_DATA(dio_leak) *self,
	       char *from, size_t len, size_t pieces)
{
	ssize_t expected = len < SECTOR ? -1 : (ssize_t)len;
	struct iovec iov[8];
	size_t n = 0, at = 0;
	long seen;

	for (; n < pieces; n++) {
		size_t piece = n + 1 == pieces ? len - at : len / pieces / 4 * 4;

		iov[n] = (struct iovec) { from + at, piece };
		at += piece;
	}
	iov[n++] = (struct iovec) { self->nobody, SECTOR - len % SECTOR };

	for (int round = 0; round < ROUNDS; round++) {
		ssize_t ret;

		fill(from, len, round, 0);
		ret = pwritev(self->disk.fd, iov, n, 0);
		ASSERT_EQ(expected, ret)
			TH_LOG("%zu bytes: %s", len, strerror(errno));
		memset(from, 0, len);
		ret = preadv(self->disk.fd, iov, n, 0);
		ASSERT_EQ(expected, ret)
			TH_LOG("%zu bytes: %s", len, strerror(errno));
		if (expected > 0) {
			ASSERT_EQ(len, filled(from, len, round, 0));
		}
	}
	EXPECT_TRUE(pins_settle(self->pins, &seen))
		TH_LOG("%zu bytes at %zu of a page, in %zu pieces, %d times: %ld pins too many",
		       len, (uintptr_t)from % page_size(), pieces, 2 * ROUNDS,
		       seen - self->pins);
	self->pins = seen;
}

/* As it was found: all that is pinned is dropped, and is of two pages. */
TEST_F_TIMEOUT(dio_leak, nothing_whole, TEST_SECONDS)
{
	io(_metadata, self, self->memory.addr + page_size() - 4, 8, 1);
	io(_metadata, self, self->memory.addr + 2 * page_size() - 4, 8, 1);
	io(_metadata, self, self->memory.addr + page_size() - 256, 508, 1);
}

/* The end is dropped, and is of pages that nothing is left of. */
TEST_F_TIMEOUT(dio_leak, end_trimmed, TEST_SECONDS)
{
	static const size_t lens[] = { 516, 1020, 1024 + 4 };
	size_t page = page_size();

	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		size_t whole = lens[i] / SECTOR * SECTOR;

		/* The last block ends with a page, or in one. */
		io(_metadata, self, self->memory.addr + page - whole, lens[i], 1);
		io(_metadata, self, self->memory.addr + page - 4, lens[i], 1);
		io(_metadata, self, self->memory.addr + 5 * page - whole,
		   lens[i] + 3 * page, 1);
		io(_metadata, self, self->memory.addr + 5 * page - 4,
		   lens[i] + 40 * page, 1);
	}
}

/* Several vectors are dropped, and a part of another one. */
TEST_F_TIMEOUT(dio_leak, vectors_trimmed, TEST_SECONDS)
{
	size_t page = page_size();

	for (size_t pieces = 2; pieces <= 7; pieces++) {
		io(_metadata, self, self->memory.addr + page - 4, 280, pieces);
		io(_metadata, self, self->memory.addr + page - 512, 796, pieces);
		io(_metadata, self, self->memory.addr + 4 * page - 256,
		   20 * page + 508, pieces);
	}
}

TEST_HARNESS_MAIN
