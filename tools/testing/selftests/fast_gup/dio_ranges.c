// SPDX-License-Identifier: GPL-2.0
/*
 * Direct I/O by ranges: while it is under way, there is one pin for all the
 * pages of a folio, and not one for each.
 *
 * The disk is a null_blk of our own that takes its time, so that the pins can be
 * counted meanwhile.  What is tested is the kernel's: the module need not be
 * loaded.
 */
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <linux/aio_abi.h>
#include "blockfile.h"
#include "memory.h"
#include "session.h"

#define CONFIGFS	"/sys/kernel/config"
#define DISK		CONFIGFS "/nullb/fast_gup_slow"
#define SECTOR		512
#define MAX_LEN		(4UL << 20)

FIXTURE(dio_ranges) {
	int fd;
	aio_context_t ctx;
	long pins;
};

static bool disk_set(const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), DISK "/%s", name);
	return file_write(path, value);
}

/* An answer takes this long; a test that finds it given already tries again. */
static bool disk_make(long milliseconds)
{
	char nsec[32];

	if (access(CONFIGFS "/nullb", F_OK))
		mount("configfs", CONFIGFS, "configfs", 0, NULL);
	rmdir(DISK);
	if (mkdir(DISK, 0755))
		return false;
	snprintf(nsec, sizeof(nsec), "%ld", milliseconds * 1000 * 1000);
	return disk_set("size", "64") && disk_set("memory_backed", "1") &&
	       disk_set("irqmode", "2") && disk_set("completion_nsec", nsec) &&
	       disk_set("power", "1");
}

static int disk_open(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/fast_gup_slow");
	if (access(path, F_OK))
		snprintf(path, sizeof(path), "/dev/nullb%ld",
			 file_read_long(DISK "/index"));
	return open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
}

static void disk_drop(FIXTURE_DATA(dio_ranges) *self)
{
	if (self->fd >= 0)
		close(self->fd);
	self->fd = -1;
	disk_set("power", "0");
	rmdir(DISK);
}

FIXTURE_SETUP(dio_ranges)
{
	self->fd = -1;
	if (!disk_make(300))
		SKIP_UNLESS_REQUIRED(return, "no null_blk by configfs");
	self->fd = disk_open();
	ASSERT_GE(self->fd, 0) TH_LOG("%s", strerror(errno));
	ASSERT_EQ(0, syscall(SYS_io_setup, 1, &self->ctx));
	/* What another test has lost is not ours. */
	pins_settle(0, &self->pins);
}

FIXTURE_TEARDOWN(dio_ranges)
{
	long seen;

	if (self->ctx)
		syscall(SYS_io_destroy, self->ctx);
	disk_drop(self);
	EXPECT_TRUE(pins_settle(self->pins, &seen))
		TH_LOG("%ld pins never came back", seen - self->pins);
}

/* Starts it, and returns the pins while it is under way; -1: it was over. */
static long pins_under_way(struct __test_metadata *_metadata,
			   FIXTURE_DATA(dio_ranges) *self, int opcode,
			   char *addr, size_t len)
{
	struct iocb iocb = {
		.aio_lio_opcode = opcode,
		.aio_fildes = self->fd,
		.aio_buf = (uintptr_t)addr,
		.aio_nbytes = len,
	}, *list = &iocb;
	struct timespec now = {};
	struct io_event event;
	long pins, done;

	ASSERT_EQ(1, syscall(SYS_io_submit, self->ctx, 1, &list));
	pins = pins_outstanding() - self->pins;
	done = syscall(SYS_io_getevents, self->ctx, 0, 1, &event, &now);
	if (done)
		pins = -1;
	else
		done = syscall(SYS_io_getevents, self->ctx, 1, 1, &event, NULL);
	ASSERT_EQ(1, done);
	ASSERT_EQ(len, event.res) TH_LOG("%lld", (long long)event.res);
	return pins;
}

static void check_pins(struct __test_metadata *_metadata,
		       FIXTURE_DATA(dio_ranges) *self, const char *kind,
		       struct memory *m, size_t from, size_t len, int opcode)
{
	size_t unit = m->unit ? m->unit : page_size();
	size_t folios = (from + len - 1) / unit - from / unit + 1;
	long pins = -1, seen;

	for (int i = 0; i < 20 && pins < 0; i++) {
		pins = pins_under_way(_metadata, self, opcode, m->addr + from,
				      len);
		ASSERT_TRUE(pins_settle(self->pins, &seen))
			TH_LOG("%s: %ld pins too many afterwards", kind,
			       seen - self->pins);
	}
	EXPECT_EQ(folios, pins)
		TH_LOG("%s: %zu bytes at %zu", kind, len, from);
}

/* As many pins as folios, and the bytes are right. */
TEST_F_TIMEOUT(dio_ranges, one_pin_each, TEST_SECONDS)
{
	static const enum memory_kind_id kinds[] = {
		MEM_ANON, MEM_THP, MEM_THP_PTE, MEM_MTHP, MEM_SHMEM_THP,
		MEM_HUGETLB,
	};

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		const char *kind = memory_kinds[kinds[k]].name;
		struct memory m;
		size_t len;

		if (!memory_make(kinds[k], &m, MAX_LEN)) {
			printf("# no %s: %s\n", kind, m.why);
			continue;
		}
		len = kinds[k] == MEM_ANON ? 64 * page_size() : MAX_LEN;
		fill(m.addr, len, k, 0);
		check_pins(_metadata, self, kind, &m, 0, len, IOCB_CMD_PWRITE);
		memset(m.addr, 0, len);
		check_pins(_metadata, self, kind, &m, 0, len, IOCB_CMD_PREAD);
		ASSERT_EQ(len, filled(m.addr, len, k, 0)) TH_LOG("%s", kind);

		/* A part of a page at each end. */
		check_pins(_metadata, self, kind, &m, 3 * SECTOR,
			   len - 5 * SECTOR, IOCB_CMD_PREAD);
		ASSERT_EQ(len - 5 * SECTOR, filled(m.addr + 3 * SECTOR,
						   len - 5 * SECTOR, k, 0))
			TH_LOG("%s", kind);
		memory_free(&m);
	}
}

/* Pages of one huge page that are not in its order are ranges of one page. */
TEST_F_TIMEOUT(dio_ranges, pages_swapped, TEST_SECONDS)
{
	size_t page = page_size();
	struct memory m;
	char *spare;

	if (!memory_make(MEM_THP_PTE, &m, 64 * page))
		SKIP(return, "%s", m.why);
	spare = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, spare);

	/* 0 1 2 3 4 5 6 7 becomes 0 1 2 4 3 5 6 7. */
	ASSERT_EQ(spare, mremap(m.addr + 3 * page, page, page,
				MREMAP_MAYMOVE | MREMAP_FIXED, spare));
	ASSERT_EQ(m.addr + 3 * page,
		  mremap(m.addr + 4 * page, page, page,
			 MREMAP_MAYMOVE | MREMAP_FIXED, m.addr + 3 * page));
	ASSERT_EQ(m.addr + 4 * page,
		  mremap(spare, page, page, MREMAP_MAYMOVE | MREMAP_FIXED,
			 m.addr + 4 * page));

	for (int i = 0; i < 20; i++) {
		long pins, seen;

		fill(m.addr, 8 * page, 5, 0);
		pins = pins_under_way(_metadata, self, IOCB_CMD_PWRITE, m.addr,
				      8 * page);
		ASSERT_TRUE(pins_settle(self->pins, &seen));
		memset(m.addr, 0, 8 * page);
		ASSERT_EQ(8 * page, pread(self->fd, m.addr, 8 * page, 0));
		ASSERT_EQ(8 * page, filled(m.addr, 8 * page, 5, 0));
		if (pins < 0)
			continue;
		EXPECT_EQ(4, pins);
		break;
	}
	memory_free(&m);
}

TEST_HARNESS_MAIN
