/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/pinned_buffer_rust and /dev/pinned_buffer_c: a buffer of the user that
 * a driver holds.
 *
 * Two sample drivers with one interface.  An open file can pin one buffer of
 * the process that asks for it, and holds it until it is closed, whatever the
 * process does with its mappings meanwhile.
 */
#ifndef _PINNED_BUFFER_H
#define _PINNED_BUFFER_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct pinned_buffer_pin - a buffer to pin
 * @addr:	its address, anywhere in a page
 * @len:	its length in bytes, at least 1
 * @flags:	PINNED_BUFFER_WRITABLE, or 0
 *
 * Its pages count for RLIMIT_MEMLOCK until the file is closed.
 */
struct pinned_buffer_pin {
	__u64 addr;
	__u64 len;
	__u64 flags;
};

/* Whether the buffer will be written to, with PINNED_BUFFER_IOC_WRITE. */
#define PINNED_BUFFER_WRITABLE	1u

/* Physically contiguous bytes of the buffer. */
struct pinned_buffer_range {
	__u64 addr;
	__u64 len;
};

/**
 * struct pinned_buffer_ranges - where the buffer is
 * @first:	the first range wanted
 * @max:	room in @ranges
 * @ranges:	address of an array of struct pinned_buffer_range
 * @nr:		number of ranges from @first on, returned; not more than @max
 *
 * Asking for it needs CAP_SYS_ADMIN: physical addresses help an attacker.
 */
struct pinned_buffer_ranges {
	__u64 first;
	__u64 max;
	__u64 ranges;
	__u64 nr;
};

/**
 * struct pinned_buffer_copy - bytes to copy from or to the buffer
 * @offset:	the first of them
 * @len:	how many
 * @with:	address of where they go to, or come from
 */
struct pinned_buffer_copy {
	__u64 offset;
	__u64 len;
	__u64 with;
};

/*
 * Errors: EBUSY if there is a buffer already; ENOMEM above RLIMIT_MEMLOCK;
 * ENXIO if there is no buffer; EBADF for writing to a buffer that is not
 * writable; EINVAL beyond its end, or for unknown flags.
 */
#define PINNED_BUFFER_IOC_PIN		_IOW('P', 0xa0, struct pinned_buffer_pin)
#define PINNED_BUFFER_IOC_RANGES	_IOWR('P', 0xa1, struct pinned_buffer_ranges)
#define PINNED_BUFFER_IOC_READ		_IOW('P', 0xa2, struct pinned_buffer_copy)
#define PINNED_BUFFER_IOC_WRITE		_IOW('P', 0xa3, struct pinned_buffer_copy)

#endif /* _PINNED_BUFFER_H */
