// SPDX-License-Identifier: GPL-2.0
/* See fast_gup_lib.h. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "fast_gup_lib.h"

#define OWN	.own = true
#define KERNEL	.kernel = true
#define C_WALK	.c_walk = true

const struct gup_entry gup_entries[NR_GUP_ENTRIES] = {
	{ FAST_GUP_ENTRY_GET, "GET", OWN,
	  .reference = FAST_GUP_ENTRY_C_GET },
	{ FAST_GUP_ENTRY_GET_ONLY, "GET_ONLY", OWN, .only = true,
	  .reference = FAST_GUP_ENTRY_C_GET_ONLY },
	{ FAST_GUP_ENTRY_PIN, "PIN", OWN, .pin = true,
	  .reference = FAST_GUP_ENTRY_C_PIN },
	{ FAST_GUP_ENTRY_KERNEL_GET, "KERNEL_GET", KERNEL,
	  .reference = FAST_GUP_ENTRY_C_GET },
	{ FAST_GUP_ENTRY_KERNEL_GET_ONLY, "KERNEL_GET_ONLY", KERNEL,
	  .only = true, .reference = FAST_GUP_ENTRY_C_GET_ONLY },
	{ FAST_GUP_ENTRY_KERNEL_PIN, "KERNEL_PIN", KERNEL, .pin = true,
	  .reference = FAST_GUP_ENTRY_C_PIN },
	{ FAST_GUP_ENTRY_C_GET, "C_GET", C_WALK,
	  .reference = FAST_GUP_ENTRY_C_GET },
	{ FAST_GUP_ENTRY_C_GET_ONLY, "C_GET_ONLY", C_WALK, .only = true,
	  .reference = FAST_GUP_ENTRY_C_GET_ONLY },
	{ FAST_GUP_ENTRY_C_PIN, "C_PIN", C_WALK, .pin = true,
	  .reference = FAST_GUP_ENTRY_C_PIN },
	{ FAST_GUP_ENTRY_SLOW_GET, "SLOW_GET",
	  .reference = FAST_GUP_ENTRY_C_GET },
	{ FAST_GUP_ENTRY_SLOW_PIN, "SLOW_PIN", .pin = true,
	  .reference = FAST_GUP_ENTRY_C_PIN },
};

size_t page_size(void)
{
	static size_t size;

	if (!size)
		size = sysconf(_SC_PAGESIZE);
	return size;
}

void gup_init(struct gup *g, size_t room)
{
	memset(g, 0, sizeof(*g));
	g->room = room;
	g->pages = calloc(room ? room : 1, sizeof(*g->pages));
	if (!g->pages) {
		perror("calloc");
		exit(1);
	}
}

void gup_free(struct gup *g)
{
	free(g->pages);
	g->pages = NULL;
}

int gup_run(int dev, struct gup *g, uint32_t entry, uint32_t flags,
	    uint64_t addr, int64_t nr_pages)
{
	struct fast_gup_call *call = &g->call;

	memset(call, 0, sizeof(*call));
	call->size = sizeof(*call);
	call->version = FAST_GUP_ABI_VERSION;
	call->entry = entry;
	call->flags = flags;
	call->addr = addr;
	call->nr_pages = nr_pages;
	call->pages = g->room ? (uintptr_t)g->pages : 0;
	call->max_pages = g->room;

	/* Old answers must not pass for new ones. */
	memset(g->pages, 0xee, g->room * sizeof(*g->pages));
	return ioctl(dev, FAST_GUP_IOC_CALL, call) ? -errno : 0;
}

int gup_release(int dev, uint64_t handle, bool dirty)
{
	struct fast_gup_release release = {
		.size = sizeof(release),
		.version = FAST_GUP_ABI_VERSION,
		.handle = handle,
		.dirty = dirty,
	};

	return ioctl(dev, FAST_GUP_IOC_RELEASE, &release) ? -errno : 0;
}

int gup_copy(int dev, uint64_t handle, uint64_t offset, void *buf, size_t len,
	     bool to_pages)
{
	struct fast_gup_copy copy = {
		.size = sizeof(copy),
		.version = FAST_GUP_ABI_VERSION,
		.handle = handle,
		.offset = offset,
		.len = len,
		.buf = (uintptr_t)buf,
		.to_pages = to_pages,
	};

	return ioctl(dev, FAST_GUP_IOC_COPY, &copy) ? -errno : 0;
}

int gup_info(int dev, struct fast_gup_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->version = FAST_GUP_ABI_VERSION;
	return ioctl(dev, FAST_GUP_IOC_INFO, info) ? -errno : 0;
}

const char *refusal_name(uint32_t refusal)
{
	static const char *const names[] = {
		"not", "absent", "protnone", "permission", "key", "special",
		"bad", "reference", "p2pdma", "longterm", "changed", "folio",
		"shared", "fork",
	};

	return refusal < ARRAY_SIZE(names) ? names[refusal] : "unknown";
}

const char *answer_name(int64_t result, char *buf, size_t len)
{
	static const struct { int err; const char *name; } names[] = {
		{ EFAULT, "EFAULT" }, { EINVAL, "EINVAL" },
		{ EOVERFLOW, "EOVERFLOW" }, { ENOMEM, "ENOMEM" },
		{ EINTR, "EINTR" }, { EOPNOTSUPP, "EOPNOTSUPP" },
		{ EEXIST, "EEXIST" }, { EBUSY, "EBUSY" },
		{ EAGAIN, "EAGAIN" }, { E2BIG, "E2BIG" },
		{ EREMOTEIO, "EREMOTEIO" }, { EHWPOISON, "EHWPOISON" },
	};

	snprintf(buf, len, "%lld", (long long)result);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (result == -names[i].err)
			snprintf(buf, len, "-%s", names[i].name);
	return buf;
}

/*
 * The node counters are kept per CPU up to a threshold; stat_refresh folds
 * them, so that a sum read afterwards is exact.
 */
static void vmstat_fold(void)
{
	char c;
	int fd = open("/proc/sys/vm/stat_refresh", O_RDONLY);

	if (fd < 0)
		return;
	if (read(fd, &c, 1) < 0)
		perror("stat_refresh");
	close(fd);
}

static long named_value(const char *path, const char *prefix)
{
	char line[256];
	size_t len = strlen(prefix);
	long value = -1;
	FILE *f = fopen(path, "re");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, prefix, len) && isblank(line[len])) {
			/* Unsigned, and it wraps: differences stay right. */
			value = strtoull(line + len, NULL, 10);
			break;
		}
	}
	fclose(f);
	return value;
}

long vmstat_read(const char *name)
{
	vmstat_fold();
	return named_value("/proc/vmstat", name);
}

long stats_read(const char *site, const char *key)
{
	char prefix[128];

	snprintf(prefix, sizeof(prefix), "%s %s", site, key);
	return named_value("/sys/kernel/debug/fast_gup/stats", prefix);
}

long pins_outstanding(void)
{
	vmstat_fold();
	return named_value("/proc/vmstat", "nr_foll_pin_acquired") -
	       named_value("/proc/vmstat", "nr_foll_pin_released");
}

long pages_charged(void)
{
	const long kib = named_value("/proc/self/status", "VmPin:");

	return kib < 0 ? kib : kib * 1024 / (long)page_size();
}

bool in_company(void)
{
	return env_long("FAST_GUP_COMPANY", 0);
}

bool pins_settle(long expected, long *seen)
{
	*seen = expected;
	if (in_company())
		return true;
	for (int i = 0; i < 300; i++) {
		*seen = pins_outstanding();
		if (*seen == expected)
			return true;
		usleep(10 * 1000);
	}
	return false;
}

static void pagemap_read(const void *addr, size_t nr, uint64_t *entries)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t len = nr * sizeof(*entries);

	if (fd < 0 ||
	    pread(fd, entries, len,
		  (uintptr_t)addr / page_size() * sizeof(*entries)) !=
	    (ssize_t)len)
		memset(entries, 0, len);
	if (fd >= 0)
		close(fd);
}

uint64_t pagemap_entry(const void *addr)
{
	uint64_t entry;

	pagemap_read(addr, 1, &entry);
	return entry;
}

void pfns_of(const void *addr, size_t nr, uint64_t *pfns)
{
	pagemap_read(addr, nr, pfns);
	for (size_t i = 0; i < nr; i++)
		pfns[i] = pfns[i] & PM_PRESENT ?
			  pfns[i] & ((1ULL << 55) - 1) : 0;
}

uint64_t pfn_of(const void *addr)
{
	uint64_t pfn;

	pfns_of(addr, 1, &pfn);
	return pfn;
}

static long still_of_kind(const uint64_t *pfns, long nr, uint64_t kind)
{
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	uint64_t flags;
	long still = 0;

	for (long i = 0; i < nr; i++) {
		if (pread(fd, &flags, sizeof(flags),
			  pfns[i] * sizeof(flags)) != sizeof(flags) ||
		    flags & kind)
			still++;
	}
	if (fd >= 0)
		close(fd);
	return still;
}

bool pfns_freed(const uint64_t *pfns, long nr, uint64_t kind, long *still)
{
	for (int i = 0; i < 100; i++) {
		*still = still_of_kind(pfns, nr, kind);
		if (*still <= nr / 8)
			return true;
		if (!i)
			lru_drain();
		usleep(10 * 1000);
	}
	return false;
}

bool lru_drain(void)
{
	/* The page cache is dropped, too; nothing else drains them all on request. */
	return file_write("/proc/sys/vm/drop_caches", "1");
}

bool file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t ret;

	if (fd < 0)
		return false;
	ret = write(fd, text, strlen(text));
	close(fd);
	return ret == (ssize_t)strlen(text);
}

long file_read_long(const char *path)
{
	long value = -1;
	FILE *f = fopen(path, "re");

	if (!f)
		return -1;
	if (fscanf(f, "%ld", &value) != 1)
		value = -1;
	fclose(f);
	return value;
}

char task_state(pid_t pid, pid_t tid)
{
	char path[64], line[256], state = '?';
	const char *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	f = fopen(path, "re");
	if (f && fgets(line, sizeof(line), f)) {
		p = strrchr(line, ')');
		if (p && strlen(p) > 2)
			state = p[2];
	}
	if (f)
		fclose(f);
	return state;
}

bool set_capability(int capability, bool have)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return false;
	if (have)
		data[capability / 32].effective |= 1u << capability % 32;
	else
		data[capability / 32].effective &= ~(1u << capability % 32);
	return !syscall(SYS_capset, &header, data);
}

long env_long(const char *name, long dflt)
{
	const char *text = getenv(name);

	return text && *text ? strtol(text, NULL, 0) : dflt;
}

double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

void random_seed(struct random_state *r, uint64_t seed)
{
	r->s = seed * 0x9e3779b97f4a7c15ULL + 1;
}

uint64_t random_next(struct random_state *r)
{
	r->s ^= r->s << 13;
	r->s ^= r->s >> 7;
	r->s ^= r->s << 17;
	return r->s;
}

uint64_t random_below(struct random_state *r, uint64_t n)
{
	return random_next(r) % n;
}
