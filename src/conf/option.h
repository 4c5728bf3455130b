/*
 * The table of options.  The command line and the configuration file use the
 * same table: a key of the file is the name of an option without its dashes.
 */
#ifndef CONF_OPTION_H
#define CONF_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/options.h"

/* What the option belongs to. */
enum option_scope {
	OPTION_TUNNEL,	/* a tunnel */
	OPTION_LINK,	/* the links; tunnels with the same values share them */
	OPTION_PROCESS, /* the whole process */
};

/* The values of an option, and the type of its field in struct options. */
enum option_kind {
	OPTION_TEXT,	/* any text: const char * */
	OPTION_COUNT,	/* a number from low to high: uint64_t */
	OPTION_SIZE,	/* bytes from low to high: uint64_t */
	OPTION_SECONDS, /* from low to high: uint64_t, milliseconds */
	OPTION_EITHER,	/* one of two words: a bool, true for the second */
	OPTION_ADDRESS, /* of a host: struct addr */
	OPTION_SSH,	/* any text: passed to ssh */
	OPTION_OWN,	/* what take() accepts */
};

struct option_entry;

/* Sets the value of an option that is OPTION_OWN; like option_take(). */
typedef int option_take_cb(struct options *options,
    const struct option_entry *option, const char *text, char *why,
    size_t why_size);

struct option_entry {
	const char *name; /* "L", "max-data" */
	enum option_kind kind;
	enum option_scope scope;
	bool bare; /* on the command line it has no value, which means "yes" */
	bool repeat;	/* may be given more than once; each value counts */
	bool file_only; /* a key of the file only */
	bool one_word;	/* the value has no blanks */
	size_t at;	/* offset in struct options */
	uint64_t low;
	uint64_t high;
	const char *words[2]; /* OPTION_EITHER: both; OPTION_SSH: "-F";
			       * OPTION_OWN: the default, or NULL */
	option_take_cb *take;
};

/* Returns the option at index n of the table; NULL after the last one. */
const struct option_entry *option_at(size_t n);

/* The option with that name, or NULL. */
const struct option_entry *option_find(const char *name);

/*
 * Sets the option to the value that text stands for; if it can be repeated,
 * adds the value.  text must stay valid, because texts are not copied.  Returns
 * 0, -ENOMEM, or -EINVAL with a message in why that says what was expected.
 */
int option_take(struct options *options, const struct option_entry *option,
    const char *text, char *why, size_t why_size);

/* Writes the text to why.  Returns -EINVAL. */
int option_refuse(char *why, size_t why_size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Returns the option's default as a user would write it, in text (size bytes)
 * or as a constant; NULL if it has none. */
const char *option_default(const struct option_entry *option, char *text,
    size_t size);

#endif
