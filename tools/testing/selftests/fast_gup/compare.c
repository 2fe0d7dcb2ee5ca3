// SPDX-License-Identifier: GPL-2.0
/* See compare.h. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "compare.h"

/* Subjects are a few pages; the counts of bad requests need no room. */
#define ROOM	64

bool range_make(struct range *r, const struct subject *subject)
{
	memset(r, 0, sizeof(*r));
	r->memory.fd = -1;
	r->fd[0] = -1;
	r->fd[1] = -1;
	r->key = -1;
	if (subject->make(r))
		return true;
	range_free(r);
	return false;
}

void range_free(struct range *r)
{
	memory_free(&r->memory);
	for (int i = 0; i < 2; i++)
		if (r->fd[i] >= 0)
			close(r->fd[i]);
	if (r->key >= 0)
		syscall(SYS_pkey_free, r->key);
}

const char *flags_name(uint32_t flags, char *buf, size_t len)
{
	static const struct { uint32_t bit; const char *name; } names[] = {
		{ FAST_GUP_WRITE, "WRITE" },
		{ FAST_GUP_LONGTERM, "LONGTERM" },
		{ FAST_GUP_NOFAULT, "NOFAULT" },
		{ FAST_GUP_PCI_P2PDMA, "P2PDMA" },
		{ FAST_GUP_HONOR_NUMA_FAULT, "NUMA" },
		{ FAST_GUP_FORCE, "FORCE" },
		{ FAST_GUP_INTERRUPTIBLE, "INTERRUPTIBLE" },
	};

	snprintf(buf, len, "-");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!(flags & names[i].bit))
			continue;
		if (buf[0] == '-')
			buf[0] = '\0';
		else
			strncat(buf, "|", len - strlen(buf) - 1);
		strncat(buf, names[i].name, len - strlen(buf) - 1);
	}
	return buf;
}

bool compare(int dev, const struct subject *subject,
	     const struct gup_entry *entry, uint32_t flags,
	     struct answers *answers, char *why, size_t why_len)
{
	char ours[24], reference[24], names[64];
	struct range r;
	struct gup gup;

	memset(answers, 0, sizeof(*answers));
	gup_init(&gup, ROOM);

	if (!range_make(&r, subject))
		goto cannot;
	answers->ours_error = gup_run(dev, &gup, entry->entry, flags, r.addr,
				      r.nr);
	answers->ours = gup.call.result;
	answers->fast_pages = gup.call.fast_pages;
	answers->refusal = gup.call.refusal;
	range_free(&r);

	if (!range_make(&r, subject))
		goto cannot;
	answers->reference_error = gup_run(dev, &gup, entry->reference, flags,
					   r.addr, r.nr);
	answers->reference = gup.call.result;
	range_free(&r);
	gup_free(&gup);

	printf("# %-18s %-15s %-15s ours %-11s C %-11s%s\n", subject->name,
	       entry->name, flags_name(flags, names, sizeof(names)),
	       answer_name(answers->ours_error ?: answers->ours, ours,
			   sizeof(ours)),
	       answer_name(answers->reference_error ?: answers->reference,
			   reference, sizeof(reference)),
	       answers->ours == answers->reference ? "" : "  <-- differ");
	fflush(stdout);
	return true;

cannot:
	snprintf(why, why_len, "%s", r.memory.why);
	gup_free(&gup);
	return false;
}
