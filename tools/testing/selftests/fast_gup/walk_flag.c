// SPDX-License-Identifier: GPL-2.0
/*
 * CONFIG_LOCKLESS_PGTABLE_WALK: whoever takes a table out of the tree waits for
 * walks that may be in it, and interrupts nobody else.
 *
 * A walk that a race happens to meet is over in a moment.  Here, a thread stays
 * in one until it is told to leave (FAST_GUP_IOC_STAY).  What must wait for it
 * may not return before, however fast or slow the guest is; and what must not
 * be told of it is seen in the counters.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "memory_file.h"
#include "session.h"
#include "walk_sync.h"

#define SWITCH		"/sys/kernel/debug/lockless_pgtable_walk"
/* A walk stays at most so long, or a test that is wrong would hang. */
#define STAY_NS		FAST_GUP_STAY_MOST_NS
#define LEAVE_US	100000
#define LEAVE		3
#define HUGE_PAGES	2
#ifdef __powerpc__
#define IS_POWERPC	true
#else
#define IS_POWERPC	false
#endif

/* Shared with the other process, if there is one. */
struct meeting {
	uint32_t word;
	volatile bool go, over, failed, left;
	struct fast_gup_stay stay;
};

FIXTURE(walk_flag) {
	struct session session;
	struct meeting *meeting;
	struct memory memory;
	pid_t child;
};

FIXTURE_VARIANT(walk_flag) {
	uint32_t walk;
};

FIXTURE_VARIANT_ADD(walk_flag, own) { FAST_GUP_STAY_OWN };
FIXTURE_VARIANT_ADD(walk_flag, inner) { FAST_GUP_STAY_INNER };
FIXTURE_VARIANT_ADD(walk_flag, outer) { FAST_GUP_STAY_OUTER };

/* Who walks has the last CPU, and all others have the rest. */
static void move_to_last_cpu(bool to)
{
	long last = sysconf(_SC_NPROCESSORS_ONLN) - 1;
	cpu_set_t set;

	CPU_ZERO(&set);
	if (to)
		CPU_SET(last, &set);
	for (long cpu = 0; !to && cpu < last; cpu++)
		CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void stay(FIXTURE_DATA(walk_flag) *self, uint32_t walk)
{
	struct meeting *m = self->meeting;

	m->stay = (struct fast_gup_stay) {
		.size = sizeof(m->stay), .version = FAST_GUP_ABI_VERSION,
		.walk = walk, .word = (uintptr_t)&m->word, .most_ns = STAY_NS,
	};
	if (ioctl(self->session.dev, FAST_GUP_IOC_STAY, &m->stay)) {
		m->failed = true;
		__atomic_store_n(&m->word, LEAVE, __ATOMIC_RELEASE);
	}
	m->left = true;
}

/* Was it there until it was told?  In a slow guest, its time may be over. */
static bool stayed(struct meeting *m)
{
	while (!m->left)
		sched_yield();
	return m->stay.told;
}

struct stayer {
	FIXTURE_DATA(walk_flag) *self;
	pthread_t thread;
	uint32_t walk;
};

static void *stay_thread(void *arg)
{
	struct stayer *s = arg;

	move_to_last_cpu(true);
	stay(s->self, s->walk);
	return NULL;
}

static bool there(struct meeting *m)
{
	return __atomic_load_n(&m->word, __ATOMIC_ACQUIRE) == FAST_GUP_STAY_THERE;
}

static void wait_until_there(struct meeting *m)
{
	while (!__atomic_load_n(&m->word, __ATOMIC_ACQUIRE))
		sched_yield();
}

/* Later: until then, whoever has to wait must not return. */
static void *leave_thread(void *arg)
{
	struct meeting *m = arg;

	usleep(LEAVE_US);
	__atomic_store_n(&m->word, LEAVE, __ATOMIC_RELEASE);
	return NULL;
}

static bool split(struct memory *m)
{
	return !madvise(m->addr, m->len, MADV_DONTNEED) &&
	       !madvise(m->addr, m->len, MADV_NOHUGEPAGE) &&
	       (tag_range(m->addr, m->len, 0, 0), true) &&
	       !madvise(m->addr, m->len, MADV_HUGEPAGE);
}

/* What could not be isolated just now can be soon. */
static bool collapse(struct memory *m)
{
	for (int i = 0; i < 20; i++)
		if (!madvise(m->addr, m->len, MADV_COLLAPSE))
			return true;
	return false;
}

/* Whether one collapse returns while somebody stays in a walk. */
static bool collapse_returns_early(FIXTURE_DATA(walk_flag) *self)
{
	pthread_t leaver;
	bool early;

	pthread_create(&leaver, NULL, leave_thread, self->meeting);
	madvise(self->memory.addr, self->memory.len, MADV_COLLAPSE);
	early = there(self->meeting);
	pthread_join(leaver, NULL);
	return early;
}

/* Small pages in room for huge ones: the collapse is still to come. */
static bool make_anon(FIXTURE_DATA(walk_flag) *self)
{
	return memory_make(MEM_THP, &self->memory, HUGE_PAGES * pmd_size()) &&
	       (split(&self->memory) ||
		memory_cannot(&self->memory, "madvise: %s", strerror(errno)));
}

static bool make_shared(FIXTURE_DATA(walk_flag) *self)
{
	struct memory *m = &self->memory;

	/* x86_64 does, as arm64 and riscv. */
	if (IS_POWERPC || hugetlb_size() != pmd_size())
		return memory_cannot(m, "tables of huge pages are not shared here");
	m->fd = shared_table_file();
	if (!map_shared_table(m, 2))
		return false;
	*(volatile char *)m->addr = 1;
	return true;
}

/* A process that stays in a walk of its own mm when it is told to. */
static bool start_process(FIXTURE_DATA(walk_flag) *self, uint32_t walk)
{
	struct meeting *m = self->meeting;

	self->child = fork();
	if (self->child)
		return self->child > 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	move_to_last_cpu(true);
	if (self->memory.fd >= 0)
		(void)*(volatile char *)self->memory.addr;
	while (!m->over) {
		if (m->go) {
			m->go = false;
			/* Or the collapse would wait for this CPU to drain its own. */
			m->failed |= !lru_drain();
			stay(self, walk);
		}
		sched_yield();
	}
	_exit(0);
}

static void meet(struct meeting *m)
{
	m->word = 0;
	m->left = false;
	m->go = true;
	wait_until_there(m);
}

FIXTURE_SETUP(walk_flag)
{
	struct counters c;

	self->memory.fd = -1;
	if (!session_open(_metadata, &self->session))
		return;
	self->meeting = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->meeting);
	if (!counters_read(&c) || access(SWITCH, W_OK))
		SKIP_UNLESS_REQUIRED(return, "no CONFIG_LOCKLESS_PGTABLE_WALK");
	ASSERT_TRUE(file_write(SWITCH, "1"));
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "one CPU");
	move_to_last_cpu(false);
}

FIXTURE_TEARDOWN(walk_flag)
{
	struct meeting *m = self->meeting;

	file_write(SWITCH, "1");
	if (m && m != MAP_FAILED) {
		m->over = true;
		if (self->child > 0)
			waitpid(self->child, NULL, 0);
		munmap(m, page_size());
	}
	memory_free(&self->memory);
	session_close(_metadata, &self->session);
}

/* A collapse of memory that a thread of the same process walks. */
TEST_F_TIMEOUT(walk_flag, collapse_waits, TEST_SECONDS)
{
	struct stayer s = { .self = self, .walk = variant->walk };
	struct counters before, c;
	bool was_there;

	if (!make_anon(self))
		SKIP(return, "%s", self->memory.why);
	ASSERT_TRUE(counters_read(&before));
	pthread_create(&s.thread, NULL, stay_thread, &s);
	wait_until_there(self->meeting);
	was_there = collapse_returns_early(self);
	pthread_join(s.thread, NULL);
	ASSERT_FALSE(self->meeting->failed);
	EXPECT_FALSE(was_there)
		TH_LOG("a table was collapsed under a walk");
	c = counted(&before);
	EXPECT_LT(0, c.calls);
	EXPECT_SUM(&c);
}

/* A shared table of hugetlb, that another process walks. */
TEST_F_TIMEOUT(walk_flag, unshare_waits, TEST_SECONDS)
{
	struct counters before, c;
	pthread_t leaver;
	bool was_there;

	if (!make_shared(self))
		SKIP(return, "%s", self->memory.why);
	ASSERT_TRUE(start_process(self, variant->walk));
	/* The child's, who has touched it: ours is the same table. */
	meet(self->meeting);
	ASSERT_TRUE(counters_read(&before));
	pthread_create(&leaver, NULL, leave_thread, self->meeting);
	ASSERT_EQ(0, munmap(self->memory.addr, SHARED_TABLE));
	was_there = there(self->meeting);
	c = counted(&before);
	pthread_join(leaver, NULL);
	ASSERT_FALSE(self->meeting->failed);
	EXPECT_SUM(&c);
	if (!c.calls)
		SKIP(return, "tables of hugetlb are not shared here");
	EXPECT_FALSE(was_there)
		TH_LOG("a table was left to another process under a walk");
	if (stayed(self->meeting))
		EXPECT_LT(0, c.targeted) LOG_COUNTERS(&c);
	EXPECT_LE(c.targeted, c.interrupted) LOG_COUNTERS(&c);
	EXPECT_EQ(0, c.broadcast) LOG_COUNTERS(&c);
}

/* A collapse while somebody walks another mm: that walk is left alone. */
TEST_F_TIMEOUT(walk_flag, walk_of_another, TEST_SECONDS)
{
	struct counters before, c;
	bool was_there = false;

	if (variant->walk == FAST_GUP_STAY_INNER)
		SKIP(return, "a walk inside of a walk may be in any mm");
	if (!make_anon(self))
		SKIP(return, "%s", self->memory.why);
	ASSERT_TRUE(start_process(self, variant->walk));
	for (int i = 0; i < 3 && !was_there; i++) {
		ASSERT_TRUE(split(&self->memory));
		meet(self->meeting);
		ASSERT_TRUE(counters_read(&before));
		ASSERT_TRUE(collapse(&self->memory));
		was_there = there(self->meeting);
		c = counted(&before);
		__atomic_store_n(&self->meeting->word, LEAVE, __ATOMIC_RELEASE);
		ASSERT_FALSE(self->meeting->failed);
		EXPECT_LE(HUGE_PAGES, c.skipped) LOG_COUNTERS(&c);
		EXPECT_EQ(0, c.broadcast) LOG_COUNTERS(&c);
		EXPECT_SUM(&c);
		/* PAE cannot tell whose a fault is, as there are some always. */
		if (sizeof(void *) == 8)
			EXPECT_EQ(0, c.targeted) LOG_COUNTERS(&c);
	}
	/* No more than that: it may have been late for other reasons. */
	if (!was_there)
		TH_LOG("the walk was over before the collapse, each time");
}

/*
 * A walk inside of another one hides whose that is, and so stands for all: a
 * collapse waits for it.  Here it is one of another process, for whom no flush
 * of the TLB waits.
 */
TEST_F_TIMEOUT(walk_flag, inner_stands_for_all, TEST_SECONDS)
{
	struct counters before, c;
	bool was_there;

	if (variant->walk != FAST_GUP_STAY_INNER)
		SKIP(return, "not inside of another walk");
	if (!make_anon(self))
		SKIP(return, "%s", self->memory.why);
	ASSERT_TRUE(start_process(self, variant->walk));
	meet(self->meeting);
	ASSERT_TRUE(counters_read(&before));
	was_there = collapse_returns_early(self);
	ASSERT_FALSE(self->meeting->failed);
	EXPECT_FALSE(was_there)
		TH_LOG("a table was collapsed under a walk that may be in it");
	c = counted(&before);
	EXPECT_LT(0, c.calls);
	EXPECT_SUM(&c);
}

/* Nobody walks: nobody is interrupted.  And as it is without the flag. */
TEST_F_TIMEOUT(walk_flag, nobody_walks, TEST_SECONDS)
{
	struct counters before, c;

	if (variant->walk != FAST_GUP_STAY_OWN)
		SKIP(return, "nobody stays in a walk here");
	if (!make_anon(self))
		SKIP(return, "%s", self->memory.why);
	ASSERT_TRUE(counters_read(&before));
	ASSERT_TRUE(collapse(&self->memory));
	c = counted(&before);
	EXPECT_LE(HUGE_PAGES, c.skipped) LOG_COUNTERS(&c);
	EXPECT_EQ(0, c.broadcast) LOG_COUNTERS(&c);
	EXPECT_SUM(&c);
	if (sizeof(void *) == 8) {
		EXPECT_EQ(0, c.targeted) LOG_COUNTERS(&c);
		EXPECT_EQ(0, c.interrupted) LOG_COUNTERS(&c);
	}

	ASSERT_TRUE(file_write(SWITCH, "0"));
	ASSERT_TRUE(split(&self->memory));
	ASSERT_TRUE(counters_read(&before));
	ASSERT_TRUE(collapse(&self->memory));
	c = counted(&before);
	EXPECT_LE(HUGE_PAGES, c.broadcast) LOG_COUNTERS(&c);
	EXPECT_EQ(c.calls, c.broadcast) LOG_COUNTERS(&c);
	ASSERT_TRUE(file_write(SWITCH, "1"));
}

TEST_HARNESS_MAIN
