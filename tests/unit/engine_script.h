/*
 * Sessions of the control engine as text (tests/vectors/engine, whose README
 * has the language).  Anything wrong with a file ends the program.
 */
#ifndef UNIT_ENGINE_SCRIPT_H
#define UNIT_ENGINE_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/engine.h"

#define SCRIPT_STEPS_MAX 400

/* Data connections are numbered below it. */
#define SCRIPT_NUMBERS_MAX 64

#define SCRIPT_RULES_MAX 4

enum input_kind {
	INPUT_START, /* what comes before any input: nothing */
	INPUT_BYTES,
	INPUT_EOF,
	INPUT_LOST,
	INPUT_DATA,
	INPUT_TIMER,
	INPUT_REPLY_TIMER,
	INPUT_GREETING_LATE,
	INPUT_GREETING_OVERDUE,
	INPUT_STOP,
	INPUT_DRAIN,
	INPUT_DRAIN_LATE,
	INPUT_KEEPALIVE,
	INPUT_GRANT,
};

/* What came out, or should: a line for each action. */
struct words {
	FILE *file;
	char *text;
	size_t len;
	int sending; /* the peer whose SEND is the last line, or -1 */
};

struct script_step {
	enum input_kind kind;
	enum engine_peer peer;
	unsigned line;
	uint8_t *bytes;
	size_t len;
	char *why;
	struct engine_data_event event;
	bool counts; /* the event gives numbers of bytes */
	bool peer_said;
	struct words want;
};

struct script {
	const char *path;
	struct engine_config config;
	struct engine_memory memory; /* at the start */
	bool logins;		     /* ENGINE_LOGIN is compared, too */
	bool begins;		     /* ENGINE_BEGIN, and what REPORT repeats */
	struct subnet networks[2];
	struct engine_policy policy;		/* config's, if one is said */
	const char *rules[3][SCRIPT_RULES_MAX]; /* its lists; heap */
	struct script_step steps[SCRIPT_STEPS_MAX];
	size_t n_steps;
};

/* "client" or "server". */
const char *peer_name(enum engine_peer peer);

void words_open(struct words *words);
void words_close(struct words *words);
/* What there is so far; valid until the next word. */
const char *words_text(struct words *words);

/* What is sent to one peer in pieces is one line. */
void words_send(struct words *words, enum engine_peer peer,
    const uint8_t *bytes, size_t len);
void words_end_send(struct words *words);

/* A line of its own. */
void words_say(struct words *words, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* path must live as long as the script. */
struct script *script_read(const char *path);
void script_free(struct script *script);

#endif
