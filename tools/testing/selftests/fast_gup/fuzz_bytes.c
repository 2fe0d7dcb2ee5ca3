// SPDX-License-Identifier: GPL-2.0
/* See fuzz_bytes.h. */
#include <stdarg.h>
#include <stdio.h>
#include "fuzz_bytes.h"

unsigned int fuzz_byte(struct bytes *b)
{
	return b->at < b->end ? *b->at++ : 0;
}

unsigned int fuzz_below(struct bytes *b, unsigned int n)
{
	return fuzz_byte(b) % n;
}

static uint64_t word(struct bytes *b)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value = value << 8 | fuzz_byte(b);
	return value;
}

uint64_t fuzz_near(struct bytes *b, uint64_t sane)
{
	unsigned int how = fuzz_byte(b);

	switch (how >> 3) {
	case 0: return 0;
	case 1: return 1ULL << fuzz_byte(b) % 64;
	case 2: return (1ULL << fuzz_byte(b) % 64) - 1;
	case 3: return word(b);
	case 4: return sane + how % 8 - 4;
	default: return sane;
	}
}

void fuzz_wrong(struct fuzz_world *w, const char *fmt, ...)
{
	va_list args;

	if (w->wrong[0])
		return;
	va_start(args, fmt);
	vsnprintf(w->wrong, sizeof(w->wrong), fmt, args);
	va_end(args);
}

bool in_arena(const struct fuzz_world *w, uint64_t addr)
{
	return addr - (uintptr_t)w->arena < NR_SEGMENTS * w->segment;
}

uint64_t fuzz_address(struct fuzz_world *w, struct bytes *b)
{
	unsigned int how = fuzz_byte(b);
	uint64_t addr = (uintptr_t)w->arena + (how % NR_SEGMENTS) * w->segment;
	const uint64_t top = sizeof(long) == 8 ? 1ULL << 47 : 0xc0000000;

	switch (how / NR_SEGMENTS % 8) {
	case 0:
		addr += fuzz_byte(b) * page_size();
		break;
	case 1:
		addr += w->segment / 4 * fuzz_below(b, 4);
		addr += fuzz_below(b, 8) * page_size();
		break;
	case 2:
		addr += w->segment - (1 + fuzz_byte(b)) * page_size();
		break;
	case 3:
		addr += fuzz_byte(b) * page_size();
		addr += fuzz_byte(b) * 16;
		break;
	case 4:
		if (fuzz_below(b, 4))
			break;
		switch (fuzz_below(b, 6)) {
		case 0: return 0;
		case 1: return top - fuzz_below(b, 4) * page_size();
		case 2: return ~0ULL - fuzz_byte(b);
		case 3: return 1ULL << (48 + fuzz_below(b, 16));
		case 4: return -(uint64_t)page_size() * (1 + fuzz_byte(b));
		case 5: return (uint64_t)-1 << fuzz_below(b, 48) << 15;
		}
		break;
	}
	return addr;
}

uint64_t fuzz_length(struct bytes *b)
{
	switch (fuzz_below(b, 8)) {
	case 0: return fuzz_byte(b);
	case 1: return fuzz_near(b, MOST_PAGES);
	case 2: return fuzz_byte(b) * MOST_PAGES / 255;
	default: return fuzz_below(b, 20);
	}
}
