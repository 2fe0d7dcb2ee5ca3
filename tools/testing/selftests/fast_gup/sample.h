/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests ask the sample drivers for; see samples/pinned_buffer.h.
 *
 *	FAST_GUP_SAMPLES	where their modules are
 *				(default: /lib/modules/extra)
 */
#ifndef FAST_GUP_SAMPLE_H
#define FAST_GUP_SAMPLE_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <pinned_buffer.h>

static inline bool module_load(const char *name)
{
	const char *dir = getenv("FAST_GUP_SAMPLES");
	char path[512];
	int fd, err;

	snprintf(path, sizeof(path), "%s/%s.ko", dir ?: "/lib/modules/extra", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	err = syscall(SYS_finit_module, fd, "", 0);
	close(fd);
	return !err;
}

static inline int module_unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

static inline int pin(int dev, const void *addr, uint64_t len, uint64_t flags)
{
	struct pinned_buffer_pin pin = {
		.addr = (uintptr_t)addr,
		.len = len,
		.flags = flags,
	};

	return ioctl(dev, PINNED_BUFFER_IOC_PIN, &pin) ? -errno : 0;
}

static inline int copy(int dev, unsigned long cmd, uint64_t offset,
		       const void *with, uint64_t len)
{
	struct pinned_buffer_copy copy = {
		.offset = offset,
		.len = len,
		.with = (uintptr_t)with,
	};

	return ioctl(dev, cmd, &copy) ? -errno : 0;
}

static inline int read_buffer(int dev, uint64_t offset, void *to,
			      uint64_t len)
{
	return copy(dev, PINNED_BUFFER_IOC_READ, offset, to, len);
}

static inline int write_buffer(int dev, uint64_t offset, const void *from,
			       uint64_t len)
{
	return copy(dev, PINNED_BUFFER_IOC_WRITE, offset, from, len);
}

/* The number of ranges, or -errno. */
static inline int64_t get_ranges(int dev, uint64_t first, uint64_t max,
				 struct pinned_buffer_range *to)
{
	struct pinned_buffer_ranges ranges = {
		.first = first,
		.max = max,
		.ranges = (uintptr_t)to,
		.nr = UINT64_MAX,
	};

	if (ioctl(dev, PINNED_BUFFER_IOC_RANGES, &ranges))
		return -errno;
	return ranges.nr;
}

#endif /* FAST_GUP_SAMPLE_H */
