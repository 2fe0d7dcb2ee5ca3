// SPDX-License-Identifier: GPL-2.0
/* See blockfile.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "blockfile.h"
#include "memory.h"

/*
 * ext4 ends asynchronous overwrites in an interrupt and reads i_size there.
 * With 32 bits and several CPUs that is a seqcount, and a CPU that was writing
 * it waits for itself: lockdep says so.  After O_SYNC, a task ends them.
 */
#define ENDED_BY_A_TASK	(sizeof(long) == 4 ? O_SYNC : 0)

static bool cannot(struct blockfile *b, const char *what)
{
	snprintf(b->why, sizeof(b->why), "%.100s: %.50s", what,
		 strerror(errno));
	return false;
}

static bool write_through(struct blockfile *b)
{
	const size_t chunk = 1UL << 20;
	void *buf;
	bool ok = true;

	/*
	 * Where an extent ends, so does a request to the disk, and a page that
	 * both need is asked for twice: get all of it at once.
	 */
	if (fallocate(b->fd, 0, 0, b->len))
		return cannot(b, "fallocate");
	if (posix_memalign(&buf, 4096, chunk))
		return cannot(b, "no memory");
	memset(buf, 0, chunk);
	for (size_t off = 0; ok && off < b->len; off += chunk) {
		size_t n = b->len - off < chunk ? b->len - off : chunk;

		ok = pwrite(b->fd, buf, n, off) == (ssize_t)n;
	}
	free(buf);
	return ok ? true : cannot(b, "write");
}

static bool open_device(struct blockfile *b, const char *variable)
{
	const char *name = getenv(variable);

	if (!name || !*name) {
		snprintf(b->why, sizeof(b->why), "%s=DEVICE is not set",
			 variable);
		return false;
	}
	b->fd = open(name, O_RDWR | O_DIRECT | O_CLOEXEC);
	return b->fd >= 0 ? true : cannot(b, name);
}

bool blockfile_open(struct blockfile *b, enum block_target target, size_t len)
{
	char path[256];
	const char *name;

	memset(b, 0, sizeof(*b));
	b->fd = -1;
	b->len = len;
	if (target == ON_NULL_BLK)
		return open_device(b, "FAST_GUP_NULLB");
	if (target == ON_NVME)
		return open_device(b, "FAST_GUP_NVME");

	name = ext4_directory(b->why, sizeof(b->why));
	if (!name)
		return false;
	snprintf(path, sizeof(path), "%s/blockfile.XXXXXX", name);
	b->fd = mkostemp(path, O_DIRECT | O_CLOEXEC | ENDED_BY_A_TASK);
	if (b->fd < 0)
		return cannot(b, path);
	unlink(path);
	return write_through(b);
}

void blockfile_close(struct blockfile *b)
{
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
}

static uint64_t word_at(uint64_t seed, uint64_t n)
{
	uint64_t x = (seed << 32) + n + 1;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static unsigned char byte_at(uint64_t seed, size_t offset)
{
	return word_at(seed, offset / 8) >> (offset % 8 * 8);
}

void fill(void *buf, size_t len, uint64_t seed, size_t offset)
{
	unsigned char *p = buf;
	size_t i = 0;

	while (i < len) {
		if (!((offset + i) % 8) && len - i >= 8) {
			uint64_t word = word_at(seed, (offset + i) / 8);

			for (int k = 0; k < 8; k++)
				p[i + k] = word >> (k * 8);
			i += 8;
		} else {
			p[i] = byte_at(seed, offset + i);
			i++;
		}
	}
}

size_t filled(const void *buf, size_t len, uint64_t seed, size_t offset)
{
	const unsigned char *p = buf;
	size_t i = 0;

	while (i < len) {
		if (!((offset + i) % 8) && len - i >= 8) {
			uint64_t word = word_at(seed, (offset + i) / 8);
			int k;

			for (k = 0; k < 8; k++)
				if (p[i + k] != (unsigned char)(word >> (k * 8)))
					return i + k;
			i += 8;
		} else {
			if (p[i] != byte_at(seed, offset + i))
				return i;
			i++;
		}
	}
	return len;
}
