// SPDX-License-Identifier: GPL-2.0
/*
 * Asynchronous direct I/O: the pins outlive the call.  libaio and io_uring by
 * their system calls, io_uring also with buffers pinned once for all.
 */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/aio_abi.h>
#include "blockfile.h"
#include "memory.h"
#include "session.h"
#include "uring.h"

#define DEPTH		16
#define CHUNK		(64UL << 10)
#define LEN		(DEPTH * CHUNK)

FIXTURE(aio) {
	struct session session;
	struct blockfile file;
	struct memory memory;
};

FIXTURE_VARIANT(aio) {
	enum block_target target;
	enum memory_kind_id kind;
};

FIXTURE_VARIANT_ADD(aio, ext4) { ON_EXT4, MEM_ANON };
FIXTURE_VARIANT_ADD(aio, ext4_thp) { ON_EXT4, MEM_THP };
FIXTURE_VARIANT_ADD(aio, ext4_hugetlb) { ON_EXT4, MEM_HUGETLB };
FIXTURE_VARIANT_ADD(aio, null_blk) { ON_NULL_BLK, MEM_ANON };
FIXTURE_VARIANT_ADD(aio, null_blk_mthp) { ON_NULL_BLK, MEM_MTHP };

FIXTURE_SETUP(aio)
{
	if (!session_open(_metadata, &self->session))
		return;
	if (!blockfile_open(&self->file, variant->target, LEN))
		SKIP_UNLESS_REQUIRED(return, self->file.why);
	if (!memory_make(variant->kind, &self->memory, LEN))
		SKIP(return, "%s", self->memory.why);
}

FIXTURE_TEARDOWN(aio)
{
	memory_free(&self->memory);
	blockfile_close(&self->file);
	session_close(_metadata, &self->session);
}

static long io_batch(aio_context_t ctx, int fd, int opcode, char *base)
{
	struct iocb iocbs[DEPTH], *list[DEPTH];
	struct io_event events[DEPTH];
	long done = 0;

	memset(iocbs, 0, sizeof(iocbs));
	for (int i = 0; i < DEPTH; i++) {
		iocbs[i].aio_lio_opcode = opcode;
		iocbs[i].aio_fildes = fd;
		iocbs[i].aio_buf = (uintptr_t)base + i * CHUNK;
		iocbs[i].aio_nbytes = CHUNK;
		iocbs[i].aio_offset = i * CHUNK;
		list[i] = &iocbs[i];
	}
	if (syscall(SYS_io_submit, ctx, DEPTH, list) != DEPTH)
		return -errno;
	if (syscall(SYS_io_getevents, ctx, DEPTH, DEPTH, events, NULL) != DEPTH)
		return -errno;
	for (int i = 0; i < DEPTH; i++)
		done += events[i].res == (__s64)CHUNK;
	return done;
}

TEST_F_TIMEOUT(aio, libaio, TEST_SECONDS)
{
	long site = stats_read("direct_io", "pages");
	aio_context_t ctx = 0;

	if (syscall(SYS_io_setup, DEPTH, &ctx))
		SKIP(return, "io_setup: %s", strerror(errno));
	for (uint64_t n = 0; n < 4; n++) {
		fill(self->memory.addr, LEN, n, 0);
		ASSERT_EQ(DEPTH, io_batch(ctx, self->file.fd, IOCB_CMD_PWRITE,
					  self->memory.addr));
		memset(self->memory.addr, 0, LEN);
		ASSERT_EQ(DEPTH, io_batch(ctx, self->file.fd, IOCB_CMD_PREAD,
					  self->memory.addr));
		ASSERT_EQ(LEN, filled(self->memory.addr, LEN, n, 0));
	}
	syscall(SYS_io_destroy, ctx);
	if (self->session.info.providing) {
		EXPECT_EQ(8 * LEN / page_size(),
			  stats_read("direct_io", "pages") - site);
	}
}

/* The buffer goes away while the read is under way: its pages do not. */
TEST_F_TIMEOUT(aio, unmapped_meanwhile, TEST_SECONDS)
{
	aio_context_t ctx = 0;

	if (syscall(SYS_io_setup, DEPTH, &ctx))
		SKIP(return, "io_setup: %s", strerror(errno));
	for (int n = 0; n < 20; n++) {
		struct iocb cb = { 0 }, *list = &cb;
		struct io_event event;
		char *p = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1,
			       0);

		ASSERT_NE(MAP_FAILED, p);
		cb.aio_lio_opcode = n & 1 ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE;
		cb.aio_fildes = self->file.fd;
		cb.aio_buf = (uintptr_t)p;
		cb.aio_nbytes = CHUNK;
		ASSERT_EQ(1, syscall(SYS_io_submit, ctx, 1, &list));
		ASSERT_EQ(0, munmap(p, CHUNK));
		ASSERT_EQ(1, syscall(SYS_io_getevents, ctx, 1, 1, &event,
				     NULL));
		EXPECT_EQ(CHUNK, event.res);
	}
	syscall(SYS_io_destroy, ctx);
}

static void queue(struct uring *u, int fd, int opcode, char *base)
{
	for (int i = 0; i < DEPTH; i++) {
		struct io_uring_sqe *sqe = uring_sqe(u);

		sqe->opcode = opcode;
		sqe->fd = fd;
		sqe->addr = (uintptr_t)base + i * CHUNK;
		sqe->len = CHUNK;
		sqe->off = i * CHUNK;
		sqe->user_data = i;
	}
}

static long answers(struct uring *u)
{
	struct io_uring_cqe cqe;
	long good = 0;

	for (int i = 0; i < DEPTH && uring_cqe(u, &cqe); i++)
		good += cqe.res == (int)CHUNK;
	return good;
}

static void uring_round_trip(struct __test_metadata *_metadata,
			     FIXTURE_DATA(aio) *self, struct uring *u,
			     int write, int read)
{
	for (uint64_t n = 10; n < 14; n++) {
		fill(self->memory.addr, LEN, n, 0);
		queue(u, self->file.fd, write, self->memory.addr);
		ASSERT_EQ(DEPTH, uring_submit(u, DEPTH));
		ASSERT_EQ(DEPTH, answers(u));
		memset(self->memory.addr, 0, LEN);
		queue(u, self->file.fd, read, self->memory.addr);
		ASSERT_EQ(DEPTH, uring_submit(u, DEPTH));
		ASSERT_EQ(DEPTH, answers(u));
		ASSERT_EQ(LEN, filled(self->memory.addr, LEN, n, 0));
	}
}

TEST_F_TIMEOUT(aio, io_uring, TEST_SECONDS)
{
	long site = stats_read("direct_io", "pages");
	struct uring u;

	if (!uring_open(&u, DEPTH))
		SKIP(return, "io_uring: %s", strerror(errno));
	uring_round_trip(_metadata, self, &u, IORING_OP_WRITE, IORING_OP_READ);
	if (self->session.info.providing) {
		EXPECT_GE(stats_read("direct_io", "pages") - site,
			  8 * LEN / page_size());
	}
	uring_close(&u);
}

/* Registered buffers: pinned once, at the io_uring site, and then never. */
TEST_F_TIMEOUT(aio, io_uring_fixed, TEST_SECONDS)
{
	long outstanding = pins_outstanding(), dio, ring;
	struct iovec iov = { self->memory.addr, LEN };
	struct uring u;

	if (!uring_open(&u, DEPTH))
		SKIP(return, "io_uring: %s", strerror(errno));
	ring = stats_read("io_uring", "pages");
	ASSERT_EQ(0, uring_register_buffers(&u, &iov, 1));
	/* Some kernels keep one pin for a whole folio once it is registered. */
	EXPECT_GT(pins_outstanding(), outstanding);
	if (self->session.info.providing) {
		EXPECT_EQ(LEN / page_size(),
			  stats_read("io_uring", "pages") - ring);
	}
	dio = stats_read("direct_io", "pages");
	uring_round_trip(_metadata, self, &u, IORING_OP_WRITE_FIXED,
			 IORING_OP_READ_FIXED);
	EXPECT_EQ(dio, stats_read("direct_io", "pages"));
	ASSERT_EQ(0, uring_unregister_buffers(&u));
	uring_close(&u);
}

TEST_HARNESS_MAIN
