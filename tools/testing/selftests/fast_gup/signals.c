// SPDX-License-Identifier: GPL-2.0
/*
 * Signals while the slow path is at work: an ordinary one does not stop it, a
 * fatal one does, and what was taken before comes back.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/userfaultfd.h>
#include "compare.h"
#include "session.h"

#define PAGES	8

FIXTURE(signals) {
	struct session session;
	struct gup gup;
};

FIXTURE_SETUP(signals)
{
	if (!session_open(_metadata, &self->session))
		return;
	gup_init(&self->gup, PAGES);
}

FIXTURE_TEARDOWN(signals)
{
	session_close(_metadata, &self->session);
	gup_free(&self->gup);
}

/* Pages that are there, one that is not, pages that are there. */
static bool absent_in_middle(struct range *r)
{
	if (!memory_make(MEM_ANON, &r->memory, PAGES * page_size()))
		return false;
	r->addr = (uintptr_t)r->memory.addr;
	r->nr = PAGES;
	return !madvise(r->memory.addr + 4 * page_size(), page_size(),
			MADV_DONTNEED);
}

/* One ordinary signal does not stop the slow path, here as in the C. */
static volatile sig_atomic_t seen;

static void count_signal(int sig)
{
	seen++;
}

TEST_F(signals, pending)
{
	static const uint32_t entries[] = {
		FAST_GUP_ENTRY_GET, FAST_GUP_ENTRY_PIN,
		FAST_GUP_ENTRY_KERNEL_PIN, FAST_GUP_ENTRY_C_PIN,
	};
	struct subject subject = { "absent_in_middle", absent_in_middle };
	sigset_t set;

	signal(SIGUSR1, count_signal);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	for (size_t e = 0; e < ARRAY_SIZE(entries); e++) {
		struct range r;

		ASSERT_TRUE(range_make(&r, &subject));
		sigprocmask(SIG_BLOCK, &set, NULL);
		raise(SIGUSR1);
		EXPECT_EQ(0, gup_run(self->session.dev, &self->gup, entries[e],
				     FAST_GUP_WRITE, r.addr, PAGES));
		EXPECT_EQ(PAGES, self->gup.call.result);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		range_free(&r);
	}
	EXPECT_EQ(ARRAY_SIZE(entries), seen);
}

/* The child's call: populated pages, then a fault that nobody answers. */
static void wait_for_ever(int dev, uint32_t entry, int ready)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct range r = { .key = -1 };
	struct gup gup;
	int fd;

	gup_init(&gup, 64);
	fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || !absent_in_middle(&r))
		_exit(1);
	reg.range.start = r.addr;
	reg.range.len = r.memory.len;
	if (ioctl(fd, UFFDIO_REGISTER, &reg))
		_exit(1);
	if (write(ready, "", 1) != 1)
		_exit(1);
	gup_run(dev, &gup, entry, FAST_GUP_WRITE, r.addr, PAGES);
	_exit(2);		/* it must not come back */
}

/* A fatal signal ends the slow path; the pins already taken come back. */
TEST_F_TIMEOUT(signals, killed_while_waiting, TEST_SECONDS)
{
	static const uint32_t entries[] = {
		FAST_GUP_ENTRY_GET, FAST_GUP_ENTRY_PIN,
		FAST_GUP_ENTRY_KERNEL_GET, FAST_GUP_ENTRY_KERNEL_PIN,
		FAST_GUP_ENTRY_C_PIN,
	};
	/* The latter kills as well, where nobody handles it. */
	static const int fatal[] = { SIGKILL, SIGINT };

	signal(SIGINT, SIG_DFL);
	for (size_t e = 0; e < ARRAY_SIZE(entries) * ARRAY_SIZE(fatal); e++) {
		const uint32_t entry = entries[e / ARRAY_SIZE(fatal)];
		const int sig = fatal[e % ARRAY_SIZE(fatal)];
		int ready[2], status = 0;
		bool ended = false;
		pid_t pid;
		char c;

		ASSERT_EQ(0, pipe(ready));
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid)
			wait_for_ever(self->session.dev, entry, ready[1]);
		close(ready[1]);
		if (read(ready[0], &c, 1) != 1) {
			waitpid(pid, &status, 0);
			SKIP(return, "no userfaultfd");
		}
		close(ready[0]);

		/* Let it fall asleep in the fault. */
		for (int i = 0; i < 200 && task_state(pid, pid) == 'R'; i++)
			usleep(10 * 1000);
		usleep(100 * 1000);
		EXPECT_EQ(0, waitpid(pid, &status, WNOHANG))
			TH_LOG("%s did not wait for the fault",
			       gup_entries[entry].name);
		kill(pid, sig);
		for (int i = 0; i < 1000 && !ended; i++) {
			ended = waitpid(pid, &status, WNOHANG) == pid;
			usleep(10 * 1000);
		}
		ASSERT_TRUE(ended)
			TH_LOG("%s ignores signal %d",
			       gup_entries[entry].name, sig);
		EXPECT_TRUE(WIFSIGNALED(status));
		EXPECT_EQ(sig, WTERMSIG(status));
	}
}

TEST_HARNESS_MAIN
