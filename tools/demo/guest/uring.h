/* SPDX-License-Identifier: GPL-2.0 */
/* The least of io_uring that a copy needs, by raw system calls. */
#ifndef DEMO_URING_H
#define DEMO_URING_H

#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "demo.h"

struct uring {
	int fd;
	unsigned int to_submit;
	unsigned int *sq_tail, *sq_mask, *sq_array;
	unsigned int *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static inline void *uring_map(struct uring *ring, size_t size, off_t what)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_POPULATE, ring->fd, what);

	if (map == MAP_FAILED)
		give_up_errno("mmap of io_uring");
	return map;
}

static inline void uring_open(struct uring *ring, unsigned int entries)
{
	struct io_uring_params p = { 0 };
	char *sq, *cq;

	ring->fd = syscall(__NR_io_uring_setup, entries, &p);
	if (ring->fd < 0)
		give_up_errno("io_uring_setup");
	sq = uring_map(ring, p.sq_off.array + p.sq_entries * sizeof(int),
		       IORING_OFF_SQ_RING);
	cq = uring_map(ring, p.cq_off.cqes + p.cq_entries * sizeof(*ring->cqes),
		       IORING_OFF_CQ_RING);
	ring->sqes = uring_map(ring, p.sq_entries * sizeof(*ring->sqes),
			       IORING_OFF_SQES);
	ring->sq_tail = (void *)(sq + p.sq_off.tail);
	ring->sq_mask = (void *)(sq + p.sq_off.ring_mask);
	ring->sq_array = (void *)(sq + p.sq_off.array);
	ring->cq_head = (void *)(cq + p.cq_off.head);
	ring->cq_tail = (void *)(cq + p.cq_off.tail);
	ring->cq_mask = (void *)(cq + p.cq_off.ring_mask);
	ring->cqes = (void *)(cq + p.cq_off.cqes);
	ring->to_submit = 0;
}

static inline void uring_register_buffers(struct uring *ring,
					  const struct iovec *vec, unsigned int n)
{
	if (syscall(__NR_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS, vec, n))
		give_up_errno("IORING_REGISTER_BUFFERS");
}

/* The caller never queues more than there are entries. */
static inline void uring_queue(struct uring *ring, const struct io_uring_sqe *sqe)
{
	unsigned int tail = *ring->sq_tail, index = tail & *ring->sq_mask;

	ring->sqes[index] = *sqe;
	ring->sq_array[index] = index;
	/* The kernel may look once the tail has moved. */
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
	ring->to_submit++;
}

/* Submits what is queued and takes one completion; returns its result. */
static inline int uring_wait(struct uring *ring, uint64_t *user_data)
{
	unsigned int head = *ring->cq_head;
	const struct io_uring_cqe *cqe;
	int result;

	while (ring->to_submit ||
	       head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE)) {
		long n = syscall(__NR_io_uring_enter, ring->fd, ring->to_submit,
				 1, IORING_ENTER_GETEVENTS, NULL, 0);

		if (n < 0 && errno != EINTR)
			give_up_errno("io_uring_enter");
		if (n > 0)
			ring->to_submit -= n;
	}
	cqe = &ring->cqes[head & *ring->cq_mask];
	*user_data = cqe->user_data;
	result = cqe->res;
	/* From here on the kernel may use the entry again. */
	__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
	return result;
}

#endif
