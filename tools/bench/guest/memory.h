/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

struct memory {
	char name[32];
	bool hugetlb;
	size_t unit;		/* bytes of a folio */
	char *addr;
	size_t len;
	void *area;		/* what to unmap */
	size_t area_len;
	char why[128];		/* it could not be made */
};

/* @kind is NAME:anon:KB:MB or NAME:hugetlb:KB:MB. false: see m->why. */
bool memory_make(struct memory *m, const char *kind);
void memory_free(struct memory *m);

#endif
