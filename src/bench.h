/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FAST_GUP_BENCH_H
#define _FAST_GUP_BENCH_H

#include <uapi/linux/fast_gup.h>

int fast_gup_bench(struct fast_gup_bench *bench);

#endif /* _FAST_GUP_BENCH_H */
