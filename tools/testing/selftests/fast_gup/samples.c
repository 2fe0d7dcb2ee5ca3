// SPDX-License-Identifier: GPL-2.0
/*
 * What the sample drivers answer: bytes, physical ranges, errors, and who holds
 * how much.
 */
#include <linux/capability.h>
#include "memory.h"
#include "samples_fixture.h"

static const char *const pins_file = "/sys/kernel/debug/fast_gup/pins";

TEST_F_TIMEOUT(samples, write, TEST_SECONDS)
{
	ASSERT_EQ(0, pin(self->dev, self->addr, self->len,
			 PINNED_BUFFER_WRITABLE));
	for (size_t i = 0; i < self->len; i++)
		self->bytes[i] = ~byte_of(i);
	ASSERT_EQ(0, write_buffer(self->dev, 1, self->bytes + 1, self->len - 2));
	EXPECT_EQ(byte_of(OFFSET), self->addr[0]);
	EXPECT_EQ(0, memcmp(self->addr + 1, self->bytes + 1, self->len - 2));
	EXPECT_EQ(byte_of(OFFSET + self->len - 1), self->addr[self->len - 1]);
}

/* What is pinned for reading is not written to, and need not be writable. */
TEST_F_TIMEOUT(samples, read_only, TEST_SECONDS)
{
	ASSERT_EQ(0, mprotect(self->map, PAGES * page_size(), PROT_READ));
	EXPECT_EQ(-EFAULT, pin(self->dev, self->addr, self->len,
			       PINNED_BUFFER_WRITABLE));
	ASSERT_EQ(0, pin(self->dev, self->addr, self->len, 0));
	EXPECT_EQ(-EBADF, write_buffer(self->dev, 0, "x", 1));
	EXPECT_TRUE(holds(self, self->dev));
}

TEST_F_TIMEOUT(samples, ranges, TEST_SECONDS)
{
	struct pinned_buffer_range ranges[PAGES + 1], part[PAGES + 1];
	size_t at = 0;
	int64_t nr;

	ASSERT_EQ(0, pin(self->dev, self->addr, self->len, 0));
	nr = get_ranges(self->dev, 0, PAGES + 1, ranges);
	ASSERT_GE(nr, 1);
	ASSERT_LE(nr, PAGES);
	for (int64_t i = 0; i < nr; i++) {
		for (uint64_t in = 0; in < ranges[i].len;) {
			uint64_t phys = pfn_of(self->addr + at) * page_size() +
					(uintptr_t)(self->addr + at) % page_size();
			size_t rest = page_size() - phys % page_size();

			ASSERT_EQ(phys, ranges[i].addr + in);
			if (rest > ranges[i].len - in)
				rest = ranges[i].len - in;
			in += rest;
			at += rest;
		}
	}
	EXPECT_EQ(self->len, at);

	/* From any range on, any number of them. */
	for (int64_t first = 0; first <= nr; first++) {
		ASSERT_EQ(first < nr, get_ranges(self->dev, first, 1, part));
		if (first < nr)
			EXPECT_EQ(0, memcmp(part, ranges + first, sizeof(*part)));
	}
	EXPECT_EQ(0, get_ranges(self->dev, UINT64_MAX, UINT64_MAX, part));
	EXPECT_EQ(0, get_ranges(self->dev, 0, 0, NULL));
	EXPECT_EQ(-EFAULT, get_ranges(self->dev, 0, 1, NULL));

	ASSERT_TRUE(set_capability(CAP_SYS_ADMIN, false));
	EXPECT_EQ(-EPERM, get_ranges(self->dev, 0, PAGES, part));
	ASSERT_TRUE(set_capability(CAP_SYS_ADMIN, true));
}

/* A huge page is one range, and takes one pin. */
TEST_F_TIMEOUT(samples, huge_page, TEST_SECONDS)
{
	struct pinned_buffer_range ranges[2];
	struct memory memory;
	long pins;

	if (!pmd_size() || !memory_make(MEM_THP, &memory, pmd_size()))
		SKIP(return, "no transparent huge page");
	pins = pins_outstanding();
	ASSERT_EQ(0, pin(self->dev, memory.addr, pmd_size(), 0));
	EXPECT_EQ(pins + 1, pins_outstanding());
	ASSERT_EQ(1, get_ranges(self->dev, 0, 2, ranges));
	EXPECT_EQ(pmd_size(), ranges[0].len);
	EXPECT_EQ(pmd_size() / page_size(), pages_charged());
	memory_free(&memory);
}

TEST_F_TIMEOUT(samples, errors, TEST_SECONDS)
{
	const uint64_t len = self->len;
	char byte;

	EXPECT_EQ(-ENXIO, read_buffer(self->dev, 0, &byte, 1));
	EXPECT_EQ(-ENXIO, write_buffer(self->dev, 0, &byte, 1));
	EXPECT_EQ(-ENXIO, get_ranges(self->dev, 0, 1, NULL));

	EXPECT_EQ(-EINVAL, pin(self->dev, self->addr, 0, 0));
	for (int bit = 1; bit < 64; bit++)
		EXPECT_EQ(-EINVAL, pin(self->dev, self->addr, len, 1ULL << bit));
	EXPECT_EQ(-EOVERFLOW, pin(self->dev, self->addr, UINT64_MAX, 0));
	EXPECT_EQ(-EFAULT, pin(self->dev, NULL, len, 0));
	EXPECT_EQ(0, pages_charged());

	ASSERT_EQ(0, pin(self->dev, self->addr, len, PINNED_BUFFER_WRITABLE));
	EXPECT_EQ(-EBUSY, pin(self->dev, self->addr, len, 0));
	EXPECT_EQ(PAGES, pages_charged());

	EXPECT_EQ(0, read_buffer(self->dev, len - 1, &byte, 1));
	EXPECT_EQ(0, read_buffer(self->dev, len, &byte, 0));
	EXPECT_EQ(-EINVAL, read_buffer(self->dev, len, &byte, 1));
	EXPECT_EQ(-EINVAL, read_buffer(self->dev, 1, self->bytes, len));
	EXPECT_EQ(-EINVAL, read_buffer(self->dev, UINT64_MAX, self->bytes, 2));
	EXPECT_EQ(-EINVAL, write_buffer(self->dev, 2, self->bytes, UINT64_MAX));
	EXPECT_EQ(-EFAULT, read_buffer(self->dev, 0, NULL, 1));
	EXPECT_EQ(-EFAULT, write_buffer(self->dev, 0, NULL, 1));
	EXPECT_TRUE(holds(self, self->dev));

	EXPECT_EQ(-1, ioctl(self->dev, _IO('P', 0xa0), NULL));
	EXPECT_EQ(ENOTTY, errno);
}

/* The module stays as long as somebody holds memory through it. */
TEST_F_TIMEOUT(samples, unload, TEST_SECONDS)
{
	ASSERT_EQ(0, pin(self->dev, self->addr, self->len, 0));
	EXPECT_EQ(-EWOULDBLOCK, module_unload(variant->module));
	EXPECT_TRUE(holds(self, self->dev));
}

/* Lines of the list of owners that begin with a name. */
static int owners(const char *name, long *ranges, long *pages)
{
	FILE *file = fopen(pins_file, "re");
	char line[512], owner[64];
	int nr = 0;

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s %*s %*s %*s %*s %ld %ld", owner, ranges,
			   pages) == 3 && !strcmp(owner, name))
			nr++;
	}
	fclose(file);
	return nr;
}

TEST_F_TIMEOUT(samples, owners, TEST_SECONDS)
{
	struct pinned_buffer_range all[PAGES];
	long ranges, pages;

	if (access(pins_file, R_OK))
		SKIP(return, "no %s", pins_file);
	EXPECT_EQ(0, owners(variant->module, &ranges, &pages));
	ASSERT_EQ(0, pin(self->dev, self->addr, self->len, 0));
	EXPECT_EQ(1, owners(variant->module, &ranges, &pages));
	EXPECT_EQ(PAGES, pages);
	EXPECT_EQ(get_ranges(self->dev, 0, PAGES, all), ranges);
	close(self->dev);
	EXPECT_EQ(0, owners(variant->module, &ranges, &pages));
	self->dev = -1;
}

TEST_HARNESS_MAIN
