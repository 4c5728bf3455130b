/*
 * For scripts/compare-engine: gives the engine mutated inputs of the corpus and
 * prints, for each, a hash of all actions.  Linked with fuzz_engine.c and with
 * -Wl,--wrap=engine_next.
 *
 *	compare_engine CORPUS MUTATIONS SEED [INPUT]
 *
 * The same arguments give the same inputs, whichever engine is linked.  With
 * INPUT, a number from the output, the actions of that one are printed.
 */
#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "fuzz.h"

#define INPUT_MAX 65536
#define PART_MAX 200 /* of another input, or of this one */

static struct {
	char *name;
	uint8_t *bytes;
	size_t len;
} inputs[20000];
static size_t n_inputs;

static uint64_t hash, random_state;
static bool prints;

bool __real_engine_next(struct engine *engine, struct engine_action *action);
bool __wrap_engine_next(struct engine *engine, struct engine_action *action);

/* FNV-1a. */
static void
add(const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		hash ^= ((const uint8_t *)bytes)[i];
		hash *= 1099511628211ULL;
	}
	if (prints)
		fwrite(bytes, 1, len, stdout);
}

static void
add_text(const char *text)
{
	if (text != NULL)
		add(text, strlen(text));
	add("\n", 1);
}

bool
__wrap_engine_next(struct engine *engine, struct engine_action *action)
{
	const struct engine_report *report = &action->report;
	char text[512];

	if (!__real_engine_next(engine, action))
		return false;
	snprintf(text, sizeof(text),
	    "%d peer %d level %d data %u ms %llu framing %d unproven %d "
	    "client %d %d %u server %d %d %u",
	    action->type, action->peer, action->level, action->data,
	    (unsigned long long)action->ms, action->framing, action->unproven,
	    action->client.listens, action->client.family,
	    action->client.to.port, action->server.listens,
	    action->server.family, action->server.to.port);
	add_text(text);
	snprintf(text, sizeof(text),
	    "  verb %d upload %d size %lld offset %llu type %d framed %d "
	    "outcome %d bytes %llu server %u client %u",
	    report->verb, report->upload, (long long)report->size,
	    (unsigned long long)report->offset, report->type, report->framed,
	    report->outcome, (unsigned long long)report->bytes,
	    report->server_code, report->client_code);
	add_text(text);
	add(action->bytes, action->len);
	add_text(report->name);
	add_text(report->why);
	add_text(report->user);
	return true;
}

/* splitmix64; returns a number below limit. */
static size_t
choose(size_t limit)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	z ^= z >> 31;
	return limit == 0 ? 0 : (size_t)(z % limit);
}

/* Inserts a part of another input, or of the same one. */
static size_t
insert(uint8_t *bytes, size_t len, const uint8_t *from, size_t from_len)
{
	uint8_t part[PART_MAX];
	size_t from_at = choose(from_len), at = choose(len + 1);
	size_t n = choose(PART_MAX) + 1;

	if (n > from_len - from_at)
		n = from_len - from_at;
	if (len + n > INPUT_MAX)
		return len;
	memcpy(part, from + from_at, n);
	memmove(bytes + at + n, bytes + at, len - at);
	memcpy(bytes + at, part, n);
	return len + n;
}

static size_t
mutate(uint8_t *bytes, size_t len)
{
	size_t other = choose(n_inputs), at = choose(len), n;

	switch (choose(6)) {
	case 0: /* another byte */
		if (len > 0)
			bytes[at] = (uint8_t)choose(256);
		return len;
	case 1: /* another bit */
		if (len > 0)
			bytes[at] ^= (uint8_t)(1U << choose(8));
		return len;
	case 2:
		return insert(bytes, len, inputs[other].bytes,
		    inputs[other].len);
	case 3:
		return insert(bytes, len, bytes, len);
	case 4: /* some bytes fewer */
		n = choose(40);
		if (n > len - at)
			n = len - at;
		memmove(bytes + at, bytes + at + n, len - at - n);
		return len - n;
	default: /* goes on as another one does */
		n = choose(inputs[other].len);
		if (at + n > INPUT_MAX)
			return len;
		memcpy(bytes + at, inputs[other].bytes + inputs[other].len - n,
		    n);
		return at + n;
	}
}

static int
by_name(const void *one, const void *other)
{
	return strcmp(*(char *const *)one, *(char *const *)other);
}

static void
read_corpus(const char *directory)
{
	const struct dirent *entry;
	DIR *dir = opendir(directory);

	assert(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		assert(n_inputs < sizeof(inputs) / sizeof(inputs[0]));
		inputs[n_inputs++].name = strdup(entry->d_name);
	}
	closedir(dir);
	qsort(inputs, n_inputs, sizeof(inputs[0]), by_name);
	for (size_t i = 0; i < n_inputs; i++) {
		char path[4096];
		FILE *file;

		snprintf(path, sizeof(path), "%s/%s", directory,
		    inputs[i].name);
		file = fopen(path, "rb");
		assert(file != NULL);
		inputs[i].bytes = malloc(INPUT_MAX);
		inputs[i].len = fread(inputs[i].bytes, 1, INPUT_MAX, file);
		fclose(file);
	}
}

int
main(int argc, char **argv)
{
	static uint8_t bytes[INPUT_MAX];
	unsigned long number = 0, only = 0, mutations, seed;

	assert(argc >= 4);
	read_corpus(argv[1]);
	mutations = strtoul(argv[2], NULL, 10);
	seed = strtoul(argv[3], NULL, 10);
	if (argc > 4)
		only = strtoul(argv[4], NULL, 10);
	for (size_t i = 0; i < n_inputs; i++) {
		for (unsigned long m = 0; m <= mutations; m++) {
			size_t len = inputs[i].len;

			random_state = seed * 1000003 + ++number;
			memcpy(bytes, inputs[i].bytes, len);
			for (size_t n = m == 0 ? 0 : 1 + choose(6); n > 0; n--)
				len = mutate(bytes, len);
			if (only != 0 && number != only)
				continue;
			prints = only != 0;
			hash = 14695981039346656037ULL;
			LLVMFuzzerTestOneInput(bytes, len);
			printf("%lu %s %016llx\n", number, inputs[i].name,
			    (unsigned long long)hash);
		}
	}
	return 0;
}
