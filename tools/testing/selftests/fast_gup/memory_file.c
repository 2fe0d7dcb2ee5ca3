// SPDX-License-Identifier: GPL-2.0
/* Memory with a file behind it, hugetlb among it; see memory.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/memfd.h>
#include "fast_gup_lib.h"
#include "memory_file.h"

#define HUGEPAGES	"/sys/kernel/mm/hugepages"
#define THP		"/sys/kernel/mm/transparent_hugepage/"
#define SHMEM_ENABLED	THP "shmem_enabled"

const char *ext4_directory(char *why, size_t len)
{
	static const char dir[] = "/tmp/fast_gup.ext4";
	const char *dev = getenv("FAST_GUP_EXT4");

	if (!dev || !*dev) {
		snprintf(why, len, "FAST_GUP_EXT4=DEVICE is not set");
		return NULL;
	}
	mkdir(dir, 0755);
	if (mount(dev, dir, "ext4", 0, NULL) && errno != EBUSY) {
		snprintf(why, len, "mount %s: %s", dev, strerror(errno));
		return NULL;
	}
	return dir;
}

static int unlinked_file(const char *dir)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/fast_gup.XXXXXX", dir);
	fd = mkstemp(path);
	if (fd >= 0)
		unlink(path);
	return fd;
}

/* Map m->fd, filled with tagged pages, at an aligned address. */
static bool map_file(struct memory *m, size_t len, size_t align, int flags)
{
	char *addr;

	if (m->fd < 0)
		return memory_cannot(m, "no file: %s", strerror(errno));
	m->len = (len + align - 1) & ~(align - 1);
	m->unit = align;
	if (ftruncate(m->fd, m->len))
		return memory_cannot(m, "ftruncate: %s", strerror(errno));
	addr = memory_reserve(m, m->len, align);
	if (!addr)
		return false;
	m->addr = mmap(addr, m->len, PROT_READ | PROT_WRITE,
		       flags | MAP_FIXED, m->fd, 0);
	if (m->addr == MAP_FAILED)
		return memory_cannot(m, "mmap: %s", strerror(errno));
	return true;
}

/* Pages of the page cache, tagged through the file and mapped by a read. */
static bool map_clean_private(struct memory *m, size_t len, uint64_t owner)
{
	size_t size = page_size();
	char *page = calloc(1, size);
	size_t off;

	if (!map_file(m, len, size, MAP_PRIVATE)) {
		free(page);
		return false;
	}
	for (off = 0; off < m->len; off += size) {
		tag_page(page, owner, off / size, 0);
		if (pwrite(m->fd, page, size, off) != (ssize_t)size) {
			free(page);
			return memory_cannot(m, "write: %s", strerror(errno));
		}
	}
	free(page);
	for (off = 0; off < m->len; off += size)
		(void)*(volatile char *)(m->addr + off);
	return true;
}

bool make_tmpfs(struct memory *m, size_t len)
{
	m->fd = unlinked_file("/dev/shm");
	return map_file(m, len, page_size(), MAP_SHARED);
}

bool make_memfd(struct memory *m, size_t len)
{
	m->fd = memfd_create("fast_gup", MFD_CLOEXEC);
	return map_file(m, len, page_size(), MAP_SHARED);
}

bool make_memfd_private(struct memory *m, size_t len)
{
	m->fd = memfd_create("fast_gup", MFD_CLOEXEC);
	return map_clean_private(m, len, MEM_MEMFD_PRIVATE);
}

/* A private mapping that was written: anonymous pages over a file. */
bool make_memfd_cow(struct memory *m, size_t len)
{
	m->fd = memfd_create("fast_gup", MFD_CLOEXEC);
	return map_file(m, len, page_size(), MAP_PRIVATE);
}

bool make_shmem_thp(struct memory *m, size_t len)
{
	size_t size = pmd_size();

	if (!size || !file_write(SHMEM_ENABLED, "advise"))
		return memory_cannot(m, "no huge pages in shmem");
	m->fd = memfd_create("fast_gup", MFD_CLOEXEC);
	if (!map_file(m, len, size, MAP_SHARED))
		return false;
	madvise(m->addr, m->len, MADV_HUGEPAGE);
	tag_range(m->addr, m->len, 0, 0);
	madvise(m->addr, m->len, MADV_COLLAPSE);
	if (!memory_is_huge(m->addr, m->len))
		return memory_cannot(m, "shmem gave no huge pages");
	return true;
}

/* Folios of two pages, the smallest that are large. */
bool make_shmem_pairs(struct memory *m, size_t len)
{
	const size_t size = 2 * page_size();
	char path[128];
	bool ok;

	snprintf(path, sizeof(path), THP "hugepages-%zukB/shmem_enabled",
		 size >> 10);
	if (!file_write(path, "advise"))
		return memory_cannot(m, "no folios of two pages in shmem");
	/* Or larger ones would come first. */
	file_write(SHMEM_ENABLED, "never");
	m->fd = memfd_create("fast_gup", MFD_CLOEXEC);
	ok = map_file(m, len, size, MAP_SHARED);
	if (ok) {
		madvise(m->addr, m->len, MADV_HUGEPAGE);
		tag_range(m->addr, m->len, 0, 0);
	}
	file_write(path, "never");
	return ok;
}

static bool open_ext4(struct memory *m)
{
	const char *dir = ext4_directory(m->why, sizeof(m->why));

	if (!dir)
		return false;
	m->fd = unlinked_file(dir);
	return true;
}

bool make_ext4(struct memory *m, size_t len)
{
	return open_ext4(m) && map_file(m, len, page_size(), MAP_SHARED);
}

bool make_ext4_private(struct memory *m, size_t len)
{
	return open_ext4(m) && map_clean_private(m, len, MEM_EXT4_PRIVATE);
}

/* The file system makes a folio as large as the write that needs it. */
bool make_ext4_pairs(struct memory *m, size_t len)
{
	const size_t size = 2 * page_size();
	char *zeroes;
	bool ok;

	if (!open_ext4(m) || !map_file(m, len, size, MAP_SHARED))
		return false;
	zeroes = calloc(1, size);
	ok = zeroes;
	for (size_t off = 0; ok && off < m->len; off += size)
		ok = pwrite(m->fd, zeroes, size, off) == (ssize_t)size;
	free(zeroes);
	return ok ? true : memory_cannot(m, "write: %s", strerror(errno));
}

size_t hugetlb_size(void)
{
	char line[128];
	unsigned long kb = 0;
	FILE *f = fopen("/proc/meminfo", "re");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Hugepagesize: %lu kB", &kb) == 1)
			break;
	fclose(f);
	return kb << 10;
}

size_t gigantic_size(void)
{
	unsigned long kb, most = 0;
	struct dirent *entry;
	DIR *dir = opendir(HUGEPAGES);

	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		if (sscanf(entry->d_name, "hugepages-%lukB", &kb) == 1 &&
		    kb > most)
			most = kb;
	closedir(dir);
	most <<= 10;
	return most > hugetlb_size() ? most : 0;
}

bool hugetlb_want(size_t size, long nr)
{
	char path[128], text[32];
	long free_pages, total;

	snprintf(path, sizeof(path), HUGEPAGES "/hugepages-%zukB/free_hugepages",
		 size >> 10);
	free_pages = file_read_long(path);
	if (free_pages >= nr)
		return true;
	snprintf(path, sizeof(path), HUGEPAGES "/hugepages-%zukB/nr_hugepages",
		 size >> 10);
	total = file_read_long(path);
	if (total < 0)
		return false;
	snprintf(text, sizeof(text), "%ld", total + nr - free_pages);
	file_write(path, text);
	return file_read_long(path) >= total + nr - free_pages;
}

static bool map_hugetlb(struct memory *m, size_t len, size_t size, int flags)
{
	size_t log = __builtin_ctzl(size);

	m->len = (len + size - 1) & ~(size - 1);
	m->unit = size;
	if (!hugetlb_want(size, m->len / size))
		return memory_cannot(m, "no %zu huge pages of %zu MB",
				     m->len / size, size >> 20);
	/*
	 * The kernel chooses the place, aligned as it has to be: with a hash
	 * table, not every part of the address space can have every size.
	 */
	m->addr = mmap(NULL, m->len, PROT_READ | PROT_WRITE,
		       flags | MAP_ANONYMOUS | MAP_HUGETLB |
		       (log << MAP_HUGE_SHIFT), -1, 0);
	if (m->addr == MAP_FAILED)
		return memory_cannot(m, "mmap: %s", strerror(errno));
	m->area = m->addr;
	m->area_len = m->len;
	return true;
}

bool make_hugetlb(struct memory *m, size_t len)
{
	if (!hugetlb_size())
		return memory_cannot(m, "no hugetlb");
	return map_hugetlb(m, len, hugetlb_size(), MAP_PRIVATE);
}

bool make_hugetlb_shared(struct memory *m, size_t len)
{
	if (!hugetlb_size())
		return memory_cannot(m, "no hugetlb");
	return map_hugetlb(m, len, hugetlb_size(), MAP_SHARED);
}

bool make_gigantic(struct memory *m, size_t len)
{
	if (!gigantic_size())
		return memory_cannot(m, "no gigantic pages");
	return map_hugetlb(m, len, gigantic_size(), MAP_PRIVATE);
}

int shared_table_file(void)
{
	int fd = memfd_create("fast_gup", MFD_HUGETLB | MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, SHARED_TABLE)) {
		close(fd);
		return -1;
	}
	return fd;
}

static char *map_table(char *addr, int fd, int how)
{
	return mmap(addr, SHARED_TABLE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_NORESERVE | how, fd, 0);
}

bool map_shared_table(struct memory *m, long nr)
{
	uintptr_t addr;

	if (sizeof(void *) < 8)
		return memory_cannot(m, "32 bits share no tables of huge pages");
	if (!hugetlb_size() || !hugetlb_want(hugetlb_size(), nr))
		return memory_cannot(m, "no huge pages to share");
	if (m->fd < 0)
		return memory_cannot(m, "no file of hugetlb");
	/* Where huge pages can be: with a hash table, that is not everywhere. */
	m->area_len = 2 * SHARED_TABLE;
	m->area = mmap(NULL, m->area_len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		       MAP_HUGETLB | MAP_NORESERVE, -1, 0);
	if (m->area == MAP_FAILED) {
		m->area = NULL;
		return memory_cannot(m, "no room for two gigabytes");
	}
	addr = ((uintptr_t)m->area + SHARED_TABLE - 1) & ~(SHARED_TABLE - 1);
	m->addr = map_table((char *)addr, m->fd, MAP_FIXED);
	m->unit = hugetlb_size();
	m->len = SHARED_TABLE;
	if (m->addr == MAP_FAILED)
		return memory_cannot(m, "no room for a gigabyte");
	return true;
}

bool leave_shared_table(char *addr, int fd)
{
	return !munmap(addr, SHARED_TABLE) &&
	       map_table(addr, fd, MAP_FIXED_NOREPLACE) == addr;
}
