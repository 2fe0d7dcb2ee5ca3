// SPDX-License-Identifier: GPL-2.0
/*
 * Entries whose high word changes under the walk.  A 32-bit machine reads an
 * entry of 64 bits in two halves; a page frame made of the halves of two
 * entries is one that was never there.
 *
 * Each place of the range has two pages, one below 4 GiB and one above, and
 * changes between them.  Every page frame returned must be one of the two.
 * See race.h for what is checked besides.
 */
#include <stdio.h>
#include <sys/mman.h>
#include "race.h"
#include "session.h"
#include "sides.h"

#define PAGES	512

FIXTURE(pae_flip) {
	struct session session;
	struct memory side[SIDES];
	uint64_t pfns[SIDES][PAGES];
	struct ballast ballast;
	struct gup gup;
	struct memory memory;
	char *spare;		/* as large as the range, and unmapped */
	struct race race;
};

FIXTURE_VARIANT(pae_flip) {
	struct opponent opponent;
	bool two_places;
};

static FIXTURE_DATA(pae_flip) *self_of(struct race *race)
{
	return race->priv;
}

/* Map some of the places, from pages of one side. */
static bool map_side(FIXTURE_DATA(pae_flip) *self, enum side side, char *base,
		     size_t first, size_t nr, int flags)
{
	char *at = base + first * page_size();

	return mmap(at, nr * page_size(), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED | flags, self->side[side].fd,
		    first * page_size()) == at;
}

/*
 * More often above: an entry that is cleared while it is read shows only if
 * its high half was not zero.
 */
static enum side side_of_turn(unsigned long n)
{
	return n % 4 ? ABOVE : BELOW;
}

/* A page above the line in the place of one below, and back. */
static bool turn_map(struct race *race, unsigned long n)
{
	size_t first, nr;

	race_part(race, &first, &nr);
	return map_side(self_of(race), side_of_turn(n), race->base[0], first,
			nr, MAP_POPULATE);
}

/* The same without populating: the walk meets the faults of its own slow path. */
static bool turn_refault(struct race *race, unsigned long n)
{
	char *base = race->base[0];
	size_t first, nr;

	race_part(race, &first, &nr);
	if (!map_side(self_of(race), side_of_turn(n), base, first, nr, 0))
		return false;
	for (size_t i = first; i < first + nr; i += 3)
		(void)*(volatile char *)(base + i * page_size());
	race_part(race, &first, &nr);
	return !madvise(base + first * page_size(), nr * page_size(),
			MADV_DONTNEED);
}

/*
 * PROT_NONE inverts the page frame number in the entry, both halves of it, and
 * PROT_READ changes the low half only.
 */
static bool turn_mprotect(struct race *race, unsigned long n)
{
	static const int prots[] = { PROT_NONE, PROT_READ };
	char *base = race->base[0];
	size_t first, nr;

	race_part(race, &first, &nr);
	if (mprotect(base + first * page_size(), nr * page_size(),
		     prots[n & 1]) ||
	    mprotect(base, race->pages * page_size(), PROT_READ | PROT_WRITE))
		return false;
	race_part(race, &first, &nr);
	return n % 8 || map_side(self_of(race), side_of_turn(n / 8), base,
				 first, nr, MAP_POPULATE);
}

/* Two ranges of entries, one of each side, change places with each other. */
static bool turn_mremap(struct race *race, unsigned long n)
{
	size_t len = race->pages * page_size();
	char *one = race->base[0], *other = race->base[1];
	char *spare = self_of(race)->spare;
	const int flags = MREMAP_MAYMOVE | MREMAP_FIXED;

	return mremap(one, len, len, flags, spare) == spare &&
	       mremap(other, len, len, flags, one) == one &&
	       mremap(spare, len, len, flags, other) == other;
}

FIXTURE_VARIANT_ADD(pae_flip, map) {
	.opponent = { .turn = turn_map, .least = 20 },
};

FIXTURE_VARIANT_ADD(pae_flip, refault) {
	.opponent = { .turn = turn_refault, .least = 20 },
};

FIXTURE_VARIANT_ADD(pae_flip, mprotect) {
	.opponent = { .turn = turn_mprotect, .least = 20 },
};

FIXTURE_VARIANT_ADD(pae_flip, mremap) {
	.opponent = { .turn = turn_mremap, .least = 20 },
	.two_places = true,
};

static bool belongs(struct race *race, size_t index, uint64_t pfn)
{
	FIXTURE_DATA(pae_flip) *self = self_of(race);

	return pfn == self->pfns[BELOW][index] ||
	       pfn == self->pfns[ABOVE][index];
}

/* Pins keep the pages of one side where they are. */
static void hold_side(struct __test_metadata *_metadata,
		      FIXTURE_DATA(pae_flip) *self, enum side side)
{
	struct memory *m = &self->side[side];

	tag_range(m->addr, m->len, RACE_OWNER, 0);
	ASSERT_EQ(0, gup_run(self->session.dev, &self->gup,
			     FAST_GUP_ENTRY_SLOW_PIN,
			     FAST_GUP_WRITE | FAST_GUP_HOLD,
			     (uintptr_t)m->addr, PAGES));
	ASSERT_EQ(PAGES, self->gup.call.result);
	for (size_t i = 0; i < PAGES; i++) {
		ASSERT_EQ(self->pfns[side][i], self->gup.pages[i].pfn);
	}
}

FIXTURE_SETUP(pae_flip)
{
	uint64_t *const pfns[] = { self->pfns[BELOW], self->pfns[ABOVE] };
	struct race *race = &self->race;
	struct memory *m = &self->memory;
	size_t table = pmd_size() ?: 2UL << 20, len = PAGES * page_size();

	if (!session_open(_metadata, &self->session))
		return;
	gup_init(&self->gup, PAGES);
	if (!memory_on_both_sides(self->side, &self->ballast, PAGES, pfns))
		SKIP(return, "%s", self->side[BELOW].why);
	hold_side(_metadata, self, BELOW);
	hold_side(_metadata, self, ABOVE);
	/* Halves that are mixed up must make page frames that do not belong. */
	for (size_t i = 0; i < PAGES; i++) {
		ASSERT_NE(self->pfns[BELOW][i] % LINE_PFN,
			  self->pfns[ABOVE][i] % LINE_PFN);
	}

	/* Aligned to tables, so that mremap() moves whole ones. */
	m->fd = -1;
	m->addr = memory_reserve(m, 3 * table, table);
	ASSERT_NE(NULL, m->addr) TH_LOG("%s", m->why);
	ASSERT_LE(len, table);
	race_init(race, self->session.dev, m, PAGES, &variant->opponent);
	if (variant->two_places)
		race->base[1] = m->addr + table;
	self->spare = m->addr + 2 * table;
	race->belongs = belongs;
	race->priv = self;
	ASSERT_TRUE(map_side(self, BELOW, race->base[0], 0, PAGES,
			     MAP_POPULATE));
	ASSERT_TRUE(map_side(self, variant->two_places ? ABOVE : BELOW,
			     race->base[1], 0, PAGES, MAP_POPULATE));
}

FIXTURE_TEARDOWN(pae_flip)
{
	memory_free(&self->memory);
	for (enum side side = BELOW; side < SIDES; side++)
		memory_free(&self->side[side]);
	ballast_drop(&self->ballast);
	session_close(_metadata, &self->session);
	gup_free(&self->gup);
}

TEST_F_TIMEOUT(pae_flip, page_frames, TEST_SECONDS)
{
	EXPECT_RACE(&self->race);
	/* They have stayed where they were. */
	for (enum side side = BELOW; side < SIDES; side++) {
		EXPECT_EQ(self->pfns[side][0], pfn_of(self->side[side].addr));
	}
}

/* Few at a time: the kernel tries again until nobody holds one of them. */
#define MIGRATED	32

FIXTURE(pae_migrate) {
	struct session session;
	struct memory memory;
	struct gup gup;
	struct race race;
	unsigned long crossed;		/* pages that moved over the line */
};

/*
 * Fresh pages come from the movable zone, which is above the line; a pin for
 * long makes the kernel move them out of it, below the line.
 */
static bool turn_migrate(struct race *race, unsigned long n)
{
	FIXTURE_DATA(pae_migrate) *self = race->priv;
	char *base = race->base[0];
	uint64_t before[MIGRATED];
	size_t first, nr;

	race_part(race, &first, &nr);
	if (nr > MIGRATED)
		nr = MIGRATED;
	if (madvise(base + first * page_size(), nr * page_size(),
		    MADV_DONTNEED))
		return false;
	for (size_t i = first; i < first + nr; i++)
		tag_page(base + i * page_size(), RACE_OWNER, i, 0);
	pfns_of(base + first * page_size(), nr, before);
	/* Pages that others have pinned just now cannot be moved. */
	if (gup_run(race->dev, &self->gup, FAST_GUP_ENTRY_C_PIN,
		    FAST_GUP_WRITE | FAST_GUP_LONGTERM,
		    (uintptr_t)base + first * page_size(), nr))
		return false;
	for (int64_t i = 0; i < self->gup.call.result; i++)
		self->crossed += (before[i] < LINE_PFN) !=
				 (self->gup.pages[i].pfn < LINE_PFN);
	return true;
}

FIXTURE_SETUP(pae_migrate)
{
	static const struct opponent opponent = {
		.turn = turn_migrate, .least = 5, .fresh = true
	};
	struct race *race = &self->race;

	if (!session_open(_metadata, &self->session))
		return;
	gup_init(&self->gup, PAGES);
	ASSERT_TRUE(memory_make(MEM_ANON, &self->memory, PAGES * page_size()));
	tag_range(self->memory.addr, self->memory.len, RACE_OWNER, 0);
	race_init(race, self->session.dev, &self->memory, PAGES, &opponent);
	race->most = MIGRATED;
	race->priv = self;
}

FIXTURE_TEARDOWN(pae_migrate)
{
	memory_free(&self->memory);
	session_close(_metadata, &self->session);
	gup_free(&self->gup);
}

TEST_F_TIMEOUT(pae_migrate, content, TEST_SECONDS)
{
	EXPECT_RACE(&self->race);
	printf("# %lu pages moved over the line\n", self->crossed);
	fflush(stdout);
	if (getenv("FAST_GUP_MOVABLE")) {
		EXPECT_GT(self->crossed, 100);
	} else if (!self->crossed) {
		SKIP(return, "no movable zone above 4 GiB: boot with kernelcore=2G");
	}
}

TEST_HARNESS_MAIN
