// SPDX-License-Identifier: GPL-2.0
/* See subjects.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include "subjects.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#endif
#ifndef __NR_map_shadow_stack
#define __NR_map_shadow_stack	453
#endif
#ifndef __NR_memfd_secret
#define __NR_memfd_secret	447
#endif
#ifndef PKEY_DISABLE_ACCESS
#define PKEY_DISABLE_ACCESS	1
#define PKEY_DISABLE_WRITE	2
#endif

static size_t subject_len(void)
{
	return SUBJECT_PAGES * page_size();
}

static bool whole(struct range *r)
{
	r->addr = (uintptr_t)r->memory.addr;
	r->nr = SUBJECT_PAGES;
	return true;
}

static bool failed(struct range *r, const char *what)
{
	return memory_cannot(&r->memory, "%s: %s", what, strerror(errno));
}

static bool make_kind(struct range *r, enum memory_kind_id id)
{
	return memory_make(id, &r->memory, subject_len()) && whole(r);
}

static bool make_protected(struct range *r, enum memory_kind_id id, int prot)
{
	if (!make_kind(r, id))
		return false;
	if (mprotect(r->memory.addr, r->memory.len, prot))
		return failed(r, "mprotect");
	return true;
}

bool make_plain(struct range *r) { return make_kind(r, MEM_ANON); }
bool make_huge(struct range *r) { return make_kind(r, MEM_THP); }
bool make_zero_page(struct range *r) { return make_kind(r, MEM_ZERO); }
bool make_file_ext4(struct range *r) { return make_kind(r, MEM_EXT4); }
bool make_file_memfd(struct range *r) { return make_kind(r, MEM_MEMFD); }

bool make_file_ext4_private(struct range *r)
{
	return make_kind(r, MEM_EXT4_PRIVATE);
}

bool make_file_memfd_private(struct range *r)
{
	return make_kind(r, MEM_MEMFD_PRIVATE);
}

bool make_none(struct range *r)
{
	return make_protected(r, MEM_ANON, PROT_NONE);
}

bool make_read_only(struct range *r)
{
	return make_protected(r, MEM_ANON, PROT_READ);
}

bool make_none_thp(struct range *r)
{
	return make_protected(r, MEM_THP, PROT_NONE);
}

bool make_read_only_thp(struct range *r)
{
	return make_protected(r, MEM_THP, PROT_READ);
}

bool make_exec_only(struct range *r)
{
	return make_protected(r, MEM_ANON, PROT_EXEC);
}

bool make_write_only(struct range *r)
{
	return make_protected(r, MEM_ANON, PROT_WRITE);
}

static bool map_hole(struct range *r, int prot)
{
	char *addr = memory_reserve(&r->memory, subject_len(), page_size());

	if (!addr)
		return false;
	r->memory.addr = mmap(addr, subject_len(), prot,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	r->memory.len = subject_len();
	if (r->memory.addr == MAP_FAILED)
		return failed(r, "mmap");
	return whole(r);
}

bool make_hole(struct range *r)
{
	return map_hole(r, PROT_READ | PROT_WRITE);
}

bool make_write_only_hole(struct range *r)
{
	return map_hole(r, PROT_WRITE);
}

/* The mapping is longer than the file: a touch would be SIGBUS. */
bool make_beyond_eof(struct range *r)
{
	if (!make_kind(r, MEM_MEMFD))
		return false;
	if (ftruncate(r->memory.fd, page_size()))
		return failed(r, "ftruncate");
	return true;
}

bool make_guard(struct range *r)
{
	if (!make_kind(r, MEM_ANON))
		return false;
	if (madvise(r->memory.addr + 2 * page_size(), page_size(),
		    MADV_GUARD_INSTALL))
		return failed(r, "MADV_GUARD_INSTALL");
	return true;
}

static bool make_key(struct range *r, unsigned int rights)
{
	if (!make_kind(r, MEM_ANON))
		return false;
	r->key = syscall(SYS_pkey_alloc, 0UL, (unsigned long)rights);
	if (r->key < 0)
		return failed(r, "no protection keys");
	if (syscall(SYS_pkey_mprotect, r->memory.addr, r->memory.len,
		    PROT_READ | PROT_WRITE, r->key))
		return failed(r, "pkey_mprotect");
	return true;
}

bool make_key_no_access(struct range *r)
{
	return make_key(r, PKEY_DISABLE_ACCESS);
}

bool make_key_no_write(struct range *r)
{
	return make_key(r, PKEY_DISABLE_WRITE);
}

bool make_secret(struct range *r)
{
	char *addr = memory_reserve(&r->memory, subject_len(), page_size());

	r->memory.fd = syscall(__NR_memfd_secret, 0);
	if (!addr || r->memory.fd < 0)
		return failed(r, "memfd_secret");
	if (ftruncate(r->memory.fd, subject_len()))
		return failed(r, "ftruncate");
	r->memory.len = subject_len();
	r->memory.addr = mmap(addr, subject_len(), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_FIXED, r->memory.fd, 0);
	if (r->memory.addr == MAP_FAILED)
		return failed(r, "mmap");
	memset(r->memory.addr, 0x5e, subject_len());
	return whole(r);
}

int uffd_open(void)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffdio_api api = { .api = UFFD_API };

	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool uffd_register(struct range *r, uint64_t mode)
{
	struct uffdio_register reg = {
		.range = { (uintptr_t)r->memory.addr, r->memory.len },
		.mode = mode,
	};

	r->fd[0] = uffd_open();
	if (r->fd[0] < 0)
		return failed(r, "userfaultfd");
	if (ioctl(r->fd[0], UFFDIO_REGISTER, &reg))
		return failed(r, "UFFDIO_REGISTER");
	return true;
}

/* Nobody answers its faults: only calls that never fault may look at it. */
bool make_uffd_missing(struct range *r)
{
	return make_hole(r) &&
	       uffd_register(r, UFFDIO_REGISTER_MODE_MISSING);
}

static bool make_wp(struct range *r, enum memory_kind_id id)
{
	struct uffdio_writeprotect wp;

	if (!make_kind(r, id))
		return false;
	if (!uffd_register(r, UFFDIO_REGISTER_MODE_WP))
		return failed(r, "no write-protection by userfaultfd");
	wp.range.start = (uintptr_t)r->memory.addr;
	wp.range.len = r->memory.len;
	wp.mode = UFFDIO_WRITEPROTECT_MODE_WP;
	if (ioctl(r->fd[0], UFFDIO_WRITEPROTECT, &wp))
		return failed(r, "UFFDIO_WRITEPROTECT");
	return true;
}

bool make_uffd_wp(struct range *r) { return make_wp(r, MEM_ANON); }
bool make_uffd_wp_thp(struct range *r) { return make_wp(r, MEM_THP); }

bool make_shadow_stack(struct range *r)
{
	void *p = (void *)syscall(__NR_map_shadow_stack, 0, subject_len(), 0);

	if (p == MAP_FAILED)
		return failed(r, "no shadow stack");
	r->memory.area = p;
	r->memory.addr = p;
	r->memory.len = subject_len();
	r->memory.area_len = subject_len();
	/* Reading populates it; nothing but a special store may write. */
	for (size_t i = 0; i < SUBJECT_PAGES; i++)
		(void)*(volatile char *)(r->memory.addr + i * page_size());
	return whole(r);
}

/* Part of the process from its start: not ours to unmap. */
static bool find_named(struct range *r, const char *name)
{
	unsigned long start, end;
	char line[512];
	FILE *f = fopen("/proc/self/maps", "re");

	if (!f)
		return failed(r, "maps");
	r->addr = 0;
	while (fgets(line, sizeof(line), f) && !r->addr)
		if (strstr(line, name) &&
		    sscanf(line, "%lx-%lx ", &start, &end) == 2) {
			r->addr = start;
			r->nr = (end - start) / page_size();
		}
	fclose(f);
	if (!r->addr)
		return memory_cannot(&r->memory, "no %s", name);
	if (r->nr > 1)
		r->nr = 1;
	(void)*(volatile char *)(uintptr_t)r->addr;
	return true;
}

bool make_vvar(struct range *r) { return find_named(r, "[vvar]"); }
bool make_vdso(struct range *r) { return find_named(r, "[vdso]"); }

/* A ring buffer of the kernel, in the user's tables. */
bool make_perf(struct range *r)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
	};

	r->fd[0] = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0UL);
	if (r->fd[0] < 0)
		return failed(r, "perf_event_open");
	r->memory.area_len = 5 * page_size();
	r->memory.area = mmap(NULL, r->memory.area_len, PROT_READ | PROT_WRITE,
			      MAP_SHARED, r->fd[0], 0);
	if (r->memory.area == MAP_FAILED) {
		r->memory.area = NULL;
		return failed(r, "mmap of a perf buffer");
	}
	r->memory.addr = r->memory.area;
	r->memory.len = r->memory.area_len;
	for (int i = 0; i < 5; i++)
		(void)*(volatile char *)(r->memory.addr + i * page_size());
	return whole(r);
}

/* Pages inserted into the mapping by a driver (vm_insert_pages()). */
bool make_ring(struct range *r)
{
	struct io_uring_params params = { 0 };

	r->fd[0] = syscall(SYS_io_uring_setup, 64, &params);
	if (r->fd[0] < 0)
		return failed(r, "io_uring_setup");
	r->memory.area_len = page_size();
	r->memory.area = mmap(NULL, r->memory.area_len, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_POPULATE, r->fd[0],
			      IORING_OFF_SQES);
	if (r->memory.area == MAP_FAILED) {
		r->memory.area = NULL;
		return failed(r, "mmap of a ring");
	}
	r->addr = (uintptr_t)r->memory.area;
	r->nr = 1;
	return true;
}
