// SPDX-License-Identifier: GPL-2.0
/* See race.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "race.h"

#define PINNERS		8		/* at most */
#define CHURN_PAGES	128
#define HARD_LIMIT	60		/* seconds */
/* With fewer of these, the two sides hardly met. */
#define LEAST_CALLS	200
#define LEAST_FAST	100
/* Each thread has its own word in every page, behind the tag. */
#define WORD(thread)	(8 + (thread))

struct pinner {
	struct race *race;
	pthread_t thread;
	int id;
	long iterations;
	volatile bool done;
	struct gup gup;
	struct random_state random;
	unsigned long calls, pages_got, fast, changed, errors, wrong;
};

static pthread_mutex_t first_wrong_lock = PTHREAD_MUTEX_INITIALIZER;

static void report_wrong(struct pinner *p, const char *what, size_t index,
			 const struct page_tag *tag)
{
	struct race *race = p->race;

	p->wrong++;
	pthread_mutex_lock(&first_wrong_lock);
	if (!race->first_wrong[0])
		snprintf(race->first_wrong, sizeof(race->first_wrong),
			 "%s: page %zu through %s: magic %llx owner %llx place %llx generation %llu (fast %llu of %lld)",
			 what, index, gup_entries[p->gup.call.entry].name,
			 (unsigned long long)tag->magic,
			 (unsigned long long)tag->owner,
			 (unsigned long long)tag->place,
			 (unsigned long long)tag->generation,
			 (unsigned long long)p->gup.call.fast_pages,
			 (long long)p->gup.call.result);
	pthread_mutex_unlock(&first_wrong_lock);
}

static void check_page(struct pinner *p, size_t first, size_t i)
{
	struct race *race = p->race;
	struct page_tag tag;
	uint64_t end;

	if (gup_copy(race->dev, p->gup.call.handle, i * page_size(), &tag,
		     sizeof(tag), false) ||
	    gup_copy(race->dev, p->gup.call.handle,
		     (i + 1) * page_size() - sizeof(end), &end, sizeof(end),
		     false)) {
		p->errors++;
		return;
	}
	/* A page that is being tagged just now is half of it still zeroes. */
	if (race->opponent.fresh &&
	    tag_in_the_making(&tag, end, RACE_OWNER, first + i))
		return;
	if (tag.magic != PAGE_TAG_MAGIC || tag.owner != RACE_OWNER ||
	    tag.place != place_code(first + i))
		report_wrong(p, "a page of another place", first + i, &tag);
	else if (end && end != place_code(first + i))
		report_wrong(p, "the end of another page", first + i, &tag);
}

static void check_frames(struct pinner *p, size_t first, size_t nr)
{
	const struct fast_gup_page *pages = p->gup.pages;
	struct race *race = p->race;

	for (size_t i = 0; i < nr; i++) {
		struct page_tag frame = { .place = pages[i].pfn };

		if (!race->belongs(race, first + i, pages[i].pfn))
			report_wrong(p, "a page frame of elsewhere (as the place)",
				     first + i, &frame);
	}
}

/* What is written to the memory must be seen in the page that is pinned. */
static void check_coherent(struct pinner *p, char *base, size_t first,
			   size_t i, uint64_t n)
{
	volatile uint64_t *word;
	uint64_t seen = 0;
	struct page_tag none = { 0 };

	word = (volatile uint64_t *)(base + (first + i) * page_size());
	word[WORD(p->id)] = n;
	if (gup_copy(p->race->dev, p->gup.call.handle,
		     i * page_size() + WORD(p->id) * sizeof(n), &seen,
		     sizeof(seen), false))
		p->errors++;
	else if (seen != n)
		report_wrong(p, "a pin beside the memory", first + i, &none);
}

static void pin_once(struct pinner *p, uint64_t n)
{
	static const uint32_t entries[] = {
		FAST_GUP_ENTRY_PIN, FAST_GUP_ENTRY_KERNEL_PIN,
		FAST_GUP_ENTRY_GET, FAST_GUP_ENTRY_PIN,
		FAST_GUP_ENTRY_GET_ONLY, FAST_GUP_ENTRY_KERNEL_PIN,
		FAST_GUP_ENTRY_KERNEL_GET, FAST_GUP_ENTRY_KERNEL_GET_ONLY,
	};
	static const uint32_t c_entries[] = {
		FAST_GUP_ENTRY_C_PIN, FAST_GUP_ENTRY_C_GET,
		FAST_GUP_ENTRY_C_GET_ONLY, FAST_GUP_ENTRY_C_PIN,
	};
	struct race *race = p->race;
	uint32_t entry = entries[random_below(&p->random, ARRAY_SIZE(entries))];
	uint32_t flags = FAST_GUP_HOLD;
	size_t first = random_below(&p->random, race->pages);
	size_t nr = 1 + random_below(&p->random, race->most);
	char *base = race->base[random_below(&p->random, 2)];
	int64_t got;

	if (nr > race->pages - first)
		nr = race->pages - first;
	if (race->opponent.c_walk && random_below(&p->random, 2))
		entry = c_entries[random_below(&p->random, ARRAY_SIZE(c_entries))];
	if (race->opponent.only) {
		entry = FAST_GUP_ENTRY_GET_ONLY;
		flags = 0;
	}
	if (random_below(&p->random, 2))
		flags |= FAST_GUP_WRITE;
	p->calls++;
	if (gup_run(race->dev, &p->gup, entry, flags,
		    (uintptr_t)base + first * page_size(), nr)) {
		p->errors++;
		return;
	}
	got = p->gup.call.result;
	p->fast += p->gup.call.fast_pages;
	p->changed += p->gup.call.refusal == FAST_GUP_REFUSED_CHANGED;
	if (got > (int64_t)nr || (got < 0 && got != -EFAULT))
		p->errors++;
	if (got <= 0)
		return;
	p->pages_got += got;

	if (race->belongs)
		check_frames(p, first, got);
	if (race->opponent.only)
		return;
	check_page(p, first, 0);
	check_page(p, first, got - 1);
	for (int i = 0; i < 4; i++)
		check_page(p, first, random_below(&p->random, got));
	if (race->opponent.coherent && gup_entries[entry].pin)
		check_coherent(p, base, first, random_below(&p->random, got),
			       n);
	if (gup_release(race->dev, p->gup.call.handle, false))
		p->errors++;
}

static void *pin_loop(void *arg)
{
	struct pinner *p = arg;

	for (long n = 1; n <= p->iterations && !p->race->stop; n++)
		pin_once(p, n);
	p->done = true;
	return NULL;
}

/*
 * Allocates, tags as its own and frees: stale pages become its pages.  The
 * area is mapped before the opponent makes holes, or it would land in one.
 */
static void *churn_loop(void *arg)
{
	size_t len = CHURN_PAGES * page_size();
	struct race *race = arg;

	for (uint64_t n = 1; !race->stop; n++) {
		char *p = mmap(race->churn, len, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

		if (p != race->churn)
			break;
		tag_range(p, len, CHURN_OWNER, n);
		if (n & 1)
			madvise(p, len, MADV_DONTNEED);
		usleep(1000);
	}
	return NULL;
}

static void *opponent_loop(void *arg)
{
	struct race *race = arg;

	while (!race->stop) {
		if (!race->opponent.turn(race, race->turns)) {
			race->turn_failed = true;
			break;
		}
		race->turns++;
	}
	return NULL;
}

void race_init(struct race *race, int dev, struct memory *memory, size_t pages,
	       const struct opponent *opponent)
{
	race->dev = dev;
	race->opponent = *opponent;
	race->memory = memory;
	race->pages = pages;
	race->most = 600;
	race->base[0] = memory->addr;
	race->base[1] = memory->addr;
}

void race_part(struct race *race, size_t *first, size_t *nr)
{
	*first = random_below(&race->random, race->pages);
	*nr = 1 + random_below(&race->random, race->pages - *first);
}

static const char *verdict(const struct race *race)
{
	if (race->wrong)
		return race->first_wrong;
	if (race->turn_failed)
		return "the opponent could not go on";
	if (race->errors)
		return "calls failed that must not";
	/* Whoever else is running may leave too little for either. */
	if (in_company())
		return NULL;
	if (race->turns < race->opponent.least)
		return "the opponent had too few turns";
	if (race->calls < LEAST_CALLS || race->fast < LEAST_FAST)
		return "the walk had too few turns";
	return NULL;
}

const char *race_run(struct race *race)
{
	const double start = seconds(), limit = env_long("FAST_GUP_SECONDS", 5);
	const long iterations = env_long("FAST_GUP_ITERATIONS",
					 race->opponent.only ? 400000 : 40000);
	const long wanted = env_long("FAST_GUP_PINNERS", 2);
	const int nr = wanted < 1 ? 1 : wanted > PINNERS ? PINNERS : wanted;
	struct pinner pinners[PINNERS];
	pthread_t churner, opponent;
	bool running = true;

	race->stop = false;
	race->churn = mmap(NULL, CHURN_PAGES * page_size(), PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (race->churn == MAP_FAILED) {
		race->turn_failed = true;
		return verdict(race);
	}
	random_seed(&race->random, env_long("FAST_GUP_SEED", 1));
	pthread_create(&churner, NULL, churn_loop, race);
	for (int i = 0; i < nr; i++) {
		struct pinner *p = &pinners[i];

		memset(p, 0, sizeof(*p));
		p->race = race;
		p->id = i;
		p->iterations = iterations;
		gup_init(&p->gup, race->most);
		random_seed(&p->random, 100 + i);
		pthread_create(&p->thread, NULL, pin_loop, p);
	}
	/*
	 * The opponent comes last: it makes holes, and the stacks of threads
	 * that start later would land in them.
	 */
	pthread_create(&opponent, NULL, opponent_loop, race);
	while (running && !race->turn_failed) {
		double took = seconds() - start;
		unsigned long calls = 0, wrong = 0;

		usleep(20 * 1000);
		running = false;
		for (int i = 0; i < nr; i++) {
			running |= !pinners[i].done;
			calls += pinners[i].calls;
			wrong += pinners[i].wrong;
		}
		if (wrong)
			break;
		if (took > limit && race->turns >= race->opponent.least &&
		    calls >= LEAST_CALLS)
			break;
		if (took > HARD_LIMIT)
			break;
	}
	race->stop = true;
	for (int i = 0; i < nr; i++) {
		struct pinner *p = &pinners[i];

		pthread_join(p->thread, NULL);
		race->calls += p->calls;
		race->pages_got += p->pages_got;
		race->fast += p->fast;
		race->changed += p->changed;
		race->errors += p->errors;
		race->wrong += p->wrong;
		gup_free(&p->gup);
	}
	pthread_join(opponent, NULL);
	pthread_join(churner, NULL);
	printf("# %lu turns against %lu calls: %lu pages, %lu fast\n",
	       race->turns, race->calls, race->pages_got, race->fast);
	printf("# %lu stopped by a change, %lu errors, %lu wrong\n",
	       race->changed, race->errors, race->wrong);
	if (race->wrong)
		printf("# first: %s\n", race->first_wrong);
	fflush(stdout);
	return verdict(race);
}
