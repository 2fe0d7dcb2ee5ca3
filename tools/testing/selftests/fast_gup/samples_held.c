// SPDX-License-Identifier: GPL-2.0
/*
 * What the sample drivers hold survives whatever its process does, is bounded
 * by RLIMIT_MEMLOCK, and is released once.
 */
#include <linux/capability.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "samples_fixture.h"

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

/* A message that carries a file: a byte, and room for its number beside it. */
struct message {
	struct msghdr header;
	struct iovec iov;
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
};

static void message_init(struct message *message)
{
	*message = (struct message) {
		.header = {
			.msg_iov = &message->iov,
			.msg_iovlen = 1,
			.msg_control = &message->control,
			.msg_controllen = sizeof(message->control.room),
		},
		.iov = { &message->byte, 1 },
	};
}

static void send_file(int socket, int fd)
{
	struct message message;
	struct cmsghdr *cmsg;

	message_init(&message);
	cmsg = CMSG_FIRSTHDR(&message.header);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	if (sendmsg(socket, &message.header, 0) != 1)
		_exit(3);
}

static int receive_file(int socket)
{
	struct message message;
	struct cmsghdr *cmsg;
	int fd = -1;

	message_init(&message);
	if (recvmsg(socket, &message.header, 0) != 1)
		return -1;
	cmsg = CMSG_FIRSTHDR(&message.header);
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
		if (pages_charged() != PAGES)
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
	EXPECT_EQ(0, pages_charged());
	EXPECT_EQ(0, close(dev));
	EXPECT_EQ(0, pages_charged());
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
		execl("/proc/self/exe", "samples_held", "-t", "no such test", NULL);
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
	EXPECT_EQ(PAGES, pages_charged());
	pins = pins_outstanding();
	EXPECT_EQ(-ENOMEM, pin(other, self->addr, 1, 0));
	EXPECT_EQ(PAGES, pages_charged());
	EXPECT_EQ(pins, pins_outstanding());

	/* A privilege is a privilege. */
	ASSERT_TRUE(set_capability(CAP_IPC_LOCK, true));
	EXPECT_EQ(0, pin(other, self->addr, 1, 0));
	EXPECT_EQ(PAGES + 1, pages_charged());
	ASSERT_TRUE(set_capability(CAP_IPC_LOCK, false));
	close(other);
	EXPECT_EQ(PAGES, pages_charged());
	close(self->dev);
	EXPECT_EQ(0, pages_charged());

	/* Whole pages count; what fails is not charged. */
	self->dev = open(variant->device, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->dev, 0);
	ASSERT_EQ(0, munmap(self->map + page_size(), page_size()));
	EXPECT_EQ(-EFAULT, pin(self->dev, self->addr, self->len, 0));
	EXPECT_EQ(0, pages_charged());
	EXPECT_EQ(-ENOMEM, pin(self->dev, self->addr, PAGES * page_size(), 0));
	EXPECT_EQ(0, pages_charged());
	EXPECT_EQ(0, pin(self->dev, self->addr, 1, 0));
	EXPECT_EQ(1, pages_charged());
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
		EXPECT_EQ(PAGES, pages_charged());
		close(rivals[0].dev);
		close(rivals[1].dev);
		ASSERT_EQ(0, pages_charged());
	}
}

TEST_HARNESS_MAIN
