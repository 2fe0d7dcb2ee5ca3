// SPDX-License-Identifier: GPL-2.0
/*
 * Runs in the guest: threads that read from a block device past the page cache,
 * beside one that maps and unmaps memory of the same process all the time.
 *
 *	direct_io DEVICE SECONDS THREADS BYTES
 *
 * One line for the host:
 *	@io THREADS BYTES READS MAPS NANOSECONDS
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MOST_THREADS 64
#define MAPPED (64 * 4096)

static const char *device;
static size_t bytes;
static atomic_bool go, stop;
/* Each counts for itself, on a cache line of its own. */
static struct count {
	unsigned long nr;
	char space[128 - sizeof(unsigned long)];
} reads[MOST_THREADS], maps;

static void *reader(void *arg)
{
	struct count *count = arg;
	int fd = open(device, O_RDONLY | O_DIRECT);
	void *buf = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (fd < 0 || buf == MAP_FAILED)
		err(1, "%s", device);
	while (!go)
		usleep(1000);
	for (; !stop; count->nr++)
		if (pread(fd, buf, bytes, 0) != (ssize_t)bytes)
			err(1, "read of %s", device);
	return NULL;
}

static void *writer(void *arg)
{
	struct count *count = arg;

	while (!go)
		usleep(1000);
	for (; !stop; count->nr++) {
		char *at = mmap(NULL, MAPPED, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (at == MAP_FAILED)
			err(1, "mmap");
		*at = 1;
		munmap(at, MAPPED);
	}
	return NULL;
}

static unsigned long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

int main(int argc, char **argv)
{
	pthread_t threads[MOST_THREADS + 1];
	unsigned long long begin, end;
	unsigned long sum = 0;
	int nr, seconds;

	if (argc != 5)
		errx(2, "direct_io DEVICE SECONDS THREADS BYTES");
	device = argv[1];
	seconds = atoi(argv[2]);
	nr = atoi(argv[3]);
	bytes = strtoul(argv[4], NULL, 10);
	if (nr < 1 || nr > MOST_THREADS)
		errx(2, "%d threads", nr);

	for (int i = 0; i <= nr; i++) {
		errno = i < nr ? pthread_create(&threads[i], NULL, reader, &reads[i]) :
				 pthread_create(&threads[i], NULL, writer, &maps);
		if (errno)
			err(1, "pthread_create");
	}
	/* Until all of them have got their memory. */
	sleep(1);
	begin = now();
	go = true;
	sleep(seconds);
	stop = true;
	end = now();
	for (int i = 0; i <= nr; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < nr; i++)
		sum += reads[i].nr;
	printf("@io %d %zu %lu %lu %llu\n", nr, bytes, sum, maps.nr, end - begin);
	return 0;
}
