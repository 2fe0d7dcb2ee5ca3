/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls made up from bytes.
 *
 * A program is a string of bytes: each call takes as many as it has choices,
 * so every string is one, and a small change of it is a small change of what is
 * called.  What a program reaches decides whether it is worth changing further:
 * the code of the module, where the kernel tells (CONFIG_KCOV), and what the
 * calls answer.
 */
#ifndef FAST_GUP_FUZZ_H
#define FAST_GUP_FUZZ_H

#include "fast_gup_lib.h"

#define PROGRAM_MAX	256
#define NR_SEGMENTS	5
#define NR_HANDLES	8
#define OUT_ENTRIES	1024

enum fuzz_call {
	FUZZ_INFO, FUZZ_CALL, FUZZ_RANGES, FUZZ_RELEASE, FUZZ_COPY, FUZZ_SPLIT,
	FUZZ_PACK, FUZZ_BENCH, FUZZ_VMSPLICE, FUZZ_DIRECT_IO, FUZZ_PROTECT,
	FUZZ_ADVISE, FUZZ_REMAP, FUZZ_FORK, FUZZ_CLOSE,
	NR_FUZZ_CALLS
};

extern const char *const fuzz_call_names[NR_FUZZ_CALLS];

struct program {
	size_t len;
	uint8_t bytes[PROGRAM_MAX];
};

/* What the calls of a program work on. */
struct fuzz_world {
	int dev[2];
	int pipe[2];
	int disk;			/* O_DIRECT, or -1 */
	int memfd, hugefd;		/* hugefd: -1 if there is no huge page */
	size_t segment;			/* bytes */
	char *arena;			/* NR_SEGMENTS of them, and a guard */
	bool changed[NR_SEGMENTS];	/* to be made anew */
	char *out;			/* OUT_ENTRIES, and a guard */
	size_t out_len;
	uint64_t handles[2][NR_HANDLES];	/* of pages, of ranges */
	unsigned int last[2];		/* the newest of them */
	unsigned long tried[NR_FUZZ_CALLS], done[NR_FUZZ_CALLS];
	char wrong[256];		/* the first answer that cannot be */
};

/* false: could not be made, see errno. */
bool fuzz_world_make(struct fuzz_world *w);
void fuzz_world_free(struct fuzz_world *w);
/* Everything is released, and the memory is as it was. */
bool fuzz_world_reset(struct fuzz_world *w);

void fuzz_run(struct fuzz_world *w, const struct program *program);

/* fuzz_cover.c: what is reached for the first time. */
void cover_open(void);			/* exits if it cannot, see cover_kernel() */
bool cover_kernel(void);		/* does the kernel tell? */
void cover_begin(void);
void cover_answer(unsigned int call, int64_t answer, uint64_t detail);
/* The number of things that had never been reached before cover_begin(). */
size_t cover_end(void);
size_t cover_total(void);

#endif /* FAST_GUP_FUZZ_H */
