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

FIXTURE(fork_race) {
	struct session session;
};

FIXTURE_SETUP(fork_race)
{
	session_open(_metadata, &self->session);
}

FIXTURE_TEARDOWN(fork_race)
{
	session_close(_metadata, &self->session);
}

struct pinner {
	int dev;
	uint32_t flags;
	volatile bool *stop;
	long pins, fast, forked, wrong;
};

/*
 * Pin a page that is sure to be there, write to it through memory, look for
 * it through the pin.  If fork() shared the page although it was pinned, the
 * write went to a copy.
 */
static void *pin_and_write(void *arg)
{
	struct pinner *p = arg;
	const size_t nr = 8, len = nr * page_size();
	volatile uint64_t *word;
	struct memory m;
	struct gup gup;
	uint64_t seen;

	gup_init(&gup, nr);
	if (!memory_make(MEM_ANON, &m, len)) {
		p->wrong++;
		return NULL;
	}
	for (uint64_t n = 1; !*p->stop; n++) {
		size_t page = n % nr;
		uint32_t entry = n & 1 ? FAST_GUP_ENTRY_PIN :
					 FAST_GUP_ENTRY_KERNEL_PIN;

		if (gup_run(p->dev, &gup, entry, p->flags | FAST_GUP_HOLD,
			    (uintptr_t)m.addr, nr) ||
		    gup.call.result != (long)nr) {
			p->wrong++;
			break;
		}
		p->pins++;
		p->fast += gup.call.fast_pages;
		p->forked += gup.call.refusal == FAST_GUP_REFUSED_FORK;
		word = (volatile uint64_t *)(m.addr + page * page_size()) + 9;
		*word = n;
		if (gup_copy(p->dev, gup.call.handle, page * page_size() + 72,
			     &seen, sizeof(seen), false) || seen != n)
			p->wrong++;
		gup_release(p->dev, gup.call.handle, false);
	}
	memory_free(&m);
	gup_free(&gup);
	return NULL;
}

/*
 * Rule: write_protect_seq is sampled before and checked after the walk of a
 * pin, and everything is given back when fork() was about.
 */
TEST_F_TIMEOUT(fork_race, pin_loop, TEST_SECONDS)
{
	const long forks = env_long("FAST_GUP_FORKS", 400);
	const double deadline = seconds() + env_long("FAST_GUP_SECONDS", 5);
	volatile bool stop = false;
	struct pinner pinners[3];
	pthread_t threads[3];
	long n, pins = 0, fast = 0, forked = 0, wrong = 0;

	for (int i = 0; i < 3; i++) {
		pinners[i] = (struct pinner) {
			.dev = self->session.dev,
			.flags = i == 1 ? 0 : FAST_GUP_WRITE,
			.stop = &stop,
		};
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, pin_and_write,
					    &pinners[i]));
	}
	for (n = 0; n < forks && seconds() < deadline; n++) {
		int status;
		pid_t pid = fork();

		ASSERT_GE(pid, 0);
		if (!pid)
			_exit(0);
		waitpid(pid, &status, 0);
	}
	stop = true;
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		pins += pinners[i].pins;
		fast += pinners[i].fast;
		forked += pinners[i].forked;
		wrong += pinners[i].wrong;
	}
	TH_LOG("%ld forks beside %ld pins, %ld pages fast, %ld given back for fork, %ld wrong",
	       n, pins, fast, forked, wrong);
	EXPECT_EQ(0, wrong);
	EXPECT_GE(n, 20);
	EXPECT_GE(pins, 100);
	EXPECT_GE(fast, 1);
}

/*
 * Rule: a KSM page is never exclusive, so a read-only pin must break it up;
 * otherwise a device would watch a page that others watch as well.
 */
TEST_F_TIMEOUT(fork_race, ksm, TEST_SECONDS)
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
