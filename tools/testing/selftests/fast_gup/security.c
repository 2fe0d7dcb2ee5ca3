// SPDX-License-Identifier: GPL-2.0
/*
 * Who may do what, and what is told to whom: see Documentation/security.rst.
 *
 *	FAST_GUP_KO	the module (default: /lib/fast_gup.ko)
 */
#include <dirent.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "memory.h"
#include "session.h"

#define PAGES		4
#define DEBUGFS		"/sys/kernel/debug/fast_gup"
#define LOG_READ_ALL	3
#define LOG_SIZE	10

FIXTURE(security) {
	struct session session;
	struct memory memory;
	struct gup gup;
};

FIXTURE_SETUP(security)
{
	if (!session_open(_metadata, &self->session))
		return;
	gup_init(&self->gup, PAGES);
	ASSERT_TRUE(memory_make(MEM_ANON, &self->memory, PAGES * page_size()));
}

FIXTURE_TEARDOWN(security)
{
	memory_free(&self->memory);
	session_close(_metadata, &self->session);
	gup_free(&self->gup);
}

/* In a child, which answers with its exit status: 0 is right. */
#define EXPECT_CHILD(what)						\
	do {								\
		int _status = -1;					\
		pid_t _pid = fork();					\
									\
		ASSERT_GE(_pid, 0);					\
		if (!_pid)						\
			_exit(what);					\
		ASSERT_EQ(_pid, waitpid(_pid, &_status, 0));		\
		EXPECT_EQ(0, _status) TH_LOG("%s", #what);		\
	} while (0)

static int open_fails(const char *path, int flags, int why)
{
	int fd = open(path, flags);

	return fd >= 0 || errno != why;
}

static int as_root_without_capability(void)
{
	return !set_capability(CAP_SYS_ADMIN, false) ||
	       open_fails(FAST_GUP_DEVICE, O_RDWR, EPERM) ||
	       open_fails(FAST_GUP_DEVICE, O_RDONLY, EPERM);
}

static int as_nobody(void)
{
	return setgid(65534) || setuid(65534) ||
	       open_fails(FAST_GUP_DEVICE, O_RDWR, EACCES) ||
	       open_fails(FAST_GUP_DEVICE, O_RDONLY, EACCES) ||
	       open_fails(DEBUGFS "/stats", O_RDONLY, EACCES) ||
	       open_fails(DEBUGFS "/pins", O_RDONLY, EACCES);
}

/* Being root is not enough, and the mode is not the only thing in the way. */
TEST_F(security, device_needs_capability)
{
	struct stat st;

	ASSERT_EQ(0, stat(FAST_GUP_DEVICE, &st));
	EXPECT_EQ(0, st.st_mode & 0077)
		TH_LOG("mode %o", st.st_mode);
	EXPECT_EQ(0, st.st_uid);
	EXPECT_CHILD(as_root_without_capability());
	ASSERT_EQ(0, chmod(FAST_GUP_DEVICE, 0666));
	EXPECT_CHILD(as_root_without_capability());
	ASSERT_EQ(0, chmod(FAST_GUP_DEVICE, st.st_mode & 07777));
	EXPECT_CHILD(as_nobody());
}

/* Each file by itself: whoever mounts debugfs may have opened it to all. */
TEST_F(security, debugfs_modes)
{
	DIR *dir = opendir(DEBUGFS);
	struct dirent *entry;
	int seen = 0;

	ASSERT_NE(NULL, dir);
	while ((entry = readdir(dir))) {
		char path[512];
		struct stat st;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), DEBUGFS "/%s", entry->d_name);
		ASSERT_EQ(0, stat(path, &st));
		EXPECT_EQ(0, st.st_mode & 0177)
			TH_LOG("%s has mode %o", path, st.st_mode);
		EXPECT_EQ(0, st.st_uid);
		seen++;
	}
	closedir(dir);
	EXPECT_GE(seen, 2);
}

static int others_memory(int dev, struct gup *gup, char *addr)
{
	for (size_t e = 0; e < NR_GUP_ENTRIES; e++) {
		if (gup_run(dev, gup, e, FAST_GUP_HOLD, (uintptr_t)addr, PAGES) ||
		    gup->call.result > 0)
			return 1;
	}
	return 0;
}

/*
 * A request is about the memory of who makes it, not of who has opened the
 * file: nobody's frame numbers are told to others.
 */
TEST_F(security, own_memory_only)
{
	ASSERT_EQ(0, gup_run(self->session.dev, &self->gup, FAST_GUP_ENTRY_PIN,
			     0, (uintptr_t)self->memory.addr, PAGES));
	ASSERT_EQ(PAGES, self->gup.call.result);
	ASSERT_EQ(0, madvise(self->memory.addr, self->memory.len, MADV_DONTFORK));
	EXPECT_CHILD(others_memory(self->session.dev, &self->gup,
				   self->memory.addr));
}

/* Where the kernel is, from the lines that it shows to root. */
static size_t kernel_places(uint64_t *places, size_t max)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	unsigned long long at;
	size_t nr = 0, line = 0;
	char rest[256];

	while (f && nr < max && fscanf(f, "%llx %255[^\n]", &at, rest) == 2) {
		if (at && line++ % 1000 == 0)
			places[nr++] = at;
	}
	if (f)
		fclose(f);
	return nr;
}

/* The kernel's own memory is nobody's, through whatever entry. */
TEST_F(security, no_kernel_memory)
{
	uint64_t places[64];
	size_t nr = kernel_places(places, ARRAY_SIZE(places));

	ASSERT_GE(nr, 10);
	/* Tables of a 32-bit kernel, and the direct map of others. */
	places[0] = sizeof(long) == 8 ? 0xffff888000000000 : 0xc0000000;
	places[1] = sizeof(long) == 8 ? 0xc000000000000000 : 0xc1000000;
	for (size_t i = 0; i < nr; i++) {
		for (size_t e = 0; e < NR_GUP_ENTRIES; e++) {
			for (int flags = 0; flags < 2; flags++) {
				ASSERT_EQ(0, gup_run(self->session.dev, &self->gup,
						     e, flags * FAST_GUP_WRITE,
						     places[i], 1));
				EXPECT_LE(self->gup.call.result, 0)
					TH_LOG("%s of %llx", gup_entries[e].name,
					       (unsigned long long)places[i]);
			}
		}
	}
}

/* Numbers that are addresses of the kernel, on any of the architectures. */
static bool is_kernel_address(uint64_t value)
{
	static uint64_t places[64];
	static size_t nr;

	if (sizeof(long) == 8)
		return value >> 60 == 0xc || value >> 47 == 0x1ffff;
	/* With 32 bits, hashed pointers look alike: ask what is nearby. */
	if (!nr)
		nr = kernel_places(places, ARRAY_SIZE(places));
	for (size_t i = 0; i < nr; i++)
		if (value - places[i] < 1 << 16)
			return true;
	return false;
}

static int addresses_in(const char *text, const char *where)
{
	int found = 0;

	for (const char *at = text; *at;) {
		size_t digits = strspn(at, "0123456789abcdefABCDEF");

		if (digits >= 2 * sizeof(long) &&
		    is_kernel_address(strtoull(at, NULL, 16))) {
			printf("# %s: %.80s\n", where, at);
			found++;
		}
		at += digits ?: 1;
	}
	return found;
}

/* Neither the log nor debugfs tells where the kernel is. */
TEST_F(security, no_addresses)
{
	static const char *const files[] = { DEBUGFS "/stats", DEBUGFS "/pins" };
	int size = klogctl(LOG_SIZE, NULL, 0);
	char *log, *line, *rest, sample[64];
	uint64_t places[2];
	int len, seen = 0;

	ASSERT_GT(size, 0);
	log = calloc(1, size + 1);
	ASSERT_NE(NULL, log);

	/* The one misuse that the module tells the log about. */
	gup_run(self->session.dev, &self->gup, FAST_GUP_ENTRY_PIN,
		FAST_GUP_FORCE, (uintptr_t)self->memory.addr, 1);
	EXPECT_EQ(-EINVAL, self->gup.call.result);
	len = klogctl(LOG_READ_ALL, log, size);
	ASSERT_GT(len, 0);
	for (line = strtok_r(log, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		if (!strstr(line, "fast_gup"))
			continue;
		seen++;
		EXPECT_EQ(0, addresses_in(line, "the log"));
	}
	EXPECT_GE(seen, 1);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		FILE *f = fopen(files[i], "re");

		ASSERT_NE(NULL, f);
		while (fgets(log, size, f))
			EXPECT_EQ(0, addresses_in(log, files[i]));
		fclose(f);
	}
	free(log);
	/* An address would have been noticed. */
	ASSERT_EQ(2, kernel_places(places, 2));
	snprintf(sample, sizeof(sample), "at %0*llx", 2 * (int)sizeof(long),
		 (unsigned long long)places[1]);
	EXPECT_EQ(1, addresses_in(sample, "a sample of what must be noticed"));
}

/* The module, of which bytes can be changed before it is loaded. */
FIXTURE(license) {
	char *image;
	size_t len;
	char args[64];
	bool unloaded;
};

FIXTURE_SETUP(license)
{
	const char *path = getenv("FAST_GUP_KO") ?: "/lib/fast_gup.ko";
	struct session session;
	struct stat st;
	int fd;

	if (!session_open(_metadata, &session))
		return;
	snprintf(self->args, sizeof(self->args), "provide=%u max_section=%u",
		 session.info.providing, session.info.max_section);
	close(session.dev);
	if (!access("/proc/lockdep_stats", F_OK))
		SKIP(return, "a module that is not free turns lockdep off");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		SKIP_UNLESS_REQUIRED(return, "no module: set FAST_GUP_KO");
	ASSERT_EQ(0, fstat(fd, &st));
	self->len = st.st_size;
	self->image = mmap(NULL, self->len, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			   fd, 0);
	close(fd);
	ASSERT_NE(MAP_FAILED, self->image);
	ASSERT_EQ(0, syscall(SYS_delete_module, "fast_gup", O_NONBLOCK))
		TH_LOG("%s", strerror(errno));
	self->unloaded = true;
}

FIXTURE_TEARDOWN(license)
{
	const char *path = getenv("FAST_GUP_KO") ?: "/lib/fast_gup.ko";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (self->unloaded) {
		EXPECT_EQ(0, syscall(SYS_finit_module, fd, self->args, 0))
			TH_LOG("%s", strerror(errno));
	}
	close(fd);
	if (self->image)
		munmap(self->image, self->len);
}

/* @to has the length of @from.  How often it was there. */
static int replace(FIXTURE_DATA(license) *self, const char *from, const char *to,
		   size_t len)
{
	char *at = self->image, *end = at + self->len;
	int nr = 0;

	while ((at = memmem(at, end - at, from, len))) {
		memcpy(at, to, len);
		at += len;
		nr++;
	}
	return nr;
}

static int load(FIXTURE_DATA(license) *self)
{
	return syscall(SYS_init_module, self->image, self->len, self->args) ?
	       -errno : 0;
}

/* What it needs of the kernel is for modules under the GPL. */
TEST_F(license, gpl_only)
{
	static const char gpl[] = "license=GPL", other[] = "license=XXX";

	ASSERT_EQ(1, replace(self, gpl, other, sizeof(gpl)));
	EXPECT_EQ(-ENOENT, load(self));
	EXPECT_EQ(-1, access("/sys/module/fast_gup", F_OK));
}

/* And some of it is for the module of that name only. */
TEST_F(license, named_only)
{
	static const char ours[] = "\0fast_gup", other[] = "\0fast_gux";
	static const char name[] = "name=fast_gup", another[] = "name=fast_gux";

	ASSERT_GE(replace(self, ours, other, sizeof(ours)), 1);
	ASSERT_EQ(1, replace(self, name, another, sizeof(name)));
	EXPECT_GT(0, load(self));
	EXPECT_EQ(-1, access("/sys/module/fast_gux", F_OK));
}

TEST_HARNESS_MAIN
