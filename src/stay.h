/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FAST_GUP_STAY_H
#define _FAST_GUP_STAY_H

#include <uapi/linux/fast_gup.h>

/* Calls a function in a section of the walk, interrupts off and published. */
typedef void fast_gup_section_t(void (*inside)(void *arg), void *arg);

int fast_gup_stay(struct fast_gup_stay *stay, fast_gup_section_t *section);

#endif /* _FAST_GUP_STAY_H */
