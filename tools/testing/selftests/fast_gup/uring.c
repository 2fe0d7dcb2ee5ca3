// SPDX-License-Identifier: GPL-2.0
/* See uring.h. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "uring.h"

static void *map_ring(struct uring *u, size_t len, off_t where)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, u->fd, where);

	return p == MAP_FAILED ? NULL : p;
}

bool uring_open(struct uring *u, unsigned int entries)
{
	struct io_uring_params p = { 0 };
	char *sq, *cq;

	memset(u, 0, sizeof(*u));
	u->fd = syscall(SYS_io_uring_setup, entries, &p);
	if (u->fd < 0)
		return false;
	u->sq_len = p.sq_off.array + p.sq_entries * sizeof(unsigned int);
	u->cq_len = p.cq_off.cqes + p.cq_entries * sizeof(*u->cqes);
	u->sqes_len = p.sq_entries * sizeof(*u->sqes);
	u->sq_ring = map_ring(u, u->sq_len, IORING_OFF_SQ_RING);
	u->cq_ring = map_ring(u, u->cq_len, IORING_OFF_CQ_RING);
	u->sqes = map_ring(u, u->sqes_len, IORING_OFF_SQES);
	if (!u->sq_ring || !u->cq_ring || !u->sqes) {
		uring_close(u);
		return false;
	}
	sq = u->sq_ring;
	cq = u->cq_ring;
	u->sq_tail = (unsigned int *)(sq + p.sq_off.tail);
	u->sq_mask = (unsigned int *)(sq + p.sq_off.ring_mask);
	u->sq_array = (unsigned int *)(sq + p.sq_off.array);
	u->cq_head = (unsigned int *)(cq + p.cq_off.head);
	u->cq_tail = (unsigned int *)(cq + p.cq_off.tail);
	u->cq_mask = (unsigned int *)(cq + p.cq_off.ring_mask);
	u->cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
	return true;
}

void uring_close(struct uring *u)
{
	if (u->sq_ring)
		munmap(u->sq_ring, u->sq_len);
	if (u->cq_ring)
		munmap(u->cq_ring, u->cq_len);
	if (u->sqes)
		munmap(u->sqes, u->sqes_len);
	if (u->fd >= 0)
		close(u->fd);
	u->fd = -1;
}

struct io_uring_sqe *uring_sqe(struct uring *u)
{
	unsigned int tail = *u->sq_tail + u->queued;
	unsigned int slot = tail & *u->sq_mask;
	struct io_uring_sqe *sqe = &u->sqes[slot];

	u->sq_array[slot] = slot;
	u->queued++;
	memset(sqe, 0, sizeof(*sqe));
	return sqe;
}

int uring_submit(struct uring *u, unsigned int wait)
{
	unsigned int n = u->queued;
	int ret;

	u->queued = 0;
	__atomic_store_n(u->sq_tail, *u->sq_tail + n, __ATOMIC_RELEASE);
	do {
		ret = syscall(SYS_io_uring_enter, u->fd, n, wait,
			      wait ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : ret;
}

bool uring_cqe(struct uring *u, struct io_uring_cqe *cqe)
{
	unsigned int head = *u->cq_head;

	if (head == __atomic_load_n(u->cq_tail, __ATOMIC_ACQUIRE))
		return false;
	*cqe = u->cqes[head & *u->cq_mask];
	__atomic_store_n(u->cq_head, head + 1, __ATOMIC_RELEASE);
	return true;
}

int uring_register_buffers(struct uring *u, const struct iovec *iov,
			   unsigned int nr)
{
	return syscall(SYS_io_uring_register, u->fd, IORING_REGISTER_BUFFERS,
		       iov, nr) ? -errno : 0;
}

int uring_unregister_buffers(struct uring *u)
{
	return syscall(SYS_io_uring_register, u->fd,
		       IORING_UNREGISTER_BUFFERS, NULL, 0) ? -errno : 0;
}
