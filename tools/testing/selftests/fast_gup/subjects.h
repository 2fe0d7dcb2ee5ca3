/* SPDX-License-Identifier: GPL-2.0 */
/* Memory that may not be had, or not in every way; used by permissions.c. */
#ifndef FAST_GUP_SUBJECTS_H
#define FAST_GUP_SUBJECTS_H

#include "compare.h"

#define SUBJECT_PAGES	4

bool make_plain(struct range *r);
bool make_none(struct range *r);
bool make_read_only(struct range *r);
bool make_none_thp(struct range *r);
bool make_read_only_thp(struct range *r);
bool make_exec_only(struct range *r);
bool make_write_only(struct range *r);
bool make_write_only_hole(struct range *r);
bool make_hole(struct range *r);
bool make_zero_page(struct range *r);
bool make_beyond_eof(struct range *r);
bool make_guard(struct range *r);
bool make_key_no_access(struct range *r);
bool make_key_no_write(struct range *r);
bool make_secret(struct range *r);
bool make_uffd_missing(struct range *r);
bool make_uffd_wp(struct range *r);
bool make_uffd_wp_thp(struct range *r);
bool make_shadow_stack(struct range *r);
bool make_vvar(struct range *r);
bool make_vdso(struct range *r);
bool make_perf(struct range *r);
bool make_ring(struct range *r);
bool make_file_ext4(struct range *r);
bool make_file_ext4_private(struct range *r);
bool make_file_memfd(struct range *r);
bool make_file_memfd_private(struct range *r);
bool make_huge(struct range *r);

/* A userfaultfd; -1 and errno when there is none. */
int uffd_open(void);

#endif /* FAST_GUP_SUBJECTS_H */
