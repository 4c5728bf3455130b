/*
 * What stands in the configuration files, in its order and with its place: INI
 * by libinih, and include.  What it means is conf/config.h's.
 */
#ifndef CONF_SETTINGS_H
#define CONF_SETTINGS_H

#include <stddef.h>

/* Bytes of a text that is enough for what is wrong with a file. */
#define SETTINGS_WHY_MAX 512

/* One line; a section's own has no key. */
struct setting {
	char *section; /* "defaults", "tunnel plant"; "": before the first */
	char *key;     /* NULL: here a section begins */
	char *value;
	const char *file; /* as it was opened */
	unsigned line;	  /* from 1 on */
};

struct settings {
	struct setting *list;
	size_t n;
	char **files; /* all that were read */
	size_t n_files;
};

/*
 * Reads the file at path into *ret, and what it includes: "include = PATTERN",
 * before its first section, where the pattern (glob(7)) is relative to the
 * file's own directory.  Returns 0, or -EINVAL, -ENOMEM or what opening gave,
 * with a text for people in why ("FILE:LINE: ...").  *ret is the caller's to
 * free, whatever is returned.
 */
int settings_read(const char *path, struct settings *ret,
    char why[SETTINGS_WHY_MAX]);

/*
 * The same as bytes, for another process.  settings_write() returns heap memory
 * and its length, or NULL when out of memory; settings_parse() 0, -ENOMEM, or
 * -EINVAL for bytes that are no such.
 */
char *settings_write(const struct settings *settings, size_t *ret_len);
int settings_parse(const char *bytes, size_t len, struct settings *ret);

void settings_free(struct settings *settings);

/* Writes "FILE:LINE: " and the text to why.  at is NULL: the text only.
 * Returns -EINVAL. */
int settings_complain(char why[SETTINGS_WHY_MAX], const struct setting *at,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Says so.  Returns -ENOMEM. */
int settings_no_memory(char why[SETTINGS_WHY_MAX]);

#endif
