// SPDX-License-Identifier: GPL-2.0
/*
 * Copy-on-write that happens beside the pin: fork() in the same moment, and
 * KSM, which makes shared pages of private ones.
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "memory.h"
#include "session.h"

#ifndef MADV_MERGEABLE
#define MADV_MERGEABLE	12
#endif

#define PINNERS	3		/* at most */
#define PAGES	4		/* of each pinner */
#define MOST_BEFORE	2000

/*
 * One round: fresh memory, the pinners at work on some of it, one fork().
 *
 * fork() looks once whether a folio is pinned and then write-protects all its
 * entries: the larger the folio, the longer is the time in which a pin goes
 * unseen.  write_protect_seq refuses a pin that starts in that time, and a pin
 * that started before must notice at its end.  Such a walk is long: it comes
 * through pages of a shared file, which fork() does not look at, and arrives
 * at the folio while fork() is there.
 */
struct rounds {
	int dev;
	pthread_barrier_t barrier;
	char *pages;		/* of the first pinner; the others' follow */
	size_t before;		/* at most so many pages of a file in front */
	volatile bool forked, end;
};

struct pinner {
	struct rounds *rounds;
	pthread_t thread;
	int id;
	uint32_t flags;
	struct random_state random;
	/* Made beforehand: malloc() of a thread would land in a hole of mremap(). */
	struct gup gup;
	long pins, fast, given_back, wrong;
};

/*
 * Pin, write through memory, look for it through the pin.  If fork() shared
 * the page although it was pinned, the write went to a copy.
 */
static void pin_and_write(struct pinner *p, uint64_t n)
{
	struct gup *gup = &p->gup;
	char *pages = p->rounds->pages + p->id * PAGES * page_size();
	size_t before = p->rounds->before ?
			random_below(&p->random, p->rounds->before) : 0;
	uint32_t entry = n & 1 ? FAST_GUP_ENTRY_PIN :
				 FAST_GUP_ENTRY_KERNEL_PIN;
	size_t offset = n % PAGES * page_size() + 72;
	uint64_t seen = 0;

	if (gup_run(p->rounds->dev, gup, entry, p->flags | FAST_GUP_HOLD,
		    (uintptr_t)pages - before * page_size(), before + PAGES) ||
	    gup->call.result != (int64_t)before + PAGES) {
		p->wrong++;
		return;
	}
	p->pins++;
	p->fast += gup->call.fast_pages;
	p->given_back += gup->call.refusal == FAST_GUP_REFUSED_FORK;
	*(volatile uint64_t *)(pages + offset) = n;
	if (gup_copy(p->rounds->dev, gup->call.handle,
		     before * page_size() + offset, &seen, sizeof(seen),
		     false) || seen != n)
		p->wrong++;
	gup_release(p->rounds->dev, gup->call.handle, false);
}

static void *pinner_loop(void *arg)
{
	struct pinner *p = arg;
	uint64_t n = 1;

	for (;;) {
		pthread_barrier_wait(&p->rounds->barrier);
		if (p->rounds->end)
			break;
		do {
			pin_and_write(p, n++);
		} while (!p->rounds->forked);
		pthread_barrier_wait(&p->rounds->barrier);
	}
	return NULL;
}

static bool any_wrong(const struct pinner *pinners)
{
	for (int i = 0; i < PINNERS; i++)
		if (pinners[i].wrong)
			return true;
	return false;
}

FIXTURE(fork_race) {
	struct session session;
};

FIXTURE_VARIANT(fork_race) {
	enum memory_kind_id id;
	int pinners;
	size_t before;
};

FIXTURE_VARIANT_ADD(fork_race, anon) { MEM_ANON, 3, 0 };
FIXTURE_VARIANT_ADD(fork_race, thp) { MEM_THP, 3, 0 };
FIXTURE_VARIANT_ADD(fork_race, thp_pte) { MEM_THP_PTE, 3, 0 };
/* One pinner: while others hold the folio, fork() sees that it is pinned. */
FIXTURE_VARIANT_ADD(fork_race, thp_pte_late) { MEM_THP_PTE, 1, MOST_BEFORE };

FIXTURE_SETUP(fork_race)
{
	session_open(_metadata, &self->session);
}

FIXTURE_TEARDOWN(fork_race)
{
	session_close(_metadata, &self->session);
}

/*
 * Rule: write_protect_seq is sampled before and checked after the walk of a
 * pin, and everything is given back when fork() was about.
 */
TEST_F_TIMEOUT(fork_race, content, TEST_SECONDS)
{
	/* The late pin is in time for the moment that matters seldom. */
	const int more = variant->before ? 3 : 1;
	const long forks = more * env_long("FAST_GUP_FORKS", 300);
	const double deadline = seconds() +
				more * env_long("FAST_GUP_SECONDS", 5);
	const size_t one = pmd_size() ?: 512 * page_size();
	const size_t front = (variant->before * page_size() + one - 1) & ~(one - 1);
	const int fd = memfd_create("fast_gup", MFD_CLOEXEC);
	struct rounds rounds = { .dev = self->session.dev };
	long n, pins = 0, fast = 0, given_back = 0, wrong = 0;
	struct pinner pinners[PINNERS] = { 0 };
	struct memory place = { .fd = -1 };
	char *base = memory_reserve(&place, front + one, one);

	ASSERT_NE(NULL, base);
	ASSERT_EQ(0, ftruncate(fd, front));
	ASSERT_TRUE(!front || mmap(base, front, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd,
				   0) == base);
	rounds.pages = base + front;
	rounds.before = variant->before;
	pthread_barrier_init(&rounds.barrier, NULL, variant->pinners + 1);
	for (int i = 0; i < variant->pinners; i++) {
		random_seed(&pinners[i].random, i + 1);
		/* Not reported: the walk shall be most of what happens here. */
		gup_init(&pinners[i].gup, 0);
		pinners[i].rounds = &rounds;
		pinners[i].id = i;
		pinners[i].flags = i == 1 ? 0 : FAST_GUP_WRITE;
		ASSERT_EQ(0, pthread_create(&pinners[i].thread, NULL,
					    pinner_loop, &pinners[i]));
	}
	for (n = 0; n < forks && (seconds() < deadline || n < 20) &&
	     !any_wrong(pinners); n++) {
		struct memory m;
		pid_t pid;

		if (!memory_make(variant->id, &m, one)) {
			ASSERT_EQ(0, n) TH_LOG("%s", m.why);
			SKIP(return, "%s", m.why);
		}
		/* To where the file is in front, in place of the last one. */
		ASSERT_EQ(rounds.pages, mremap(m.addr, one, one,
					       MREMAP_MAYMOVE | MREMAP_FIXED,
					       rounds.pages));
		rounds.forked = false;
		pthread_barrier_wait(&rounds.barrier);
		/* At another place of their loops each time. */
		usleep(n % 7 * 50);
		pid = fork();
		if (!pid)
			_exit(0);
		rounds.forked = true;
		pthread_barrier_wait(&rounds.barrier);
		ASSERT_GT(pid, 0);
		waitpid(pid, NULL, 0);
		memory_free(&m);
	}
	rounds.end = true;
	pthread_barrier_wait(&rounds.barrier);
	memory_free(&place);
	close(fd);
	for (int i = 0; i < variant->pinners; i++) {
		pthread_join(pinners[i].thread, NULL);
		gup_free(&pinners[i].gup);
		pins += pinners[i].pins;
		fast += pinners[i].fast;
		given_back += pinners[i].given_back;
		wrong += pinners[i].wrong;
	}
	printf("# %ld forks beside %ld pins: %ld pages fast\n", n, pins, fast);
	printf("# %ld calls gave back for fork, %ld wrong\n", given_back, wrong);
	fflush(stdout);
	EXPECT_EQ(0, wrong);
	if (!in_company()) {
		EXPECT_GE(n, 20);
		EXPECT_GE(pins, n);
		EXPECT_GE(fast, 1);
	}
}

FIXTURE(ksm) {
	struct session session;
};

FIXTURE_SETUP(ksm)
{
	session_open(_metadata, &self->session);
}

FIXTURE_TEARDOWN(ksm)
{
	session_close(_metadata, &self->session);
}

/*
 * Rule: a KSM page is never exclusive, so a read-only pin must break it up;
 * otherwise a device would watch a page that others watch as well.
 */
TEST_F_TIMEOUT(ksm, read_pin, TEST_SECONDS)
{
	static const char run[] = "/sys/kernel/mm/ksm/run";
	const double deadline = seconds() + 30;
	struct memory a, b;
	bool merged = false;
	uint64_t shared;
	struct gup gup;

	if (!file_write("/sys/kernel/mm/ksm/sleep_millisecs", "5") ||
	    !file_write("/sys/kernel/mm/ksm/pages_to_scan", "1000"))
		SKIP(return, "no KSM");
	ASSERT_TRUE(memory_make(MEM_ANON, &a, page_size()));
	ASSERT_TRUE(memory_make(MEM_ANON, &b, page_size()));
	memset(a.addr, 0x6b, page_size());
	memset(b.addr, 0x6b, page_size());
	ASSERT_EQ(0, madvise(a.addr, page_size(), MADV_MERGEABLE));
	ASSERT_EQ(0, madvise(b.addr, page_size(), MADV_MERGEABLE));
	ASSERT_TRUE(file_write(run, "1"));
	while (!merged && seconds() < deadline) {
		usleep(20 * 1000);
		merged = pfn_of(a.addr) && pfn_of(a.addr) == pfn_of(b.addr);
	}
	file_write(run, "0");
	if (!merged)
		SKIP(return, "KSM did not merge in time");

	shared = pfn_of(a.addr);
	gup_init(&gup, 1);
	/* A reference may be to the shared page. */
	ASSERT_EQ(0, gup_run(self->session.dev, &gup, FAST_GUP_ENTRY_GET, 0,
			     (uintptr_t)a.addr, 1));
	EXPECT_EQ(1, gup.call.result);
	EXPECT_EQ(shared, gup.pages[0].pfn);
	/* A pin may not. */
	ASSERT_EQ(0, gup_run(self->session.dev, &gup, FAST_GUP_ENTRY_PIN,
			     FAST_GUP_HOLD, (uintptr_t)a.addr, 1));
	ASSERT_EQ(1, gup.call.result);
	EXPECT_EQ(0, gup.call.fast_pages);
	EXPECT_EQ(FAST_GUP_REFUSED_SHARED, gup.call.refusal);
	EXPECT_NE(shared, gup.pages[0].pfn);
	EXPECT_EQ(pfn_of(a.addr), gup.pages[0].pfn);
	ASSERT_EQ(0, gup_release(self->session.dev, gup.call.handle, false));
	file_write(run, "2");
	file_write(run, "0");
	memory_free(&a);
	memory_free(&b);
	gup_free(&gup);
}

TEST_HARNESS_MAIN
