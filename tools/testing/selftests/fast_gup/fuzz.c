// SPDX-License-Identifier: GPL-2.0
/*
 * Calls of the device that nobody has thought of, among changes of the memory
 * that they are about: whatever they answer, nothing is lost, nothing is
 * released twice, no page is another's, and the kernel has nothing to complain
 * of.
 *
 *	FAST_GUP_FUZZ		programs to run
 *	FAST_GUP_SEED		of the dice
 *	FAST_GUP_PROGRAM	one program, in hexadecimal, instead of all that
 *	FAST_GUP_SHOW		print each program before it runs
 */
#include <stdio.h>
#include "fuzz.h"
#include "memory.h"
#include "session.h"

#define CORPUS		512
/* Programs between two looks at the counters, which stop every CPU. */
#define LOOK_AFTER	16

/* What was found once, and what leads far. */
static const char *const known[] = {
	/* Ranges of a huge page: pinned, split, packed, copied from, released. */
	"020000091a030bff1fff40ff000005000000ff04ff000006000002ff00000400010001ff10ff40000000000300010000000000",
	/* Pages: pinned for writing, copied to, released dirty; and got. */
	"010002091e030b40ff00000400000001ff10ff40010000000300000001000000",
	"010000091e030b40ff00000300000000000000",
	/* A benchmark of ranges. */
	"070004011e07ff0200000000",
};

FIXTURE(fuzz) {
	struct session session;
	struct fuzz_world world;
	struct random_state random;
	struct program *corpus;
	size_t kept;
};

FIXTURE_SETUP(fuzz)
{
	if (!session_open(_metadata, &self->session))
		return;
	self->corpus = calloc(CORPUS, sizeof(*self->corpus));
	ASSERT_NE(NULL, self->corpus);
	ASSERT_TRUE(fuzz_world_make(&self->world))
		TH_LOG("%s", strerror(errno));
	/* Memory that was made is pinned by nobody. */
	self->session.pins = pins_outstanding();
	cover_open();
}

FIXTURE_TEARDOWN(fuzz)
{
	if (self->session.dev < 0 || !self->corpus)
		return;
	fuzz_world_free(&self->world);
	session_close(_metadata, &self->session);
	free(self->corpus);
}

static void show(const char *what, const struct program *p)
{
	printf("# %s FAST_GUP_PROGRAM=", what);
	for (size_t i = 0; i < p->len; i++)
		printf("%02x", p->bytes[i]);
	printf("\n");
	fflush(stdout);
}

static void from_text(struct program *p, const char *text)
{
	unsigned int value;

	p->len = 0;
	while (p->len < PROGRAM_MAX &&
	       sscanf(text + 2 * p->len, "%2x", &value) == 1)
		p->bytes[p->len++] = value;
}

static void fresh(struct random_state *r, struct program *p)
{
	p->len = 1 + random_below(r, PROGRAM_MAX / 2);
	for (size_t i = 0; i < p->len; i++)
		p->bytes[i] = random_next(r) >> 24;
}

/* One of what libFuzzer does: change, insert, remove, repeat, cross over. */
static void mutate(struct random_state *r, struct program *p,
		   const struct program *other)
{
	size_t at = random_below(r, p->len);
	size_t n = 1 + random_below(r, 8);

	switch (random_below(r, 6)) {
	case 0:
		p->bytes[at] = random_next(r) >> 24;
		break;
	case 1:
		p->bytes[at] ^= 1u << random_below(r, 8);
		break;
	case 2:
		p->bytes[at] += random_below(r, 2) ? 1 : -1;
		break;
	case 3:
		if (p->len + n > PROGRAM_MAX)
			break;
		memmove(p->bytes + at + n, p->bytes + at, p->len - at);
		p->len += n;
		for (size_t i = 0; i < n; i++)
			p->bytes[at + i] = random_next(r) >> 24;
		break;
	case 4:
		if (n >= p->len - at)
			break;
		memmove(p->bytes + at, p->bytes + at + n, p->len - at - n);
		p->len -= n;
		break;
	case 5:
		n = random_below(r, other->len);
		if (at + other->len - n > PROGRAM_MAX)
			break;
		memcpy(p->bytes + at, other->bytes + n, other->len - n);
		p->len = at + other->len - n;
		break;
	}
}

static void next(FIXTURE_DATA(fuzz) *self, struct program *p)
{
	struct random_state *r = &self->random;

	if (!self->kept || !random_below(r, 8)) {
		fresh(r, p);
		return;
	}
	*p = self->corpus[random_below(r, self->kept)];
	for (size_t i = 1 + random_below(r, 4); i; i--)
		mutate(r, p, &self->corpus[random_below(r, self->kept)]);
}

static void run_one(struct __test_metadata *_metadata, FIXTURE_DATA(fuzz) *self,
		    const struct program *p)
{
	if (getenv("FAST_GUP_SHOW"))
		show("runs", p);
	cover_begin();
	fuzz_run(&self->world, p);
	if (cover_end()) {
		size_t at = self->kept < CORPUS ? self->kept++ :
				random_below(&self->random, CORPUS);

		self->corpus[at] = *p;
	}
	if (self->world.wrong[0])
		show("wrong", p);
	ASSERT_EQ(0, self->world.wrong[0])
		TH_LOG("%s", self->world.wrong);
	ASSERT_TRUE(fuzz_world_reset(&self->world))
		TH_LOG("%s", strerror(errno));
}

TEST_F_TIMEOUT(fuzz, calls, 2 * TEST_SECONDS)
{
	const long rounds = env_long("FAST_GUP_FUZZ", 4000);
	const long seed = env_long("FAST_GUP_SEED", 4711);
	const char *given = getenv("FAST_GUP_PROGRAM");
	struct program batch[LOOK_AFTER], p;
	long seen;

	random_seed(&self->random, seed);
	printf("# FAST_GUP_SEED=%ld FAST_GUP_FUZZ=%ld\n", seed, rounds);
	fflush(stdout);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		from_text(&p, given ?: known[i]);
		run_one(_metadata, self, &p);
		ASSERT_TRUE(pins_settle(self->session.pins, &seen))
			TH_LOG("program %zu: %ld pins too many", i,
			       seen - self->session.pins);
		if (given)
			return;
	}
	for (long n = 1; n <= rounds; n++) {
		struct program *one = &batch[n % LOOK_AFTER];

		next(self, one);
		run_one(_metadata, self, one);
		if (n % LOOK_AFTER && n != rounds)
			continue;
		if (!pins_settle(self->session.pins, &seen)) {
			for (size_t i = 0; i < LOOK_AFTER && i < n; i++)
				show("suspect", &batch[i]);
			ASSERT_EQ(self->session.pins, seen)
				TH_LOG("pins lost, or released twice");
		}
	}
	printf("# %zu programs reach something new, %zu things in all, %s\n",
	       self->kept, cover_total(),
	       cover_kernel() ? "told by the kernel" : "by their answers alone");
	for (int i = 0; i < NR_FUZZ_CALLS; i++) {
		printf("# %-9s %6lu of %6lu did something\n", fuzz_call_names[i],
		       self->world.done[i], self->world.tried[i]);
		/* Calls that are only refused test little. */
		if (rounds >= 1000) {
			EXPECT_GT(self->world.done[i], 0)
				TH_LOG("no %s succeeds", fuzz_call_names[i]);
		}
	}
	fflush(stdout);
}

TEST_HARNESS_MAIN
