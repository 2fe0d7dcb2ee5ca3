/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A buffer, and one of the two sample drivers, which have one interface.
 */
#ifndef FAST_GUP_SAMPLES_FIXTURE_H
#define FAST_GUP_SAMPLES_FIXTURE_H

#include <sys/mman.h>
#include "sample.h"
#include "session.h"

#define PAGES		16
#define OFFSET		100	/* where buffers begin in their first page */

FIXTURE(samples) {
	long pins;		/* outstanding at the start */
	bool loaded;		/* by us */
	int dev;
	char *map;		/* PAGES pages, each byte written */
	char *addr;		/* the buffer: all of them but the ends */
	size_t len;
	char *bytes;		/* as many */
};

FIXTURE_VARIANT(samples) {
	const char *module;
	const char *device;
};

FIXTURE_VARIANT_ADD(samples, rust) {
	.module = "pinned_buffer_rust",
	.device = "/dev/pinned_buffer_rust",
};

FIXTURE_VARIANT_ADD(samples, c) {
	.module = "pinned_buffer_c",
	.device = "/dev/pinned_buffer_c",
};

/* A byte of each place, so that none can be taken for another nearby. */
static inline char byte_of(size_t place)
{
	return place * 7 + place / 251 + place / 65521;
}

static inline void fill(char *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = byte_of(i);
}

static inline char *map_pages(size_t nr)
{
	return mmap(NULL, nr * page_size(), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

FIXTURE_SETUP(samples)
{
	self->dev = -1;
	if (access(variant->device, F_OK)) {
		self->loaded = module_load(variant->module);
		if (!self->loaded)
			SKIP_UNLESS_REQUIRED(return,
					     "no modules: set FAST_GUP_SAMPLES");
	}
	pins_settle(0, &self->pins);
	self->dev = open(variant->device, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->dev, 0)
		TH_LOG("%s: %s", variant->device, strerror(errno));

	self->map = map_pages(PAGES);
	ASSERT_NE(MAP_FAILED, self->map);
	fill(self->map, PAGES * page_size());
	self->addr = self->map + OFFSET;
	self->len = PAGES * page_size() - 2 * OFFSET;
	self->bytes = malloc(PAGES * page_size());
	ASSERT_NE(NULL, self->bytes);
}

FIXTURE_TEARDOWN(samples)
{
	long seen = 0;

	if (self->dev >= 0)
		close(self->dev);
	if (!pins_settle(self->pins, &seen))
		EXPECT_EQ(self->pins, seen)
			TH_LOG("pins outstanding before and after");
	if (self->loaded)
		EXPECT_EQ(0, module_unload(variant->module));
}

/* Whether the device has the bytes that were filled in. */
static inline bool holds(FIXTURE_DATA(samples) *self, int dev)
{
	memset(self->bytes, 0, self->len);
	if (read_buffer(dev, 0, self->bytes, self->len))
		return false;
	for (size_t i = 0; i < self->len; i++) {
		if (self->bytes[i] != byte_of(i + OFFSET))
			return false;
	}
	return true;
}

#endif /* FAST_GUP_SAMPLES_FIXTURE_H */
