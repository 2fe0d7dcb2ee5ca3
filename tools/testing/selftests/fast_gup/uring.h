/* SPDX-License-Identifier: GPL-2.0 */
/* io_uring by its system calls: the little that the tests need. */
#ifndef FAST_GUP_URING_H
#define FAST_GUP_URING_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/io_uring.h>
#include <sys/uio.h>

struct uring {
	int fd;
	void *sq_ring, *cq_ring;
	size_t sq_len, cq_len, sqes_len;
	struct io_uring_sqe *sqes;
	unsigned int *sq_tail, *sq_mask, *sq_array;
	unsigned int *cq_head, *cq_tail, *cq_mask;
	struct io_uring_cqe *cqes;
	unsigned int queued;
};

/* false and errno: no io_uring. */
bool uring_open(struct uring *u, unsigned int entries);
void uring_close(struct uring *u);
/* An empty request, to be filled in; the ring must not be full. */
struct io_uring_sqe *uring_sqe(struct uring *u);
/* Submit what is queued and wait for @wait answers; -errno or submitted. */
int uring_submit(struct uring *u, unsigned int wait);
/* Take one answer; false: there is none. */
bool uring_cqe(struct uring *u, struct io_uring_cqe *cqe);
int uring_register_buffers(struct uring *u, const struct iovec *iov,
			   unsigned int nr);
int uring_unregister_buffers(struct uring *u);

#endif /* FAST_GUP_URING_H */
