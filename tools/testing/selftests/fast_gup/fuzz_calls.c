// SPDX-License-Identifier: GPL-2.0
/* The calls of the device, and what they can never answer. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include "fuzz_bytes.h"

/* A place for answers: all of it, its end, or nowhere. */
static uint64_t room(struct fuzz_world *w, struct bytes *b)
{
	unsigned int how = fuzz_byte(b);

	switch (how / 16) {
	case 0: return 0;
	case 1: return (uintptr_t)w->out + w->out_len - how % 16;
	case 2: return (uintptr_t)w->out + w->out_len - 24 * (how % 16);
	case 3: return -(uint64_t)(how % 16) * page_size() - 1;
	default: return (uintptr_t)w->out;
	}
}

static uint32_t flags(struct bytes *b)
{
	unsigned int how = fuzz_byte(b);
	uint32_t value = how & (FAST_GUP_WRITE | FAST_GUP_LONGTERM | FAST_GUP_NOFAULT);

	if (how & 24)
		value |= FAST_GUP_HOLD;
	/* The rare ones only now and then: with them, most calls end at once. */
	if (how >= 224)
		value |= fuzz_byte(b) & FAST_GUP_FLAGS;
	if (how == 255)
		value |= 1u << fuzz_below(b, 32);
	return value;
}

/* 0 or 1, and rarely what is neither. */
static uint32_t bit(struct bytes *b)
{
	unsigned int how = fuzz_byte(b);

	return how < 250 ? how % 2 : how;
}

/* A handle that was returned, mostly the newest: it is still good. */
static uint64_t handle(struct fuzz_world *w, struct bytes *b, bool ranges)
{
	unsigned int how = fuzz_byte(b);

	if (how < 160)
		how = 0;
	else if (how >= 240)
		ranges = !ranges;
	return how == 255 ? fuzz_near(b, 1) :
			    w->handles[ranges][(w->last[ranges] - how) % NR_HANDLES];
}

static void keep(struct fuzz_world *w, uint64_t handle, bool ranges)
{
	if (handle)
		w->handles[ranges][++w->last[ranges] % NR_HANDLES] = handle;
}

/* The size and the version that every structure begins with. */
#define HEADER(b, what)		.size = sizeof(what),			\
				.version = FAST_GUP_ABI_VERSION +	\
					   (fuzz_byte(b) == 255)

static int64_t ask(struct fuzz_world *w, struct bytes *b, unsigned long cmd, void *arg)
{
	uint32_t *size = arg;
	int64_t ret;

	if (fuzz_byte(b) == 255)
		*size += fuzz_below(b, 16) - 8;
	ret = ioctl(w->dev[fuzz_byte(b) == 255], cmd, arg) ? -errno : 0;
	switch (ret) {
	case 0: case -EINVAL: case -EFAULT: case -ENOENT: case -EBADF:
	case -ERANGE: case -E2BIG: case -ENOMEM: case -ENOSPC: case -EBUSY:
	case -EOVERFLOW:
		break;
	default:
		fuzz_wrong(w, "command %#lx answers %lld", cmd, (long long)ret);
	}
	return ret;
}

int64_t fuzz_info(struct fuzz_world *w, struct bytes *b)
{
	struct fast_gup_info info = { HEADER(b, info) };
	int64_t ret = ask(w, b, FAST_GUP_IOC_INFO, &info);

	if (!ret && info.page_size != page_size())
		fuzz_wrong(w, "pages of %u bytes", info.page_size);
	return ret;
}

/* The page map says what is there; nobody else changes it, but in company. */
static void check_frames(struct fuzz_world *w, uint64_t addr,
			 const struct fast_gup_page *pages, int64_t nr)
{
	if (in_company() || !in_arena(w, addr) ||
	    !in_arena(w, addr + (nr - 1) * page_size()))
		return;
	for (int64_t i = 0; i < nr; i += 1 + nr / 4) {
		void *at = (void *)(uintptr_t)(addr + i * page_size());
		uint64_t there = pfn_of(at);

		if (there != pages[i].pfn)
			fuzz_wrong(w, "page %lld of %lld: frame %llx instead of %llx",
				   (long long)i, (long long)nr,
				   (unsigned long long)pages[i].pfn,
				   (unsigned long long)there);
	}
}

int64_t fuzz_call(struct fuzz_world *w, struct bytes *b)
{
	struct fast_gup_call call = { HEADER(b, call) };
	int64_t ret;

	call.entry = fuzz_below(b, FAST_GUP_ENTRY_MAX + 2);
	call.flags = flags(b);
	call.addr = fuzz_address(w, b);
	call.nr_pages = fuzz_length(b);
	call.pages = room(w, b);
	call.max_pages = call.pages ? fuzz_near(b, MOST_PAGES) : 0;
	/* Pages that are not its own may be written to by force. */
	if (call.flags & FAST_GUP_FORCE && !in_arena(w, call.addr + call.nr_pages * page_size()))
		call.nr_pages = 1;
	memset(w->out, 0xee, w->out_len);
	ret = ask(w, b, FAST_GUP_IOC_CALL, &call);
	if (ret)
		return ret;
	keep(w, call.handle, false);
	cover_answer(FUZZ_CALL, call.result, 1 + call.refusal + (call.fast_pages ? 64 : 0) +
		     (call.wasted ? 128 : 0) + 256 * call.entry);
	if ((call.result > 0 && call.result > call.nr_pages) ||
	    (call.result >= 0 && (int64_t)call.fast_pages > call.result) ||
	    call.refusal > FAST_GUP_REFUSED_MAX)
		fuzz_wrong(w, "%lld of %lld pages", (long long)call.result,
			   (long long)call.nr_pages);
	if (!call.handle != !(call.flags & FAST_GUP_HOLD && call.result > 0))
		fuzz_wrong(w, "%lld pages have the handle %llu", (long long)call.result,
			   (unsigned long long)call.handle);
	if (call.pages == (uintptr_t)w->out && call.result > 0) {
		const struct fast_gup_page *pages = (void *)w->out;
		uint64_t nr = call.result;

		if (nr > call.max_pages)
			nr = call.max_pages;
		if (nr < OUT_ENTRIES && pages[nr].order != 0xeeeeeeee)
			fuzz_wrong(w, "written behind max_pages");
		check_frames(w, call.addr & -(uint64_t)page_size(), pages, nr);
	}
	return call.result;
}

int64_t fuzz_ranges(struct fuzz_world *w, struct bytes *b)
{
	struct fast_gup_ranges call = { HEADER(b, call) };
	uint64_t addr, pages = 0;
	int64_t ret;

	call.entry = fuzz_below(b, FAST_GUP_RANGES_MAX + 2);
	call.flags = flags(b);
	addr = fuzz_address(w, b);
	call.addr = addr;
	call.len = fuzz_length(b) * page_size();
	call.len += fuzz_near(b, 0);
	call.max = fuzz_near(b, 1 + fuzz_below(b, 32));
	call.ranges = room(w, b);
	call.max_ranges = call.ranges ? fuzz_near(b, MOST_PAGES) : 0;
	memset(w->out, 0xee, w->out_len);
	ret = ask(w, b, FAST_GUP_IOC_RANGES, &call);
	if (ret)
		return ret;
	keep(w, call.handle, true);
	cover_answer(FUZZ_RANGES, call.result, 1 + call.refusal + (call.fast_pages ? 64 : 0) +
		     (call.wasted ? 128 : 0) + 256 * call.entry);
	if (call.result > 0 && (call.addr <= addr || call.addr - addr > call.len + page_size()))
		fuzz_wrong(w, "%lld ranges of %llu bytes move the cursor by %lld",
			   (long long)call.result, (unsigned long long)call.len,
			   (long long)(call.addr - addr));
	if (call.result <= 0 || call.ranges != (uintptr_t)w->out ||
	    call.max_ranges < (uint64_t)call.result)
		return call.result;
	for (int64_t i = 0; i < call.result && i < OUT_ENTRIES; i++) {
		const struct fast_gup_range_info *range = (void *)w->out;

		pages += range[i].nr_pages;
		if (!range[i].nr_pages || !range[i].refs ||
		    range[i].index + range[i].nr_pages > 1ULL << range[i].order)
			fuzz_wrong(w, "range %lld has %llu pages from %u on of order %u",
				   (long long)i, (unsigned long long)range[i].nr_pages,
				   range[i].index, range[i].order);
	}
	if (call.result <= OUT_ENTRIES &&
	    pages * page_size() < call.addr - addr)
		fuzz_wrong(w, "%llu pages for %llu bytes", (unsigned long long)pages,
			   (unsigned long long)(call.addr - addr));
	return call.result;
}

int64_t fuzz_release(struct fuzz_world *w, struct bytes *b)
{
	struct fast_gup_release release = { HEADER(b, release) };

	release.handle = handle(w, b, fuzz_below(b, 2));
	release.dirty = bit(b);
	release.reserved = fuzz_byte(b) == 255;
	return ask(w, b, FAST_GUP_IOC_RELEASE, &release);
}

int64_t fuzz_copy(struct fuzz_world *w, struct bytes *b)
{
	struct fast_gup_copy copy = { HEADER(b, copy) };

	copy.handle = handle(w, b, fuzz_below(b, 2));
	copy.offset = fuzz_near(b, fuzz_byte(b) * 100);
	copy.len = fuzz_near(b, fuzz_byte(b) * 20);
	copy.buf = room(w, b);
	copy.to_pages = bit(b);
	copy.reserved = fuzz_byte(b) == 255;
	return ask(w, b, FAST_GUP_IOC_COPY, &copy);
}

int64_t fuzz_split(struct fuzz_world *w, struct bytes *b)
{
	struct fast_gup_split split = { HEADER(b, split) };
	int64_t ret;

	split.handle = handle(w, b, true);
	split.range = fuzz_near(b, fuzz_below(b, 4));
	split.at = fuzz_near(b, fuzz_below(b, 20));
	ret = ask(w, b, FAST_GUP_IOC_SPLIT, &split);
	if (ret)
		return ret;
	keep(w, split.rest, true);
	if (!split.rest != !!split.result)
		fuzz_wrong(w, "a split answers %lld and %llu", (long long)split.result,
			   (unsigned long long)split.rest);
	return split.result;
}

int64_t fuzz_pack(struct fuzz_world *w, struct bytes *b)
{
	struct fast_gup_pack pack = { HEADER(b, pack) };
	int64_t ret;

	pack.handle = handle(w, b, true);
	pack.max_blocks = fuzz_near(b, fuzz_below(b, 4));
	ret = ask(w, b, FAST_GUP_IOC_PACK, &pack);
	if (!ret && (pack.blocks > pack.max_blocks || pack.pages < pack.packed))
		fuzz_wrong(w, "%llu ranges of %llu pages in %llu blocks",
			   (unsigned long long)pack.packed, (unsigned long long)pack.pages,
			   (unsigned long long)pack.blocks);
	return ret ?: (int64_t)pack.packed;
}

int64_t fuzz_bench(struct fuzz_world *w, struct bytes *b)
{
	struct fast_gup_bench bench = { HEADER(b, bench) };

	bench.caller = fuzz_below(b, FAST_GUP_BENCH_MAX + 2);
	bench.pin = bit(b);
	bench.addr = fuzz_address(w, b);
	bench.per_call = fuzz_near(b, 1 + fuzz_below(b, 16));
	/* Many pages in small calls are only slow. */
	bench.nr_pages = bench.per_call * fuzz_below(b, 4);
	bench.nr_pages += fuzz_below(b, 8) / 7;
	bench.late = fuzz_below(b, 8) / 6;
	return ask(w, b, FAST_GUP_IOC_BENCH, &bench);
}
