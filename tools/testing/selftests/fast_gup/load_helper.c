// SPDX-License-Identifier: GPL-2.0
/*
 * Background work of load.sh.
 *
 *	load_helper dio			direct I/O until SIGTERM, content checked
 *	load_helper hold PAGES		hold pins through the device until SIGTERM
 *
 * Prints "ready" when it is at work.  Exits 0 when everything was right, and
 * with a line that says what was not otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "blockfile.h"
#include "fast_gup_lib.h"
#include "memory.h"

#define THREADS		2
#define LEN		(256UL << 10)

static volatile sig_atomic_t stop;

static void on_term(int sig)
{
	stop = 1;
}

struct worker {
	pthread_t thread;
	enum memory_kind_id kind;
	struct blockfile *file;
	off_t pos;
	unsigned long rounds;
	bool failed;
};

static void *dio_loop(void *arg)
{
	struct worker *w = arg;
	struct memory m;

	if (!memory_make(w->kind, &m, 2 * LEN)) {
		printf("no buffer: %s\n", m.why);
		w->failed = true;
		return NULL;
	}
	while (!stop && !w->failed) {
		char *out = m.addr + w->rounds % 8 * 512, *in = m.addr + LEN;

		if (w->rounds % 8 == 7)		/* not over the second half */
			out = m.addr;
		fill(out, LEN - 8192, w->rounds, w->pos);
		if (pwrite(w->file->fd, out, LEN - 8192, w->pos) !=
		    (ssize_t)(LEN - 8192) ||
		    pread(w->file->fd, in, LEN - 8192, w->pos) !=
		    (ssize_t)(LEN - 8192)) {
			printf("direct I/O: %s\n", strerror(errno));
			w->failed = true;
		} else if (filled(in, LEN - 8192, w->rounds, w->pos) !=
			   LEN - 8192) {
			printf("other content in round %lu\n", w->rounds);
			w->failed = true;
		}
		w->rounds++;
	}
	memory_free(&m);
	return NULL;
}

static int run_dio(void)
{
	enum block_target target = getenv("FAST_GUP_NULLB") ? ON_NULL_BLK :
							      ON_EXT4;
	struct worker workers[THREADS] = { 0 };
	struct blockfile file;
	unsigned long rounds = 0;
	bool failed = false;

	if (!blockfile_open(&file, target, THREADS * LEN)) {
		printf("%s\n", file.why);
		return 4;
	}
	for (int i = 0; i < THREADS; i++) {
		workers[i].kind = i ? MEM_THP : MEM_ANON;
		workers[i].file = &file;
		workers[i].pos = i * LEN;
		if (pthread_create(&workers[i].thread, NULL, dio_loop,
				   &workers[i]))
			return 1;
	}
	printf("ready\n");
	fflush(stdout);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		failed |= workers[i].failed;
		rounds += workers[i].rounds;
	}
	blockfile_close(&file);
	printf("%lu rounds of direct I/O\n", rounds);
	return failed || !rounds;
}

static int run_hold(long nr)
{
	struct memory m;
	struct gup gup;
	int dev = open(FAST_GUP_DEVICE, O_RDWR | O_CLOEXEC);

	gup_init(&gup, nr);
	if (dev < 0 || !memory_make(MEM_ANON, &m, nr * page_size()) ||
	    gup_run(dev, &gup, FAST_GUP_ENTRY_PIN,
		    FAST_GUP_WRITE | FAST_GUP_HOLD, (uintptr_t)m.addr, nr) ||
	    gup.call.result != nr) {
		printf("cannot hold %ld pages: %s\n", nr, strerror(errno));
		return 1;
	}
	printf("ready\n");
	fflush(stdout);
	while (!stop)
		usleep(20 * 1000);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGTERM, on_term);
	if (argc == 2 && !strcmp(argv[1], "dio"))
		return run_dio();
	if (argc == 3 && !strcmp(argv[1], "hold"))
		return run_hold(atol(argv[2]));
	fprintf(stderr, "usage: load_helper dio | hold PAGES\n");
	return 2;
}
