// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of a device, for other devices (P2PDMA): ZONE_DEVICE pages, which are
 * got by those alone who ask for them, one range each, and whose references keep
 * the device's memory from being handed out again.
 *
 * It comes from an NVMe disk with a memory buffer of its controller.
 */
#include <glob.h>
#include <sys/mman.h>
#include "compare.h"
#include "ranges_lib.h"
#include "session.h"

#define PAGES		8
#define DIRECTORY	"/sys/bus/pci/devices/*/p2pmem"

FIXTURE(p2pdma) {
	struct session session;
	struct gup gup;
	struct ranges ranges;
	char available[256];
	long before;		/* bytes that nobody has */
	int fd;
	char *map;
};

FIXTURE_SETUP(p2pdma)
{
	glob_t found = { 0 };
	char path[256];

	self->fd = -1;
	if (!session_open(_metadata, &self->session))
		return;
	gup_init(&self->gup, PAGES);
	ranges_init(&self->ranges, PAGES);
	if (glob(DIRECTORY, 0, NULL, &found))
		SKIP(return, "no device with memory for others");
	snprintf(path, sizeof(path), "%s/allocate", found.gl_pathv[0]);
	snprintf(self->available, sizeof(self->available), "%s/available",
		 found.gl_pathv[0]);
	globfree(&found);
	self->before = file_read_long(self->available);
	self->fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->fd, 0) TH_LOG("%s: %s", path, strerror(errno));
	self->map = mmap(NULL, PAGES * page_size(), PROT_READ | PROT_WRITE,
			 MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->map) TH_LOG("mmap: %s", strerror(errno));
}

static void unmap(FIXTURE_DATA(p2pdma) *self)
{
	if (self->map)
		munmap(self->map, PAGES * page_size());
	self->map = NULL;
}

FIXTURE_TEARDOWN(p2pdma)
{
	unmap(self);
	if (self->fd >= 0)
		close(self->fd);
	session_close(_metadata, &self->session);
	ranges_free(&self->ranges);
	gup_free(&self->gup);
}

static int64_t get(FIXTURE_DATA(p2pdma) *self, uint32_t entry, uint32_t flags)
{
	int err = gup_run(self->session.dev, &self->gup, entry, flags,
			  (uintptr_t)self->map, PAGES);

	return err ?: self->gup.call.result;
}

static bool served(FIXTURE_DATA(p2pdma) *self, const struct gup_entry *entry)
{
	return entry->own || (entry->kernel && self->session.info.providing);
}

/* Who does not ask for it does not get it. */
TEST_F(p2pdma, refused)
{
	for (size_t e = 0; e < NR_GUP_ENTRIES; e++) {
		const struct gup_entry *entry = &gup_entries[e];
		uint32_t flags = FAST_GUP_WRITE;

		EXPECT_EQ(entry->only ? 0 : -EREMOTEIO, get(self, e, flags))
			TH_LOG("%s", entry->name);
		EXPECT_EQ(0, self->gup.call.fast_pages)
			TH_LOG("%s", entry->name);
		if (!served(self, entry))
			continue;
		EXPECT_EQ(FAST_GUP_REFUSED_P2PDMA, self->gup.call.refusal)
			TH_LOG("%s: refused as %s", entry->name,
			       refusal_name(self->gup.call.refusal));
	}
}

/* Who does gets it from the walk, as any other memory. */
TEST_F(p2pdma, asked_for)
{
	const uint32_t flags = FAST_GUP_WRITE | FAST_GUP_PCI_P2PDMA;
	uint64_t cursor = (uintptr_t)self->map, pfns[PAGES];

	pfns_of(self->map, PAGES, pfns);
	for (size_t e = 0; e < NR_GUP_ENTRIES; e++) {
		const struct gup_entry *entry = &gup_entries[e];

		EXPECT_EQ(PAGES, get(self, e, flags)) TH_LOG("%s", entry->name);
		for (size_t i = 0; i < PAGES; i++) {
			EXPECT_EQ(pfns[i], self->gup.pages[i].pfn)
				TH_LOG("%s, page %zu", entry->name, i);
		}
		if (served(self, entry)) {
			EXPECT_EQ(PAGES, self->gup.call.fast_pages)
				TH_LOG("%s: refused as %s", entry->name,
				       refusal_name(self->gup.call.refusal));
		}
	}
	/* Each page is a folio of its own, and so a range of its own. */
	ASSERT_EQ(0, ranges_run(self->session.dev, &self->ranges,
				FAST_GUP_RANGES_PIN, flags, &cursor,
				PAGES * page_size(), PAGES));
	ASSERT_EQ(PAGES, self->ranges.call.result);
	for (size_t i = 0; i < PAGES; i++) {
		EXPECT_EQ(pfns[i], self->ranges.infos[i].pfn);
		EXPECT_EQ(1, self->ranges.infos[i].nr_pages);
	}
}

/* Held, the memory is not the device's; released, it is, to the last page. */
TEST_F(p2pdma, references_balance)
{
	const uint32_t flags = FAST_GUP_WRITE | FAST_GUP_PCI_P2PDMA |
			       FAST_GUP_HOLD;
	const long all = PAGES * page_size();
	uint64_t handles[NR_GUP_ENTRIES + 1];
	uint64_t cursor = (uintptr_t)self->map;

	EXPECT_EQ(self->before - all, file_read_long(self->available));
	for (size_t e = 0; e < NR_GUP_ENTRIES; e++) {
		ASSERT_EQ(PAGES, get(self, e, flags))
			TH_LOG("%s", gup_entries[e].name);
		handles[e] = self->gup.call.handle;
	}
	ASSERT_EQ(0, ranges_run(self->session.dev, &self->ranges,
				FAST_GUP_RANGES_PIN, flags, &cursor, all,
				PAGES));
	handles[NR_GUP_ENTRIES] = self->ranges.call.handle;
	unmap(self);
	for (size_t i = 0; i < ARRAY_SIZE(handles); i++) {
		EXPECT_EQ(self->before - all, file_read_long(self->available))
			TH_LOG("given back before handle %zu was released", i);
		ASSERT_EQ(0, gup_release(self->session.dev, handles[i], false));
	}
	EXPECT_EQ(self->before, file_read_long(self->available))
		TH_LOG("not given back");
}

TEST_HARNESS_MAIN
