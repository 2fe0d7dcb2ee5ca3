// SPDX-License-Identifier: GPL-2.0
/* See ranges_lib.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include "ranges_lib.h"

const struct ranges_entry ranges_entries[NR_RANGES_ENTRIES] = {
	{ FAST_GUP_RANGES_PIN, "PIN", .pin = true },
	{ FAST_GUP_RANGES_GET, "GET", .pin = false },
	{ FAST_GUP_RANGES_PIN_BLOCKS, "PIN_BLOCKS", .pin = true,
	  .blocks = true },
	{ FAST_GUP_RANGES_GET_BLOCKS, "GET_BLOCKS", .blocks = true },
};

void ranges_init(struct ranges *r, size_t room)
{
	memset(r, 0, sizeof(*r));
	r->room = room;
	r->infos = calloc(room ? room : 1, sizeof(*r->infos));
	if (!r->infos) {
		perror("calloc");
		exit(1);
	}
}

void ranges_free(struct ranges *r)
{
	free(r->infos);
	r->infos = NULL;
}

int ranges_run(int dev, struct ranges *r, uint32_t entry, uint32_t flags,
	       uint64_t *addr, uint64_t len, uint64_t max)
{
	struct fast_gup_ranges *call = &r->call;

	memset(call, 0, sizeof(*call));
	call->size = sizeof(*call);
	call->version = FAST_GUP_ABI_VERSION;
	call->entry = entry;
	call->flags = flags;
	call->addr = *addr;
	call->len = len;
	call->max = max;
	call->max_ranges = r->room - r->nr;
	call->ranges = call->max_ranges ? (uintptr_t)(r->infos + r->nr) : 0;
	if (ioctl(dev, FAST_GUP_IOC_RANGES, call))
		return -errno;
	*addr = call->addr;
	if (call->result > 0) {
		if ((size_t)call->result > r->room - r->nr)
			return -ENOBUFS;
		r->nr += call->result;
	}
	return 0;
}

int ranges_split(int dev, struct fast_gup_split *split, uint64_t handle,
		 uint64_t range, uint64_t at)
{
	*split = (struct fast_gup_split) {
		.size = sizeof(*split),
		.version = FAST_GUP_ABI_VERSION,
		.handle = handle,
		.range = range,
		.at = at,
	};
	return ioctl(dev, FAST_GUP_IOC_SPLIT, split) ? -errno : 0;
}

int ranges_pack(int dev, struct fast_gup_pack *pack, uint64_t handle,
		uint64_t max_blocks)
{
	*pack = (struct fast_gup_pack) {
		.size = sizeof(*pack),
		.version = FAST_GUP_ABI_VERSION,
		.handle = handle,
		.max_blocks = max_blocks,
	};
	return ioctl(dev, FAST_GUP_IOC_PACK, pack) ? -errno : 0;
}

uint64_t ranges_pages(const struct ranges *r)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < r->nr; i++)
		pages += r->infos[i].nr_pages;
	return pages;
}

static uint64_t folio_of(uint64_t pfn, unsigned int order)
{
	return pfn >> order << order;
}

uint32_t ranges_of_folio(const struct ranges *r, size_t at)
{
	const struct fast_gup_range_info *info = &r->infos[at];
	uint64_t folio = folio_of(info->pfn, info->order);
	uint32_t nr = 0;

	for (size_t i = 0; i < r->nr; i++)
		nr += folio_of(r->infos[i].pfn, r->infos[i].order) == folio;
	return nr;
}

bool ranges_expected(int dev, struct ranges *r, uint32_t flags, uint64_t addr,
		     size_t nr)
{
	struct fast_gup_range_info *last = NULL;
	struct gup gup;
	bool ok;

	gup_init(&gup, nr);
	r->nr = 0;
	ok = !gup_run(dev, &gup, FAST_GUP_ENTRY_C_GET, flags, addr, nr) &&
	     gup.call.result == (int64_t)nr;
	for (size_t i = 0; ok && i < nr; i++) {
		const struct fast_gup_page *page = &gup.pages[i];

		if (last && page->pfn == last->pfn + last->nr_pages &&
		    page->order == last->order &&
		    folio_of(page->pfn, page->order) ==
		    folio_of(last->pfn, last->order)) {
			last->nr_pages++;
			continue;
		}
		if (r->nr == r->room) {
			ok = false;
			break;
		}
		last = &r->infos[r->nr++];
		*last = (struct fast_gup_range_info) {
			.pfn = page->pfn,
			.nr_pages = 1,
			.order = page->order,
			.flags = page->flags,
		};
	}
	gup_free(&gup);
	return ok;
}

bool ranges_same(const struct ranges *got, const struct ranges *expected,
		 char *why, size_t why_len)
{
	for (size_t i = 0; i < got->nr && i < expected->nr; i++) {
		const struct fast_gup_range_info *a = &got->infos[i];
		const struct fast_gup_range_info *b = &expected->infos[i];

		if (a->pfn == b->pfn && a->nr_pages == b->nr_pages &&
		    a->order == b->order && a->flags == b->flags &&
		    a->index == a->pfn - folio_of(a->pfn, a->order))
			continue;
		snprintf(why, why_len,
			 "range %zu: %llx+%llu, index %u, order %u, flags %x, not %llx+%llu, order %u, flags %x",
			 i, a->pfn, a->nr_pages, a->index, a->order, a->flags,
			 b->pfn, b->nr_pages, b->order, b->flags);
		return false;
	}
	if (got->nr != expected->nr) {
		snprintf(why, why_len, "%zu ranges, not %zu", got->nr,
			 expected->nr);
		return false;
	}
	return true;
}
