// SPDX-License-Identifier: GPL-2.0
/*
 * Faults that wait: what the walk refuses goes through get_user_pages(), which
 * drops the mmap lock when the first fault has to wait, and begins again with the
 * page of that fault.
 *
 * userfaultfd makes a fault wait for as long as the test wants.  That the lock is
 * free is shown by the order of events: the fault is reported, then another
 * thread maps and unmaps memory and is done, and only then is the fault resolved.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/userfaultfd.h>
#include "memory.h"
#include "session.h"
#include "waiting.h"

#define UNITS		8	/* pages of the memory's own size */
#define HOLE		4	/* the one whose fault waits */
/* An event of userfaultfd; nothing takes that long which is to come. */
#define COMES		60000	/* milliseconds */

FIXTURE(faults) {
	struct session session;
	struct memory memory;
	char *alias;		/* of a minor fault: the same file, mapped */
	int uffd;
	size_t unit, per_unit;	/* bytes, pages */
	struct waiting call;
};

FIXTURE_VARIANT(faults) {
	enum memory_kind_id id;
	uint64_t mode;
	uint64_t feature;
	uint32_t refusal;
};

FIXTURE_VARIANT_ADD(faults, missing) {
	MEM_ANON, UFFDIO_REGISTER_MODE_MISSING, 0, FAST_GUP_REFUSED_ABSENT };
FIXTURE_VARIANT_ADD(faults, missing_hugetlb) {
	MEM_HUGETLB, UFFDIO_REGISTER_MODE_MISSING,
	UFFD_FEATURE_MISSING_HUGETLBFS, FAST_GUP_REFUSED_ABSENT };
FIXTURE_VARIANT_ADD(faults, minor) {
	MEM_MEMFD, UFFDIO_REGISTER_MODE_MINOR, UFFD_FEATURE_MINOR_SHMEM,
	FAST_GUP_REFUSED_ABSENT };
FIXTURE_VARIANT_ADD(faults, write_protect) {
	MEM_ANON, UFFDIO_REGISTER_MODE_WP, UFFD_FEATURE_PAGEFAULT_FLAG_WP,
	FAST_GUP_REFUSED_PERMISSION };

static uint64_t place(FIXTURE_DATA(faults) *self, size_t unit)
{
	return (uintptr_t)self->memory.addr + unit * self->unit;
}

FIXTURE_SETUP(faults)
{
	struct uffdio_api api = { .api = UFFD_API, .features = variant->feature };
	struct uffdio_register reg = { .mode = variant->mode };
	size_t len;

	self->uffd = -1;
	if (!session_open(_metadata, &self->session))
		return;
	self->unit = variant->id == MEM_HUGETLB ? hugetlb_size() : page_size();
	self->per_unit = self->unit / page_size();
	if (!self->unit ||
	    !memory_make(variant->id, &self->memory, UNITS * self->unit))
		SKIP(return, "%s", self->unit ? self->memory.why : "no hugetlb");
	len = UNITS * self->unit;
	if (variant->mode == UFFDIO_REGISTER_MODE_MINOR) {
		self->alias = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
				   self->memory.fd, 0);
		ASSERT_NE(MAP_FAILED, self->alias);
	}
	self->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (self->uffd < 0)
		SKIP(return, "no userfaultfd");
	if (ioctl(self->uffd, UFFDIO_API, &api))
		SKIP(return, "userfaultfd has no such faults here");
	reg.range.start = place(self, 0);
	reg.range.len = len;
	ASSERT_EQ(0, ioctl(self->uffd, UFFDIO_REGISTER, &reg))
		TH_LOG("UFFDIO_REGISTER: %s", strerror(errno));
}

FIXTURE_TEARDOWN(faults)
{
	if (self->uffd >= 0)
		close(self->uffd);
	if (self->alias)
		munmap(self->alias, UNITS * self->unit);
	memory_free(&self->memory);
	session_close(_metadata, &self->session);
}

static bool protect(FIXTURE_DATA(faults) *self, bool on)
{
	struct uffdio_writeprotect wp = {
		.range = { place(self, HOLE), self->unit },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return !ioctl(self->uffd, UFFDIO_WRITEPROTECT, &wp);
}

/* The next access to the page number HOLE is a fault, all others are not. */
static bool make_hole(FIXTURE_DATA(faults) *self,
		      const FIXTURE_VARIANT(faults) *variant)
{
	if (variant->mode == UFFDIO_REGISTER_MODE_WP)
		return protect(self, true);
	return !madvise((void *)(uintptr_t)place(self, HOLE), self->unit,
			MADV_DONTNEED);
}

static bool resolve(FIXTURE_DATA(faults) *self,
		    const FIXTURE_VARIANT(faults) *variant)
{
	struct uffdio_copy copy = {
		.dst = place(self, HOLE), .len = self->unit,
	};
	struct uffdio_continue more = {
		.range = { place(self, HOLE), self->unit },
	};
	bool ok;

	if (variant->mode == UFFDIO_REGISTER_MODE_WP)
		return protect(self, false);
	if (variant->mode == UFFDIO_REGISTER_MODE_MINOR)
		return !ioctl(self->uffd, UFFDIO_CONTINUE, &more);
	copy.src = (uintptr_t)calloc(1, self->unit);
	if (!copy.src)
		return false;
	/* As memory_make() has tagged it. */
	tag_page((void *)(uintptr_t)copy.src, variant->id,
		 HOLE * self->per_unit, 0);
	ok = !ioctl(self->uffd, UFFDIO_COPY, &copy);
	free((void *)(uintptr_t)copy.src);
	return ok;
}

/* Whoever waits looks again, and there is still nothing. */
static bool wake(FIXTURE_DATA(faults) *self)
{
	struct uffdio_range range = { place(self, HOLE), self->unit };

	return !ioctl(self->uffd, UFFDIO_WAKE, &range);
}

/* Waits for the report of the fault: the call is in it then. */
static bool reported(FIXTURE_DATA(faults) *self)
{
	struct pollfd pfd = { self->uffd, POLLIN, 0 };
	struct uffd_msg msg;

	if (poll(&pfd, 1, COMES) != 1 ||
	    read(self->uffd, &msg, sizeof(msg)) != sizeof(msg) ||
	    msg.event != UFFD_EVENT_PAGEFAULT)
		return false;
	return (msg.arg.pagefault.address & -self->unit) == place(self, HOLE);
}

static bool start(FIXTURE_DATA(faults) *self, const struct way *way,
		  uint32_t flags, size_t from)
{
	return waiting_start(&self->call, self->session.dev, way,
			     flags | FAST_GUP_WRITE, place(self, from),
			     (UNITS - from) * self->per_unit);
}

static int64_t units(FIXTURE_DATA(faults) *self, size_t nr)
{
	return nr * self->per_unit;
}

/* What was pinned or got is what is mapped, with the contents of its place. */
static void check_pages(struct __test_metadata *_metadata,
			FIXTURE_DATA(faults) *self, uint32_t owner, size_t nr)
{
	const char *name = self->call.way->name;
	struct page_tag tag;

	for (size_t i = 0; i < nr; i++) {
		ASSERT_EQ(0, gup_copy(self->session.dev, self->call.handle,
				      i * self->unit, &tag, sizeof(tag), false));
		EXPECT_TRUE(tag_is(&tag, owner, i * self->per_unit, 0))
			TH_LOG("%s: page %zu has other contents", name, i);
		if (!self->call.way->ranges) {
			EXPECT_EQ(pfn_of(self->memory.addr + i * self->unit),
				  self->call.gup.pages[i * self->per_unit].pfn)
				TH_LOG("%s: page %zu is another", name, i);
		}
	}
}

/* As far as the fault, the walk has served it if it serves this caller at all. */
static void check_walk(struct __test_metadata *_metadata,
		       FIXTURE_DATA(faults) *self,
		       const FIXTURE_VARIANT(faults) *variant, size_t nr)
{
	const struct way *way = self->call.way;

	if (!way->own && !(way->kernel && self->session.info.providing))
		return;
	EXPECT_LE(units(self, nr), self->call.fast_pages) TH_LOG("%s", way->name);
	EXPECT_EQ(variant->refusal, self->call.refusal)
		TH_LOG("%s: refused as %s", way->name,
		       refusal_name(self->call.refusal));
}

/* In this order: fault, mmap(), munmap(), resolved, returned. */
static void meanwhile(struct __test_metadata *_metadata,
		      FIXTURE_DATA(faults) *self, deed_t deed, void *arg)
{
	struct bystander other;

	ASSERT_TRUE(reported(self))
		TH_LOG("%s: no fault", self->call.way->name);
	ASSERT_TRUE(bystander_start(&other, deed, arg));
	ASSERT_TRUE(bystander_done(&other))
		TH_LOG("%s holds the mmap lock while it waits",
		       self->call.way->name);
	EXPECT_TRUE(bystander_join(&other));
	EXPECT_FALSE(self->call.returned)
		TH_LOG("%s did not wait for the fault", self->call.way->name);
}

/* The fault is resolved late, and the call goes on to its end. */
TEST_F_TIMEOUT(faults, late, TEST_SECONDS)
{
	for (size_t i = 0; i < NR_WAYS; i++) {
		ASSERT_TRUE(make_hole(self, variant));
		ASSERT_TRUE(start(self, &ways[i], 0, 0));
		meanwhile(_metadata, self, map_and_unmap, NULL);
		ASSERT_TRUE(resolve(self, variant));
		waiting_join(&self->call);
		ASSERT_EQ(0, self->call.error);
		EXPECT_EQ(units(self, UNITS), self->call.result)
			TH_LOG("%s", ways[i].name);
		check_walk(_metadata, self, variant, HOLE);
		check_pages(_metadata, self, variant->id, UNITS);
		waiting_free(&self->call);
	}
}

/* Woken for nothing, the call waits again, without the lock as before. */
TEST_F_TIMEOUT(faults, two_retries, TEST_SECONDS)
{
	for (size_t i = 0; i < NR_WAYS; i++) {
		ASSERT_TRUE(make_hole(self, variant));
		ASSERT_TRUE(start(self, &ways[i], 0, HOLE));
		for (int retry = 0; retry < 2; retry++) {
			meanwhile(_metadata, self, map_and_unmap, NULL);
			ASSERT_TRUE(wake(self));
		}
		meanwhile(_metadata, self, map_and_unmap, NULL);
		ASSERT_TRUE(resolve(self, variant));
		waiting_join(&self->call);
		ASSERT_EQ(0, self->call.error);
		EXPECT_EQ(units(self, UNITS - HOLE), self->call.result)
			TH_LOG("%s", ways[i].name);
		waiting_free(&self->call);
	}
}

/* A deed: the page that the call waits for goes away. */
static bool unmap_hole(void *arg)
{
	FIXTURE_DATA(faults) *self = arg;

	return !munmap((void *)(uintptr_t)place(self, HOLE), self->unit);
}

/* There is nothing to wait for any more: what was got before is returned. */
TEST_F_TIMEOUT(faults, unmapped_meanwhile, TEST_SECONDS)
{
	const struct way *way = &ways[1];

	ASSERT_TRUE(make_hole(self, variant));
	ASSERT_TRUE(start(self, way, 0, 0));
	meanwhile(_metadata, self, unmap_hole, self);
	ASSERT_TRUE(wake(self));
	waiting_join(&self->call);
	ASSERT_EQ(0, self->call.error);
	EXPECT_EQ(units(self, HOLE), self->call.result) TH_LOG("%s", way->name);
	check_pages(_metadata, self, variant->id, HOLE);
	waiting_free(&self->call);
}

/* A deed: other memory in the place of the page that the call waits for. */
static bool map_anew(void *arg)
{
	FIXTURE_DATA(faults) *self = arg;
	char *p = (char *)(uintptr_t)place(self, HOLE);
	/* With a hash table, small pages have no room among huge ones. */
	int flags = self->unit == page_size() ? 0 : MAP_HUGETLB;

	if (munmap(p, self->unit) ||
	    mmap(p, self->unit, PROT_READ | PROT_WRITE, flags | MAP_PRIVATE |
		 MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != p)
		return false;
	memset(p, 0x5a, self->unit);
	return true;
}

/* The page is the one that is mapped when the lock is taken again. */
TEST_F_TIMEOUT(faults, mapped_anew_meanwhile, TEST_SECONDS)
{
	const struct way *way = &ways[1];
	unsigned char byte = 0;

	ASSERT_TRUE(make_hole(self, variant));
	ASSERT_TRUE(start(self, way, 0, 0));
	meanwhile(_metadata, self, map_anew, self);
	ASSERT_TRUE(wake(self));
	waiting_join(&self->call);
	ASSERT_EQ(0, self->call.error);
	EXPECT_EQ(units(self, UNITS), self->call.result) TH_LOG("%s", way->name);
	EXPECT_EQ(0, gup_copy(self->session.dev, self->call.handle,
			      HOLE * self->unit, &byte, 1, false));
	EXPECT_EQ(0x5a, byte) TH_LOG("%s", way->name);
	waiting_free(&self->call);
}

/* FOLL_NOFAULT: nothing is reported, and what was there is returned. */
TEST_F_TIMEOUT(faults, nofault, TEST_SECONDS)
{
	ASSERT_TRUE(make_hole(self, variant));
	for (size_t i = 0; i < NR_WAYS; i++) {
		for (size_t from = 0; from <= HOLE; from += HOLE) {
			struct pollfd pfd = { self->uffd, POLLIN, 0 };

			ASSERT_TRUE(start(self, &ways[i], FAST_GUP_NOFAULT,
					  from));
			waiting_join(&self->call);
			ASSERT_EQ(0, self->call.error);
			EXPECT_EQ(from ? -EFAULT : units(self, HOLE),
				  self->call.result)
				TH_LOG("%s from page %zu", ways[i].name, from);
			EXPECT_EQ(0, poll(&pfd, 1, 0))
				TH_LOG("%s has faulted", ways[i].name);
			waiting_free(&self->call);
		}
	}
}

static atomic_int interrupts;

static void interrupted(int sig)
{
	interrupts++;
}

static void handle_interrupts(void)
{
	struct sigaction action = { .sa_handler = interrupted };

	sigaction(SIGINT, &action, NULL);
}

/* An ordinary signal does not end the wait: all pages are got in the end. */
TEST_F_TIMEOUT(faults, signal, TEST_SECONDS)
{
	handle_interrupts();
	for (size_t i = 0; i < NR_WAYS; i++) {
		ASSERT_TRUE(make_hole(self, variant));
		ASSERT_TRUE(start(self, &ways[i], 0, 0));
		meanwhile(_metadata, self, map_and_unmap, NULL);
		interrupts = 0;
		ASSERT_EQ(0, pthread_kill(self->call.thread, SIGINT));
		ASSERT_TRUE(resolve(self, variant));
		waiting_join(&self->call);
		ASSERT_EQ(0, self->call.error);
		EXPECT_EQ(units(self, UNITS), self->call.result)
			TH_LOG("%s", ways[i].name);
		EXPECT_EQ(1, interrupts);
		waiting_free(&self->call);
	}
}

/* With FOLL_INTERRUPTIBLE it does, and what was got before is returned. */
TEST_F_TIMEOUT(faults, interruptible, TEST_SECONDS)
{
	handle_interrupts();
	for (size_t i = 0; i < NR_WAYS; i++) {
		if (!ways[i].interruptible)
			continue;
		for (size_t from = 0; from <= HOLE; from += HOLE) {
			ASSERT_TRUE(make_hole(self, variant));
			ASSERT_TRUE(start(self, &ways[i],
					  FAST_GUP_INTERRUPTIBLE, from));
			meanwhile(_metadata, self, map_and_unmap, NULL);
			ASSERT_EQ(0, pthread_kill(self->call.thread, SIGINT));
			waiting_join(&self->call);
			ASSERT_EQ(0, self->call.error);
			EXPECT_EQ(from ? -EINTR : units(self, HOLE),
				  self->call.result)
				TH_LOG("%s from page %zu", ways[i].name, from);
			waiting_free(&self->call);
			ASSERT_TRUE(resolve(self, variant));
		}
	}
}

TEST_HARNESS_MAIN
