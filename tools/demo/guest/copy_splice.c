// SPDX-License-Identifier: GPL-2.0
/*
 * Copies a file by giving the pages of a buffer to a pipe (vmsplice) and moving
 * them from there to the copy (splice).
 *
 * vmsplice takes a reference to every page: the call site "splice".  The buffer
 * is filled with direct reads, so that both sites see traffic in one program.
 *
 *	copy_splice FROM TO
 */
#include <sys/uio.h>
#include "demo.h"

#define CHUNK	(1 << 20)

static void give_pages(int pipe_in, char *buffer, size_t length)
{
	struct iovec vec = { .iov_base = buffer, .iov_len = length };

	while (vec.iov_len) {
		ssize_t n = vmsplice(pipe_in, &vec, 1, 0);

		if (n <= 0)
			give_up_errno("vmsplice");
		vec.iov_base = (char *)vec.iov_base + n;
		vec.iov_len -= n;
	}
}

static void move_pages(int pipe_out, int to, size_t length)
{
	while (length) {
		ssize_t n = splice(pipe_out, NULL, to, NULL, length, 0);

		if (n <= 0)
			give_up_errno("splice");
		length -= n;
	}
}

int main(int argc, char **argv)
{
	off_t size, done = 0;
	int from, to, ends[2];
	char *buffer;

	if (argc != 3)
		give_up("usage: copy_splice FROM TO");
	from = open_or_give_up(argv[1], O_RDONLY | O_DIRECT);
	to = open_or_give_up(argv[2], O_RDWR | O_CREAT | O_TRUNC);
	size = size_of(from);
	buffer = populated_buffer(CHUNK, false);
	if (pipe(ends))
		give_up_errno("pipe");
	/* The pipe has to take a whole chunk, because nobody else empties it. */
	if (fcntl(ends[1], F_SETPIPE_SZ, CHUNK) < CHUNK)
		give_up_errno("F_SETPIPE_SZ");

	while (done < size) {
		ssize_t n = pread(from, buffer, CHUNK, done);

		if (n <= 0)
			give_up_errno("direct read");
		if (n > size - done)
			n = size - done;
		/*
		 * The pipe holds our pages, not a copy: the buffer may change
		 * again only when they have gone to the file.
		 */
		give_pages(ends[1], buffer, n);
		move_pages(ends[0], to, n);
		done += n;
		progress(done);
	}
	finish_copy(to, size);
	return 0;
}
