// SPDX-License-Identifier: GPL-2.0
/*
 * The two sample drivers, which have one interface: what they hold survives
 * whatever its process does, is bounded by RLIMIT_MEMLOCK, and is released
 * once.
 */
#include <linux/capability.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "memory.h"
#include "sample.h"
#include "session.h"

#define PAGES		16
#define OFFSET		100	/* where buffers begin in their first page */

static const char *const pins_file = "/sys/kernel/debug/fast_gup/pins";

FIXTURE(samples) {
	long pins;		/* outstanding at the start */
	bool loaded;		/* by us */
	int dev;
	char *map;		/* PAGES pages, each byte written */
	char *addr;		/* the buffer: all of them but the ends */
	size_t len;
	char *bytes;		/* as many */
};

FIXTURE_VARIANT(samples) {
	const char *module;
	const char *device;
};

FIXTURE_VARIANT_ADD(samples, rust) {
	.module = "pinned_buffer_rust",
	.device = "/dev/pinned_buffer_rust",
};

FIXTURE_VARIANT_ADD(samples, c) {
	.module = "pinned_buffer_c",
	.device = "/dev/pinned_buffer_c",
};

/* A byte of each place, so that none can be taken for another nearby. */
static char byte_of(size_t place)
{
	return place * 7 + place / 251 + place / 65521;
}

static void fill(char *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = byte_of(i);
}

static char *map_pages(size_t nr)
{
	return mmap(NULL, nr * page_size(), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

FIXTURE_SETUP(samples)
{
	self->dev = -1;
	if (access(variant->device, F_OK)) {
		self->loaded = module_load(variant->module);
		if (!self->loaded)
			SKIP_UNLESS_REQUIRED(return,
					     "no modules: set FAST_GUP_SAMPLES");
	}
	pins_settle(0, &self->pins);
	self->dev = open(variant->device, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->dev, 0)
		TH_LOG("%s: %s", variant->device, strerror(errno));

	self->map = map_pages(PAGES);
	ASSERT_NE(MAP_FAILED, self->map);
	fill(self->map, PAGES * page_size());
	self->addr = self->map + OFFSET;
	self->len = PAGES * page_size() - 2 * OFFSET;
	self->bytes = malloc(PAGES * page_size());
	ASSERT_NE(NULL, self->bytes);
}

FIXTURE_TEARDOWN(samples)
{
	long seen = 0;

	if (self->dev >= 0)
		close(self->dev);
	if (!pins_settle(self->pins, &seen))
		EXPECT_EQ(self->pins, seen)
			TH_LOG("pins outstanding before and after");
	if (self->loaded)
		EXPECT_EQ(0, module_unload(variant->module));
}

/* The number of ranges, or -errno. */
static int64_t get_ranges(int dev, uint64_t first, uint64_t max,
			  struct pinned_buffer_range *to)
{
	struct pinned_buffer_ranges ranges = {
		.first = first,
		.max = max,
		.ranges = (uintptr_t)to,
		.nr = UINT64_MAX,
	};

	if (ioctl(dev, PINNED_BUFFER_IOC_RANGES, &ranges))
		return -errno;
	return ranges.nr;
}

/* Whether the device has the bytes that were filled in. */
static bool holds(FIXTURE_DATA(samples) *self, int dev)
{
	memset(self->bytes, 0, self->len);
	if (read_buffer(dev, 0, self->bytes, self->len))
		return false;
	for (size_t i = 0; i < self->len; i++) {
		if (self->bytes[i] != byte_of(i + OFFSET))
			return false;
	}
	return true;
}

/* Pages that are charged to this process, in KiB: VmPin of its status. */
static long charged(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	long kib = -1;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "VmPin: %ld", &kib) == 1)
			break;
	}
	if (file)
		fclose(file);
	return kib;
}

static long pages_kib(long pages)
{
	return pages * (long)(page_size() / 1024);
}

TEST_F_TIMEOUT(samples, munmap, TEST_SECONDS)
{
	ASSERT_EQ(0, pin(self->dev, self->addr, self->len, 0));
	EXPECT_TRUE(holds(self, self->dev));
	ASSERT_EQ(0, munmap(self->map, PAGES * page_size()));
	EXPECT_TRUE(holds(self, self->dev));
}

/* Other memory at the same addresses, the same memory at other addresses. */
TEST_F_TIMEOUT(samples, remap, TEST_SECONDS)
{
	const size_t len = PAGES * page_size();
	char *place, *moved;

	ASSERT_EQ(0, pin(self->dev, self->addr, self->len,
			 PINNED_BUFFER_WRITABLE));
	place = map_pages(PAGES);
	ASSERT_NE(MAP_FAILED, place);
	moved = mremap(self->map, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	ASSERT_EQ(place, moved);
	ASSERT_EQ(self->map, mmap(self->map, len, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	memset(self->map, 0x55, len);
	EXPECT_TRUE(holds(self, self->dev));

	ASSERT_EQ(0, write_buffer(self->dev, 5, "moved", 5));
	EXPECT_EQ(0, memcmp(moved + OFFSET + 5, "moved", 5));
	EXPECT_EQ(0x55, self->map[OFFSET + 5]);
}

/* fork() leaves pinned pages to the parent, and copies them for the child. */
TEST_F_TIMEOUT(samples, fork, TEST_SECONDS)
{
	int status;
	pid_t child;

	ASSERT_EQ(0, pin(self->dev, self->addr, self->len,
			 PINNED_BUFFER_WRITABLE));
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		memset(self->addr, 0, self->len);
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(holds(self, self->dev));
	self->addr[0] = 'x';
	ASSERT_EQ(0, read_buffer(self->dev, 0, self->bytes, 1));
	EXPECT_EQ('x', self->bytes[0]);
}

static void send_file(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] = { 0 }, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	if (sendmsg(socket, &msg, 0) != 1)
		_exit(3);
}

static int receive_file(int socket)
{
	int fd = -1;
	char control[CMSG_SPACE(sizeof(fd))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;

	if (recvmsg(socket, &msg, 0) != 1)
		return -1;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg)
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

/* A process pins, hands the file to another one, and is gone. */
TEST_F_TIMEOUT(samples, exit, TEST_SECONDS)
{
	int sockets[2], status, dev;
	pid_t child;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		dev = open(variant->device, O_RDWR);
		if (dev < 0 || pin(dev, self->addr, self->len,
				   PINNED_BUFFER_WRITABLE))
			_exit(1);
		if (charged() != pages_kib(PAGES))
			_exit(2);
		send_file(sockets[1], dev);
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_EQ(0, status)
		TH_LOG("the child: status %#x", status);
	dev = receive_file(sockets[0]);
	ASSERT_GE(dev, 0);

	EXPECT_TRUE(holds(self, dev));
	EXPECT_EQ(0, write_buffer(dev, 0, "still here", 10));
	EXPECT_EQ(0, read_buffer(dev, 0, self->bytes, 10));
	EXPECT_EQ(0, memcmp(self->bytes, "still here", 10));
	EXPECT_GT(pins_outstanding(), self->pins);
	/* The charge is that of the child, not ours, and stays so. */
	EXPECT_EQ(0, charged());
	EXPECT_EQ(0, close(dev));
	EXPECT_EQ(0, charged());
	close(sockets[0]);
	close(sockets[1]);
}

/* The process becomes another program with another address space. */
TEST_F_TIMEOUT(samples, exec, TEST_SECONDS)
{
	int inherited = dup(self->dev), status;
	pid_t child;

	ASSERT_GE(inherited, 0);
	child = fork();
	ASSERT_GE(child, 0);
	if (!child) {
		if (pin(inherited, self->addr, self->len, 0))
			_exit(99);
		/* It finds no test of that name, which nobody wants to know. */
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
		dup2(STDOUT_FILENO, STDERR_FILENO);
		execl("/proc/self/exe", "samples", "-t", "no such test", NULL);
		_exit(98);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) < 98)
		TH_LOG("the child: status %#x", status);
	EXPECT_TRUE(holds(self, inherited));
	close(inherited);
}

TEST_F_TIMEOUT(samples, memlock, TEST_SECONDS)
{
	const struct rlimit limit = { PAGES * page_size(), PAGES * page_size() };
	struct rlimit before;
	long pins;
	int other;

	other = open(variant->device, O_RDWR | O_CLOEXEC);
	ASSERT_GE(other, 0);
	ASSERT_EQ(0, getrlimit(RLIMIT_MEMLOCK, &before));
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	ASSERT_TRUE(set_capability(CAP_IPC_LOCK, false));

	/* All that is allowed, and then one page more. */
	ASSERT_EQ(0, pin(self->dev, self->addr, self->len, 0));
	EXPECT_EQ(pages_kib(PAGES), charged());
	pins = pins_outstanding();
	EXPECT_EQ(-ENOMEM, pin(other, self->addr, 1, 0));
	EXPECT_EQ(pages_kib(PAGES), charged());
	EXPECT_EQ(pins, pins_outstanding());

	/* A privilege is a privilege. */
	ASSERT_TRUE(set_capability(CAP_IPC_LOCK, true));
	EXPECT_EQ(0, pin(other, self->addr, 1, 0));
	EXPECT_EQ(pages_kib(PAGES + 1), charged());
	ASSERT_TRUE(set_capability(CAP_IPC_LOCK, false));
	close(other);
	EXPECT_EQ(pages_kib(PAGES), charged());
	close(self->dev);
	EXPECT_EQ(0, charged());

	/* Whole pages count; what fails is not charged. */
	self->dev = open(variant->device, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(0, munmap(self->map + page_size(), page_size()));
	EXPECT_EQ(-EFAULT, pin(self->dev, self->addr, self->len, 0));
	EXPECT_EQ(0, charged());
	EXPECT_EQ(-ENOMEM, pin(self->dev, self->addr, PAGES * page_size(), 0));
	EXPECT_EQ(0, charged());
	EXPECT_EQ(0, pin(self->dev, self->addr, 1, 0));
	EXPECT_EQ(pages_kib(1), charged());
}

struct rival {
	pthread_barrier_t *start;
	int dev;
	const void *addr;
	size_t len;
	int answer;
};

static void *compete(void *arg)
{
	struct rival *rival = arg;

	pthread_barrier_wait(rival->start);
	rival->answer = pin(rival->dev, rival->addr, rival->len, 0);
	return NULL;
}

/* Two threads ask for all that is left: one gets it, and one does not. */
TEST_F_TIMEOUT(samples, memlock_race, TEST_SECONDS)
{
	const struct rlimit limit = { PAGES * page_size(), PAGES * page_size() };
	struct rival rivals[2];
	pthread_barrier_t start;
	pthread_t threads[2];

	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	ASSERT_TRUE(set_capability(CAP_IPC_LOCK, false));
	pthread_barrier_init(&start, NULL, 2);
	for (int round = 0; round < 200; round++) {
		for (int i = 0; i < 2; i++) {
			rivals[i] = (struct rival) {
				.start = &start,
				.dev = open(variant->device, O_RDWR | O_CLOEXEC),
				.addr = self->addr,
				.len = self->len,
			};
			ASSERT_GE(rivals[i].dev, 0);
			ASSERT_EQ(0, pthread_create(&threads[i], NULL, compete,
						    &rivals[i]));
		}
		for (int i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		EXPECT_EQ(-ENOMEM, rivals[0].answer + rivals[1].answer);
		EXPECT_EQ(pages_kib(PAGES), charged());
		close(rivals[0].dev);
		close(rivals[1].dev);
		ASSERT_EQ(0, charged());
	}
}

TEST_F_TIMEOUT(samples, write, TEST_SECONDS)
{
	ASSERT_EQ(0, pin(self->dev, self->addr, self->len,
			 PINNED_BUFFER_WRITABLE));
	for (size_t i = 0; i < self->len; i++)
		self->bytes[i] = ~byte_of(i);
	ASSERT_EQ(0, write_buffer(self->dev, 1, self->bytes + 1, self->len - 2));
	EXPECT_EQ(byte_of(OFFSET), self->addr[0]);
	EXPECT_EQ(0, memcmp(self->addr + 1, self->bytes + 1, self->len - 2));
	EXPECT_EQ(byte_of(OFFSET + self->len - 1), self->addr[self->len - 1]);
}

/* What is pinned for reading is not written to, and need not be writable. */
TEST_F_TIMEOUT(samples, read_only, TEST_SECONDS)
{
	ASSERT_EQ(0, mprotect(self->map, PAGES * page_size(), PROT_READ));
	EXPECT_EQ(-EFAULT, pin(self->dev, self->addr, self->len,
			       PINNED_BUFFER_WRITABLE));
	ASSERT_EQ(0, pin(self->dev, self->addr, self->len, 0));
	EXPECT_EQ(-EBADF, write_buffer(self->dev, 0, "x", 1));
	EXPECT_TRUE(holds(self, self->dev));
}

TEST_F_TIMEOUT(samples, ranges, TEST_SECONDS)
{
	struct pinned_buffer_range ranges[PAGES + 1], part[PAGES + 1];
	size_t at = 0;
	int64_t nr;

	ASSERT_EQ(0, pin(self->dev, self->addr, self->len, 0));
	nr = get_ranges(self->dev, 0, PAGES + 1, ranges);
	ASSERT_GE(nr, 1);
	ASSERT_LE(nr, PAGES);
	for (int64_t i = 0; i < nr; i++) {
		for (uint64_t in = 0; in < ranges[i].len;) {
			uint64_t phys = pfn_of(self->addr + at) * page_size() +
					(uintptr_t)(self->addr + at) % page_size();
			size_t rest = page_size() - phys % page_size();

			ASSERT_EQ(phys, ranges[i].addr + in);
			if (rest > ranges[i].len - in)
				rest = ranges[i].len - in;
			in += rest;
			at += rest;
		}
	}
	EXPECT_EQ(self->len, at);

	/* From any range on, any number of them. */
	for (int64_t first = 0; first <= nr; first++) {
		ASSERT_EQ(first < nr, get_ranges(self->dev, first, 1, part));
		if (first < nr)
			EXPECT_EQ(0, memcmp(part, ranges + first, sizeof(*part)));
	}
	EXPECT_EQ(0, get_ranges(self->dev, UINT64_MAX, UINT64_MAX, part));
	EXPECT_EQ(0, get_ranges(self->dev, 0, 0, NULL));
	EXPECT_EQ(-EFAULT, get_ranges(self->dev, 0, 1, NULL));

	ASSERT_TRUE(set_capability(CAP_SYS_ADMIN, false));
	EXPECT_EQ(-EPERM, get_ranges(self->dev, 0, PAGES, part));
	ASSERT_TRUE(set_capability(CAP_SYS_ADMIN, true));
}

/* A huge page is one range, and takes one pin. */
TEST_F_TIMEOUT(samples, huge_page, TEST_SECONDS)
{
	struct pinned_buffer_range ranges[2];
	struct memory memory;
	long pins;

	if (!pmd_size() || !memory_make(MEM_THP, &memory, pmd_size()))
		SKIP(return, "no transparent huge page");
	pins = pins_outstanding();
	ASSERT_EQ(0, pin(self->dev, memory.addr, pmd_size(), 0));
	EXPECT_EQ(pins + 1, pins_outstanding());
	ASSERT_EQ(1, get_ranges(self->dev, 0, 2, ranges));
	EXPECT_EQ(pmd_size(), ranges[0].len);
	EXPECT_EQ(pages_kib(pmd_size() / page_size()), charged());
	memory_free(&memory);
}

TEST_F_TIMEOUT(samples, errors, TEST_SECONDS)
{
	const uint64_t len = self->len;
	char byte;

	EXPECT_EQ(-ENXIO, read_buffer(self->dev, 0, &byte, 1));
	EXPECT_EQ(-ENXIO, write_buffer(self->dev, 0, &byte, 1));
	EXPECT_EQ(-ENXIO, get_ranges(self->dev, 0, 1, NULL));

	EXPECT_EQ(-EINVAL, pin(self->dev, self->addr, 0, 0));
	for (int bit = 1; bit < 64; bit++)
		EXPECT_EQ(-EINVAL, pin(self->dev, self->addr, len, 1ULL << bit));
	EXPECT_EQ(-EOVERFLOW, pin(self->dev, self->addr, UINT64_MAX, 0));
	EXPECT_EQ(-EFAULT, pin(self->dev, NULL, len, 0));
	EXPECT_EQ(0, charged());

	ASSERT_EQ(0, pin(self->dev, self->addr, len, PINNED_BUFFER_WRITABLE));
	EXPECT_EQ(-EBUSY, pin(self->dev, self->addr, len, 0));
	EXPECT_EQ(pages_kib(PAGES), charged());

	EXPECT_EQ(0, read_buffer(self->dev, len - 1, &byte, 1));
	EXPECT_EQ(0, read_buffer(self->dev, len, &byte, 0));
	EXPECT_EQ(-EINVAL, read_buffer(self->dev, len, &byte, 1));
	EXPECT_EQ(-EINVAL, read_buffer(self->dev, 1, self->bytes, len));
	EXPECT_EQ(-EINVAL, read_buffer(self->dev, UINT64_MAX, self->bytes, 2));
	EXPECT_EQ(-EINVAL, write_buffer(self->dev, 2, self->bytes, UINT64_MAX));
	EXPECT_EQ(-EFAULT, read_buffer(self->dev, 0, NULL, 1));
	EXPECT_EQ(-EFAULT, write_buffer(self->dev, 0, NULL, 1));
	EXPECT_TRUE(holds(self, self->dev));

	EXPECT_EQ(-1, ioctl(self->dev, _IO('P', 0xa0), NULL));
	EXPECT_EQ(ENOTTY, errno);
}

/* The module stays as long as somebody holds memory through it. */
TEST_F_TIMEOUT(samples, unload, TEST_SECONDS)
{
	ASSERT_EQ(0, pin(self->dev, self->addr, self->len, 0));
	EXPECT_EQ(-EWOULDBLOCK, module_unload(variant->module));
	EXPECT_TRUE(holds(self, self->dev));
}

/* Lines of the list of owners that begin with a name. */
static int owners(const char *name, long *ranges, long *pages)
{
	FILE *file = fopen(pins_file, "re");
	char line[512], owner[64];
	int nr = 0;

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s %*s %*s %*s %*s %ld %ld", owner, ranges,
			   pages) == 3 && !strcmp(owner, name))
			nr++;
	}
	fclose(file);
	return nr;
}

TEST_F_TIMEOUT(samples, owners, TEST_SECONDS)
{
	struct pinned_buffer_range all[PAGES];
	long ranges, pages;

	if (access(pins_file, R_OK))
		SKIP(return, "no %s", pins_file);
	EXPECT_EQ(0, owners(variant->module, &ranges, &pages));
	ASSERT_EQ(0, pin(self->dev, self->addr, self->len, 0));
	EXPECT_EQ(1, owners(variant->module, &ranges, &pages));
	EXPECT_EQ(PAGES, pages);
	EXPECT_EQ(get_ranges(self->dev, 0, PAGES, all), ranges);
	close(self->dev);
	EXPECT_EQ(0, owners(variant->module, &ranges, &pages));
	self->dev = -1;
}

TEST_HARNESS_MAIN
