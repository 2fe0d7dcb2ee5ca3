// SPDX-License-Identifier: GPL-2.0
/*
 * Pins and copy-on-write.  A page that is pinned stays the page of whoever
 * pinned it: what the parent writes after fork() is what the device sees.
 */
#include <sys/mman.h>
#include <sys/wait.h>
#include "memory.h"
#include "session.h"

#define PAGES	16

FIXTURE(fork_cow) {
	struct session session;
	struct memory memory;
	struct gup gup;
	char *copy;
};

FIXTURE_VARIANT(fork_cow) {
	enum memory_kind_id id;
};

FIXTURE_VARIANT_ADD(fork_cow, anon) { MEM_ANON };
FIXTURE_VARIANT_ADD(fork_cow, thp) { MEM_THP };
FIXTURE_VARIANT_ADD(fork_cow, thp_pte) { MEM_THP_PTE };
FIXTURE_VARIANT_ADD(fork_cow, mthp) { MEM_MTHP };
FIXTURE_VARIANT_ADD(fork_cow, memfd_cow) { MEM_MEMFD_COW };
FIXTURE_VARIANT_ADD(fork_cow, hugetlb) { MEM_HUGETLB };

FIXTURE_SETUP(fork_cow)
{
	if (!session_open(_metadata, &self->session))
		return;
	if (!memory_make(variant->id, &self->memory, PAGES * page_size()))
		SKIP(return, "%s", self->memory.why);
	/* The child copies: huge pages for both are needed. */
	if (memory_kinds[variant->id].hugetlb &&
	    !hugetlb_want(hugetlb_size(), 2))
		SKIP(return, "no huge pages left");
	gup_init(&self->gup, PAGES);
	self->copy = malloc(PAGES * page_size());
	ASSERT_NE(NULL, self->copy);
}

FIXTURE_TEARDOWN(fork_cow)
{
	memory_free(&self->memory);
	session_close(_metadata, &self->session);
	gup_free(&self->gup);
	free(self->copy);
}

/* A child that stays until the pipe is closed, then says what it saw. */
struct child {
	pid_t pid;
	int gate;
};

static struct child child_start(struct __test_metadata *_metadata,
				FIXTURE_DATA(fork_cow) *self,
				uint64_t owner, uint64_t generation)
{
	struct child child;
	int gate[2];
	char c;

	ASSERT_EQ(0, pipe(gate));
	child.pid = fork();
	ASSERT_GE(child.pid, 0);
	if (!child.pid) {
		int wrong = 0;

		close(gate[1]);
		close(self->session.dev);
		if (read(gate[0], &c, 1))
			_exit(2);
		for (int i = 0; i < PAGES; i++)
			wrong |= !tag_is(self->memory.addr + i * page_size(),
					 owner, i, generation);
		_exit(wrong);
	}
	close(gate[0]);
	child.gate = gate[1];
	return child;
}

/* 0: it saw what it should have; 1: other content. */
static int child_end(struct child child)
{
	int status = 0;

	close(child.gate);
	waitpid(child.pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static uint64_t take(struct __test_metadata *_metadata,
		     FIXTURE_DATA(fork_cow) *self, uint32_t entry,
		     uint32_t flags)
{
	ASSERT_EQ(0, gup_run(self->session.dev, &self->gup, entry,
			     flags | FAST_GUP_HOLD,
			     (uintptr_t)self->memory.addr, PAGES));
	ASSERT_EQ(PAGES, self->gup.call.result);
	return self->gup.call.handle;
}

/* Do the pages held show this generation? */
static bool held_shows(struct __test_metadata *_metadata,
		       FIXTURE_DATA(fork_cow) *self, uint64_t handle,
		       uint64_t owner, uint64_t generation)
{
	ASSERT_EQ(0, gup_copy(self->session.dev, handle, 0, self->copy,
			      PAGES * page_size(), false));
	for (int i = 0; i < PAGES; i++)
		if (!tag_is(self->copy + i * page_size(), owner, i,
			    generation))
			return false;
	return true;
}

static const uint32_t pin_entries[] = {
	FAST_GUP_ENTRY_PIN, FAST_GUP_ENTRY_KERNEL_PIN, FAST_GUP_ENTRY_C_PIN,
};

/*
 * Rule: fork() copies pinned pages for the child.  It can only because a pin
 * sets the has-pinned flag first and is counted on the folio.
 */
TEST_F_TIMEOUT(fork_cow, pin_then_fork, TEST_SECONDS)
{
	size_t len = PAGES * page_size();

	for (size_t e = 0; e < ARRAY_SIZE(pin_entries); e++) {
		for (uint32_t flags = 0; flags <= FAST_GUP_WRITE; flags++) {
			uint64_t handle;
			struct child c;

			tag_range(self->memory.addr, len, e, 1);
			handle = take(_metadata, self, pin_entries[e], flags);
			c = child_start(_metadata, self, e, 1);
			tag_range(self->memory.addr, len, e, 2);
			EXPECT_TRUE(held_shows(_metadata, self, handle, e, 2))
				TH_LOG("%s flags %x: the parent writes beside its pin",
				       gup_entries[pin_entries[e]].name,
				       flags);
			EXPECT_EQ(0, child_end(c))
				TH_LOG("the child sees the parent's writes");
			ASSERT_EQ(0, gup_release(self->session.dev, handle,
						 false));
		}
	}
}

/* The other direction: what the device writes is the parent's alone. */
TEST_F_TIMEOUT(fork_cow, device_writes_after_fork, TEST_SECONDS)
{
	size_t len = PAGES * page_size();
	uint64_t handle;
	struct child c;

	tag_range(self->memory.addr, len, 7, 1);
	handle = take(_metadata, self, FAST_GUP_ENTRY_PIN, FAST_GUP_WRITE);
	c = child_start(_metadata, self, 7, 1);
	memcpy(self->copy, self->memory.addr, len);
	tag_range(self->copy, len, 7, 2);
	ASSERT_EQ(0, gup_copy(self->session.dev, handle, 0, self->copy, len,
			      true));
	for (int i = 0; i < PAGES; i++) {
		EXPECT_TRUE(tag_is(self->memory.addr + i * page_size(), 7, i,
				   2));
	}
	EXPECT_EQ(0, child_end(c));
	ASSERT_EQ(0, gup_release(self->session.dev, handle, true));
}

/*
 * Rule: a read-only pin of an anonymous page needs it exclusive.  After fork()
 * it is not: the walk refuses it (shared) and the slow path unshares it.
 */
TEST_F_TIMEOUT(fork_cow, fork_then_read_pin, TEST_SECONDS)
{
	size_t len = PAGES * page_size();

	for (size_t e = 0; e < ARRAY_SIZE(pin_entries); e++) {
		const struct gup_entry *entry = &gup_entries[pin_entries[e]];
		uint64_t handle;
		struct child c;

		tag_range(self->memory.addr, len, e, 1);
		c = child_start(_metadata, self, e, 1);
		handle = take(_metadata, self, entry->entry, 0);
		if (entry->own) {
			EXPECT_EQ(0, self->gup.call.fast_pages);
			EXPECT_EQ(FAST_GUP_REFUSED_SHARED,
				  self->gup.call.refusal)
				TH_LOG("refused as %s",
				       refusal_name(self->gup.call.refusal));
		}
		tag_range(self->memory.addr, len, e, 2);
		EXPECT_TRUE(held_shows(_metadata, self, handle, e, 2))
			TH_LOG("%s: a read-only pin of a shared page",
			       entry->name);
		EXPECT_EQ(0, child_end(c));
		ASSERT_EQ(0, gup_release(self->session.dev, handle, false));
	}
}

/* A reference is no pin: shared pages may be had, and fast. */
TEST_F_TIMEOUT(fork_cow, fork_then_get, TEST_SECONDS)
{
	size_t len = PAGES * page_size();
	uint64_t before[PAGES], handle;
	struct child c;

	tag_range(self->memory.addr, len, 3, 1);
	pfns_of(self->memory.addr, PAGES, before);
	c = child_start(_metadata, self, 3, 1);
	handle = take(_metadata, self, FAST_GUP_ENTRY_GET, 0);
	EXPECT_EQ(PAGES, self->gup.call.fast_pages);
	for (int i = 0; i < PAGES; i++) {
		EXPECT_EQ(before[i], self->gup.pages[i].pfn);
	}
	EXPECT_TRUE(held_shows(_metadata, self, handle, 3, 1));
	ASSERT_EQ(0, gup_release(self->session.dev, handle, false));

	/* For writing it is broken up, and the child keeps what it had. */
	handle = take(_metadata, self, FAST_GUP_ENTRY_GET, FAST_GUP_WRITE);
	tag_range(self->memory.addr, len, 3, 2);
	EXPECT_TRUE(held_shows(_metadata, self, handle, 3, 2));
	EXPECT_EQ(0, child_end(c));
	ASSERT_EQ(0, gup_release(self->session.dev, handle, false));
}

/* The child is gone: the pages are exclusive again, or made so. */
TEST_F_TIMEOUT(fork_cow, child_gone_then_pin, TEST_SECONDS)
{
	size_t len = PAGES * page_size();
	uint64_t handle;
	struct child c;

	tag_range(self->memory.addr, len, 4, 1);
	c = child_start(_metadata, self, 4, 1);
	EXPECT_EQ(0, child_end(c));
	handle = take(_metadata, self, FAST_GUP_ENTRY_PIN, 0);
	tag_range(self->memory.addr, len, 4, 2);
	EXPECT_TRUE(held_shows(_metadata, self, handle, 4, 2));
	ASSERT_EQ(0, gup_release(self->session.dev, handle, false));

	/* Written by the parent: exclusive, so the walk serves it now. */
	handle = take(_metadata, self, FAST_GUP_ENTRY_PIN, 0);
	EXPECT_EQ(PAGES, self->gup.call.fast_pages)
		TH_LOG("refused: %s", refusal_name(self->gup.call.refusal));
	ASSERT_EQ(0, gup_release(self->session.dev, handle, false));
}

/*
 * What is refused after it was grabbed is given back: pages that were shared
 * when they were to be pinned are freed with the last who has them.
 */
TEST_F_TIMEOUT(fork_cow, refused_then_freed, TEST_SECONDS)
{
	/* Many: a few are in use by somebody else at once. */
	const size_t nr = 256;
	uint64_t pfns[256];
	struct child c;
	long still;

	if (memory_kinds[variant->id].hugetlb)
		SKIP(return, "pages of the pool are never free pages");
	memory_free(&self->memory);
	ASSERT_TRUE(memory_make(variant->id, &self->memory, nr * page_size()));
	tag_range(self->memory.addr, nr * page_size(), 8, 1);
	pfns_of(self->memory.addr, nr, pfns);
	c = child_start(_metadata, self, 8, 1);
	for (int i = 0; i < 60; i++) {
		size_t first = i * 4;

		/* NOFAULT: the slow path may not unshare them. */
		ASSERT_EQ(0, gup_run(self->session.dev, &self->gup,
				     pin_entries[i % 3], FAST_GUP_NOFAULT,
				     (uintptr_t)self->memory.addr +
				     first * page_size(), nr - first));
		ASSERT_EQ(-EFAULT, self->gup.call.result);
	}
	EXPECT_EQ(0, child_end(c));
	memory_free(&self->memory);
	EXPECT_TRUE(pfns_freed(pfns, nr, PFN_ANON, &still))
		TH_LOG("%ld of %zu pages were not freed", still, nr);
}

TEST_HARNESS_MAIN
