// SPDX-License-Identifier: GPL-2.0
/* What made-up calls are among: changes of the memory, and I/O on it. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fuzz_bytes.h"

int64_t fuzz_vmsplice(struct fuzz_world *w, struct bytes *b)
{
	struct iovec iov;
	ssize_t ret;

	iov.iov_base = (void *)(uintptr_t)fuzz_address(w, b);
	iov.iov_len = fuzz_length(b) * 512;
	if (fuzz_below(b, 4) == 3) {
		ret = read(w->pipe[0], w->out, fuzz_byte(b) * 64);
		return ret < 0 ? -errno : ret;
	}
	ret = vmsplice(w->pipe[1], &iov, 1, SPLICE_F_NONBLOCK |
		       (fuzz_below(b, 2) ? SPLICE_F_GIFT : 0));
	return ret < 0 ? -errno : ret;
}

int64_t fuzz_direct_io(struct fuzz_world *w, struct bytes *b)
{
	void *at = (void *)(uintptr_t)fuzz_address(w, b);
	size_t len = fuzz_length(b) * 512 % (512 << 10);
	off_t offset = fuzz_byte(b) * 4096;
	ssize_t ret;

	if (w->disk < 0)
		return 0;
	ret = fuzz_below(b, 2) ? pread(w->disk, at, len, offset) :
			    pwrite(w->disk, at, len, offset);
	return ret < 0 ? -errno : ret;
}

/* Some pages of the arena, whose segments are made anew afterwards. */
static char *some_pages(struct fuzz_world *w, struct bytes *b, size_t *len)
{
	size_t nr = fuzz_below(b, NR_SEGMENTS);
	size_t pages = w->segment / page_size();
	size_t first = fuzz_below(b, 8) ? fuzz_byte(b) % pages : 0;

	*len = (fuzz_below(b, 8) ? 1 + fuzz_byte(b) % (pages - first) : pages - first) *
	       page_size();
	w->changed[nr] = true;
	return w->arena + nr * w->segment + first * page_size();
}

int64_t fuzz_protect(struct fuzz_world *w, struct bytes *b)
{
	size_t len;
	char *at = some_pages(w, b, &len);

	return mprotect(at, len, fuzz_below(b, 4)) ? -errno : 0;
}

int64_t fuzz_advise(struct fuzz_world *w, struct bytes *b)
{
	static const int advice[] = {
		MADV_DONTNEED, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_FREE,
		MADV_WILLNEED, MADV_DONTFORK, MADV_DOFORK, MADV_REMOVE,
		21 /* PAGEOUT */, 22 /* POPULATE_READ */,
		23 /* POPULATE_WRITE */, 25 /* COLLAPSE */,
	};
	size_t len;
	char *at = some_pages(w, b, &len);

	return madvise(at, len, advice[fuzz_below(b, ARRAY_SIZE(advice))]) ? -errno : 0;
}

/*
 * Nothing of the test itself may fall into a hole: it would be pinned, and
 * written to.  What is not a hole, in the middle of a huge page, may stay.
 */
static int close_hole(char *at, size_t len)
{
	return mmap(at, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		    -1, 0) == MAP_FAILED ? -errno : 0;
}

int64_t fuzz_remap(struct fuzz_world *w, struct bytes *b)
{
	size_t len, other;
	char *at = some_pages(w, b, &len), *to;
	int err = 0;

	switch (fuzz_below(b, 3)) {
	case 0:
		return close_hole(at, len);
	case 1:
		return mmap(at, len, PROT_READ | PROT_WRITE, MAP_FIXED |
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1,
			    0) == MAP_FAILED ? -errno : 0;
	}
	to = some_pages(w, b, &other);
	if (other < len)
		len = other;
	if (mremap(at, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED) {
		err = -errno;
		/* It has unmapped what was there, or some of it. */
		close_hole(to, len);
	}
	close_hole(at, len);
	return err;
}

/* What is shared with a child, for as long as it lives, is not exclusive. */
int64_t fuzz_fork(struct fuzz_world *w, struct bytes *b)
{
	volatile char *at = w->arena + fuzz_below(b, 2) * w->segment;
	pid_t pid = fork();

	if (!pid) {
		at[0]++;
		_exit(0);
	}
	return pid < 0 || waitpid(pid, NULL, 0) != pid ? -errno : 0;
}

int64_t fuzz_close(struct fuzz_world *w, struct bytes *b)
{
	int which = fuzz_below(b, 2), fd = open(FAST_GUP_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(w->dev[which]);
	w->dev[which] = fd;
	return 0;
}
