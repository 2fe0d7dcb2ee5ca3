// SPDX-License-Identifier: GPL-2.0
/*
 * Memory in folios of one size.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"

#define THP "/sys/kernel/mm/transparent_hugepage"
#define HUGETLB "/sys/kernel/mm/hugepages"
#define FLAG_HUGE_SHIFT 26

static bool cannot(struct memory *m, const char *what, const char *path)
{
	snprintf(m->why, sizeof(m->why), "%s %s: %s", what, path, strerror(errno));
	return false;
}

static bool put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	bool done;

	if (!file)
		return false;
	done = fputs(text, file) >= 0;
	return fclose(file) == 0 && done;
}

/* Transparent huge pages of this size, where they are asked for, and no others. */
static bool thp_only(struct memory *m)
{
	char path[300], name[64];
	struct dirent *entry;
	bool found = false;
	DIR *dir = opendir(THP);

	if (!dir)
		return m->unit == (size_t)getpagesize() || cannot(m, "open", THP);
	snprintf(name, sizeof(name), "hugepages-%zukB", m->unit / 1024);
	while ((entry = readdir(dir))) {
		bool ours = !strcmp(entry->d_name, name);

		if (strncmp(entry->d_name, "hugepages-", 10))
			continue;
		snprintf(path, sizeof(path), THP "/%s/enabled", entry->d_name);
		if (!put(path, ours ? "madvise" : "never") && ours)
			break;
		found |= ours;
	}
	closedir(dir);
	if (found || m->unit == (size_t)getpagesize())
		return true;
	errno = ENOENT;
	return cannot(m, "no folios of", name);
}

/* So many huge pages in the pool. */
static bool pool(const struct memory *m, size_t nr)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), HUGETLB "/hugepages-%zukB/nr_hugepages", m->unit / 1024);
	snprintf(text, sizeof(text), "%zu", nr);
	return put(path, text);
}

bool memory_make(struct memory *m, const char *kind)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	size_t kb, mb, align;
	char type[16];

	memset(m, 0, sizeof(*m));
	if (sscanf(kind, "%31[^:]:%15[^:]:%zu:%zu", m->name, type, &kb, &mb) != 4)
		errx(2, "%s is not NAME:TYPE:KB:MB", kind);
	m->unit = kb * 1024;
	m->len = mb * 1024 * 1024;
	m->hugetlb = !strcmp(type, "hugetlb");
	if (m->hugetlb) {
		if (!pool(m, m->len / m->unit))
			return cannot(m, "no pool of", m->name);
		flags |= MAP_HUGETLB | __builtin_ctzl(m->unit) << FLAG_HUGE_SHIFT;
	} else if (!thp_only(m)) {
		return false;
	}

	/* Aligned to a table of entries, so that every call begins alike. */
	align = m->hugetlb ? 0 : 16 * 1024 * 1024;
	m->area_len = m->len + align;
	m->area = mmap(NULL, m->area_len, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (m->area == MAP_FAILED)
		return cannot(m, "mmap of", m->name);
	m->addr = m->area;
	if (align)
		m->addr += -(size_t)m->addr % align;
	if (!m->hugetlb)
		madvise(m->addr, m->len, m->unit == (size_t)getpagesize() ?
			MADV_NOHUGEPAGE : MADV_HUGEPAGE);
	if (m->hugetlb && madvise(m->addr, m->len, MADV_POPULATE_WRITE)) {
		cannot(m, "not enough", m->name);
		memory_free(m);
		return false;
	}
	for (size_t at = 0; at < m->len; at += getpagesize())
		m->addr[at] = 1;
	return true;
}

void memory_free(struct memory *m)
{
	munmap(m->area, m->area_len);
	if (m->hugetlb)
		pool(m, 0);
}
