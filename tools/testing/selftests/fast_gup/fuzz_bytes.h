/* SPDX-License-Identifier: GPL-2.0 */
/* How the bytes of a program are read. */
#ifndef FAST_GUP_FUZZ_BYTES_H
#define FAST_GUP_FUZZ_BYTES_H

#include "fuzz.h"

/* Pages that one call asks for at most, unless it asks for nonsense. */
#define MOST_PAGES	700

/* The rest of a program; zeroes follow its end. */
struct bytes {
	const uint8_t *at, *end;
};

unsigned int fuzz_byte(struct bytes *b);
unsigned int fuzz_below(struct bytes *b, unsigned int n);
/* Mostly @sane, or beside it; else anything. */
uint64_t fuzz_near(struct bytes *b, uint64_t sane);
/* A number of pages. */
uint64_t fuzz_length(struct bytes *b);
/*
 * An address in the arena, or one that nobody has.  Never one of the test's own:
 * it may be written to.
 */
uint64_t fuzz_address(struct fuzz_world *w, struct bytes *b);
bool in_arena(const struct fuzz_world *w, uint64_t addr);

/* Keeps the first answer that cannot be. */
void fuzz_wrong(struct fuzz_world *w, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The calls: what they answer, or -errno. */
typedef int64_t fuzz_function(struct fuzz_world *w, struct bytes *b);
fuzz_function fuzz_info, fuzz_call, fuzz_ranges, fuzz_release, fuzz_copy,
	fuzz_split, fuzz_pack, fuzz_bench, fuzz_vmsplice, fuzz_direct_io,
	fuzz_protect, fuzz_advise, fuzz_remap, fuzz_fork, fuzz_close;

#endif /* FAST_GUP_FUZZ_BYTES_H */
