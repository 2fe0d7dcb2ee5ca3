// SPDX-License-Identifier: GPL-2.0
/*
 * The memory and the files that made-up calls work on.
 *
 * The memory is one arena with guards behind it, so that nothing of the test
 * itself is near what is pinned and written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "blockfile.h"
#include "fuzz_bytes.h"
#include "memory.h"

const char *const fuzz_call_names[NR_FUZZ_CALLS] = {
	"info", "call", "ranges", "release", "copy", "split", "pack", "bench",
	"vmsplice", "direct_io", "protect", "advise", "remap", "fork", "close",
};

#define DISK_LEN	(1 << 20)
/* Pages of a segment that are there when a program begins. */
#define TOUCHED		48

static char *map_at(char *at, size_t len, int prot, int flags, int fd)
{
	flags |= fd < 0 ? MAP_ANONYMOUS : 0;
	return mmap(at, len, prot, flags | MAP_FIXED | MAP_NORESERVE, fd, 0);
}

static void touch(volatile char *at, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		at[i * page_size()] = i + 1;
}

static bool make_segment(struct fuzz_world *w, int nr)
{
	const size_t len = w->segment, quarter = len / 4;
	char *at = w->arena + nr * len;
	size_t touched = quarter / page_size();

	if (touched > TOUCHED)
		touched = TOUCHED;
	/* What was there may have been of any kind. */
	if (map_at(at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1) != at)
		return false;
	switch (nr) {
	case 0:
		madvise(at, len, MADV_NOHUGEPAGE);
		touch(at, touched);
		return true;
	case 1:
		madvise(at, len, MADV_HUGEPAGE);
		*(volatile char *)at = 1;
		return true;
	case 2:
		/* Shared, and copies of the same pages. */
		if (map_at(at, len / 2, PROT_READ | PROT_WRITE, MAP_SHARED,
			   w->memfd) != at ||
		    map_at(at + len / 2, len / 2, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE, w->memfd) != at + len / 2)
			return false;
		touch(at, touched);
		touch(at + len / 2, touched / 2);
		return true;
	case 3:
		/* With a hash table there is no room for one among others. */
		if (w->hugefd >= 0 && map_at(at, len, PROT_READ | PROT_WRITE,
					     MAP_SHARED, w->hugefd) != at) {
			close(w->hugefd);
			w->hugefd = -1;
		}
		touch(at, w->hugefd < 0 ? touched : 1);
		return true;
	case 4:
		/* Read-only, nothing allowed, never touched, only read. */
		madvise(at, len, MADV_NOHUGEPAGE);
		touch(at, touched);
		touch(at + quarter, touched);
		for (size_t i = 0; i < touched; i++)
			(void)*(volatile char *)(at + 3 * quarter + i * page_size());
		return !mprotect(at, quarter, PROT_READ) &&
		       !mprotect(at + quarter, quarter, PROT_NONE);
	}
	return false;
}

static bool open_devices(struct fuzz_world *w)
{
	for (int i = 0; i < 2; i++) {
		w->dev[i] = open(FAST_GUP_DEVICE, O_RDWR | O_CLOEXEC);
		if (w->dev[i] < 0)
			return false;
	}
	return !pipe2(w->pipe, O_CLOEXEC | O_NONBLOCK);
}

static void close_devices(struct fuzz_world *w)
{
	for (int i = 0; i < 2; i++) {
		close(w->dev[i]);
		close(w->pipe[i]);
	}
}

bool fuzz_world_make(struct fuzz_world *w)
{
	struct blockfile disk;
	struct memory area;

	memset(w, 0, sizeof(*w));
	w->segment = pmd_size() ?: 2 << 20;
	w->out_len = OUT_ENTRIES * sizeof(struct fast_gup_range_info);
	w->out_len = (w->out_len + page_size() - 1) & ~(page_size() - 1);

	memset(&area, 0, sizeof(area));
	area.fd = -1;
	w->arena = memory_reserve(&area, (NR_SEGMENTS + 16) * w->segment,
				  w->segment);
	if (!w->arena)
		return false;
	w->out = mmap(NULL, w->out_len + 16 * w->segment, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (w->out == MAP_FAILED ||
	    mprotect(w->out, w->out_len, PROT_READ | PROT_WRITE))
		return false;

	w->memfd = memfd_create("fuzz", MFD_CLOEXEC);
	if (w->memfd < 0 || ftruncate(w->memfd, w->segment))
		return false;
	w->hugefd = -1;
	if (hugetlb_size() == w->segment && hugetlb_want(w->segment, 1))
		w->hugefd = memfd_create("fuzz", MFD_CLOEXEC | MFD_HUGETLB);
	if (w->hugefd >= 0 && ftruncate(w->hugefd, w->segment)) {
		close(w->hugefd);
		w->hugefd = -1;
	}
	w->disk = blockfile_open(&disk, ON_NULL_BLK, DISK_LEN) ? disk.fd : -1;

	for (int i = 0; i < NR_SEGMENTS; i++)
		if (!make_segment(w, i))
			return false;
	return open_devices(w);
}

bool fuzz_world_reset(struct fuzz_world *w)
{
	close_devices(w);
	memset(w->handles, 0, sizeof(w->handles));
	for (int i = 0; i < NR_SEGMENTS; i++) {
		if (w->changed[i] && !make_segment(w, i))
			return false;
		w->changed[i] = false;
	}
	return open_devices(w);
}

void fuzz_world_free(struct fuzz_world *w)
{
	close_devices(w);
	close(w->memfd);
	if (w->hugefd >= 0)
		close(w->hugefd);
	if (w->disk >= 0)
		close(w->disk);
	munmap(w->arena, (NR_SEGMENTS + 16) * w->segment);
	munmap(w->out, w->out_len + 16 * w->segment);
}

void fuzz_run(struct fuzz_world *w, const struct program *program)
{
	static fuzz_function *const run[] = {
		fuzz_info, fuzz_call, fuzz_ranges, fuzz_release, fuzz_copy, fuzz_split,
		fuzz_pack, fuzz_bench, fuzz_vmsplice, fuzz_direct_io, fuzz_protect,
		fuzz_advise, fuzz_remap, fuzz_fork, fuzz_close,
	};
	/* Getting pages is what it is about: more bytes mean that. */
	static const uint8_t often[] = {
		FUZZ_CALL, FUZZ_CALL, FUZZ_CALL, FUZZ_RANGES, FUZZ_RANGES,
		FUZZ_RANGES, FUZZ_RANGES, FUZZ_RELEASE, FUZZ_COPY, FUZZ_COPY,
		FUZZ_SPLIT, FUZZ_SPLIT, FUZZ_PACK,
	};
	struct bytes b = { program->bytes, program->bytes + program->len };

	while (b.at < b.end) {
		unsigned int which = fuzz_byte(&b) % (NR_FUZZ_CALLS + ARRAY_SIZE(often));
		int64_t answer;

		if (which >= NR_FUZZ_CALLS)
			which = often[which - NR_FUZZ_CALLS];
		w->tried[which]++;
		answer = run[which](w, &b);
		w->done[which] += answer >= 0;
		cover_answer(which, answer, 0);
	}
}
