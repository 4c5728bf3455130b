/*
 * The options, each with its name, what it takes and where that goes.  The
 * command line and the configuration file read the same table: there, a key is
 * an option without its dashes.
 */
#ifndef CONF_OPTION_H
#define CONF_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/options.h"

/* Whose it is. */
enum option_scope {
	OPTION_TUNNEL,	/* of each tunnel */
	OPTION_LINK,	/* tunnels share links when these are the same */
	OPTION_PROCESS, /* one for all */
};

/* What it takes, and what it goes to in struct options. */
enum option_kind {
	OPTION_FLAG,	/* yes or no: a bool */
	OPTION_TEXT,	/* anything: const char * */
	OPTION_COUNT,	/* a number from low to high: uint64_t */
	OPTION_SIZE,	/* bytes from low to high: uint64_t */
	OPTION_SECONDS, /* from low to high: uint64_t, milliseconds */
	OPTION_EITHER,	/* one of two words: a bool, true for the second */
	OPTION_ADDRESS, /* of a host: struct addr */
	OPTION_SSH,	/* anything: handed to ssh */
	OPTION_OWN,	/* what take says */
};

struct option_entry;

/* As option_take(). */
typedef int option_take_cb(struct options *options,
    const struct option_entry *option, const char *text, char *why,
    size_t why_size);

struct option_entry {
	const char *name; /* "L", "max-data" */
	enum option_kind kind;
	enum option_scope scope;
	bool bare;   /* on the command line it takes no value, which is "yes" */
	bool repeat; /* may be given more than once; each counts */
	size_t at;
	uint64_t low;
	uint64_t high;
	const char *words[2]; /* OPTION_EITHER; OPTION_SSH: "-F"; OPTION_OWN:
			       * the default, if there is any */
	option_take_cb *take;
};

/* Number n, from 0 on; NULL behind the last. */
const struct option_entry *option_at(size_t n);

/* The option with that name, or NULL. */
const struct option_entry *option_find(const char *name);

/*
 * Sets the option to what text says, or adds that.  text is kept, not copied,
 * where the field is a text.  Returns 0, -ENOMEM, or -EINVAL; then why, a text
 * for people, says what was expected.
 */
int option_take(struct options *options, const struct option_entry *option,
    const char *text, char *why, size_t why_size);

/* What it is when nobody gives it, as one would; NULL: there is no such.
 * Returns text or a constant. */
const char *option_default(const struct option_entry *option, char *text,
    size_t size);

/* Every option at its default: no forward, no destination. */
void options_set_defaults(struct options *options);

/*
 * Looks at the whole: a default forward where there is none, and options that
 * would do nothing, or something wrong, beside these forwards.  0, or -EINVAL
 * with options->why.
 */
int options_check(struct options *options);

/* May that be handed to ssh as a destination?  0, or -EINVAL with why. */
int options_check_destination(const char *destination, char *why,
    size_t why_size);

#endif
