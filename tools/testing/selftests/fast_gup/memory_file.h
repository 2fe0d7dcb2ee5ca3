/* SPDX-License-Identifier: GPL-2.0 */
/* The kinds of memory that have a file behind them; see memory.h. */
#ifndef FAST_GUP_MEMORY_FILE_H
#define FAST_GUP_MEMORY_FILE_H

#include "memory.h"

bool make_tmpfs(struct memory *m, size_t len);
bool make_memfd(struct memory *m, size_t len);
bool make_memfd_private(struct memory *m, size_t len);
bool make_memfd_cow(struct memory *m, size_t len);
bool make_shmem_thp(struct memory *m, size_t len);
bool make_shmem_pairs(struct memory *m, size_t len);
bool make_ext4(struct memory *m, size_t len);
bool make_ext4_private(struct memory *m, size_t len);
bool make_ext4_pairs(struct memory *m, size_t len);
bool make_hugetlb(struct memory *m, size_t len);
bool make_hugetlb_shared(struct memory *m, size_t len);
bool make_gigantic(struct memory *m, size_t len);

/*
 * Tables of huge pages are shared by those who map the same gigabyte of a file
 * of hugetlb where a gigabyte begins, in one process or in several.
 */
#define SHARED_TABLE	(1UL << 30)

/* A file for that; -1: none. */
int shared_table_file(void);
/* Map @m->fd, of which @nr huge pages are free.  false: see m->why. */
bool map_shared_table(struct memory *m, long nr);
/* Leave the table, and map the file again. */
bool leave_shared_table(char *addr, int fd);

#endif /* FAST_GUP_MEMORY_FILE_H */
