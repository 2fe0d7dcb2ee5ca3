// SPDX-License-Identifier: GPL-2.0
/*
 * The device in the hands of several, and of nobody: who may open it, who
 * releases what, and that nothing leaks.
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

TEST_HARNESS_MAIN
