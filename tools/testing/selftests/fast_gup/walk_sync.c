// SPDX-License-Identifier: GPL-2.0
/* See walk_sync.h. */
#include <stdio.h>
#include <string.h>
#include "walk_sync.h"

#define COUNTERS	"/sys/kernel/debug/fast_gup/walk_sync"

bool counters_read(struct counters *c)
{
	char name[32];
	long value;
	int found = 0;
	FILE *f = fopen(COUNTERS, "re");

	if (!f)
		return false;
	while (fscanf(f, "%31s %ld", name, &value) == 2) {
		long *to = !strcmp(name, "calls") ? &c->calls :
			   !strcmp(name, "broadcast") ? &c->broadcast :
			   !strcmp(name, "targeted") ? &c->targeted :
			   !strcmp(name, "skipped") ? &c->skipped :
			   !strcmp(name, "interrupted") ? &c->interrupted : NULL;

		if (to) {
			*to = value;
			found++;
		}
	}
	fclose(f);
	return found == 5;
}

struct counters counted(const struct counters *since)
{
	struct counters now = { 0 };

	counters_read(&now);
	now.calls -= since->calls;
	now.broadcast -= since->broadcast;
	now.targeted -= since->targeted;
	now.skipped -= since->skipped;
	now.interrupted -= since->interrupted;
	return now;
}
