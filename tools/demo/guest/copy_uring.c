// SPDX-License-Identifier: GPL-2.0
/*
 * Copies a file with io_uring, direct I/O and fixed (registered) buffers.
 *
 * The buffers are pinned once, when they are registered, and for as long as the
 * ring lives: a long-term pin, the call site "io_uring".  The transfers use
 * those pins, so "direct_io" has nothing to do here.
 *
 *	copy_uring FROM TO
 */
#include "uring.h"

#define CHUNK	(512 << 10)
#define DEPTH	16

struct slot {
	char *buffer;
	off_t at;
	size_t length, done;
	bool writing;
};

static struct slot slots[DEPTH];
static struct uring ring;
static int from, to;
static off_t size, taken, copied;

/* The rest of what a slot has to read or write. */
static void queue_transfer(int number)
{
	struct slot *slot = &slots[number];
	struct io_uring_sqe sqe = {
		.opcode = slot->writing ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED,
		.fd = slot->writing ? to : from,
		.off = slot->at + slot->done,
		.addr = (uintptr_t)(slot->buffer + slot->done),
		.len = round_up_to(slot->length - slot->done, BLOCK),
		.buf_index = number,
		.user_data = number,
	};

	uring_queue(&ring, &sqe);
}

/* Gives a slot its next chunk; false when there is none. */
static bool start_chunk(int number)
{
	struct slot *slot = &slots[number];

	if (taken >= size)
		return false;
	slot->at = taken;
	slot->length = size - taken < CHUNK ? size - taken : CHUNK;
	slot->done = 0;
	slot->writing = false;
	taken += slot->length;
	queue_transfer(number);
	return true;
}

/* Moves a slot on; false when it has no more work. */
static bool transferred(int number, int result)
{
	struct slot *slot = &slots[number];

	if (result <= 0)
		give_up("io_uring %s at %lld: %s", slot->writing ? "write" : "read",
			(long long)(slot->at + slot->done), strerror(-result));
	slot->done += result;
	if (slot->done < slot->length) {
		queue_transfer(number);
		return true;
	}
	if (!slot->writing) {
		slot->writing = true;
		slot->done = 0;
		queue_transfer(number);
		return true;
	}
	copied += slot->length;
	progress(copied);
	return start_chunk(number);
}

int main(int argc, char **argv)
{
	struct iovec vec[DEPTH];
	int i, busy = 0;

	if (argc != 3)
		give_up("usage: copy_uring FROM TO");
	size = open_direct_copy(argv + 1, &from, &to);

	uring_open(&ring, DEPTH);
	for (i = 0; i < DEPTH; i++) {
		slots[i].buffer = populated_buffer(CHUNK, i % 2);
		vec[i].iov_base = slots[i].buffer;
		vec[i].iov_len = CHUNK;
	}
	uring_register_buffers(&ring, vec, DEPTH);

	for (i = 0; i < DEPTH; i++)
		busy += start_chunk(i);
	while (busy) {
		uint64_t number;
		int result = uring_wait(&ring, &number);

		if (!transferred(number, result))
			busy--;
	}
	close(ring.fd);
	finish_copy(to, size);
	return 0;
}
