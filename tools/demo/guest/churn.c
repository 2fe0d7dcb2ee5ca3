// SPDX-License-Identifier: GPL-2.0
/*
 * Direct reads while another thread pulls the memory away.
 *
 * Threads read random chunks of a file into memory of three kinds, and compare
 * each page with the file:
 *   steady    there all the time
 *   fresh     mapped a moment ago: not there yet, the walk has to give up
 *   shaken    another thread discards its pages (MADV_DONTNEED) meanwhile, so
 *             a page may hold the file's data or zeroes, and nothing else
 * That other thread also maps and unmaps regions of its own all the time, which
 * takes page tables away beside the ones being walked.
 *
 *	churn FILE THREADS CHUNKS
 */
#include <pthread.h>
#include "demo.h"

#define CHUNK		(256 << 10)
#define REGION		(4 << 20)
#define THREADS_MAX	64

static int direct;
static const char *content;	/* the file through the page cache */
static off_t size;
static int threads;
static long chunks;
static char *shaken[THREADS_MAX];
static off_t compared;
static bool stop;

static char *map_region(size_t length)
{
	char *map = mmap(NULL, length, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		give_up_errno("mmap");
	return map;
}

/*
 * A shaken page may go while it is looked at, so each of its words is the
 * file's or zero.
 */
static bool is_file_or_zero(const uint64_t *got, const uint64_t *file)
{
	unsigned int i;

	for (i = 0; i < BLOCK / sizeof(*got); i++) {
		uint64_t word = __atomic_load_n(&got[i], __ATOMIC_RELAXED);

		if (word && word != file[i])
			return false;
	}
	return true;
}

static void compare(const char *buffer, off_t at, bool may_be_zero)
{
	int i;

	for (i = 0; i < CHUNK; i += BLOCK) {
		const char *got = buffer + i, *file = content + at + i;

		if (may_be_zero ? is_file_or_zero((const void *)got, (const void *)file)
				: !memcmp(got, file, BLOCK))
			continue;
		give_up("wrong data: %s page for offset %lld of the file",
			may_be_zero ? "shaken" : "own", (long long)(at + i));
	}
}

static void read_chunk(char *buffer, off_t at)
{
	ssize_t n = pread(direct, buffer, CHUNK, at);

	if (n != CHUNK)
		give_up_errno("direct read");
}

static void *reader(void *argument)
{
	int number = (uintptr_t)argument;
	char *steady = populated_buffer(CHUNK, number % 2);
	unsigned int seed = 1 + number;
	long i;

	for (i = 0; i < chunks; i++) {
		off_t at = rand_r(&seed) % (size / CHUNK) * CHUNK;
		char *fresh;

		switch (i % 3) {
		case 0:
			read_chunk(steady, at);
			compare(steady, at, false);
			break;
		case 1:
			fresh = map_region(CHUNK);
			read_chunk(fresh, at);
			compare(fresh, at, false);
			munmap(fresh, CHUNK);
			break;
		case 2:
			read_chunk(shaken[number], at);
			compare(shaken[number], at, true);
			break;
		}
		__atomic_fetch_add(&compared, CHUNK, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void *shaker(void *argument)
{
	const int page_size = sysconf(_SC_PAGESIZE);
	/* Some of the pages of a chunk, a quarter where these are few. */
	const int pages = CHUNK / page_size, shake = pages >= 32 ? 8 : pages / 4;
	unsigned int seed = 99;

	(void)argument;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		char *region = map_region(REGION);
		int i;

		for (i = 0; i < REGION; i += 64 << 10)
			region[i] = 1;
		for (i = 0; i < threads; i++) {
			int page = rand_r(&seed) % (pages - shake);

			if (madvise(shaken[i] + page * page_size, shake * page_size,
				    MADV_DONTNEED))
				give_up_errno("MADV_DONTNEED");
		}
		madvise(region, REGION / 2, MADV_DONTNEED);
		munmap(region, REGION);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[THREADS_MAX], shaking;
	off_t total;
	int i;

	if (argc != 4)
		give_up("usage: churn FILE THREADS CHUNKS");
	threads = atoi(argv[2]);
	chunks = atol(argv[3]);
	if (threads < 1 || threads > THREADS_MAX || chunks < 1)
		give_up("churn: %s threads, %s chunks?", argv[2], argv[3]);
	direct = open_or_give_up(argv[1], O_RDONLY | O_DIRECT);
	size = size_of(direct);
	content = mmap(NULL, size, PROT_READ, MAP_SHARED,
		       open_or_give_up(argv[1], O_RDONLY), 0);
	if (content == MAP_FAILED || size < CHUNK)
		give_up("%s: cannot be mapped", argv[1]);

	for (i = 0; i < threads; i++) {
		shaken[i] = map_region(CHUNK);
		memset(shaken[i], 0, CHUNK);
	}
	if (pthread_create(&shaking, NULL, shaker, NULL))
		give_up("no thread");
	for (i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, reader, (void *)(uintptr_t)i))
			give_up("no thread");
	total = (off_t)threads * chunks * CHUNK;
	while (__atomic_load_n(&compared, __ATOMIC_RELAXED) < total) {
		progress(compared);
		usleep(50000);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	pthread_join(shaking, NULL);
	return 0;
}
