/* SPDX-License-Identifier: GPL-2.0 */
/* A place on a disk for direct I/O, and content that can be told apart. */
#ifndef FAST_GUP_BLOCKFILE_H
#define FAST_GUP_BLOCKFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum block_target {
	ON_EXT4,		/* a file; FAST_GUP_EXT4 names the disk */
	ON_NULL_BLK,		/* the device; FAST_GUP_NULLB names it */
	ON_NVME,		/* the device; FAST_GUP_NVME names it */
};

struct blockfile {
	int fd;			/* O_RDWR | O_DIRECT */
	size_t len;
	char why[160];
};

/* @len bytes that are there already: overwriting allocates nothing. */
bool blockfile_open(struct blockfile *b, enum block_target target, size_t len);
void blockfile_close(struct blockfile *b);

/* Bytes that follow from the seed and their place only. */
void fill(void *buf, size_t len, uint64_t seed, size_t offset);
/* The first byte that is not what fill() would write, or @len. */
size_t filled(const void *buf, size_t len, uint64_t seed, size_t offset);

#endif /* FAST_GUP_BLOCKFILE_H */
