// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that may not be had, or not in every way.  Every entry answers what
 * the C answers, the walk alone takes what it may and names why it stopped.
 *
 * Each subject protects one rule of the walk; the rule is named beside it, and
 * the test of it fails when the rule is taken out.
 */
#include <pthread.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <linux/userfaultfd.h>
#include "session.h"
#include "subjects.h"

#define ANY	INT64_MIN
#define ALL	SUBJECT_PAGES

FIXTURE(permissions) {
	struct session session;
};

FIXTURE_VARIANT(permissions) {
	struct subject subject;
	bool blocks_read, blocks_write;	/* a fault would wait for ever */
	/* Answers with and without FAST_GUP_WRITE. */
	int64_t read, write;
	/* What the walk alone gets, and why it stops. */
	int64_t only_read, only_write;
	uint32_t why_read, why_write;
};

#define NOT		FAST_GUP_REFUSED_NOT
#define ABSENT		FAST_GUP_REFUSED_ABSENT
#define PROTNONE	FAST_GUP_REFUSED_PROTNONE
#define PERMISSION	FAST_GUP_REFUSED_PERMISSION
#define KEY		FAST_GUP_REFUSED_KEY
#define SPECIAL		FAST_GUP_REFUSED_SPECIAL
#define FOLIO		FAST_GUP_REFUSED_FOLIO
#define WHATEVER	UINT32_MAX

#define SUBJECT(name, ...)					\
	FIXTURE_VARIANT_ADD(permissions, name) {		\
		.subject = { #name, make_##name }, __VA_ARGS__ }
#define ANSWERS(r, w)		.read = (r), .write = (w)
#define ONLY(r, w, wr, ww)	.only_read = (r), .only_write = (w), \
				.why_read = (wr), .why_write = (ww)

SUBJECT(plain, ANSWERS(ALL, ALL), ONLY(ALL, ALL, NOT, NOT));
SUBJECT(huge, ANSWERS(ALL, ALL), ONLY(ALL, ALL, NOT, NOT));
/* PROT_NONE entries are present for the CPU's format, and not for us. */
SUBJECT(none, ANSWERS(-EFAULT, -EFAULT), ONLY(0, 0, PROTNONE, PROTNONE));
SUBJECT(none_thp, ANSWERS(-EFAULT, -EFAULT), ONLY(0, 0, PROTNONE, PROTNONE));
/* The write bit decides about writing, in a leaf of every size. */
SUBJECT(read_only, ANSWERS(ALL, -EFAULT), ONLY(ALL, 0, NOT, PERMISSION));
SUBJECT(read_only_thp, ANSWERS(ALL, -EFAULT), ONLY(ALL, 0, NOT, PERMISSION));
/* By the tables or by a key: each format has its own way to say so, or none. */
SUBJECT(exec_only, ANSWERS(ANY, -EFAULT), ONLY(ANY, 0, WHATEVER, WHATEVER));
/* The tables cannot say "not readable": the walk may, the slow path may not. */
SUBJECT(write_only, ANSWERS(ALL, ALL), ONLY(ALL, ALL, NOT, NOT));
SUBJECT(write_only_hole, ANSWERS(-EFAULT, ALL), ONLY(0, 0, ABSENT, ABSENT));
SUBJECT(hole, ANSWERS(ALL, ALL), ONLY(0, 0, ABSENT, ABSENT));
/* The zero page is special: refused, and served by the slow path. */
SUBJECT(zero_page, ANSWERS(ALL, ALL), ONLY(0, 0, SPECIAL, PERMISSION));
SUBJECT(beyond_eof, ANSWERS(1, 1), ONLY(1, 1, ABSENT, ABSENT));
SUBJECT(guard, ANSWERS(2, 2), ONLY(2, 2, ABSENT, ABSENT));
/* Protection keys of the running thread. */
SUBJECT(key_no_access, ANSWERS(-EFAULT, -EFAULT), ONLY(0, 0, KEY, KEY));
SUBJECT(key_no_write, ANSWERS(ALL, -EFAULT), ONLY(ALL, 0, NOT, KEY));
/* secretmem is refused to everybody, by its mapping. */
SUBJECT(secret, ANSWERS(-EFAULT, -EFAULT), ONLY(0, 0, FOLIO, FOLIO));
SUBJECT(uffd_missing, .blocks_read = true, .blocks_write = true,
	ONLY(0, 0, ABSENT, ABSENT));
/* Write-protected for userfaultfd: readable, and a write must fault. */
SUBJECT(uffd_wp, .blocks_write = true, .read = ALL,
	ONLY(ALL, 0, NOT, PERMISSION));
SUBJECT(uffd_wp_thp, .blocks_write = true, .read = ALL,
	ONLY(ALL, 0, NOT, PERMISSION));
/* A shadow stack page is writable in the tables, to the CPU's calls only. */
SUBJECT(shadow_stack, ANSWERS(ALL, -EFAULT), ONLY(ANY, 0, WHATEVER, WHATEVER));
/* What the kernel itself maps: as the C, whichever way it is mapped. */
SUBJECT(vvar, ANSWERS(ANY, -EFAULT), ONLY(ANY, 0, WHATEVER, WHATEVER));
SUBJECT(vdso, ANSWERS(ANY, -EFAULT), ONLY(ANY, 0, WHATEVER, WHATEVER));
SUBJECT(perf, ANSWERS(ANY, ANY), ONLY(ANY, ANY, WHATEVER, WHATEVER));
SUBJECT(ring, ANSWERS(ANY, ANY), ONLY(ANY, ANY, WHATEVER, WHATEVER));
/* Files: what may be written for long is decided by the mapping. */
SUBJECT(file_ext4, ANSWERS(ALL, ALL), ONLY(ALL, ALL, NOT, NOT));
SUBJECT(file_ext4_private, ANSWERS(ALL, ALL), ONLY(ALL, 0, NOT, PERMISSION));
SUBJECT(file_memfd, ANSWERS(ALL, ALL), ONLY(ALL, ALL, NOT, NOT));
SUBJECT(file_memfd_private, ANSWERS(ALL, ALL),
	ONLY(ALL, 0, NOT, PERMISSION));

FIXTURE_SETUP(permissions)
{
	session_open(_metadata, &self->session);
}

FIXTURE_TEARDOWN(permissions)
{
	session_close(_metadata, &self->session);
}

/* Would this call wait for a userfault that nobody answers? */
static bool would_block(const FIXTURE_VARIANT(permissions) *variant,
			const struct gup_entry *entry, uint32_t flags)
{
	if (entry->only || flags & FAST_GUP_NOFAULT)
		return false;
	return flags & FAST_GUP_WRITE ? variant->blocks_write :
					variant->blocks_read;
}

/* Ours and the C side by side, and both beside what is known to be right. */
TEST_F_TIMEOUT(permissions, as_the_c, TEST_SECONDS)
{
	static const uint32_t flags[] = {
		0, FAST_GUP_WRITE,
		FAST_GUP_NOFAULT, FAST_GUP_WRITE | FAST_GUP_NOFAULT,
		FAST_GUP_HONOR_NUMA_FAULT, FAST_GUP_PCI_P2PDMA,
		FAST_GUP_LONGTERM, FAST_GUP_WRITE | FAST_GUP_LONGTERM,
	};
	char why[160];

	for (size_t e = 0; e < NR_GUP_ENTRIES; e++) {
		const struct gup_entry *entry = &gup_entries[e];

		if (!entry->own && !entry->kernel)
			continue;
		for (size_t f = 0; f < ARRAY_SIZE(flags); f++) {
			int64_t want = flags[f] & FAST_GUP_WRITE ?
				       variant->write : variant->read;
			struct answers a;

			if (flags[f] & FAST_GUP_LONGTERM && !entry->pin)
				continue;
			if (would_block(variant, entry, flags[f]))
				continue;
			if (!compare(self->session.dev, &variant->subject,
				     entry, flags[f], &a, why, sizeof(why)))
				SKIP(return, "%s", why);
			EXPECT_EQ(0, a.ours_error);
			EXPECT_EQ(0, a.reference_error);
			EXPECT_EQ(a.reference, a.ours);
			if (!entry->only && flags[f] <= FAST_GUP_WRITE &&
			    want != ANY) {
				EXPECT_EQ(want, a.ours);
			}
		}
	}
}

/* What the walk alone takes, and the reason it gives for the rest. */
TEST_F_TIMEOUT(permissions, the_walk, TEST_SECONDS)
{
	const struct gup_entry *entry = &gup_entries[FAST_GUP_ENTRY_GET_ONLY];
	char why[160];

	for (uint32_t flags = 0; flags <= FAST_GUP_WRITE; flags++) {
		int64_t want = flags ? variant->only_write :
				       variant->only_read;
		uint32_t reason = flags ? variant->why_write :
					  variant->why_read;
		struct answers a;

		if (!compare(self->session.dev, &variant->subject, entry,
			     flags, &a, why, sizeof(why)))
			SKIP(return, "%s", why);
		if (want != ANY) {
			EXPECT_EQ(want, a.ours);
		}
		EXPECT_EQ(a.ours, a.fast_pages);
		if (reason != WHATEVER) {
			EXPECT_EQ(reason, a.refusal)
				TH_LOG("refused as %s, should be %s",
				       refusal_name(a.refusal),
				       refusal_name(reason));
		}
	}
}

FIXTURE(requests) {
	struct session session;
	struct range range;
	struct gup gup;
};

FIXTURE_SETUP(requests)
{
	static const struct subject plain = { "plain", make_plain };

	if (!session_open(_metadata, &self->session))
		return;
	gup_init(&self->gup, SUBJECT_PAGES);
	ASSERT_TRUE(range_make(&self->range, &plain));
}

FIXTURE_TEARDOWN(requests)
{
	range_free(&self->range);
	session_close(_metadata, &self->session);
	gup_free(&self->gup);
}

/* Flags that make no sense together: EINVAL from our API (the C warns). */
TEST_F(requests, bad_flags)
{
	static const struct { uint32_t entry, flags; } bad[] = {
		{ FAST_GUP_ENTRY_GET, FAST_GUP_FORCE },
		{ FAST_GUP_ENTRY_GET_ONLY, FAST_GUP_FORCE | FAST_GUP_WRITE },
		{ FAST_GUP_ENTRY_PIN, FAST_GUP_FORCE | FAST_GUP_WRITE },
		{ FAST_GUP_ENTRY_GET, FAST_GUP_LONGTERM },
		{ FAST_GUP_ENTRY_GET_ONLY, FAST_GUP_LONGTERM },
		{ FAST_GUP_ENTRY_PIN, FAST_GUP_LONGTERM | FAST_GUP_PCI_P2PDMA },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ASSERT_EQ(0, gup_run(self->session.dev, &self->gup,
				     bad[i].entry, bad[i].flags,
				     self->range.addr, 1));
		EXPECT_EQ(-EINVAL, self->gup.call.result)
			TH_LOG("%s flags %x", gup_entries[bad[i].entry].name,
			       bad[i].flags);
		EXPECT_EQ(0, self->gup.call.fast_pages);
	}
}

struct resolver {
	int uffd;
	size_t pages;
};

/* Answers missing faults one page at a time, each with its own content. */
static void *resolve(void *arg)
{
	struct resolver *r = arg;
	char *page = calloc(1, page_size());
	struct uffd_msg msg;

	for (size_t i = 0; i < r->pages;) {
		struct pollfd pfd = { r->uffd, POLLIN, 0 };
		struct uffdio_copy copy = { 0 };

		if (poll(&pfd, 1, 20000) != 1)
			break;
		if (read(r->uffd, &msg, sizeof(msg)) != sizeof(msg) ||
		    msg.event != UFFD_EVENT_PAGEFAULT)
			continue;
		/* Late: the caller has dropped its lock and sleeps. */
		usleep(2000);
		copy.dst = msg.arg.pagefault.address & ~(page_size() - 1);
		copy.src = (uintptr_t)page;
		copy.len = page_size();
		memset(page, 0x40 + i, page_size());
		if (ioctl(r->uffd, UFFDIO_COPY, &copy))
			break;
		i++;
	}
	free(page);
	return NULL;
}

/* The slow path waits for a userfault with the lock dropped, and goes on. */
TEST_F_TIMEOUT(requests, userfault_resolved_late, TEST_SECONDS)
{
	static const struct subject missing = { "missing", make_uffd_missing };
	static const uint32_t entries[] = {
		FAST_GUP_ENTRY_GET, FAST_GUP_ENTRY_PIN,
		FAST_GUP_ENTRY_KERNEL_PIN, FAST_GUP_ENTRY_C_PIN,
	};
	const size_t len = SUBJECT_PAGES * page_size();
	unsigned char *buf = malloc(len);

	for (size_t e = 0; e < ARRAY_SIZE(entries); e++) {
		struct resolver resolver = { .pages = SUBJECT_PAGES };
		struct range r;
		pthread_t thread;

		if (!range_make(&r, &missing))
			SKIP(return, "%s", r.memory.why);
		resolver.uffd = r.fd[0];
		ASSERT_EQ(0, pthread_create(&thread, NULL, resolve, &resolver));
		ASSERT_EQ(0, gup_run(self->session.dev, &self->gup, entries[e],
				     FAST_GUP_WRITE | FAST_GUP_HOLD, r.addr,
				     SUBJECT_PAGES));
		EXPECT_EQ(SUBJECT_PAGES, self->gup.call.result);
		EXPECT_EQ(0, self->gup.call.fast_pages);
		ASSERT_EQ(0, gup_copy(self->session.dev,
				      self->gup.call.handle, 0, buf, len,
				      false));
		EXPECT_EQ(0, memcmp(buf, r.memory.addr, len));
		EXPECT_EQ(0x40, buf[0]);
		pthread_join(thread, NULL);
		ASSERT_EQ(0, gup_release(self->session.dev,
					 self->gup.call.handle,
					 gup_entries[entries[e]].pin));
		range_free(&r);
	}
	free(buf);
}

TEST_HARNESS_MAIN
