// SPDX-License-Identifier: GPL-2.0
/*
 * Copies a file with O_DIRECT reads and writes in several threads.
 *
 * Every read and write hands user memory to the block layer, which pins it for
 * the time of the transfer: the call site "direct_io".  Every second thread has
 * its buffer in huge pages, so both sizes of table entries are walked.
 *
 *	copy_direct FROM TO THREADS
 */
#include <pthread.h>
#include "demo.h"

#define CHUNK	(1 << 20)

static int from, to;
static off_t size;
static off_t taken;	/* the next chunk that no thread has */
static off_t copied;

static void read_chunk(char *buffer, size_t length, off_t at)
{
	size_t got = 0;

	/* A short read ends at a block boundary, except at the end of file. */
	while (got < length) {
		ssize_t n = pread(from, buffer + got,
				  round_up_to(length - got, BLOCK), at + got);

		if (n < 0)
			give_up_errno("direct read");
		if (!n)
			give_up("direct read: the file ended early");
		got += n;
	}
}

static void write_chunk(const char *buffer, size_t length, off_t at)
{
	size_t put = 0;

	length = round_up_to(length, BLOCK);
	while (put < length) {
		ssize_t n = pwrite(to, buffer + put, length - put, at + put);

		if (n <= 0)
			give_up_errno("direct write");
		put += n;
	}
}

static void *copier(void *number)
{
	bool huge = (uintptr_t)number % 2;
	char *buffer = populated_buffer(CHUNK, huge);

	for (;;) {
		off_t at = __atomic_fetch_add(&taken, CHUNK, __ATOMIC_RELAXED);
		size_t length;

		if (at >= size)
			return NULL;
		length = size - at < CHUNK ? size - at : CHUNK;
		read_chunk(buffer, length, at);
		write_chunk(buffer, length, at);
		__atomic_fetch_add(&copied, length, __ATOMIC_RELAXED);
	}
}

int main(int argc, char **argv)
{
	int i, threads = argc == 4 ? atoi(argv[3]) : 0;
	pthread_t *thread;

	if (threads < 1)
		give_up("usage: copy_direct FROM TO THREADS");
	size = open_direct_copy(argv + 1, &from, &to);

	thread = calloc(threads, sizeof(*thread));
	for (i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, copier, (void *)(uintptr_t)i))
			give_up("no thread");
	while (__atomic_load_n(&copied, __ATOMIC_RELAXED) < size) {
		progress(copied);
		usleep(50000);
	}
	for (i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	finish_copy(to, size);
	return 0;
}
