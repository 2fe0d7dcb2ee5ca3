// SPDX-License-Identifier: GPL-2.0
/*
 * The pages returned are the pages mapped: for every kind of memory, through
 * every entry, of every size, page frame number and content alike; and memory
 * that the kernel's C walk serves is served by the walk, not by the fallback.
 */
#include "memory.h"
#include "session.h"

#define MOST_PAGES	4096

FIXTURE(values) {
	struct session session;
	struct memory memory;
	struct gup gup;
	uint64_t *pfns;
	bool refused;		/* by the walk of C, and so by ours */
};

FIXTURE_VARIANT(values) {
	enum memory_kind_id id;
};

FIXTURE_VARIANT_ADD(values, anon) { MEM_ANON };
FIXTURE_VARIANT_ADD(values, thp) { MEM_THP };
FIXTURE_VARIANT_ADD(values, thp_pte) { MEM_THP_PTE };
FIXTURE_VARIANT_ADD(values, mthp) { MEM_MTHP };
FIXTURE_VARIANT_ADD(values, zero) { MEM_ZERO };
FIXTURE_VARIANT_ADD(values, huge_zero) { MEM_HUGE_ZERO };
FIXTURE_VARIANT_ADD(values, tmpfs) { MEM_TMPFS };
FIXTURE_VARIANT_ADD(values, memfd) { MEM_MEMFD };
FIXTURE_VARIANT_ADD(values, memfd_private) { MEM_MEMFD_PRIVATE };
FIXTURE_VARIANT_ADD(values, memfd_cow) { MEM_MEMFD_COW };
FIXTURE_VARIANT_ADD(values, shmem_thp) { MEM_SHMEM_THP };
FIXTURE_VARIANT_ADD(values, shmem_pairs) { MEM_SHMEM_PAIRS };
FIXTURE_VARIANT_ADD(values, ext4) { MEM_EXT4 };
FIXTURE_VARIANT_ADD(values, ext4_private) { MEM_EXT4_PRIVATE };
FIXTURE_VARIANT_ADD(values, ext4_pairs) { MEM_EXT4_PAIRS };
FIXTURE_VARIANT_ADD(values, hugetlb) { MEM_HUGETLB };
FIXTURE_VARIANT_ADD(values, hugetlb_shared) { MEM_HUGETLB_SHARED };
FIXTURE_VARIANT_ADD(values, gigantic) { MEM_GIGANTIC };

FIXTURE_SETUP(values)
{
	if (!session_open(_metadata, &self->session))
		return;
	if (!memory_make(variant->id, &self->memory, MOST_PAGES * page_size()))
		SKIP(return, "%s", self->memory.why);
	gup_init(&self->gup, MOST_PAGES);
	self->pfns = calloc(MOST_PAGES, sizeof(*self->pfns));
	ASSERT_NE(NULL, self->pfns);

	self->refused = memory_kinds[variant->id].refused;
	/* It is special where the entry of a huge page can say so. */
	if (variant->id == MEM_HUGE_ZERO) {
		ASSERT_EQ(0, gup_run(self->session.dev, &self->gup,
				     FAST_GUP_ENTRY_C_GET_ONLY, 0,
				     (uintptr_t)self->memory.addr, 1));
		self->refused = !self->gup.call.result;
	}
}

FIXTURE_TEARDOWN(values)
{
	memory_free(&self->memory);
	session_close(_metadata, &self->session);
	gup_free(&self->gup);
	free(self->pfns);
}

static unsigned int order_of(size_t bytes)
{
	return __builtin_ctzl(bytes / page_size());
}

/* The walk that served must have kept to its bounds. */
static void check_walk(struct __test_metadata *_metadata,
		       FIXTURE_DATA(values) *self,
		       const struct memory_kind *kind, long nr)
{
	const struct fast_gup_call *call = &self->gup.call;
	unsigned int bound = self->session.info.max_section;

	EXPECT_EQ(self->refused ? 0 : nr, call->fast_pages)
		TH_LOG("refused: %s", refusal_name(call->refusal));
	EXPECT_LE(call->longest_section, bound);
	EXPECT_GE(call->sections, 1);
	/* Nothing changed under this walk, so nothing was taken in vain. */
	EXPECT_EQ(0, call->wasted);
	if (self->refused) {
		EXPECT_NE(FAST_GUP_REFUSED_NOT, call->refusal);
		return;
	}
	EXPECT_EQ(FAST_GUP_REFUSED_NOT, call->refusal);
	EXPECT_GE(call->longest_section, 1);
	if (kind->pte_mapped) {
		EXPECT_GE(call->sections, ((uint64_t)nr + bound - 1) / bound);
	}
}

static void check_pages(struct __test_metadata *_metadata,
			FIXTURE_DATA(values) *self,
			const struct memory_kind *kind, size_t first, long nr)
{
	const char *addr = self->memory.addr + first * page_size();
	unsigned int order = kind->large ? order_of(self->memory.unit) : 0;
	long wrong = 0;

	pfns_of(addr, nr, self->pfns);
	for (long i = 0; i < nr && wrong < 3; i++) {
		const struct fast_gup_page *page = &self->gup.pages[i];
		bool ok = page->pfn == self->pfns[i] && page->pfn;

		if (!kind->zero)
			ok = ok && (kind->any_order || page->order == order) &&
			     !!(page->flags & FAST_GUP_PAGE_ANON) == kind->anon &&
			     !!(page->flags & FAST_GUP_PAGE_HUGETLB) == kind->hugetlb &&
			     !(page->flags & FAST_GUP_PAGE_ZERO);
		wrong += !ok;
		EXPECT_TRUE(ok)
			TH_LOG("page %ld of %ld from %zu: pfn %llx, not %llx, order %u, flags %x",
			       i, nr, first, page->pfn,
			       (unsigned long long)self->pfns[i], page->order,
			       page->flags);
	}
}

/*
 * Writeback, at any time, makes the pages read-only that it writes, to learn
 * when they become dirty again, which they do here.  For a moment, their
 * entries are not there at all.
 */
static bool cleaned(FIXTURE_DATA(values) *self, const struct memory_kind *kind,
		    size_t first, long nr)
{
	const struct fast_gup_call *call = &self->gup.call;

	if (!kind->on_disk ||
	    (call->result == nr && call->refusal == FAST_GUP_REFUSED_NOT))
		return false;
	if (call->handle && gup_release(self->session.dev, call->handle, false))
		return false;
	for (size_t i = first; i < first + nr; i++) {
		volatile char *page = self->memory.addr + i * page_size();

		*page = *page;
	}
	return true;
}

/* What is got stays held. */
static void run_call(struct __test_metadata *_metadata,
		     FIXTURE_DATA(values) *self,
		     const struct memory_kind *kind,
		     const struct gup_entry *entry, uint32_t flags,
		     size_t first, long nr)
{
	uint64_t addr = (uintptr_t)self->memory.addr + first * page_size();
	bool none = entry->only && self->refused;
	int again = 3;

	do {
		ASSERT_EQ(0, gup_run(self->session.dev, &self->gup,
				     entry->entry, flags | FAST_GUP_HOLD, addr,
				     nr));
	} while (again-- && cleaned(self, kind, first, nr));
	ASSERT_EQ(none ? 0 : nr, self->gup.call.result)
		TH_LOG("%s flags %x: %ld pages from page %zu of %s",
		       entry->name, flags, nr, first, kind->name);
}

static void check_call(struct __test_metadata *_metadata,
		       FIXTURE_DATA(values) *self,
		       const struct memory_kind *kind,
		       const struct gup_entry *entry, uint32_t flags,
		       size_t first, long nr)
{
	struct fast_gup_call *call = &self->gup.call;

	run_call(_metadata, self, kind, entry, flags, first, nr);
	if (entry->own || (entry->kernel && self->session.info.providing)) {
		check_walk(_metadata, self, kind, nr);
	} else if (!entry->c_walk) {
		EXPECT_EQ(0, call->fast_pages);
	}
	if (!call->result)
		return;
	check_pages(_metadata, self, kind, first, nr);
	ASSERT_NE(0, call->handle);
	ASSERT_EQ(0, gup_release(self->session.dev, call->handle, false));
}

/* The sizes beside which batches, sections and tables end. */
TEST_F_TIMEOUT(values, sizes, TEST_SECONDS)
{
	static const long sizes[] = { 1, 2, 63, 64, 65, 511, 512, 513,
				      MOST_PAGES };
	const struct memory_kind *kind = &memory_kinds[variant->id];

	for (size_t e = 0; e < NR_GUP_ENTRIES; e++) {
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			const struct gup_entry *entry = &gup_entries[e];

			check_call(_metadata, self, kind, entry, 0, 0,
				   sizes[i]);
			if (!kind->readonly)
				check_call(_metadata, self, kind, entry,
					   FAST_GUP_WRITE, 0, sizes[i]);
			if (_metadata->exit_code)
				return;
		}
	}
}

/* Ranges that start and end inside a huge page, a table, a section. */
TEST_F_TIMEOUT(values, partial, TEST_SECONDS)
{
	static const size_t firsts[] = { 1, 3, 15, 16, 17, 31, 32, 255, 256,
					 510, 511, 512, 513, 700, 1023, 1024 };
	static const long sizes[] = { 1, 2, 5, 16, 257, 512, 1025 };
	const struct memory_kind *kind = &memory_kinds[variant->id];
	uint32_t write = kind->readonly ? 0 : FAST_GUP_WRITE;

	for (size_t f = 0; f < ARRAY_SIZE(firsts); f++) {
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			check_call(_metadata, self, kind,
				   &gup_entries[FAST_GUP_ENTRY_PIN], write,
				   firsts[f], sizes[i]);
			check_call(_metadata, self, kind,
				   &gup_entries[FAST_GUP_ENTRY_GET_ONLY], 0,
				   firsts[f], sizes[i]);
			check_call(_metadata, self, kind,
				   &gup_entries[FAST_GUP_ENTRY_KERNEL_PIN], 0,
				   firsts[f], sizes[i]);
			if (_metadata->exit_code)
				return;
		}
	}
}

/* The pages hold what the memory holds, and what is put into them arrives. */
TEST_F_TIMEOUT(values, content, TEST_SECONDS)
{
	const struct memory_kind *kind = &memory_kinds[variant->id];
	uint32_t write = kind->readonly ? 0 : FAST_GUP_WRITE;
	const size_t first = 5, nr = 130, len = nr * page_size();
	char *start = self->memory.addr + first * page_size();
	struct random_state r;
	char *buf = malloc(len);

	ASSERT_NE(NULL, buf);
	random_seed(&r, variant->id + 1);
	for (size_t e = 0; e < NR_GUP_ENTRIES; e++) {
		const struct gup_entry *entry = &gup_entries[e];
		uint64_t handle;

		if (entry->only && self->refused)
			continue;
		run_call(_metadata, self, kind, entry, write, first, nr);
		handle = self->gup.call.handle;

		ASSERT_EQ(0, gup_copy(self->session.dev, handle, 0, buf, len,
				      false));
		EXPECT_EQ(0, memcmp(buf, start, len))
			TH_LOG("%s: the pages are not those of the memory",
			       entry->name);
		if (!write) {
			EXPECT_EQ(-EBADF, gup_copy(self->session.dev, handle,
						   0, buf, 8, true));
		} else {
			/* Across page boundaries, at odd offsets. */
			for (int i = 0; i < 20; i++) {
				size_t off = random_below(&r, len - 1);
				size_t n = 1 + random_below(&r, len - off);

				for (size_t k = 0; k < n; k += 97)
					buf[k] = random_next(&r);
				ASSERT_EQ(0, gup_copy(self->session.dev,
						      handle, off, buf, n,
						      true));
				ASSERT_EQ(0, memcmp(buf, start + off, n))
					TH_LOG("%s: %zu bytes at %zu",
					       entry->name, n, off);
			}
		}
		ASSERT_EQ(0, gup_release(self->session.dev, handle,
					 write && entry->pin));
	}
	free(buf);
}

TEST_HARNESS_MAIN
