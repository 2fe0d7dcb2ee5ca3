// SPDX-License-Identifier: GPL-2.0
/*
 * Direct I/O through the walk: what is written is what is read, for buffers
 * of every kind and alignment, and the counters grow by the pages of the
 * buffers, no more and no less.
 */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "blockfile.h"
#include "memory.h"
#include "session.h"

#define SECTOR		512
#define FILE_LEN	(4UL << 20)
#define BUFFER_LEN	(2UL << 20)

FIXTURE(dio) {
	struct session session;
	struct blockfile file;
};

FIXTURE_VARIANT(dio) {
	enum block_target target;
};

FIXTURE_VARIANT_ADD(dio, ext4) { ON_EXT4 };
FIXTURE_VARIANT_ADD(dio, null_blk) { ON_NULL_BLK };

FIXTURE_SETUP(dio)
{
	if (!session_open(_metadata, &self->session))
		return;
	if (!blockfile_open(&self->file, variant->target, FILE_LEN))
		SKIP_UNLESS_REQUIRED(return, self->file.why);
}

FIXTURE_TEARDOWN(dio)
{
	blockfile_close(&self->file);
	session_close(_metadata, &self->session);
}

struct counters {
	long vmstat, slow, site, site_slow;
};

static struct counters counters_now(void)
{
	return (struct counters) {
		.vmstat = vmstat_read("fast_gup"),
		.slow = vmstat_read("fast_gup_slow"),
		.site = stats_read("direct_io", "pages"),
		.site_slow = stats_read("direct_io", "slow_calls"),
	};
}

static size_t pages_of(const char *addr, size_t len)
{
	size_t page = page_size();
	uintptr_t first = (uintptr_t)addr / page;
	uintptr_t last = ((uintptr_t)addr + len - 1) / page;

	return last - first + 1;
}

/* The counters must have grown by exactly @pages, all of them fast. */
static void check_counters(struct __test_metadata *_metadata,
			   FIXTURE_DATA(dio) *self, struct counters before,
			   size_t pages, const char *what)
{
	struct counters after = counters_now();

	ASSERT_NE(-1, before.vmstat) TH_LOG("no fast_gup in /proc/vmstat");
	ASSERT_NE(-1, before.site) TH_LOG("no direct_io in stats");
	if (!self->session.info.providing)
		pages = 0;
	EXPECT_EQ(pages, after.vmstat - before.vmstat) TH_LOG("%s", what);
	EXPECT_EQ(pages, after.site - before.site) TH_LOG("%s", what);
	EXPECT_EQ(0, after.slow - before.slow) TH_LOG("%s", what);
	EXPECT_EQ(0, after.site_slow - before.site_slow) TH_LOG("%s", what);
}

static void round_trip(struct __test_metadata *_metadata,
		       FIXTURE_DATA(dio) *self, const char *kind, char *out,
		       char *in, size_t len, off_t pos, uint64_t seed,
		       bool predictable)
{
	struct counters before;
	char what[160];

	snprintf(what, sizeof(what), "%s: %zu bytes, buffers at %zu and %zu",
		 kind, len, (uintptr_t)out % page_size(),
		 (uintptr_t)in % page_size());
	fill(out, len, seed, 0);
	memset(in, 0, len);

	before = counters_now();
	ASSERT_EQ(len, pwrite(self->file.fd, out, len, pos))
		TH_LOG("%s: %s", what, strerror(errno));
	ASSERT_EQ(len, pread(self->file.fd, in, len, pos))
		TH_LOG("%s: %s", what, strerror(errno));
	if (predictable)
		check_counters(_metadata, self, before,
			       pages_of(out, len) + pages_of(in, len), what);
	ASSERT_EQ(len, filled(in, len, seed, 0)) TH_LOG("%s", what);
}

/* Buffers of every kind, aligned and not, short and long. */
TEST_F_TIMEOUT(dio, every_buffer, TEST_SECONDS)
{
	static const enum memory_kind_id kinds[] = {
		MEM_ANON, MEM_THP, MEM_THP_PTE, MEM_MTHP, MEM_TMPFS, MEM_MEMFD,
		MEM_MEMFD_COW, MEM_SHMEM_THP, MEM_HUGETLB, MEM_HUGETLB_SHARED,
		MEM_EXT4,
	};
	static const size_t offsets[] = { 0, SECTOR, 5 * SECTOR };
	static const size_t sectors[] = { 1, 8, 9, 64, 1027, 2048 };
	uint64_t seed = 1;

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct memory out, in;

		if (!memory_make(kinds[k], &out, BUFFER_LEN)) {
			printf("# no buffers of %s: %s\n",
			       memory_kinds[kinds[k]].name, out.why);
			continue;
		}
		if (!memory_make(kinds[k], &in, BUFFER_LEN)) {
			printf("# no second buffer of %s: %s\n",
			       memory_kinds[kinds[k]].name, in.why);
			memory_free(&out);
			continue;
		}
		for (size_t o = 0; o < ARRAY_SIZE(offsets); o++) {
			for (size_t s = 0; s < ARRAY_SIZE(sectors); s++) {
				round_trip(_metadata, self,
					   memory_kinds[kinds[k]].name,
					   out.addr + offsets[o],
					   in.addr + offsets[2 - o],
					   sectors[s] * SECTOR, SECTOR * s,
					   seed++, kinds[k] != MEM_EXT4);
			}
		}
		memory_free(&in);
		memory_free(&out);
	}
}

/* Buffers that nobody has touched: the fallback makes them, then it works. */
TEST_F_TIMEOUT(dio, untouched_buffer, TEST_SECONDS)
{
	const size_t len = 1UL << 20;
	long slow = stats_read("direct_io", "slow_calls");
	char *in, *out = mmap(NULL, 2 * len, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, out);
	in = out + len;
	fill(out, len, 77, 0);
	ASSERT_EQ(len, pwrite(self->file.fd, out, len, 0));
	ASSERT_EQ(len, pread(self->file.fd, in, len, 0));
	EXPECT_EQ(len, filled(in, len, 77, 0));
	if (self->session.info.providing) {
		EXPECT_GT(stats_read("direct_io", "slow_calls"), slow);
	}
	munmap(out, 2 * len);
}

/* A hole in the middle of the buffer: EFAULT or short, and no pin is lost. */
TEST_F_TIMEOUT(dio, hole_in_buffer, TEST_SECONDS)
{
	const size_t page = page_size(), len = 16 * page;

	for (int hole = 0; hole < 16; hole += 5) {
		struct memory m;
		ssize_t ret;

		ASSERT_TRUE(memory_make(MEM_ANON, &m, len));
		fill(m.addr, len, hole + 9, 0);
		ASSERT_EQ(len, pwrite(self->file.fd, m.addr, len, 0));
		memset(m.addr, 0, len);
		ASSERT_EQ(0, munmap(m.addr + hole * page, page));

		errno = 0;
		ret = pread(self->file.fd, m.addr, len, 0);
		EXPECT_TRUE((ret == -1 && errno == EFAULT) ||
			    (ret > 0 && ret <= (ssize_t)(hole * page)))
			TH_LOG("hole in page %d: %zd %s", hole, ret,
			       strerror(errno));
		if (ret > 0) {
			EXPECT_EQ(ret, filled(m.addr, ret, hole + 9, 0));
		}
		ret = pwrite(self->file.fd, m.addr, len, 0);
		EXPECT_LE(ret, (ssize_t)(hole * page));
		memory_free(&m);
	}
}

/* Reading from the disk writes to memory: it must be allowed to. */
TEST_F(dio, read_only_buffer)
{
	const size_t len = 8 * page_size();
	struct memory m;

	ASSERT_TRUE(memory_make(MEM_ANON, &m, len));
	fill(m.addr, len, 5, 0);
	ASSERT_EQ(0, mprotect(m.addr, len, PROT_READ));
	EXPECT_EQ(len, pwrite(self->file.fd, m.addr, len, 0));
	EXPECT_EQ(-1, pread(self->file.fd, m.addr, len, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(len, filled(m.addr, len, 5, 0));
	ASSERT_EQ(0, mprotect(m.addr, len, PROT_NONE));
	EXPECT_EQ(-1, pwrite(self->file.fd, m.addr, len, 0));
	EXPECT_EQ(EFAULT, errno);
	memory_free(&m);
}

/* The zero page can be written to a disk; secret memory cannot. */
TEST_F(dio, special_buffers)
{
	const size_t len = 8 * page_size();
	struct memory zero, back;
	char *secret;
	int fd;

	ASSERT_TRUE(memory_make(MEM_ZERO, &zero, len));
	ASSERT_TRUE(memory_make(MEM_ANON, &back, len));
	ASSERT_EQ(len, pwrite(self->file.fd, zero.addr, len, 0));
	ASSERT_EQ(len, pread(self->file.fd, back.addr, len, 0));
	EXPECT_EQ(0, memcmp(zero.addr, back.addr, len));
	memory_free(&back);
	memory_free(&zero);

	fd = syscall(447 /* memfd_secret */, 0);
	if (fd < 0)
		SKIP(return, "memfd_secret: %s", strerror(errno));
	ASSERT_EQ(0, ftruncate(fd, len));
	secret = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, secret);
	memset(secret, 0x55, len);
	EXPECT_EQ(-1, pwrite(self->file.fd, secret, len, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, pread(self->file.fd, secret, len, 0));
	EXPECT_EQ(EFAULT, errno);
	munmap(secret, len);
	close(fd);
}

/* A vector whose parts are of different kinds, one after the other. */
TEST_F(dio, vectors)
{
	const size_t page = page_size();
	struct memory m, thp;
	struct iovec iov[3];
	bool huge;

	ASSERT_TRUE(memory_make(MEM_ANON, &m, 8 * page));
	huge = memory_make(MEM_THP, &thp, BUFFER_LEN);
	iov[0] = (struct iovec) { m.addr + SECTOR, page };
	iov[1] = (struct iovec) { huge ? thp.addr + 3 * page : m.addr + 3 * page,
				  2 * page };
	iov[2] = (struct iovec) { m.addr + 6 * page, page + SECTOR };
	for (size_t i = 0, off = 0; i < 3; off += iov[i++].iov_len)
		fill(iov[i].iov_base, iov[i].iov_len, 21, off);
	ASSERT_EQ(4 * page + SECTOR, pwritev(self->file.fd, iov, 3, 0));
	for (size_t i = 0; i < 3; i++)
		memset(iov[i].iov_base, 0, iov[i].iov_len);
	ASSERT_EQ(4 * page + SECTOR, preadv(self->file.fd, iov, 3, 0));
	for (size_t i = 0, off = 0; i < 3; off += iov[i++].iov_len) {
		EXPECT_EQ(iov[i].iov_len, filled(iov[i].iov_base,
						 iov[i].iov_len, 21, off));
	}
	if (huge)
		memory_free(&thp);
	memory_free(&m);
}

TEST_HARNESS_MAIN
