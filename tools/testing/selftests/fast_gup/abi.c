// SPDX-License-Identifier: GPL-2.0
/*
 * The device against callers that are wrong on purpose: every field is
 * checked, nothing is done for a malformed request, nothing leaks at close.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "memory.h"
#include "session.h"

#define PAGES	16

FIXTURE(abi) {
	struct session session;
	struct memory memory;
	struct gup gup;
};

FIXTURE_SETUP(abi)
{
	if (!session_open(_metadata, &self->session))
		return;
	gup_init(&self->gup, PAGES);
	ASSERT_TRUE(memory_make(MEM_ANON, &self->memory, PAGES * page_size()));
}

FIXTURE_TEARDOWN(abi)
{
	memory_free(&self->memory);
	session_close(_metadata, &self->session);
	gup_free(&self->gup);
}

static struct fast_gup_call good_call(FIXTURE_DATA(abi) *self)
{
	return (struct fast_gup_call) {
		.size = sizeof(struct fast_gup_call),
		.version = FAST_GUP_ABI_VERSION,
		.entry = FAST_GUP_ENTRY_PIN,
		.flags = FAST_GUP_HOLD,
		.addr = (uintptr_t)self->memory.addr,
		.nr_pages = PAGES,
		.pages = (uintptr_t)self->gup.pages,
		.max_pages = PAGES,
	};
}

static int answer(int dev, unsigned long cmd, void *arg)
{
	return ioctl(dev, cmd, arg) ? -errno : 0;
}

/* A request with one field wrong: EINVAL, and no page is taken. */
TEST_F(abi, call_fields)
{
	struct fast_gup_call call;
	int dev = self->session.dev;

	call = good_call(self);
	ASSERT_EQ(0, answer(dev, FAST_GUP_IOC_CALL, &call));
	ASSERT_EQ(PAGES, call.result);
	ASSERT_EQ(0, gup_release(dev, call.handle, false));

#define WRONG(field, value)						\
	do {								\
		call = good_call(self);					\
		call.field = (value);					\
		EXPECT_EQ(-EINVAL, answer(dev, FAST_GUP_IOC_CALL, &call)) \
			TH_LOG(#field " = " #value);			\
		EXPECT_EQ(self->session.pins, pins_outstanding());	\
	} while (0)

	WRONG(size, 0);
	WRONG(size, sizeof(call) - 1);
	WRONG(size, sizeof(call) + 8);
	WRONG(size, UINT32_MAX);
	WRONG(version, 0);
	WRONG(version, FAST_GUP_ABI_VERSION + 1);
	WRONG(entry, FAST_GUP_ENTRY_MAX + 1);
	WRONG(entry, UINT32_MAX);
	WRONG(reserved, 1);
	for (int bit = 0; bit < 32; bit++) {
		if (!(FAST_GUP_FLAGS & (1u << bit)))
			WRONG(flags, 1u << bit);
	}
#undef WRONG
}

TEST_F(abi, other_fields)
{
	int dev = self->session.dev;
	struct fast_gup_info info;
	struct fast_gup_release release = { 0 };
	struct fast_gup_copy copy = { 0 };
	char byte = 0;

	for (int i = 0; i < 3; i++) {
		info = (struct fast_gup_info) {
			.size = i == 0 ? 0 : i == 1 ? sizeof(info) + 4 :
				sizeof(info),
			.version = i == 2 ? 99 : FAST_GUP_ABI_VERSION,
		};
		EXPECT_EQ(-EINVAL, answer(dev, FAST_GUP_IOC_INFO, &info));
	}
	ASSERT_EQ(0, gup_info(dev, &info));
	EXPECT_NE(0, info.format[0]);
	EXPECT_EQ(0, info.format[sizeof(info.format) - 1]);
	EXPECT_GE(info.max_section, 1);

	ASSERT_EQ(0, gup_run(dev, &self->gup, FAST_GUP_ENTRY_PIN,
			     FAST_GUP_HOLD, (uintptr_t)self->memory.addr,
			     PAGES));
	for (int i = 0; i < 5; i++) {
		release = (struct fast_gup_release) {
			.size = sizeof(release) + (i == 0),
			.version = FAST_GUP_ABI_VERSION + (i == 1),
			.handle = self->gup.call.handle,
			.dirty = i == 2 ? 2 : i == 3 ? UINT32_MAX : 0,
			.reserved = i == 4,
		};
		EXPECT_EQ(-EINVAL, answer(dev, FAST_GUP_IOC_RELEASE, &release))
			TH_LOG("release %d", i);
	}
	for (int i = 0; i < 5; i++) {
		copy = (struct fast_gup_copy) {
			.size = sizeof(copy) + (i == 0),
			.version = FAST_GUP_ABI_VERSION + (i == 1),
			.handle = self->gup.call.handle,
			.len = 1,
			.buf = (uintptr_t)&byte,
			.to_pages = i == 2 ? 2 : i == 3 ? UINT32_MAX : 0,
			.reserved = i == 4,
		};
		EXPECT_EQ(-EINVAL, answer(dev, FAST_GUP_IOC_COPY, &copy))
			TH_LOG("copy %d", i);
	}
	ASSERT_EQ(0, gup_release(dev, self->gup.call.handle, false));
}

/* Commands that are not ours, and sizes of commands that are not ours. */
TEST_F(abi, unknown_commands)
{
	char buf[512] = { 0 };

	for (unsigned int nr = 0; nr < 256; nr++) {
		int want;

		if (nr >= 0x80 && nr <= 0x83)
			continue;
		want = answer(self->session.dev,
			      _IOWR(FAST_GUP_IOC_MAGIC, nr, struct fast_gup_call),
			      buf);
		EXPECT_TRUE(want == -ENOTTY || want == -EINVAL)
			TH_LOG("command %#x: %d", nr, want);
	}
	EXPECT_NE(0, answer(self->session.dev,
			    _IOWR(FAST_GUP_IOC_MAGIC, 0x81, char[8]), buf));
	EXPECT_NE(0, answer(self->session.dev, 0, buf));
	EXPECT_NE(0, answer(self->session.dev, ~0u, buf));
}

/* Pointers to nowhere, into holes, to the kernel. */
TEST_F(abi, bad_pointers)
{
	static const uint64_t nowhere[] = { 1, 4096, UINT64_MAX - 4095 };
	static const unsigned long cmds[] = {
		FAST_GUP_IOC_INFO, FAST_GUP_IOC_CALL, FAST_GUP_IOC_RELEASE,
		FAST_GUP_IOC_COPY,
	};
	int dev = self->session.dev;
	struct fast_gup_call call;
	char *edge;

	for (size_t c = 0; c < ARRAY_SIZE(cmds); c++) {
		for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++) {
			EXPECT_EQ(-EFAULT,
				  answer(dev, cmds[c],
					 (void *)(uintptr_t)nowhere[i]));
		}
	}

	/* The array of pages is not there: what was taken is given back. */
	for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++) {
		call = good_call(self);
		call.pages = nowhere[i];
		EXPECT_EQ(-EFAULT, answer(dev, FAST_GUP_IOC_CALL, &call));
	}
	EXPECT_EQ(self->session.pins, pins_outstanding());

	/* A structure that ends in a hole. */
	edge = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, edge);
	ASSERT_EQ(0, munmap(edge + page_size(), page_size()));
	call = good_call(self);
	memcpy(edge + page_size() - 16, &call, 16);
	EXPECT_EQ(-EFAULT, answer(dev, FAST_GUP_IOC_CALL,
				  edge + page_size() - 16));
	/* One that can be read and not written. */
	memcpy(edge, &call, sizeof(call));
	ASSERT_EQ(0, mprotect(edge, page_size(), PROT_READ));
	EXPECT_EQ(-EFAULT, answer(dev, FAST_GUP_IOC_CALL, edge));
	munmap(edge, page_size());
	/* Nobody was told the handle: nothing may be held by it. */
	EXPECT_EQ(self->session.pins, pins_outstanding());
}

/* A handle is one file's, and good once. */
TEST_F(abi, handles)
{
	int dev = self->session.dev, other;
	uint64_t handle;
	char byte;

	other = open(FAST_GUP_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(other, 0);
	ASSERT_EQ(0, gup_run(dev, &self->gup, FAST_GUP_ENTRY_PIN,
			     FAST_GUP_HOLD | FAST_GUP_WRITE,
			     (uintptr_t)self->memory.addr, PAGES));
	handle = self->gup.call.handle;
	EXPECT_EQ(-ENOENT, gup_release(other, handle, false));
	EXPECT_EQ(-ENOENT, gup_copy(other, handle, 0, &byte, 1, false));
	EXPECT_EQ(-ENOENT, gup_release(dev, handle + 1, false));
	EXPECT_EQ(-ENOENT, gup_release(dev, 0, false));
	EXPECT_EQ(-ENOENT, gup_release(dev, UINT64_MAX, false));
	EXPECT_EQ(0, gup_release(dev, handle, true));
	EXPECT_EQ(-ENOENT, gup_release(dev, handle, true));
	EXPECT_EQ(-ENOENT, gup_copy(dev, handle, 0, &byte, 1, false));
	close(other);

	/* References cannot be released as pins; they stay held. */
	ASSERT_EQ(0, gup_run(dev, &self->gup, FAST_GUP_ENTRY_GET,
			     FAST_GUP_HOLD | FAST_GUP_WRITE,
			     (uintptr_t)self->memory.addr, PAGES));
	EXPECT_EQ(-EBADF, gup_release(dev, self->gup.call.handle, true));
	EXPECT_EQ(0, gup_release(dev, self->gup.call.handle, false));

	/* Nothing held, nothing named. */
	ASSERT_EQ(0, gup_run(dev, &self->gup, FAST_GUP_ENTRY_PIN, 0,
			     (uintptr_t)self->memory.addr, PAGES));
	EXPECT_EQ(0, self->gup.call.handle);
}

TEST_F(abi, copy_bounds)
{
	const uint64_t len = PAGES * page_size();
	int dev = self->session.dev;
	uint64_t handle;
	char *buf = malloc(len + 1);

	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, gup_run(dev, &self->gup, FAST_GUP_ENTRY_PIN,
			     FAST_GUP_HOLD | FAST_GUP_WRITE,
			     (uintptr_t)self->memory.addr, PAGES));
	handle = self->gup.call.handle;
	EXPECT_EQ(0, gup_copy(dev, handle, 0, buf, len, false));
	EXPECT_EQ(0, gup_copy(dev, handle, len - 1, buf, 1, false));
	EXPECT_EQ(-ERANGE, gup_copy(dev, handle, 0, buf, len + 1, false));
	EXPECT_EQ(-ERANGE, gup_copy(dev, handle, len, buf, 1, false));
	EXPECT_EQ(-ERANGE, gup_copy(dev, handle, 1, buf, len, true));
	EXPECT_EQ(-ERANGE, gup_copy(dev, handle, UINT64_MAX, buf, 2, false));
	EXPECT_EQ(-ERANGE, gup_copy(dev, handle, 2, buf, SIZE_MAX - 1, false));
	EXPECT_EQ(-EFAULT, gup_copy(dev, handle, 0, (void *)1, 16, false));
	EXPECT_EQ(-EFAULT, gup_copy(dev, handle, 0, (void *)1, 16, true));
	ASSERT_EQ(0, gup_release(dev, handle, false));
	free(buf);
}

/*
 * The fields have 64 bits, also where the kernel's numbers have 32: what does
 * not fit is refused, and never cut to something else that is valid.
 */
TEST_F(abi, not_cut_to_32_bits)
{
	const uint64_t beyond = 1ULL << 32;
	int dev = self->session.dev;
	struct fast_gup_call call;
	uint64_t handle;
	char buf[16];

	if (sizeof(long) == 8)
		SKIP(return, "numbers of 64 bits");

	call = good_call(self);
	call.addr += beyond;
	EXPECT_EQ(-ERANGE, answer(dev, FAST_GUP_IOC_CALL, &call));
	call = good_call(self);
	call.pages += beyond;
	EXPECT_EQ(-EFAULT, answer(dev, FAST_GUP_IOC_CALL, &call));
	for (int64_t nr = PAGES - (int64_t)beyond; nr <= PAGES + (int64_t)beyond;
	     nr += 2 * beyond) {
		for (size_t e = 0; e < NR_GUP_ENTRIES; e++) {
			call = good_call(self);
			call.entry = e;
			call.nr_pages = nr;
			EXPECT_EQ(-ERANGE, answer(dev, FAST_GUP_IOC_CALL, &call))
				TH_LOG("%lld pages through %s", (long long)nr,
				       gup_entries[e].name);
		}
	}
	/* More room than there can be is enough room. */
	call = good_call(self);
	call.flags |= FAST_GUP_WRITE;
	call.max_pages += beyond;
	ASSERT_EQ(0, answer(dev, FAST_GUP_IOC_CALL, &call));
	EXPECT_EQ(PAGES, call.result);
	EXPECT_EQ(pfn_of(self->memory.addr), self->gup.pages[0].pfn);
	handle = call.handle;

	EXPECT_EQ(-ENOENT, gup_release(dev, handle + beyond, false));
	EXPECT_EQ(-ENOENT, gup_copy(dev, handle + beyond, 0, buf, 1, false));
	EXPECT_EQ(-ERANGE, gup_copy(dev, handle, beyond, buf, 1, false));
	for (int to_pages = 0; to_pages < 2; to_pages++) {
		struct fast_gup_copy copy = {
			.size = sizeof(copy),
			.version = FAST_GUP_ABI_VERSION,
			.handle = handle,
			.len = 1,
			.buf = (uintptr_t)buf + beyond,
			.to_pages = to_pages,
		};

		EXPECT_EQ(-EFAULT, answer(dev, FAST_GUP_IOC_COPY, &copy));
		copy.buf -= beyond;
		copy.len += beyond;
		EXPECT_EQ(-ERANGE, answer(dev, FAST_GUP_IOC_COPY, &copy));
	}
	EXPECT_EQ(0, gup_release(dev, handle, false));
}

/* Less room than pages, no room, far too much room. */
TEST_F(abi, room)
{
	int dev = self->session.dev;
	struct fast_gup_call call;

	call = good_call(self);
	call.max_pages = 3;
	memset(self->gup.pages, 0xee, PAGES * sizeof(*self->gup.pages));
	if (!answer(dev, FAST_GUP_IOC_CALL, &call)) {
		EXPECT_EQ(0xeeeeeeee, self->gup.pages[3].order)
			TH_LOG("written past max_pages");
		if (call.handle)
			gup_release(dev, call.handle, false);
	}
	call = good_call(self);
	call.pages = 0;
	call.max_pages = 0;
	ASSERT_EQ(0, answer(dev, FAST_GUP_IOC_CALL, &call));
	EXPECT_EQ(PAGES, call.result);
	EXPECT_EQ(0, gup_release(dev, call.handle, false));

	for (int shift = 20; shift < 64; shift += 3) {
		int ret;

		call = good_call(self);
		call.max_pages = 1ULL << shift;
		ret = answer(dev, FAST_GUP_IOC_CALL, &call);
		EXPECT_TRUE(!ret || ret == -EINVAL || ret == -E2BIG ||
			    ret == -ENOMEM || ret == -EFAULT)
			TH_LOG("room for 1 << %d: %d", shift, ret);
		if (!ret) {
			EXPECT_EQ(0, gup_release(dev, call.handle, false));
		}
	}
}

TEST_HARNESS_MAIN
