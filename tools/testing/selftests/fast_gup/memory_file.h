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

#endif /* FAST_GUP_MEMORY_FILE_H */
