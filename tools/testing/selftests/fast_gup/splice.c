// SPDX-License-Identifier: GPL-2.0
/*
 * vmsplice: pages of user memory in a pipe, by reference.  What comes out is
 * what was put in, from every kind of memory, and each page is given back.
 */
#include <sys/mman.h>
#include <sys/uio.h>
#include "blockfile.h"
#include "memory.h"
#include "session.h"

#define LEN		(16 * page_size())
/* More than LEN anywhere in its pages. */
#define PIPE_SIZE	(2 * LEN)

FIXTURE(splice) {
	struct session session;
	int in, out;			/* of the pipe */
	char *back;
};

FIXTURE_SETUP(splice)
{
	int fds[2];

	if (!session_open(_metadata, &self->session))
		return;
	ASSERT_EQ(0, pipe(fds));
	self->out = fds[0];
	self->in = fds[1];
	ASSERT_GE(fcntl(self->in, F_SETPIPE_SZ, PIPE_SIZE), (int)PIPE_SIZE);
	self->back = malloc(4 * LEN);
	ASSERT_NE(NULL, self->back);
}

FIXTURE_TEARDOWN(splice)
{
	close(self->in);
	close(self->out);
	free(self->back);
	session_close(_metadata, &self->session);
}

static ssize_t read_all(int fd, char *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, buf + done, len - done);

		if (n <= 0)
			return done ? (ssize_t)done : n;
		done += n;
	}
	return done;
}

/* Through a pipe and back; gifted and not; aligned and not. */
TEST_F_TIMEOUT(splice, every_kind, TEST_SECONDS)
{
	static const enum memory_kind_id kinds[] = {
		MEM_ANON, MEM_THP, MEM_THP_PTE, MEM_MTHP, MEM_TMPFS, MEM_MEMFD,
		MEM_MEMFD_COW, MEM_SHMEM_THP, MEM_HUGETLB, MEM_HUGETLB_SHARED,
		MEM_EXT4,
	};
	const size_t offsets[] = { 0, 1, page_size() - 96 };
	const size_t lens[] = { 1, page_size(), page_size() + 904, LEN };
	uint64_t seed = 1;

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		const char *name = memory_kinds[kinds[k]].name;
		struct memory m;

		if (!memory_make(kinds[k], &m, 2 * LEN)) {
			printf("# no memory of %s: %s\n", name, m.why);
			continue;
		}
		for (size_t i = 0; i < ARRAY_SIZE(offsets) * ARRAY_SIZE(lens) * 2;
		     i++) {
			size_t off = offsets[i % 3], len = lens[i / 3 % 4];
			unsigned int gift = i / 12 ? SPLICE_F_GIFT : 0;
			struct iovec iov = { m.addr + off, len };
			size_t pages = (off % page_size() + len +
					page_size() - 1) / page_size();
			long site = stats_read("splice", "pages");
			long vm = vmstat_read("fast_gup");

			fill(iov.iov_base, len, seed, 0);
			ASSERT_EQ(len, vmsplice(self->in, &iov, 1, gift))
				TH_LOG("%s: %s", name, strerror(errno));
			if (self->session.info.providing) {
				EXPECT_EQ(pages,
					  stats_read("splice", "pages") - site)
					TH_LOG("%s: %zu at %zu", name, len, off);
				EXPECT_EQ(pages,
					  vmstat_read("fast_gup") - vm);
			}
			ASSERT_EQ(len, read_all(self->out, self->back, len));
			ASSERT_EQ(len, filled(self->back, len, seed, 0))
				TH_LOG("%s: %zu bytes at %zu, flags %x", name,
				       len, off, gift);
			seed++;
		}
		memory_free(&m);
	}
}

/* By reference: what is written after vmsplice() is what is read. */
TEST_F(splice, reference)
{
	struct iovec iov;
	struct memory m;

	ASSERT_TRUE(memory_make(MEM_ANON, &m, LEN));
	fill(m.addr, LEN, 1, 0);
	iov = (struct iovec) { m.addr, LEN };
	ASSERT_EQ(LEN, vmsplice(self->in, &iov, 1, 0));
	fill(m.addr, LEN, 2, 0);
	ASSERT_EQ(LEN, read_all(self->out, self->back, LEN));
	EXPECT_EQ(LEN, filled(self->back, LEN, 2, 0));

	/* And the memory may go away before the pipe is read. */
	fill(m.addr, LEN, 3, 0);
	ASSERT_EQ(LEN, vmsplice(self->in, &iov, 1, 0));
	memory_free(&m);
	ASSERT_TRUE(memory_make(MEM_ANON, &m, LEN));
	memset(m.addr, 0xff, LEN);
	ASSERT_EQ(LEN, read_all(self->out, self->back, LEN));
	EXPECT_EQ(LEN, filled(self->back, LEN, 3, 0));
	memory_free(&m);
}

/* To a file, through a second pipe by tee(), and back from the file. */
TEST_F_TIMEOUT(splice, tee_and_file, TEST_SECONDS)
{
	struct iovec iov;
	struct memory m;
	int fds[2], fd;
	off_t pos = 0;

	ASSERT_TRUE(memory_make(MEM_THP_PTE, &m, LEN) ||
		    memory_make(MEM_ANON, &m, LEN));
	fill(m.addr, LEN, 11, 0);
	iov = (struct iovec) { m.addr, LEN };
	ASSERT_EQ(0, pipe(fds));
	ASSERT_GE(fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE), (int)PIPE_SIZE);
	fd = memfd_create("fast_gup", MFD_CLOEXEC);
	ASSERT_GE(fd, 0);

	ASSERT_EQ(LEN, vmsplice(self->in, &iov, 1, 0));
	ASSERT_EQ(LEN, tee(self->out, fds[1], LEN, 0));
	/* The pages are in two pipes now; each gives its reference back. */
	for (size_t done = 0; done < LEN;) {
		ssize_t n = splice(fds[0], NULL, fd, NULL, LEN - done, 0);

		ASSERT_GT(n, 0) TH_LOG("%s", strerror(errno));
		done += n;
	}
	ASSERT_EQ(LEN, pread(fd, self->back, LEN, 0));
	EXPECT_EQ(LEN, filled(self->back, LEN, 11, 0));
	ASSERT_EQ(LEN, read_all(self->out, self->back, LEN));
	EXPECT_EQ(LEN, filled(self->back, LEN, 11, 0));

	/* File to pipe to memory. */
	for (size_t done = 0; done < LEN;) {
		ssize_t n = splice(fd, &pos, self->in, NULL, LEN - done, 0);

		ASSERT_GT(n, 0) TH_LOG("%s", strerror(errno));
		done += n;
	}
	memset(m.addr, 0, LEN);
	for (size_t done = 0; done < LEN;) {
		struct iovec to = { m.addr + done, LEN - done };
		ssize_t n = vmsplice(self->out, &to, 1, 0);

		ASSERT_GT(n, 0) TH_LOG("%s", strerror(errno));
		done += n;
	}
	EXPECT_EQ(LEN, filled(m.addr, LEN, 11, 0));
	close(fd);
	close(fds[0]);
	close(fds[1]);
	memory_free(&m);
}

/* Memory that cannot be had, from its start or from its middle on. */
TEST_F(splice, holes)
{
	struct iovec iov;
	struct memory m;
	ssize_t ret;

	ASSERT_TRUE(memory_make(MEM_ANON, &m, LEN));
	fill(m.addr, LEN, 5, 0);
	ASSERT_EQ(0, munmap(m.addr + 4 * page_size(), page_size()));
	iov = (struct iovec) { m.addr, 8 * page_size() };
	ret = vmsplice(self->in, &iov, 1, 0);
	ASSERT_EQ(4 * page_size(), ret);
	ASSERT_EQ(ret, read_all(self->out, self->back, ret));
	EXPECT_EQ(ret, filled(self->back, ret, 5, 0));
	iov = (struct iovec) { m.addr + 4 * page_size(), page_size() };
	EXPECT_EQ(-1, vmsplice(self->in, &iov, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	memory_free(&m);
}

/* The pipe is closed with the pages inside; none stays referenced. */
TEST_F(splice, closed_full)
{
	struct iovec iov;
	struct memory m;
	uint64_t pfn;

	ASSERT_TRUE(memory_make(MEM_ANON, &m, LEN));
	pfn = pfn_of(m.addr);
	ASSERT_NE(0, pfn);
	for (int i = 0; i < 50; i++) {
		int fds[2];

		ASSERT_EQ(0, pipe(fds));
		iov = (struct iovec) { m.addr, 4 * page_size() };
		ASSERT_EQ(4 * page_size(), vmsplice(fds[1], &iov, 1, 0));
		close(fds[0]);
		close(fds[1]);
	}
	EXPECT_EQ(pfn, pfn_of(m.addr));
	memory_free(&m);
}

TEST_HARNESS_MAIN
