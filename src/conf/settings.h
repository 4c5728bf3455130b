/*
 * The lines of the configuration files in their order, each with its place.
 * What they mean is in conf/config.h.
 */
#ifndef CONF_SETTINGS_H
#define CONF_SETTINGS_H

#include <stddef.h>

/* The size of a message about a file, with its NUL. */
#define SETTINGS_WHY_MAX 512

/* One line: a key and its value, or the beginning of a section. */
struct setting {
	const char *section; /* "defaults", "tunnel plant"; "": before any */
	const char *key;     /* NULL: here the section begins */
	const char *value;
	const char *file; /* as it was opened */
	unsigned line;	  /* from 1 on */
	char *memory;	  /* of section, key and value */
};

struct settings {
	struct setting *list;
	size_t n;
	char **files; /* the names of all that were read */
	size_t n_files;
};

/*
 * Reads the file at path into *ret, and the files that it includes. ("include =
 * PATTERN" must be before its first section; the pattern (glob(7)) is relative
 * to the directory of the file.) Returns 0, or -EINVAL, -ENOMEM or the error of
 * open(2), with a message in why ("FILE:LINE: ...").  The caller calls
 * settings_free() in any case.
 */
int settings_read(const char *path, struct settings *ret,
    char why[SETTINGS_WHY_MAX]);

/*
 * Passes settings to another process as bytes.  settings_write() returns heap
 * memory, which the caller frees, and its length; NULL when out of memory.
 * settings_parse() returns 0, -ENOMEM, or -EINVAL for bytes that
 * settings_write() does not write.
 */
char *settings_write(const struct settings *settings, size_t *ret_len);
int settings_parse(const char *bytes, size_t len, struct settings *ret);

void settings_free(struct settings *settings);

/* Writes "FILE:LINE: " and the text to why; only the text if at is NULL.
 * Returns -EINVAL. */
int settings_complain(char why[SETTINGS_WHY_MAX], const struct setting *at,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Writes "FILE:LINE: KEY = VALUE: " and the text to why.  Returns -EINVAL. */
int settings_complain_value(char why[SETTINGS_WHY_MAX],
    const struct setting *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Writes "out of memory" to why.  Returns -ENOMEM. */
int settings_no_memory(char why[SETTINGS_WHY_MAX]);

#endif
