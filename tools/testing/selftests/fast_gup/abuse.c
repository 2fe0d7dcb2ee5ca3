// SPDX-License-Identifier: GPL-2.0
/*
 * The device in the hands of several, of nobody, and of a dice: who may open
 * it, who releases what, and that nothing leaks whatever is asked for.
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "memory.h"
#include "session.h"

#define PAGES	16

FIXTURE(abuse) {
	struct session session;
	struct memory memory;
	struct gup gup;
};

FIXTURE_SETUP(abuse)
{
	if (!session_open(_metadata, &self->session))
		return;
	gup_init(&self->gup, PAGES);
	ASSERT_TRUE(memory_make(MEM_ANON, &self->memory, PAGES * page_size()));
}

FIXTURE_TEARDOWN(abuse)
{
	memory_free(&self->memory);
	session_close(_metadata, &self->session);
	gup_free(&self->gup);
}

/* Opening needs root: page frame numbers are secrets. */
TEST_F(abuse, root_only)
{
	int status = 0;
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		int fd;

		if (setgid(65534) || setuid(65534))
			_exit(2);
		fd = open(FAST_GUP_DEVICE, O_RDWR);
		_exit(fd < 0 && (errno == EPERM || errno == EACCES) ? 0 : 1);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

struct releaser {
	int dev;
	uint64_t handle;
	int result;
	pthread_barrier_t *barrier;
};

static void *release_one(void *arg)
{
	struct releaser *r = arg;

	pthread_barrier_wait(r->barrier);
	r->result = gup_release(r->dev, r->handle, false);
	return NULL;
}

/* Two release the same handle at once: one of them does. */
TEST_F_TIMEOUT(abuse, concurrent_release, TEST_SECONDS)
{
	for (int n = 0; n < 200; n++) {
		struct releaser r[2];
		pthread_barrier_t barrier;
		pthread_t threads[2];

		ASSERT_EQ(0, gup_run(self->session.dev, &self->gup,
				     FAST_GUP_ENTRY_PIN, FAST_GUP_HOLD,
				     (uintptr_t)self->memory.addr, PAGES));
		pthread_barrier_init(&barrier, NULL, 2);
		for (int i = 0; i < 2; i++) {
			r[i] = (struct releaser) { self->session.dev,
				self->gup.call.handle, 1, &barrier };
			pthread_create(&threads[i], NULL, release_one, &r[i]);
		}
		for (int i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		ASSERT_TRUE((r[0].result == 0 && r[1].result == -ENOENT) ||
			    (r[1].result == 0 && r[0].result == -ENOENT))
			TH_LOG("%d and %d", r[0].result, r[1].result);
	}
}

/* Closing gives back everything, also what was forgotten. */
TEST_F(abuse, close_releases)
{
	int dev = open(FAST_GUP_DEVICE, O_RDWR | O_CLOEXEC);
	long seen;

	ASSERT_GE(dev, 0);
	for (int i = 0; i < 50; i++) {
		ASSERT_EQ(0, gup_run(dev, &self->gup, i & 1 ?
				     FAST_GUP_ENTRY_PIN : FAST_GUP_ENTRY_GET,
				     FAST_GUP_HOLD | FAST_GUP_WRITE,
				     (uintptr_t)self->memory.addr, PAGES));
	}
	EXPECT_EQ(self->session.pins + 25 * PAGES, pins_outstanding());
	close(dev);
	EXPECT_TRUE(pins_settle(self->session.pins, &seen));
}

static uint64_t odd_number(struct random_state *r, uint64_t sane)
{
	switch (random_below(r, 8)) {
	case 0: return 0;
	case 1: return 1ULL << random_below(r, 64);
	case 2: return (1ULL << random_below(r, 64)) - 1;
	case 3: return random_next(r);
	case 4: return sane + random_below(r, 3) - 1;
	default: return sane;
	}
}

/* Structured noise: it may be refused, it may succeed, it may not leak. */
TEST_F_TIMEOUT(abuse, fuzz, TEST_SECONDS)
{
	const long rounds = env_long("FAST_GUP_FUZZ", 20000);
	const long seed = env_long("FAST_GUP_SEED", 4711);
	int dev = open(FAST_GUP_DEVICE, O_RDWR | O_CLOEXEC);
	const size_t around = 64UL << 20;
	long granted = 0;
	uint64_t last = 0;
	struct random_state r;
	char buf[256], *area;

	ASSERT_GE(dev, 0);
	/* Nothing of the test itself near what is pinned and written. */
	area = mmap(NULL, 2 * around, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, area);
	ASSERT_EQ(0, mprotect(area + around, PAGES * page_size(),
			      PROT_READ | PROT_WRITE));
	random_seed(&r, seed);
	printf("# FAST_GUP_SEED=%ld FAST_GUP_FUZZ=%ld\n", seed, rounds);
	fflush(stdout);
	for (long n = 0; n < rounds; n++) {
		struct fast_gup_call call = {
			.size = sizeof(call),
			.version = FAST_GUP_ABI_VERSION,
			.pages = (uintptr_t)self->gup.pages,
		};
		struct fast_gup_release release = {
			sizeof(release), FAST_GUP_ABI_VERSION,
			odd_number(&r, last), random_below(&r, 3) == 1, 0 };
		struct fast_gup_copy copy = {
			sizeof(copy), FAST_GUP_ABI_VERSION, last,
			odd_number(&r, 100), odd_number(&r, 200),
			odd_number(&r, (uintptr_t)buf), n & 1, 0 };

		switch (random_below(&r, 4)) {
		case 0:
		case 1:
			/*
			 * The module's own entries only: bad flags make the
			 * kernel's own warn, as they should.
			 */
			call.entry = random_below(&r, 3);
			call.flags = odd_number(&r, FAST_GUP_HOLD);
			call.addr = odd_number(&r, (uintptr_t)area + around);
			call.nr_pages = odd_number(&r, PAGES);
			call.max_pages = random_below(&r, 2) ? PAGES :
					 odd_number(&r, PAGES);
			if (!random_below(&r, 8))
				call.size = odd_number(&r, call.size);
			if (!random_below(&r, 8))
				call.version = odd_number(&r, 1);
			/* Never more than the array has. */
			if (call.max_pages > PAGES)
				call.pages = 0;
			if (!ioctl(dev, FAST_GUP_IOC_CALL, &call) &&
			    call.handle) {
				last = call.handle;
				granted++;
			}
			break;
		case 2:
			ioctl(dev, FAST_GUP_IOC_RELEASE, &release);
			break;
		case 3:
			if (copy.buf == (uintptr_t)buf &&
			    copy.len > sizeof(buf))
				copy.len = sizeof(buf);
			if (copy.buf != (uintptr_t)buf)
				copy.to_pages = 1;
			ioctl(dev, FAST_GUP_IOC_COPY, &copy);
			break;
		}
	}
	close(dev);
	/* Noise that is only refused tests little. */
	EXPECT_GE(granted, rounds / 100);
}

TEST_HARNESS_MAIN
