/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FAST_GUP_STAY_H
#define _FAST_GUP_STAY_H

#include <uapi/linux/fast_gup.h>

int fast_gup_stay(struct fast_gup_stay *stay);

#endif /* _FAST_GUP_STAY_H */
