// SPDX-License-Identifier: GPL-2.0
/*
 * The walk against a table that leaves and is filled elsewhere; see race.h for
 * what is checked.
 *
 * mremap() moves whole tables.  Who went down to one before finds entries that
 * were never at that address, and that do not change any more.  Only the
 * parents, read again, tell.  Of all who take a table out of the tree this is
 * the one who does not wait for the walk: where flushing the TLB interrupts
 * nobody, as on radix trees, nothing but the second look protects.
 */
#include <sys/mman.h>
#include "race.h"
#include "session.h"

/* Of a table, from its start.  The empty ones are filled without a flush. */
#define FULL	12
#define EMPTY	2

FIXTURE(races_table) {
	struct session session;
	struct memory memory;
	struct race race;
	size_t len;	/* of what one table maps */
	char *next;	/* the table that the range gets next is here */
	char *free;	/* nothing is here */
};

static bool move(const FIXTURE_DATA(races_table) *self, char *from, char *to)
{
	return mremap(from, self->len, self->len, MREMAP_MAYMOVE | MREMAP_FIXED,
		      to) == to;
}

static bool turn(struct race *race, unsigned long n)
{
	FIXTURE_DATA(races_table) *self = race->priv;
	char *left = self->free;
	char *empty = left + FULL * page_size();

	if (!move(self, race->base[0], left))
		return false;
	tag_range(empty, EMPTY * page_size(), CHURN_OWNER, n);
	if (!move(self, self->next, race->base[0]) ||
	    madvise(empty, EMPTY * page_size(), MADV_DONTNEED))
		return false;
	self->free = self->next;
	self->next = left;
	return true;
}

/* The range itself never has a page behind the first ones. */
static bool belongs(struct race *race, size_t index, uint64_t pfn)
{
	return index < FULL;
}

/* Memory aligned to a table, whose first pages are tagged. */
static char *table_make(size_t len)
{
	struct memory m = { 0 };
	char *addr = memory_reserve(&m, len, len);

	if (!addr || mprotect(addr, len, PROT_READ | PROT_WRITE))
		return NULL;
	madvise(addr, len, MADV_NOHUGEPAGE);
	tag_range(addr, FULL * page_size(), RACE_OWNER, 0);
	return addr;
}

FIXTURE_SETUP(races_table)
{
	static const struct opponent opponent = {
		.turn = turn, .least = 10, .only = true,
	};
	struct memory elsewhere = { 0 };

	if (!session_open(_metadata, &self->session))
		return;
	self->len = pmd_size() ?: 2UL << 20;
	self->memory.addr = table_make(self->len);
	self->next = table_make(self->len);
	self->free = memory_reserve(&elsewhere, self->len, self->len);
	ASSERT_TRUE(self->memory.addr && self->next && self->free);
	race_init(&self->race, self->session.dev, &self->memory, FULL + EMPTY,
		  &opponent);
	self->race.belongs = belongs;
	self->race.priv = self;
}

FIXTURE_TEARDOWN(races_table)
{
	session_close(_metadata, &self->session);
}

TEST_F_TIMEOUT(races_table, content, TEST_SECONDS)
{
	EXPECT_RACE(&self->race);
}

TEST_HARNESS_MAIN
