// SPDX-License-Identifier: GPL-2.0
/*
 * Many processes pin as much as they may.  They cannot have more than
 * RLIMIT_MEMLOCK allows each of them, and what remains is enough for everybody
 * else: all other memory is swapped out and in again, nobody is killed.
 *
 * In a group of its own (cgroup v2) that has little memory, so that it does not
 * take long to run out of it.
 */
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "memory.h"
#include "sample.h"
#include "session.h"

#define GROUP		"/sys/fs/cgroup/fast_gup_memlock"
#define PROCESSES	64
#define LIMIT		(512UL << 10)	/* RLIMIT_MEMLOCK of each process */
#define PIECE		(LIMIT / 8)	/* pinned at once */
#define MEMORY		(96UL << 20)	/* of the group */
#define DEVICE		"/dev/pinned_buffer_rust"

FIXTURE(memlock) {
	struct session session;
	bool loaded;
	int ready[2], end[2];
	pid_t children[PROCESSES];
	char *map;
};

static bool swap_is_on(void)
{
	char line[256];
	FILE *f = fopen("/proc/swaps", "re");
	bool on = f && fgets(line, sizeof(line), f) &&
		  fgets(line, sizeof(line), f);

	if (f)
		fclose(f);
	return on;
}

static bool group_make(void)
{
	char text[32];

	file_write("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(GROUP, 0755) && errno != EEXIST)
		return false;
	snprintf(text, sizeof(text), "%lu", MEMORY);
	return file_write(GROUP "/memory.max", text);
}

static bool join_group(const char *group)
{
	char path[128], text[16];

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	snprintf(text, sizeof(text), "%d", getpid());
	return file_write(path, text);
}

/* A line "NAME VALUE" of a file of the group; -1: there is none. */
static long group_value(const char *file, const char *name)
{
	char path[128], line[128];
	size_t len = strlen(name);
	long value = -1;
	FILE *f;

	snprintf(path, sizeof(path), GROUP "/%s", file);
	f = fopen(path, "re");
	while (f && value < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, len) && line[len] == ' ')
			value = strtol(line + len, NULL, 10);
	if (f)
		fclose(f);
	return value;
}

FIXTURE_SETUP(memlock)
{
	if (!session_open(_metadata, &self->session))
		return;
	if (!swap_is_on())
		SKIP(return, "no swap");
	if (!group_make())
		SKIP(return, "no memory controller of cgroup v2");
	if (access(DEVICE, F_OK)) {
		self->loaded = module_load("pinned_buffer_rust");
		if (!self->loaded)
			SKIP_UNLESS_REQUIRED(return,
					     "no modules: set FAST_GUP_SAMPLES");
	}
	ASSERT_EQ(0, pipe(self->ready));
	ASSERT_EQ(0, pipe(self->end));
}

FIXTURE_TEARDOWN(memlock)
{
	join_group("/sys/fs/cgroup");
	if (self->loaded)
		EXPECT_EQ(0, module_unload("pinned_buffer_rust"));
	rmdir(GROUP);
	session_close(_metadata, &self->session);
}

static void tag_of_process(char *p, size_t nr, int process)
{
	for (size_t i = 0; i < nr; i++)
		tag_page(p + i * page_size(), 1000 + process, i, 0);
}

/*
 * Pins piece after piece until it may not, and tells how many pages.  What it has
 * not pinned is as large, and is for swapping.
 */
static long pin_to_the_limit(char *p, size_t len)
{
	long pinned = 0;

	for (size_t at = 0; at < len; at += PIECE) {
		int dev = open(DEVICE, O_RDWR);

		if (dev < 0)
			return -errno;
		switch (pin(dev, p + at, PIECE, 0)) {
		case 0:
			pinned += PIECE / page_size();
			break;
		case -ENOMEM:
			close(dev);
			return pinned;
		default:
			close(dev);
			return -1;
		}
	}
	return pinned;
}

/* Exits with 0 if its memory is as it was, pinned or swapped. */
static void process(int number, int ready, int end)
{
	const struct rlimit limit = { LIMIT, LIMIT };
	const size_t nr = 2 * LIMIT / page_size();
	long pinned;
	char *p, c;

	p = mmap(NULL, nr * page_size(), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		_exit(1);
	tag_of_process(p, nr, number);
	/* Root may lock what it wants to, and so it gives that up. */
	if (setrlimit(RLIMIT_MEMLOCK, &limit) ||
	    !set_capability(CAP_IPC_LOCK, false))
		_exit(2);
	pinned = pin_to_the_limit(p, nr * page_size());
	if (write(ready, &pinned, sizeof(pinned)) != sizeof(pinned))
		_exit(3);
	/* Until the other end is closed. */
	if (read(end, &c, 1) != 0)
		_exit(4);
	for (size_t i = 0; i < nr; i++)
		if (!tag_is(p + i * page_size(), 1000 + number, i, 0))
			_exit(5);
	_exit(0);
}

TEST_F_TIMEOUT(memlock, many_processes, TEST_SECONDS)
{
	const size_t nr = MEMORY / page_size();
	const long kills = group_value("memory.events", "oom_kill");
	const long allowed = LIMIT / page_size();
	long pinned, all = 0, out;
	size_t wrong = 0;

	ASSERT_TRUE(join_group(GROUP));
	for (int i = 0; i < PROCESSES; i++) {
		self->children[i] = fork();
		ASSERT_GE(self->children[i], 0);
		if (!self->children[i]) {
			close(self->end[1]);
			process(i, self->ready[1], self->end[0]);
		}
	}
	/* Whoever is gone cannot be waited for. */
	close(self->ready[1]);
	for (int i = 0; i < PROCESSES; i++) {
		ASSERT_EQ(sizeof(pinned), read(self->ready[0], &pinned,
					       sizeof(pinned)));
		EXPECT_EQ(allowed, pinned);
		all += pinned;
	}
	EXPECT_EQ(self->session.pins + all, pins_outstanding());

	/* As much as the group may have beside them all: it has to be swapped. */
	out = vmstat_read("pswpout");
	self->map = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	tag_of_process(self->map, nr, PROCESSES);
	for (size_t i = 0; i < nr; i++)
		wrong += !tag_is(self->map + i * page_size(), 1000 + PROCESSES,
				 i, 0);
	EXPECT_EQ(0, wrong);
	out = vmstat_read("pswpout") - out;
	EXPECT_GE(out, all) TH_LOG("only %ld pages were swapped out", out);
	EXPECT_EQ(kills, group_value("memory.events", "oom_kill"));
	printf("# %ld pages pinned by %d processes, %ld swapped out\n", all,
	       PROCESSES, out);

	/* They swap in all at once, which is enough without this. */
	munmap(self->map, MEMORY);
	close(self->end[1]);
	for (int i = 0; i < PROCESSES; i++) {
		int status = -1;

		EXPECT_EQ(self->children[i],
			  waitpid(self->children[i], &status, 0));
		EXPECT_EQ(0, status)
			TH_LOG("process %d: status %#x", i, status);
	}
}

TEST_HARNESS_MAIN
